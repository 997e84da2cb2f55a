"""A pod's log as a person reads it, and which container it is of."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from ioc_runtime.cli.cluster import Refused
from ioc_runtime.cli.logs import container_of, run_of, waiting_for, why_no_log
from ioc_runtime.cli.pod_log import as_json, readable

NOON = 1_772_366_400.25
CLOCK = f"{datetime.fromtimestamp(NOON):%H:%M:%S.250}"


def shown(**event: Any) -> str | None:
    line = readable(json.dumps({"time": NOON, **event}))
    return None if line is None else line.plain


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"say": "starting", "name": "guard", "prefix": "BL:"}, "guard starts: prefix BL:"),
        ({"say": "ready", "seconds": 0.8, "records": 42}, "ready after 0.80 s with 42 records"),
        ({"say": "state", "state": "RUN", "message": ""}, "RUN"),
        ({"say": "state", "state": "ERROR", "message": "boom"}, "ERROR: boom"),
        ({"say": "log", "level": "WARNING", "text": "late"}, "WARNING late"),
        (
            {"say": "log", "level": "ERROR", "text": "failed", "traceback": "T\nValueError: x\n"},
            "ERROR failed: ValueError: x",
        ),
        (
            {"say": "audit", "pv": "BL:mode", "old": 0, "new": 1, "user": "a", "host": "opi"},
            "put BL:mode: 0 -> 1 by a@opi",
        ),
        ({"say": "error", "reason": "PvConflict", "text": "taken"}, "error PvConflict: taken"),
        (
            {"say": "reload", "config_hash": "abc", "seconds": 0.01, "refused": None},
            "reload config_hash=abc seconds=0.01",
        ),
        ({"say": "log", "text": "\x1b[2J"}, "INFO \\x1b[2J"),
    ],
)
def test_a_line_of_the_runtime_is_a_sentence_with_the_time(event: dict, text: str):
    assert shown(**event) == f"{CLOCK}  {text}"


def test_what_the_runtime_did_not_say_is_shown_as_it_is():
    for line in ("printed by a plugin", "[1, 2]", '{"no": "say"}', "{broken"):
        found = readable(line)
        assert found is not None
        assert found.plain.strip() == line


@pytest.mark.parametrize(
    "line", ["", "  ", "Starting iocInit", json.dumps({"say": "snapshot", "inputs": []})]
)
def test_what_tells_nobody_anything_is_left_out(line: str):
    assert readable(line) is None


def test_as_json_every_line_says_something():
    own = json.dumps({"say": "state", "state": "RUN"})
    assert as_json(own) == own
    for line in ("2026 ERR pvxs", "[1]", '{"no": "say"}'):
        assert json.loads(as_json(line)) == {"say": "printed", "text": line}


@pytest.mark.parametrize("time", [None, "noon", True, 1e300, -1e300])
def test_a_line_without_a_time_that_makes_sense_has_none(time: Any):
    found = readable(json.dumps({"say": "state", "state": "RUN", "time": time}))
    assert found is not None
    assert found.plain.strip() == "RUN"


def pod(state: dict[str, Any], *names: str, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "guard-0", "uid": "u1"},
        "spec": {"containers": [{"name": name} for name in names or ("ioc",)]},
        "status": {
            "containerStatuses": [{"name": "ioc", "containerID": "c1", "state": state}],
            **status,
        },
    }


def test_the_container_is_the_one_that_serves():
    assert container_of(pod({}, "proxy", "ioc")) == "ioc"
    assert container_of(pod({}, "other")) == "other"
    assert container_of({}) == "ioc"


def test_each_start_of_a_container_is_another_run():
    running = pod({"running": {"startedAt": "t"}})
    assert run_of(running) == "u1 c1"
    assert run_of(pod({"terminated": {"startedAt": "t", "exitCode": 1}})) == "u1 c1"
    assert run_of(pod({"waiting": {"reason": "ContainerCreating"}})) is None
    assert run_of({}) is None


def test_while_there_is_nothing_to_show_it_says_why():
    assert waiting_for(None) == "there is no pod; waiting for one"
    assert waiting_for(pod({"waiting": {"reason": "ErrImagePull"}})) == (
        "pod guard-0 waits: ErrImagePull"
    )
    assert waiting_for(pod({"terminated": {"exitCode": 12, "reason": "Error"}})) == (
        "pod guard-0 has ended with exit code 12 (Error); waiting for the next start"
    )
    assert waiting_for(pod({}, phase="Pending")) == "pod guard-0 waits: Pending"


def test_an_error_in_the_place_of_a_log_is_a_sentence():
    waits = pod({"waiting": {"reason": "ErrImagePull"}})
    waits["spec"]["nodeName"] = "n0"

    def why(status: int, words: str, *, previous: bool = False) -> str:
        return why_no_log(waits, Refused(status, words), previous=previous)

    none = 'previous terminated container "ioc" in pod "guard-0" not found'
    assert why(400, none, previous=True) == (
        "pod guard-0 has had no container before the present one"
    )
    waiting = 'container "ioc" in pod "guard-0" is waiting to start: trying to pull'
    assert why(400, waiting) == "pod guard-0 waits: ErrImagePull"
    assert why(400, "what?") == "there is no log of pod guard-0: what?"
    assert why(500, "dial tcp: no route\x1b") == (
        "the log of pod guard-0 cannot be had from node n0: dial tcp: no route\\x1b"
    )
