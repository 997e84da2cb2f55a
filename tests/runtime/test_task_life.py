"""How a task starts, what it serves, and how it ends, whatever hangs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ioc_runtime.plan import Output, Plan, Rule, to_json
from ioc_runtime.standard import STANDARD
from ioc_runtime.state import entry_name
from ioc_runtime.version import __version__
from runtime.field import Field, took
from runtime.source import wait_until
from support.spawn import Spawn, Spawned

MANIFEST = """
inputs:
  level: {type: float, value: 3, unit: mm}
  far: {type: float, link: "ca://@F"}
  near: {type: int, link: "pva://@I"}
outputs:
  alarm: {type: bool, states: [OK, HIGH], severity: {HIGH: MAJOR}}
  twice: {type: float, unit: mm}
transforms: [{output: twice, expression: "2 * level"}]
ruleDefaults: {alarm: OK}
rules:
  - {id: high, condition: "level > 10", outputs: {alarm: HIGH}, message: "too high"}
"""
LEVEL = "inputs: {level: {type: float, value: 3}}"
OWN = LEVEL + "\noutputs: {own: {type: float}}"
EXIT_TIME = 2.0
"""Seconds from SIGTERM to the end, which is part of what is promised."""

FIRST = {
    "ENABLE": 1,
    "STATUS": 1,
    "MESSAGE": "started",
    "VERSION": __version__,
    "CLEAR": 0,
    "RESET": 0,
    "CONN_INP": [1, 1],
    "CONN_OUT": [],
    "CONN_INP_NAMES": "far\nnear",
    "CONN_OUT_NAMES": "",
    "SYS_CONN": "OK",
    "EVAL:ERRORS": 0,
    "OVERRUNS": 0,
    "WRITE:ERRORS": 0,
    "LOG:DEBUG": [],
    "LOG:WARNING": [],
    "LOG:ERROR": [],
    "LOG_LEVEL": 1,
    "SILENCED_LOGGERS": "",
}


def printed(task: Spawned) -> list[str]:
    """Lines on standard error, without those in which EPICS says that it starts."""
    epics = ("Starting iocInit", "iocRun: ")
    return [line for line in task.errors.splitlines() if not line.startswith(epics)]


@pytest.mark.parametrize("mode", ["reactive", "periodic"])
def test_every_standard_pv_answers_over_both_protocols_with_its_first_value(
    field: Field, mode: str
):
    field.source.start()
    task = field.start(f"mode: {mode}\nperiod: 30\n{MANIFEST}", "--no-search")
    names = [pv.name for pv in STANDARD]
    field.ca.search(names)
    pva = field.pva()
    field.shows("SYS_CONN", "OK")
    for name in names:
        over_ca, over_pva = field.ca.get(name), pva.get(name)
        assert over_ca[1] == over_pva[1] == 0, name
        if name in FIRST:
            assert over_ca[0] == over_pva[0] == FIRST[name], name
        elif name != "LOG:INFO":  # a counter: it runs meanwhile
            assert over_ca[0] >= 0 and over_pva[0] >= 0, name
    assert field.value("EVAL:COUNT") >= 1
    field.shows("twice", 6.0)
    field.shows("alarm", 0)
    field.shows("RULE:high", 0)
    field.shows("far", 0.25)
    assert task.said("ready")[0]["records"] == len(names) + 6
    assert task.stop() == 0
    assert [said["state"] for said in task.said("state")] == ["RUN", "END"]
    assert printed(task) == []


def test_what_is_said_to_be_ready_has_been_evaluated(field: Field):
    task = field.start(
        "inputs: {level: {type: float, value: 30}}\n"
        "outputs: {alarm: {type: bool}}\n"
        "ruleDefaults: {alarm: 0}\n"
        "rules: [{id: high, condition: level > 10, outputs: {alarm: 1}, message: too high}]",
        "--no-search",
        "--record",
        field.recording,
    )
    assert field.ca.get("alarm")[:2] == (1, 0)
    assert field.value("MESSAGE") == "too high"  # not "started", which came before it
    said = [line["say"] for line in task.said()]
    assert said.index("starting") < said.index("ports") < said.index("state") < said.index("ready")


def test_the_heartbeat_counts_seconds(field: Field):
    field.start(MANIFEST, "--no-search")
    wait_until(lambda: field.value("HEARTBEAT") >= 1)
    first, up = field.value("HEARTBEAT"), field.value("UPTIME")
    wait_until(lambda: field.value("HEARTBEAT") >= first + 3)
    assert abs(field.value("UPTIME") - up - 3) <= 1


def test_aliases_statistics_and_a_database_are_served(field: Field):
    field.start(
        """
        inputs: {level: {type: float, value: 3}}
        aliases: {HEARTBEAT: Alive, ENABLE: Switch}
        iocStats: true
        database: ['record(ai, "@T:EXTRA") {field(VAL, "7") field(PINI, "YES")}']
        """
    )
    wait_until(lambda: field.value("Alive") >= 1)
    assert field.value("EXTRA") == 7
    assert field.value("IOC:HEARTBEAT") >= 0
    field.ca.put("Switch", 0)
    field.shows("STATUS", 2)


def test_with_parent_it_ends_when_standard_input_does(field: Field):
    task = field.start(LEVEL, "--with-parent", "--no-search", ready=False)
    assert task.wait(20) == 0  # the test gives it an empty standard input
    assert task.said("ready")


NEVER_RETURNS = """
import time
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def initialize(self):
        self.set_output("own", 1)
        while True:
            time.sleep(60)
