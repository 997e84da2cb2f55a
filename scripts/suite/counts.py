"""A pytest plugin: what came of a run, as JSON in the file that $SUITE_COUNTS names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

FILE = "SUITE_COUNTS"
"""Name of the environment's variable."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests passed, failed, were skipped, and which were no success."""
    stats = terminalreporter.stats
    counts = {kind or "": len(reports) for kind, reports in stats.items() if kind}
    bad = [
        f"{word} {report.nodeid}"
        for kind, word in (("failed", "FAILED"), ("error", "ERROR"))
        for report in stats.get(kind, ())
    ]
    Path(os.environ[FILE]).write_text(json.dumps({"counts": counts, "bad": bad}))
