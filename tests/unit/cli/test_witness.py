"""A status is believed as long as somebody stands for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ioc_runtime.cli.condition_table import row
from ioc_runtime.cli.detail import detail
from ioc_runtime.cli.witness import believed, is_held, why_no_pod
from unit.cli.test_status_text import condition, said, stalled, task

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HERE = frozenset({"u1"})


def guard(**changes: Any) -> dict[str, Any]:
    return task(**{"pod": {"name": "guard-0", "uid": "u1", "node": "n0"}, **changes})


def lease(age: float, holder: str = "operator-1", lasts: int = 6) -> dict[str, Any]:
    then = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": lasts, "renewTime": then},
    }


@pytest.mark.parametrize(
    ("age", "held"),
    [
        *((0.0, True), (-1.0, True), (1.5, True)),
        *((2.0, None), (6.0, None), (60.0, None), (-30.0, None)),
        *((67.0, False), (90_000.0, False)),
    ],
)
def test_a_lease_is_judged_by_its_age_as_far_as_clocks_can_be_trusted(
    age: float, held: bool | None
):
    assert is_held(lease(age), NOW, 0.0, renewed=False) is held


def test_a_longer_look_tells_where_the_clock_does_not():
    assert is_held(lease(30), NOW, 7.0, renewed=False) is None
    assert is_held(lease(30), NOW, 7.6, renewed=False) is False
    assert is_held(lease(30), NOW, 0.5, renewed=True) is True
    assert is_held(lease(30), NOW, 7.6, renewed=True) is False
    assert is_held(lease(0), None, 0.0, renewed=False) is None
    assert is_held({"spec": {"holderIdentity": "x", "renewTime": 7}}, NOW, 0, renewed=False) is None


@pytest.mark.parametrize("one", [lease(0, holder=""), {}, {"spec": None}])
def test_a_lease_that_nobody_holds_is_free(one: dict[str, Any]):
    assert is_held(one, NOW, 0.0, renewed=True) is False


@pytest.mark.parametrize("pods", [None, HERE])
def test_what_an_operator_stands_for_is_believed(pods: frozenset[str] | None):
    assert believed(guard(), True, pods) == guard()
    assert believed(guard(), None, pods) == guard(), "where nobody can tell, nothing is said"


def test_without_an_operator_ready_is_unknown_and_the_rest_is_shown_as_last_known():
    found = believed(guard(), False, HERE)
    one = row(found)
    assert (one.ready, one.reason, one.state) == ("Unknown", "NoOperator", "RUN")
    assert one.message == "no operator is at work; last known: Running"
    assert not one.well
    assert "inputs 11/12 connected" in said(found)
    assert row(guard()).ready == "True", "the object itself stays as it was read"


@pytest.mark.parametrize("at_work", [False, None])
def test_a_pod_that_has_gone_takes_all_with_it_that_was_said_of_it(at_work: bool | None):
    item = guard()
    item["status"]["conditions"].append(condition("Serving", "True", "Serving"))
    found = believed(item, at_work, frozenset({"u2"}))
    one = row(found)
    assert (one.ready, one.reason, one.state) == ("Unknown", "PodGone", "Unknown")
    told = "\n".join(line.plain for line in detail(found, NOW))
    assert "the status speaks of pod guard-0, which is not there" in told
    assert not any(word in told for word in ("connected", "on node", "Serving", "rules active"))


@pytest.mark.parametrize("pods", [None, frozenset[str]()])
def test_what_is_not_said_to_be_ready_is_left_as_it_is(pods: frozenset[str] | None):
    ready = condition("Ready", "True", "Complete")
    over = guard(conditions=[ready], summary={"state": "Complete"})
    suspended = guard(conditions=[ready, condition("Suspended", "True", "x")], pod=None)
    for item in (stalled(), over, suspended, {"metadata": {}}, guard(observedGeneration=2)):
        assert believed(item, False, pods) == item


def pod(phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "guard-0", **metadata}, "status": {"phase": phase}}


def test_no_reason_is_a_status_that_says_the_opposite():
    gone = ": its status speaks of pod guard-0, which is not there"
    assert why_no_pod(guard(), [], True) == gone
    assert why_no_pod(guard(), [], False) == f"{gone}; no operator is at work"
    assert why_no_pod(guard(), [], None) == f"{gone}; is an operator at work?"
    ending = [pod(deletionTimestamp="t")]
    assert why_no_pod(guard(), ending, True) == ": pod guard-0 is being ended"
    assert why_no_pod(guard(), [pod("Failed")], True) == ": pod guard-0 is Failed"
    assert why_no_pod(stalled(), [], True) == ": ImagePull: image x: not found"
    assert why_no_pod(stalled(), [], False).endswith("not found; no operator is at work")
    assert why_no_pod({}, [], None) == ": NotSeen: no operator has written its status"
