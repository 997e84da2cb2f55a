"""Values that look like options are values, and options stay options."""

from __future__ import annotations

import pytest

from ioc_runtime.cli import kubectl, main, pod_pv, pv
from ioc_runtime.cli.cluster import Cluster
from ioc_runtime.cli.failure import Exit
from ioc_runtime.cli.main import run
from ioc_runtime.cli.reach import Reached
from ioc_runtime.cli.reading import Address
from ioc_runtime.cli.value_words import apart

TAKES = {"-n": True, "--timeout": True, "-w": True, "-S": False, "--string": False}
PROGRAMS = {
    "iocctl pv": (["pv", "put", "ca://X"], main.app),
    "kubectl ioc": (["put", "guard/x"], kubectl.app),
}


@pytest.mark.parametrize(
    ("words", "parted"),
    [
        (["X", "-1"], ["--", "X", "-1"]),
        (["X", "1", "-2.5", "-1e-3", "-.5"], ["--", "X", "1", "-2.5", "-1e-3", "-.5"]),
        (["X", "-nan", "-inf", "-0x1F"], ["--", "X", "-nan", "-inf", "-0x1F"]),
        (["X", "-idle"], ["--", "X", "-idle"]),
        (["X", "-"], ["--", "X", "-"]),
        (["-n", "-1", "X", "-1", "-S"], ["-n", "-1", "-S", "--", "X", "-1"]),
        (["X", "-nbl01", "--timeout=2", "5"], ["-nbl01", "--timeout=2", "--", "X", "5"]),
        (["X", "--", "--timeout", "-n"], ["--", "X", "--timeout", "-n"]),
        (["X", "5", "--timout", "2"], ["--timout", "--", "X", "5", "2"]),
        (["X", "5", "--timeout"], ["X", "5", "--timeout"]),
        (["--help"], ["--help"]),
    ],
)
def test_values_go_behind_the_options(words: list[str], parted: list[str]):
    assert apart(words, TAKES) == parted


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be written; the way there is a test of its own."""
    values: list[str] = []

    def write(address: Address, words: list[str], timeout: float, printer: pv.Printer) -> Exit:
        values.extend(words)
        return Exit.OK

    def reached(*args: object) -> Reached:
        return Reached([Address("ca", "X", "X")])

    monkeypatch.setattr(pv, "write_once", write)
    monkeypatch.setattr(pod_pv, "reach", reached)
    monkeypatch.setattr(Cluster, "__init__", lambda self, *where: None)
    monkeypatch.setattr(Cluster, "namespace", "bl01", raising=False)
    return values


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("value", ["-1", "-1e-3", "-inf", "-nan", "-0x1f", "-idle"])
def test_both_programs_write_a_value_with_a_minus(program: str, value: str, written: list[str]):
    words, app = PROGRAMS[program]
    assert run([*words, value, "-w", "2"], app, program, "x") == Exit.OK
    assert written == [value]
    assert run([*words, "-w", "2", "1", value], app, program, "x") == Exit.OK
    assert written == [value, "1", value]


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_option_that_is_none_is_not_written(
    program: str, written: list[str], capsys: pytest.CaptureFixture[str]
):
    words, app = PROGRAMS[program]
    assert run([*words, "1", "--timout", "2"], app, program, "x") == Exit.USAGE
    assert "No such option: --timout" in capsys.readouterr().err
    assert written == []
