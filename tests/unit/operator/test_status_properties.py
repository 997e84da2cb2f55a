"""What holds of every status, whatever is known and whoever wrote it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from ioc_operator import conditions as c
from ioc_operator.status import ApplyError, Conflict, Ended, Facts, View, task_status
from support.examples import examples
from unit.operator.views import HASH, OTHER, START, at, condition, container, pod, report, view

TEXT = st.text(st.characters(), max_size=20)
"""Halves of surrogate pairs as well: JSON can hold them, UTF-8 cannot."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
Fields = dict[str, st.SearchStrategy[Any]]
HASHES = st.sampled_from([HASH, OTHER])
TIMES = st.sampled_from(["", *(at(s) for s in (0, 2, 4, 30, 60, 61, 200))])
REASONS = st.sampled_from(
    ["", "Error", "Completed", "OOMKilled", "CrashLoopBackOff", "ErrImagePull", "Evicted"]
)


def spoilt(good: Any, fields: Fields, most: int = 3) -> st.SearchStrategy[Any]:
    """What is good, with a few of its fields replaced by anything that they may hold."""
    names = st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True)
    drawn = names.flatmap(lambda picked: st.fixed_dictionaries({n: fields[n] for n in picked}))
    return drawn.map(lambda changes: good(**changes))


REPORT_FIELDS: Fields = {
    **dict.fromkeys(report(), JSON),
    "podUID": st.sampled_from(["u1", "u2", ""]),
    "configHash": HASHES,
    "time": TIMES,
    "state": st.sampled_from(["RUN", "PAUSED", "INIT", "END", "ERROR", "FINE", ""]),
    "plugin": st.sampled_from(["none", "loaded", "failed", "ended"]).map(lambda s: {"state": s}),
    "refused": st.fixed_dictionaries({"configHash": HASHES, "reason": REASONS}),
}
GARBAGE = spoilt(report, dict.fromkeys(report(), JSON), 9)
REPORTS = JSON | GARBAGE | spoilt(report, REPORT_FIELDS)
ENDS = st.none() | st.builds(
    Ended,
    REASONS,
    st.none() | st.sampled_from([0, 12, 15, 137]),
    st.text(max_size=20) | JSON.map(json.dumps),
    TIMES,
)
CONTAINERS = spoilt(
    container,
    {
        "name": st.sampled_from(["ioc", "proxy"]),
        "image": st.just("i:1"),
        "ready": st.booleans(),
        "started": st.booleans(),
        "restarts": st.integers(0, 4),
        "started_at": TIMES,
        "waiting": REASONS,
        "waiting_message": st.text(max_size=9),
        "ended": ENDS,
        "last": ENDS,
    },
    4,
)
PODS = spoilt(
    pod,
    {
        "name": st.just("guard-0"),
        "uid": st.sampled_from(["u1", "u2", ""]),
        "phase": st.sampled_from(["", "Pending", "Running", "Failed", "Succeeded"]),
        "reason": REASONS,
        "node": st.sampled_from(["", "n0"]),
        "created_at": TIMES,
        "deleted_at": st.just("") | TIMES,
        "ready": st.booleans(),
        "ready_reason": REASONS,
        "ready_since": TIMES,
        "containers_ready": st.booleans(),
        "scheduling": st.sampled_from(["", "no nodes"]),
        "container": st.none() | CONTAINERS,
        "inits": st.lists(CONTAINERS, max_size=1).map(tuple),
        "config": st.just("") | HASHES,
    },
    4,
)
VIEWS = spoilt(
    view,
    {
        "generation": st.integers(1, 9),
        "now": st.integers(0, 900).map(lambda s: START + timedelta(seconds=s)),
        "runtime": REPORTS,
        "suspend": st.sampled_from([False, False, True]),
        "disabled": st.booleans(),
        "report": st.sampled_from([True, True, False]),
        "requested_at": st.sampled_from(["", "x"]),
        "facts": st.none()
        | st.builds(Facts, st.sampled_from([0, 12]), st.booleans(), st.booleans()),
        "problems": st.sampled_from(["", "", "spec.x: expected y"]),
        "claim": st.none() | st.just("A:"),
        "conflict": st.none() | st.builds(Conflict, st.just("n/o"), st.just("A:")),
        "errors": st.just(())
        | st.sampled_from([0, 403, 422]).map(lambda n: (ApplyError(n, "x", "y"),)),
        "applied": st.sampled_from([True, True, False]),
        "config_hash": st.none() | HASHES,
        "pod": st.none() | PODS,
        "pod_outdated": st.sampled_from([False, False, True]),
    },
    4,
)
"""Anything that may be known."""
PREVIOUS = st.none() | JSON | VIEWS.map(task_status)
MANY = settings(max_examples=examples(300), deadline=None)


