"""`iocctl pv` against a real IOC, over Channel Access and PV Access."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.epics_env import EpicsEnv
from support.spawn import ROOT, Spawn, Spawned

HERE = Path(__file__).parent
BOTH = pytest.mark.parametrize("protocol", ["ca", "pva"])


class Iocctl:
    """Runs `iocctl` in a process of its own."""

    def __init__(self, spawn: Spawn, env: EpicsEnv) -> None:
        self._spawn = spawn
        self.prefix = env.prefix

    def start(self, *words: str) -> Spawned:
        return self._spawn("-m", "ioc_runtime.cli", *words)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        return self.together([*words])[0]

    def together(self, *commands: list[str]) -> list[tuple[int, str, str]]:
        """The same of each of several that run at the same time."""
        started = [self.start(*words) for words in commands]
        return [(each.wait(40), each.output, each.errors) for each in started]


@pytest.fixture
def source(spawn: Spawn, epics_env: EpicsEnv) -> Spawned:
    return spawn(HERE / "cli_source.py", epics_env.prefix, env=epics_env.server(1), until="up")


@pytest.fixture
def iocctl(spawn: Spawn, epics_env: EpicsEnv) -> Iterator[Iocctl]:
    yield Iocctl(spawn, epics_env)


@BOTH
def test_get_shows_every_type_with_unit_state_and_alarm(
    source: Spawned, iocctl: Iocctl, protocol: str
):
    p = iocctl.prefix
    names = [f"{protocol}://{p}{n}" for n in ("F", "I", "E", "S", "W", "MSG")]
    code, out, err = iocctl("pv", "get", *names)
    assert (code, err) == (0, "")
    shown = {line.split()[0].removeprefix(f"{protocol}://{p}"): line for line in out.splitlines()}
    assert " 1.5 mbar " in shown["F"]
    assert " 3 " in shown["I"]
    assert " Auto (1) " in shown["E"]
    assert " hello " in shown["S"]
    assert " [1, 2, 3] " in shown["W"]
    assert "m" * 70 in shown["MSG"]  # more than a DBR_STRING carries
    assert "\x1b" not in out


@BOTH
def test_json_has_exact_values_and_alarms(source: Spawned, iocctl: Iocctl, protocol: str):
    p = iocctl.prefix
    assert iocctl("pv", "put", "-p", protocol, f"{p}F", "7.000000001")[0] == 0
    code, out, _ = iocctl("pv", "get", "-p", protocol, "-o", "json", f"{p}F", f"{p}E", f"{p}W")
    assert code == 0
    f, e, w = map(json.loads, out.splitlines())
    assert (f["value"], f["severity"], f["status"], f["units"]) == (
        *(7.000000001, "MINOR", "HIGH", "mbar"),
    )
    assert f["time"].endswith("Z")
    assert abs(time.time() - _seconds(f["time"])) < 60
    assert (e["value"], e["text"]) == (1, "Auto")
    assert w["value"] == [1.0, 2.0, 3.0]


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


PUTS = [
    ("F", ["-2.5e-3"], " -0.0025 mbar "),
    ("I", ["0x10"], " 16 "),
    ("B", ["On"], " On (1) "),
    ("E", ["Manual"], " Manual (2) "),
    ("E2", ["0"], " Off (0) "),
    ("S", ["two words"], " two words "),
    ("W", ["1", "-2", "3.5", "4"], " [1, -2, 3.5, 4] "),
]

REFUSED = [
    ("I", "1.5", "expected a whole number, got '1.5'"),
    ("I", "3000000000", "expected a whole number from -2147483648 to 2147483647"),
    ("E", "auto", "expected one of Off, Auto, Manual (0 to 2), got 'auto'"),
    ("F", "x", "expected a number, got 'x'"),
    ("RO", "2", "the server refused"),
]


@BOTH
def test_put_writes_and_shows_what_the_record_holds(source: Spawned, iocctl: Iocctl, protocol: str):
    put = ["pv", "put", "-p", protocol]
    done = iocctl.together(*([*put, iocctl.prefix + name, *words] for name, words, _ in PUTS))
    for (name, words, shown), (code, out, err) in zip(PUTS, done, strict=True):
        assert (code, err) == (0, ""), (name, words)
        assert shown in out


@BOTH
def test_a_put_that_cannot_be_is_refused_in_one_sentence(
    source: Spawned, iocctl: Iocctl, protocol: str
):
    put = ["pv", "put", "-p", protocol]
    done = iocctl.together(*([*put, iocctl.prefix + name, word] for name, word, _ in REFUSED))
    for (name, word, reason), (code, out, err) in zip(REFUSED, done, strict=True):
        assert (code, out) == (1, ""), (name, word)
        assert err.startswith(f"iocctl: {iocctl.prefix}{name} was not written: ")
        assert reason in err
        assert len(err.splitlines()) == 1


def test_a_long_text_reaches_a_long_string(source: Spawned, iocctl: Iocctl):
    text = "a text of more than thirty-nine bytes, é included"
    code, out, _ = iocctl("pv", "put", "-S", f"{iocctl.prefix}LS", text)
    assert code == 0
    assert text in out


@BOTH
def test_who_does_not_answer_is_named_and_the_others_are_shown(
    source: Spawned, iocctl: Iocctl, protocol: str
):
    p = iocctl.prefix
    started = time.monotonic()
    code, out, err = iocctl("pv", "get", "-w", "1", "-p", protocol, f"{p}F", f"{p}NOT_THERE")
    assert code == 1
    assert out.startswith(f"{p}F ")
    assert f"{p}NOT_THERE  no answer over" in err
    assert "within 1 s" in err
    assert "Traceback" not in err
    assert time.monotonic() - started < 10


@BOTH
def test_monitor_ends_after_a_count_with_consecutive_values(
    source: Spawned, iocctl: Iocctl, protocol: str
):
    name = f"{iocctl.prefix}N"
    code, out, _ = iocctl("pv", "monitor", "-p", protocol, name, "--count", "5", "-o", "json")
    values = [json.loads(line)["value"] for line in out.splitlines()]
    assert code == 0
    assert values == list(range(values[0], values[0] + 5))


def test_monitor_tells_of_a_lost_source_and_of_its_return(
    source: Spawned, iocctl: Iocctl, spawn: Spawn, epics_env: EpicsEnv
):
    p = epics_env.prefix
    monitor = iocctl.start("pv", "monitor", f"{p}F", f"pva://{p}F", "--count", "4", "--for", "30")
    monitor.wait_for("pva://")
    _until(lambda: len(monitor.lines) >= 2)
    source.kill()
    _until(lambda: monitor.errors.count("disconnected") == 2)
    spawn(HERE / "cli_source.py", p, env=epics_env.server(1), until="up")
    assert monitor.wait(40) == 0
    assert monitor.output.count("1.5 mbar") >= 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_monitor_ends_well_when_it_is_interrupted(
    source: Spawned, iocctl: Iocctl, number: signal.Signals
):
    monitor = iocctl.start("pv", "monitor", f"{iocctl.prefix}N")
    monitor.wait_for(f"{iocctl.prefix}N")
    monitor.popen.send_signal(number)
    assert monitor.wait(10) == 0
    assert monitor.errors == ""


def test_monitor_names_who_never_answered_and_fails(source: Spawned, iocctl: Iocctl):
    p = iocctl.prefix
    code, out, err = iocctl("pv", "monitor", f"{p}F", f"{p}NOT_THERE", "--for", "1", "-w", "0.5")
    assert code == 1
    assert out.startswith(f"{p}F ")
    assert err == f"no answer yet from {p}NOT_THERE\n"


def test_a_reader_that_leaves_is_no_error_worth_a_traceback(source: Spawned, epics_env: EpicsEnv):
    command = f'"{sys.executable}" -m ioc_runtime.cli pv monitor {epics_env.prefix}N | head -1'
    env = os.environ | epics_env.client | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=env, capture_output=True, text=True, timeout=20
    )
    assert done.stdout.startswith(epics_env.prefix)
    assert done.stderr == ""


def test_a_usage_error_has_exit_code_2(iocctl: Iocctl):
    wrong = [
        *(["pv", "get"], ["pv", "get", "http://X"], ["pv", "put", "X"]),
        *(["pv", "nonsense"], ["nonsense"]),
    ]
    for words, (code, out, err) in zip(wrong, iocctl.together(*wrong), strict=True):
        assert (code, out) == (2, ""), words
        assert err
        assert "Traceback" not in err


def _until(what, timeout: float = 20.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)
