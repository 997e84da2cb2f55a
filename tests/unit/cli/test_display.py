"""A running task on a terminal and in a pipe, from what its process says."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from ioc_runtime.cli.live import LiveTable, picture
from ioc_runtime.cli.plain import PlainLines
from ioc_runtime.cli.view import View, ending
from ioc_runtime.plan import Input, Job, Link, Output, Plan, Rule

PRESSURE = Input("pressure", "float", unit="mbar", link=Link("ca", "VAC:P"))
ALARM = Output(
    "alarm", "bool", states=("OK", "HIGH"), severities=(0, 2), owner="rules", latch="rise"
)
MEAN = Output("mean", "float", unit="mbar", owner="transform")


def plan(inputs: tuple[Input, ...] = (PRESSURE,)) -> Plan:
    return Plan(
        "guard", "", "BL:", inputs=inputs, outputs=(ALARM, MEAN), rules=(Rule("high", "True"),)
    )


def snapshot(**changes: Any) -> dict[str, Any]:
    said = {
        "say": "snapshot",
        "state": "RUN",
        "message": "",
        "inputs": [row("pressure", "1.0e-08", link="ca://VAC:P")],
        "outputs": [row("alarm", "OK"), row("mean", "2.0e-08")],
        "rules": {"active": [], "pending": [], "invalid": []},
        "evaluations": 10,
        "reaction": [80.0, 120.0],
        "heartbeat": 5,
        "errors": 0,
    }
    return said | changes


def row(name: str, value: str, severity: int = 0, connected: bool = True, **more: Any) -> dict:
    return {"name": name, "value": value, "severity": severity, "connected": connected} | more


def drawn(view: View, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(picture(view, width, height))
    return console.file.getvalue().splitlines()


def told(
    *events: dict[str, Any], capsys: pytest.CaptureFixture[str], of: Plan | None = None
) -> list[str]:
    """The plain lines that these events give, without their times."""
    view = View(of or plan())
    with PlainLines(view) as lines:
        for event in events:
            view.take(event)
            lines.show(event)
    return [line[14:] for line in capsys.readouterr().out.splitlines()]


HIGH = {"outputs": [row("alarm", "HIGH", 2, latched=True), row("mean", "1.0e-05")]}


def test_a_pipe_gets_a_line_for_each_change_and_none_for_what_stays(
    capsys: pytest.CaptureFixture[str],
):
    lines = told(
        snapshot(),
        snapshot(heartbeat=6),
        snapshot(**HIGH, message="too high", rules={"active": ["high"]}),
        snapshot(**HIGH, message="too high", rules={"active": ["high"]}),
        snapshot(),
        capsys=capsys,
    )
    assert lines == [
        "RUN",
        "output alarm OK",
        "RUN: too high",
        "output alarm HIGH MAJOR latched",
        "rule high is active",
        "RUN",
        "output alarm OK",
        "rule high is no longer active",
    ]


def test_a_pipe_is_told_when_an_input_is_lost_and_when_it_comes_back(
    capsys: pytest.CaptureFixture[str],
):
    lost = {"inputs": [row("pressure", "-", 3, connected=False, link="ca://VAC:P")]}
    lines = told(snapshot(), snapshot(**lost), snapshot(), capsys=capsys)
    assert lines[-2:] == [
        "input pressure - mbar INVALID (ca://VAC:P is not connected)",
        "input pressure 1.0e-08 mbar",
    ]


def test_links_that_have_not_connected_yet_are_no_news_at_the_start(
    capsys: pytest.CaptureFixture[str],
):
    down = {"inputs": [row("pressure", "-", 3, connected=False, link="ca://VAC:P")]}
    assert told(snapshot(**down), snapshot(**down), capsys=capsys) == ["RUN"]


def test_the_severity_of_a_state_counts(capsys: pytest.CaptureFixture[str]):
    view = View(plan())
    view.take(snapshot(outputs=[row("alarm", "HIGH", 0), row("mean", "1.0")]))
    assert view.outputs[0].severity == "MAJOR"


def test_a_line_that_repeats_is_counted(capsys: pytest.CaptureFixture[str]):
    again = {"say": "log", "level": "WARNING", "text": "no read-back"}
    lines = told(again, again, again, snapshot(), capsys=capsys)
    assert lines[:2] == ["WARNING no read-back", "(the last line came 2 more times)"]


def test_a_port_in_place_of_the_default_is_told_with_what_clients_need(
    capsys: pytest.CaptureFixture[str],
):
    note = "CA port 5064 is taken (address already in use); using a free one"
    lines = told({"say": "ports", "ca": 40123, "pva": 5075, "note": note}, capsys=capsys)
    assert lines == [
        "serves on CA port 40123, PVA port 5075",
        note,
        "clients need: export EPICS_CA_NAME_SERVERS=127.0.0.1:40123",
    ]


def test_a_default_that_was_taken_in_the_last_moment_is_told_too():
    view = View(plan())
    view.take({"say": "ports", "ca": 40123, "pva": 5075, "note": ""})
    assert view.note == "CA port 5064 is taken; using a free one"
    assert view.environment() == "EPICS_CA_NAME_SERVERS=127.0.0.1:40123"


def test_default_ports_need_no_word(capsys: pytest.CaptureFixture[str]):
    lines = told({"say": "ports", "ca": 5064, "pva": 5075, "note": ""}, capsys=capsys)
    assert lines == ["serves on CA port 5064, PVA port 5075"]


def test_a_port_that_was_asked_for_is_that_of_the_searches():
    view = View(plan(), frozenset({"CA", "PVA"}))
    view.take({"say": "ports", "ca": 5066, "pva": 5085, "note": ""})
    assert view.environment() == "EPICS_CA_SERVER_PORT=5066 EPICS_PVA_NAME_SERVERS=127.0.0.1:5085"


def test_the_table_shows_values_units_alarms_links_rules_and_figures():
    view = View(plan())
    view.take({"say": "ready", "seconds": 0.8, "records": 40})
    view.take(snapshot(evaluations=1000, time=100.0))
    more = {"evaluations": 1005, "time": 100.5, "rules": {"active": ["high"]}}
    view.take(snapshot(**HIGH, **more, message="too high"))
    text = "\n".join(drawn(view))
    for part in (
        *("guard", "BL:", "RUN", "too high", "1/1 connected", "1.0e-08 mbar", "ca://VAC:P"),
        *("HIGH", "MAJOR latched", "active: high", "10 evaluations/s"),
        *("reaction 80 µs (p99 120)", "heartbeat 5"),
    ):
        assert part in text, text


def test_no_line_is_wider_than_the_terminal_and_the_table_fits_its_height():
    inputs = tuple(
        Input(f"{'long_' * 8}{i}", "float", link=Link("ca", f"{'X' * 50}:{i}")) for i in range(200)
    )
    view = View(plan(inputs))
    rows = [row(i.name, "1.000000e-12", link=str(i.link)) for i in inputs]
    rows[150] = row(inputs[150].name, "-", 3, connected=False, link=str(inputs[150].link))
    rows[160] = row(inputs[160].name, "7.0", 2, link=str(inputs[160].link))
    for i in range(30):
        view.take({"say": "log", "level": "INFO", "text": f"line {i} " + "x" * 200})
    view.take(snapshot(inputs=rows, message="m" * 300))
    for height in (12, 24, 50):
        lines = drawn(view, 80, height)
        assert len(lines) <= height
        assert max(map(len, lines)) <= 80


def test_a_big_task_shows_what_is_in_trouble_first():
    inputs = tuple(Input(f"in{i}", "float", link=Link("ca", f"X:{i}")) for i in range(200))
    view = View(plan(inputs))
    rows = [row(i.name, "1.0", link=str(i.link)) for i in inputs]
    rows[150] = row("in150", "-", 3, connected=False, link="ca://X:150")
    rows[160] = row("in160", "7.0", 2, link="ca://X:160")
    view.take(snapshot(inputs=rows, **HIGH))
    text = "\n".join(drawn(view))
    assert "in150" in text
    assert "in160" in text
    assert "alarm" in text
    assert "and 1" in text and "more" in text
    assert "199/200 connected" in text


def test_a_name_with_markup_is_shown_as_it_is():
    view = View(plan())
    view.take(snapshot(message="[red]not a colour[/red] \x1b[2J"))
    assert "[red]not a colour[/red] \\x1b[2J" in "\n".join(drawn(view))


def test_the_live_table_leaves_its_last_picture_on_the_terminal():
    view = View(plan())
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    with LiveTable(view, console) as table:
        view.take(snapshot(message="almost done"))
        table.show({"say": "snapshot"})
        view.take(snapshot(message="done"))
    assert "done" in console.file.getvalue().split("almost done")[-1]


@pytest.mark.parametrize(
    ("code", "part"),
    [(-9, "ended by SIGKILL"), (-11, "ended by SIGSEGV"), (12, "its plugin failed"), (1, "code 1")],
)
def test_an_unexpected_end_is_explained(code: int, part: str):
    assert part in ending(code, View(plan()))


def test_what_the_process_said_about_its_error_comes_before_its_exit_code():
    view = View(plan())
    view.take({"say": "error", "reason": "PortTaken", "text": "CA port 5064 is taken", "exit": 15})
    assert ending(15, view) == "CA port 5064 is taken"


def test_a_clean_end_needs_no_explanation():
    assert ending(0, View(plan())) == ""


JOB = Plan("ramp", "", "BL:", kind="IocJob", outputs=(MEAN,), job=Job())
DONE = {"say": "result", "success": True, "seconds": 2.04, "data": {"n": 3}}


def at(percent: float, message: str = "", state: str = "Running") -> dict[str, Any]:
    job = {"state": state, "progress": percent, "message": message, "seconds": 1.2}
    return snapshot(state=state, inputs=[], outputs=[row("mean", "1.0")], job=job)


def test_a_pipe_gets_a_line_for_each_message_and_each_ten_per_cent_of_a_job(
    capsys: pytest.CaptureFixture[str],
):
    events = (
        {"say": "starting", "name": "ramp", "prefix": "BL:", "mode": "reactive", "pid": 7},
        {"say": "state", "state": "Running", "message": "started"},
        at(12, "step 1") | {"message": "started"},
        at(15, "step 1") | {"message": "started"},
        at(21, "step 1") | {"message": "started"},
        at(22, "step 2") | {"message": "started"},
        {"say": "state", "state": "Succeeded", "message": "reached 5 A"},
        DONE,
        at(100, "step 2", "Succeeded") | {"message": "reached 5 A"},
    )
    assert told(*events, of=JOB, capsys=capsys) == [
        "ramp starts: prefix BL:, a job, pid 7",
        "Running: started",
        "12 % done: step 1",
        "21 % done: step 1",
        "22 % done: step 2",
        "Succeeded: reached 5 A",
        "100 % done",
        "the run took 2.0 s",
        'result: {"n": 3}',
    ]


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_of_a_job_has_a_bar_that_fits_and_no_figures_of_evaluation(width: int):
    view = View(JOB)
    view.take(at(50, "step\x1b[31m 1"))
    lines = drawn(view, width)
    assert all(len(line) <= width for line in lines)
    (bar,) = [line for line in lines if line.startswith("progress")]
    room = max(10, min(40, width // 3))
    assert bar.split()[1] == "━" * room and " 50 %" in bar
    assert "\x1b" not in bar and ("step\\x1b" in bar or width < 80)
    assert not any("evaluations" in line for line in lines)
    view.take(DONE)
    lines = drawn(view, width)
    assert any("100 %" in line for line in lines)
    assert any(line.startswith('result  {"n": 3}') for line in lines)


def test_a_table_of_a_task_has_no_bar():
    view = View(plan())
    view.take(snapshot())
    assert not any(line.startswith("progress") for line in drawn(view))


TRIGGERED = Plan("guard", "", "BL:", mode="triggered")


def cycle(**said: Any) -> dict[str, Any]:
    whole = {"busy": False, "waiting": 0, "count": 3, "status": "SUCCESS", "text": ""}
    return snapshot(cycle=whole | {"duration": 0.25, "rejected": 0} | said)


def test_the_table_of_a_triggered_task_has_a_line_of_its_cycle():
    view = View(TRIGGERED)
    view.take(snapshot())
    assert "cycle  0" in [each.rstrip() for each in drawn(view)]
    view.take(cycle(busy=True, waiting=1, rejected=2, status="IO_FAILURE", text="no gauge"))
    line = "cycle  3  IO_FAILURE after 0.25 s  busy  1 waiting  2 rejected  no gauge"
    assert line in [each.rstrip() for each in drawn(view)]
    assert not any(each.startswith("cycle") for each in drawn(View(plan())))


def test_lines_tell_where_the_outcome_of_cycles_changes(capsys: pytest.CaptureFixture[str]):
    lines = told(
        cycle(),
        cycle(count=9),
        cycle(count=10, status="SKIPPED", text="beam is off", rejected=2),
        capsys=capsys,
        of=TRIGGERED,
    )
    assert [line for line in lines if "cycle" in line or "rejected" in line] == [
        "cycle 3 SUCCESS after 0.25 s",
        "cycle 10 SKIPPED after 0.25 s: beam is off",
        "2 triggers rejected so far",
    ]