def ready(status: dict[str, Any]) -> bool:
    found = condition(status, "Ready")
    assert found is not None
    return found["status"] == "True"


@MANY
@given(VIEWS, PREVIOUS)
def test_ready_means_a_live_pod_with_the_right_configuration(known: View, previous: Any):
    if not ready(task_status(known, previous)):
        return
    live = known.pod
    assert live is not None
    assert live.ready and not live.deleted_at and live.phase not in ("Failed", "Succeeded")
    assert known.applied and not known.problems and not known.errors and not known.suspend
    assert known.conflict is None and known.config_hash and not known.pod_outdated
    if known.report:
        said = known.runtime
        assert said["podUID"] == live.uid != ""
        assert said["configHash"] == known.config_hash
        assert said["state"] in ("RUN", "PAUSED")
        assert said.get("plugin", {}) != {"state": "failed"}
        assert live.container is not None
        assert said["time"] >= live.container.started_at != ""
    else:
        assert live.config in ("", known.config_hash)


@MANY
@given(VIEWS, PREVIOUS, st.integers(0, 10**6))
def test_a_status_worked_out_again_is_the_same_to_the_byte(known: View, previous: Any, wait: int):
    first = task_status(known, previous)
    again = task_status(replace(known, now=known.now + timedelta(seconds=wait)), first)
    assert json.dumps(again) == json.dumps(first)


@MANY
@given(VIEWS, PREVIOUS)
def test_every_status_is_one_that_tools_can_read(known: View, previous: Any):
    status = task_status(known, previous)
    kinds = [one["type"] for one in status["conditions"]]
    assert kinds[0] == "Ready" and len(kinds) == len(set(kinds))
    assert not {"Reconciling", "Stalled"} <= set(kinds)
    assert status["observedGeneration"] == known.generation
    for one in status["conditions"]:
        assert one["type"] in c.CONDITIONS and one["reason"] in c.REASONS
        assert one["observedGeneration"] == known.generation
        assert len(one["message"].encode()) <= c.MESSAGE_BYTES
        assert c.moment(one["lastTransitionTime"])
        assert one["status"] == "True" or one["type"] not in ("Reconciling", "Stalled", "Suspended")
    if ready(status):
        assert not {"Reconciling", "Stalled", "Suspended"} & set(kinds)
    assert len(status.get("history", [])) <= 10
    json.dumps(status, allow_nan=False, ensure_ascii=False).encode()


@MANY
@given(VIEWS, PREVIOUS)
def test_a_live_state_is_shown_only_of_the_pod_that_lives(known: View, previous: Any):
    summary = task_status(known, previous)["summary"]
    if summary["state"] in ("Unknown", "Unreported"):
        assert summary["inputs"] in ("", "Unknown", "Unreported")
        return
    assert known.report and known.pod and known.pod.ready and not known.pod.deleted_at
    assert known.runtime["podUID"] == known.pod.uid
    assert known.runtime["configHash"] == known.config_hash
    assert summary["state"] == known.runtime["state"]


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("well", [True, False])
def test_what_these_tests_draw_is_ready_at_times_and_at_times_not(reports: bool, well: bool):
    def wanted(known: View) -> bool:
        return known.report == reports and ready(task_status(known)) == well

    # one is enough: the least such is not looked for
    find(VIEWS, wanted, settings=settings(phases=[Phase.generate], max_examples=2000))