"""
BURNS = NEVER_RETURNS.replace("time.sleep(60)", "pass")
IMPORT_HANGS = "import time\ntime.sleep(60)\n" + NEVER_RETURNS


@pytest.mark.parametrize("code", [NEVER_RETURNS, BURNS], ids=["sleeps", "computes"])
def test_a_plugin_that_never_returns_does_not_delay_the_end(field: Field, code: str):
    task = field.start(OWN, "--no-search", code=code)
    field.shows("own", 1.0)
    assert took(lambda: task.stop()) < EXIT_TIME
    assert "did not stop within" in task.output


def test_a_plugin_whose_import_hangs_does_not_delay_the_end(field: Field):
    task = field.start(OWN, "--no-search", code=IMPORT_HANGS, ready=False)
    task.wait_said("starting")
    assert took(lambda: task.stop()) < EXIT_TIME


def test_a_source_that_hangs_does_not_delay_the_end(field: Field):
    field.source.start()
    task = field.start(
        """
        inputs:
          a: {type: float, link: "ca://@F"}
          b: {type: float, link: "pva://@F"}
          c: {type: int, link: "pva://@I", maxAge: 1}
        outputs: {out: {type: float, link: "pva://@X"}}
        transforms: [{output: out, expression: a + b}]
        """,
        "--no-search",
    )
    field.shows("out", 0.5)
    field.source.process.freeze()
    assert took(lambda: task.stop()) < EXIT_TIME


def test_a_dead_disk_does_not_delay_the_end(field: Field):
    task = field.start(LEVEL, "--no-search", "--state", field.state)
    # Whoever opens a FIFO that nobody reads waits for good, as on a disk that is gone.
    os.mkfifo(field.state / f"{entry_name(field.prefix)}.tmp")
    field.ca.put("level", 7)
    field.shows("level", 7.0)
    assert took(lambda: task.stop()) < EXIT_TIME
    assert "could not be written in time" in task.output


def test_everything_that_hangs_at_once_does_not_delay_the_end(field: Field):
    field.source.start()
    task = field.start(
        """
        inputs: {level: {type: float, value: 1}, a: {type: float, link: "ca://@F"}}
        outputs: {own: {type: float}}
        """,
        "--no-search",
        "--state",
        field.state,
        code=NEVER_RETURNS,
    )
    field.shows("a", 0.25)
    os.mkfifo(field.state / f"{entry_name(field.prefix)}.tmp")
    field.ca.put("level", 7)
    field.source.process.freeze()
    assert took(lambda: task.stop()) < EXIT_TIME


def refused(task: Spawned, reason: str, code: int) -> str:
    """The one sentence with which a task has refused to start."""
    assert task.wait(20) == code
    (said,) = task.said("error")
    assert (said["reason"], said["exit"]) == (reason, code)
    assert printed(task) == [said["text"]]
    assert "Traceback" not in said["text"]
    assert not task.said("ready")
    return said["text"]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "No such file"),
        (b"", "not JSON"),
        (b"[1]", "format None"),
        (b'{"format": 99}', "format 99"),
        (b'{"format": 1, "name": "x", "surprise": 2}', "damaged"),
        (b"\xff\xfe\x00", "utf-8"),
    ],
)
def test_a_bad_plan_is_one_sentence(spawn: Spawn, tmp_path: Path, content: bytes | None, part: str):
    if content is not None:
        (tmp_path / "bad.json").write_bytes(content)
    text = refused(spawn("-m", "ioc_runtime", "bad.json"), "BadPlan", 15)
    assert part in text and "bad.json" in text


def left_in(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name.startswith("ioc-plugin")]


def test_a_port_that_is_taken_is_named_and_nothing_is_left_behind(field: Field):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        task = field.start(
            OWN,
            *("--ca-port", str(port), "--state", field.state),
            code="from ioc_runtime import TaskBase\nclass Guard(TaskBase): pass",
            env={"TMPDIR": str(field.directory)},
            ready=False,
        )
        assert str(port) in refused(task, "PortTaken", 11)
    assert left_in(field.directory) == []


def test_a_pv_of_somebody_else_is_refused_and_names_who(field: Field):
    first = field.start(LEVEL, "--no-search")
    second = field.start(LEVEL, env=field.env.server(1), ready=False)
    text = refused(second, "PvConflict", 15)
    assert f"{field.prefix}level" in text
    assert f":{field.env.places[0].ca}" in text
    assert first.stop() == 0


def test_a_state_that_another_process_uses_is_refused_and_names_it(field: Field):
    first = field.start(LEVEL, "--no-search", "--state", field.state)
    second = field.start(LEVEL, "--state", field.state, env=field.env.server(1), ready=False)
    assert f"in use by process {first.pid}" in refused(second, "StateUnavailable", 15)


def test_what_nobody_has_foreseen_is_one_sentence_and_a_traceback_in_the_log(
    field: Field, spawn: Spawn
):
    plan = Plan(
        "guard",
        "",
        field.prefix,
        outputs=(Output("alarm", "bool", owner="rules"),),
        rules=(Rule("bad", "no_such_thing(1) >", {"alarm": 1}),),
    )
    path = field.directory / "wrong.json"
    path.write_text(to_json(plan))
    task = spawn("-m", "ioc_runtime", path)
    text = refused(task, "Exception", 12)
    assert text.startswith("the task could not be started: ")
    assert any("Traceback" in said.get("traceback", "") for said in task.said("log"))
