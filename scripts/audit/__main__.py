"""Ask whether advisories are known for what requirements/ pins; `make audit`.

Exit codes: 0 none, 1 some are (listed), 2 wrong usage, 3 no service could be asked, or not
about every package: then nothing, or not all, is known.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from scripts import locks

from .accepted import ACCEPTED
from .verdict import FINE, UNKNOWN, Verdict, nothing_known, verdict

SERVICES: Final = {"osv": "OSV (api.osv.dev)", "pypi": "PyPI (pypi.org/pypi/NAME/VERSION/json)"}
PATIENCE: Final = 600.0
"""Seconds for all packages together."""


def main() -> int:
    """Ask the services one after the other until one answers."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--service", choices=[*SERVICES], help="ask this one alone")
    parser.add_argument("--osv-url", metavar="URL", help="a mirror of OSV: .../v1/query")
    parser.add_argument("--timeout", type=int, default=10, help="seconds per request (10)")
    chosen = parser.parse_args()
    asked: dict[str, str] = {}
    for name in locks.names():
        asked |= locks.pins(name)
    services = [chosen.service] if chosen.service else ["osv"] if chosen.osv_url else [*SERVICES]
    result = Verdict(UNKNOWN, ())
    for service in services:
        result = ask(service, asked, chosen.timeout, chosen.osv_url)
        for sentence in result.sentences:
            print(f"audit: {sentence}", file=sys.stderr if result.code else sys.stdout)
        if result.code != UNKNOWN:
            break
    return result.code


def ask(service: str, asked: dict[str, str], timeout: int, osv_url: str | None = None) -> Verdict:
    """Let pip-audit ask one service about packages (name -> version)."""
    label = SERVICES[service] if osv_url is None else osv_url
    with tempfile.TemporaryDirectory(prefix="audit-") as place:
        pinned = Path(place) / "pinned.txt"
        pinned.write_text("".join(f"{name}=={version}\n" for name, version in asked.items()))
        command = [sys.executable, "-m", "pip_audit", "--format", "json"]
        command += ["--vulnerability-service", service, "--aliases", "on"]
        command += ["--no-deps", "--disable-pip"]
        command += ["--timeout", str(timeout), "--cache-dir", f"{place}/cache"]
        command += ["--progress-spinner", "off", "--requirement", str(pinned)]
        command += ["--osv-url", osv_url] if osv_url else []
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return Verdict(UNKNOWN, (nothing_known(label, f"no end within {PATIENCE:g} s"),))
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return Verdict(UNKNOWN, (nothing_known(label, _why(done.stderr)),))
    result = verdict(answer, asked, label, ACCEPTED)
    if done.returncode and result.code == FINE:
        return Verdict(UNKNOWN, (nothing_known(label, f"pip-audit ended with {done.returncode}"),))
    return result


def _why(errors: str) -> str:
    """The last line of a traceback; the cause alone where requests wraps one in others."""
    last = (errors.strip().splitlines() or ["pip-audit says nothing"])[-1]
    cause = re.search(r"Caused by \w+\((.+)\)\)$", last)
    return (cause[1].rsplit(": ", 1)[-1].strip("\"'") if cause else last)[:300]


if __name__ == "__main__":
    sys.exit(main())
