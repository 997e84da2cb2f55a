"""Clocks that are stepped by an hour while everything runs: the source's and our own.

libfaketime stands before the clock of one process; the step is a line in a file. Only
the wall clock is faked: no machine steps its monotonic one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.field import INVALID, Field
from runtime.source import wait_until

PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/*")
HOUR = 3600
NS = 1_000_000_000

MANIFEST = """
inputs:
  a: {type: float, link: "ca://@F", maxAge: 2}
  b: {type: float, link: "pva://@F"}
outputs:
  sum: {type: float}
  late: {type: bool}
transforms: [{output: sum, expression: a + b}]
ruleDefaults: {late: 0}
rules: [{id: late, condition: "a > 10", for: 1.0, outputs: {late: 1}}]
"""


def library() -> str:
    """Path of libfaketime; the test is skipped where it is not installed, never in CI."""
    for place in PLACES:
        base, _, pattern = place.partition("*")
        for path in sorted(Path(base).glob(f"*{pattern}/libfaketime.so.1" if pattern else "lib*")):
            if path.name == "libfaketime.so.1":
                return str(path)
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail("libfaketime is not installed (Debian: apt-get install faketime)")
    pytest.skip("NOT TESTED: clock steps need libfaketime (Debian: apt-get install faketime)")


@pytest.fixture
def faked(tmp_path: Path) -> tuple[dict[str, str], Callable[[int], None]]:
    """The environment of a process whose clock can be stepped, and the step in seconds."""
    file = tmp_path / "clock"

    def step(seconds: int) -> None:
        new = file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(file)

    step(0)
    environ = {
        "LD_PRELOAD": library(),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
    }
    return environ, step


def off_by(field: Field, name: str) -> float:
    """Seconds that a PV's timestamp is ahead of the true time."""
    return (field.ca.get(name)[3] - time.time_ns()) / NS


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_the_source_s_clock_is_stepped(field: Field, faked, seconds: int):
    environ, step = faked
    field.source.start(environ=environ)
    task = field.start(MANIFEST, "--no-search")
    field.shows("sum", 0.5)
    assert abs(off_by(field, "sum")) < 30
    step(seconds)
    field.source.set("F", 20.0)
    field.shows("sum", 40.0)
    assert abs(off_by(field, "a") - seconds) < 60  # as the source says
    assert abs(off_by(field, "sum")) < 30  # but what we make of it carries our time
    field.shows("late", 1)
    assert abs(off_by(field, "late")) < 30
    field.source.set("F", 21.0)
    field.shows("sum", 42.0)
    goes_on(field)
    assert field.ca.get("sum")[:2] == (42.0, 0)
    said = [x["text"] for x in task.said("log") if "from our clock" in x["text"]]
    names = [text.partition(":")[0] for text in said]
    assert "sum" in names and len(names) == len(set(names))  # once each
    field.source.process.freeze()
    field.shows("a", 21.0, INVALID)  # maxAge counts on
    field.source.process.thaw()


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_our_own_clock_is_stepped(field: Field, faked, seconds: int):
    environ, step = faked
    field.source.start()
    task = field.start(MANIFEST, "--no-search", env=environ)
    field.shows("sum", 0.5)
    field.source.set("F", 20.0)
    field.shows("sum", 40.0)
    step(seconds)
    field.shows("late", 1)  # in a second, not in an hour
    assert abs(off_by(field, "late") - seconds) < 60  # the time as we have it
    field.source.set("F", 30.0)
    field.shows("sum", 60.0)
    assert abs(off_by(field, "a")) < 30
    assert abs(off_by(field, "sum") - seconds) < 60
    field.source.set("F", 1.0)
    field.shows("late", 0)
    goes_on(field)
    assert field.ca.get("sum")[:2] == (2.0, 0)
    assert field.value("SYS_CONN") == "OK"
    said = [x["text"] for x in task.said("log") if "from our clock" in x["text"]]
    assert len(said) == len(set(said)) == 2
    field.source.process.freeze()
    field.shows("a", 1.0, INVALID)
    field.source.process.thaw()
    field.shows("a", 1.0, timeout=25)


def goes_on(field: Field) -> None:
    """The heartbeat counts, and a steady source stays fresh for longer than its maxAge."""
    beats = field.value("HEARTBEAT")
    wait_until(lambda: field.value("HEARTBEAT") >= beats + 3)
    assert field.value("HEARTBEAT") - beats < 10
    assert field.ca.get("a")[1] == 0
