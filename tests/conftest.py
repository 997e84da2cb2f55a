"""Fixtures that every test has, and the order in which tests are known.

| fixture | gives |
|---|---|
| `epics_env` | a random prefix and an EPICS environment on loopback (support/epics_env.py) |
| `spawn` | starts Python processes in it and ends them (support/spawn.py) |
| autouse | a test that leaves a process, thread or asyncio task fails (support/leaks.py) |
"""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.epics_env import epics_env, epics_session
from support.examples import examples
from support.leaks import (
    adopt_orphans,
    event_loops,
    no_process_left,
    no_task_left,
    no_thread_left,
)
from support.spawn import spawn

__all__ = [
    "adopt_orphans",
    "epics_env",
    "epics_session",
    "event_loops",
    "no_process_left",
    "no_task_left",
    "no_thread_left",
    "spawn",
]

# A shared machine is slow at times: no test may fail for that alone.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    max_examples=examples(100),
)
settings.load_profile("house")

HERE = Path(__file__).parent

# A shell that starts us in the background lets us ignore Ctrl-C, and with us all that a test
# starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--regenerate` writes golden files anew: see tests/unit/operator/golden.py."""
    parser.addoption("--regenerate", action="store_true", help="write golden files anew")


def pytest_collection_finish() -> None:
    """What was collected stays for the whole run: no garbage collection looks at it again,
    and those of the tests come less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in tests/runtime and tests/cluster carry the marker of that name."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if folder in ("runtime", "cluster"):
            item.add_marker(folder)
