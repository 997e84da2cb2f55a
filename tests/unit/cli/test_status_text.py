"""Tasks and jobs of a cluster as a person reads them."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from ioc_runtime.cli.condition_table import age, plain, row, table
from ioc_runtime.cli.detail import detail
from ioc_runtime.cli.live_values import pv_names, server_of, split

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def at(hours: float) -> str:
    return (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {
        **{"type": kind, "status": status, "reason": reason, "message": message},
        "lastTransitionTime": at(2),
    }


def task(**changes: Any) -> dict[str, Any]:
    status = {
        "observedGeneration": 3,
        "conditions": [
            condition("Ready", "True", "Running", "pod guard-0 on node n0"),
            condition("InputsConnected", "False", "Disconnected", "1 of 12 not connected: p1"),
        ],
        "summary": {"state": "RUN", "inputs": "11/12", "permits": "", "since": at(0.5)},
        "claim": {"prefix": "BL01:VAC:"},
        "pod": {"name": "guard-0", "node": "n0", "ip": "10.0.0.7", "restarts": 2},
        "history": [
            {"time": at(1), "reason": "OOMKilled", "exitCode": 137, "message": "exit code 137"}
        ],
        "runtime": {
            "message": "pressure above limit",
            "inputs": {"connected": 11, "total": 12, "disconnected": ["p1"]},
            "rules": {"active": ["high"], "invalid": ["low"]},
            "latches": {"alarm": 1},
            "lastError": {"text": "guard.py:7: boom", "time": at(1)},
        },
    }
    return {
        "kind": "IocTask",
        "metadata": {
            **{"name": "guard", "namespace": "bl01", "generation": 3},
            "creationTimestamp": at(50),
        },
        "spec": {"inputs": {"p1": {}, "p2": {}}, "outputs": {"alarm": {}}},
        "status": {**status, **changes},
    }


def stalled(message: str = "image x: not found") -> dict[str, Any]:
    conditions = [
        condition("Ready", "False", "ImagePull", message),
        condition("Stalled", "True", "ImagePull", message),
    ]
    summary = {"state": "Unknown", "inputs": "Unknown", "since": at(3)}
    return task(conditions=conditions, summary=summary)


def drawn(*items: dict[str, Any], namespaces: bool = False) -> list[str]:
    text = io.StringIO()
    rows = [row(item) for item in items]
    Console(file=text, width=200).print(table(rows, NOW, namespaces=namespaces))
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def said(item: dict[str, Any]) -> str:
    return "\n".join(line.plain for line in detail(item, NOW))


def test_a_table_has_what_kubectl_shows_and_the_reason():
    assert drawn(task(), stalled()) == [
        "NAME KIND READY STATE INPUTS PERMITS SINCE REASON AGE MESSAGE",
        "guard task True RUN 11/12 30m Running 2d",
        "guard task False Unknown Unknown 3h ImagePull 2d image x: not found",
    ]
    assert drawn(task(), namespaces=True)[1].startswith("bl01 guard task")


def test_a_status_of_an_earlier_generation_is_not_believed():
    old = task(observedGeneration=2)
    assert row(old).ready == "Unknown"
    assert row(old).reason == "NotSeen"
    assert "generation 2 and not yet 3" in said(old)
    assert row({**task(), "status": {"observedGeneration": -1}}).ready == "Unknown"


@pytest.mark.parametrize("status", [None, 7, [], {"conditions": 7}, {"conditions": [7, {}]}])
def test_a_status_that_is_none_is_unknown(status: Any):
    item = {**task(), "status": status}
    assert row(item).ready == "Unknown"
    assert "Unknown" in said(item)


def test_what_a_program_left_in_a_status_cannot_steer_the_terminal():
    hostile = "\x1b[2Jboom"
    item = stalled(hostile)
    item["status"]["runtime"]["message"] = hostile
    item["status"]["summary"]["state"] = hostile
    assert "\x1b" not in said(item) + plain(row(item), namespaces=False)
    assert all("\x1b" not in line for line in drawn(item))


def test_what_is_suspended_or_complete_is_well():
    suspended = [condition("Ready", "False", "Suspended"), condition("Suspended", "True", "x")]
    assert row(task(conditions=suspended)).well
    assert row(task()).well
    assert not row(stalled()).well


def test_all_about_a_task_stands_in_the_order_of_the_questions():
    assert said(task()).splitlines() == [
        "task bl01/guard  Ready True  Running",
        "  prefix BL01:VAC:  generation 3 (seen 3)  made 2d ago",
        "state RUN  for 30m  pressure above limit",
        "inputs 11/12 connected; not: p1",
        "rules active: high",
        "rules that cannot be judged: low",
        "latched: alarm",
        f"last error {local(1)}: guard.py:7: boom",
        "conditions",
        "  InputsConnected  False       2h  Disconnected  1 of 12 not connected: p1",
        "pod guard-0  on node n0  10.0.0.7  restarts 2",
        "last ends",
        f"  {local(1):<21}OOMKilled        exit code 137",
    ]


def local(hours: float) -> str:
    return f"{(NOW - timedelta(hours=hours)).astimezone():%Y-%m-%d %H:%M:%S}"


def test_a_report_that_the_operator_does_not_hold_for_live_is_left_out():
    text = said(stalled())
    assert "pressure above limit" not in text
    assert "high" not in text
    assert "image x: not found" in text
    assert text.count("image x: not found") == 1


def test_the_run_of_a_job_is_told_with_its_result():
    run = {
        **{"number": 2, "startTime": at(2), "completionTime": at(1), "exitCode": 0},
        **{"message": "exit code 0", "result": {"peak": 1.5}},
    }
    text = said(task(run=run))
    assert f"run 2  started {local(2)}  ended {local(1)} after 60m  exit code 0\n" in text
    assert '  result {"peak": 1.5}' in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h")),
        *((12_000, "3h20m"), (36_000, "10h"), (172_799, "47h"), (172_800, "2d")),
    ],
)
def test_ages_are_as_kubectl_writes_them(seconds: int, text: str):
    assert age(NOW - timedelta(seconds=seconds), NOW) == text
    assert age(None, NOW) == ""


def test_a_line_of_a_pipe_has_the_message_only_of_what_is_not_well():
    assert plain(row(task()), namespaces=True) == (
        "task bl01/guard  Ready=True  Running  RUN  11/12"
    )
    assert plain(row(stalled()), namespaces=False) == (
        "task guard  Ready=False  ImagePull  Unknown  Unknown  image x: not found"
    )


def test_the_pvs_of_a_task_are_its_state_its_inputs_and_its_outputs():
    assert pv_names(task()) == [
        *("BL01:VAC:STATUS", "BL01:VAC:MESSAGE", "BL01:VAC:ENABLE"),
        *("BL01:VAC:p1", "BL01:VAC:p2", "BL01:VAC:alarm"),
    ]
    bare = {"kind": "IocJob", "metadata": {"name": "a.b", "namespace": "bl01"}, "spec": {}}
    assert pv_names(bare)[0] == "BL01:A-B:STATE"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("10.0.0.1", ("10.0.0.1", 5064)),
        ("host:5066", ("host", 5066)),
        ("fd00::1", ("fd00::1", 5064)),
        ("[fd00::1]", ("fd00::1", 5064)),
        ("[fd00::1]:5066", ("fd00::1", 5066)),
    ],
)
def test_an_address_is_a_host_and_perhaps_a_port(given: str, found: tuple[str, int]):
    assert split(given, "ca") == found
    assert split("x", "pva") == ("x", 5075)


@pytest.mark.parametrize("given", ["", ":5064", "host:x", "host:0", "host:99999"])
def test_what_is_no_address_is_refused(given: str):
    with pytest.raises(ValueError):  # noqa: PT011
        split(given, "ca")


def test_a_headless_service_has_no_address():
    assert server_of({"spec": {"clusterIP": "None"}}) is None
    assert server_of({}) is None
    assert server_of({"spec": {"clusterIP": "10.1.2.3"}}) == "10.1.2.3"
