"""Edits of a running task: what changes in the pod, what replaces it, what is kept out."""

from __future__ import annotations

import time
from typing import Any

from cluster.pv import PvClient
from cluster.running import Operator
from cluster.tasks import Tasks, is_ready, of, task


def rule(condition: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": "high", "condition": condition, "outputs": {"alarm": 1}, **more}]


def in_force(found: dict[str, Any]) -> bool:
    """The pod has acknowledged the present generation."""
    runtime = found["status"].get("runtime", {})
    return runtime.get("observedGeneration") == found["metadata"]["generation"]


def test_an_edited_rule_is_in_force_in_the_same_pod_and_no_client_notices(
    operator: Operator, tasks: Tasks
):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    pod = tasks.uid("guard")
    with PvClient(tasks.address("guard")) as client:
        client.watch(prefix + "alarm")
        client.put(prefix + "pressure", 9.0)
        client.wait_for(prefix + "alarm", 1)
        tasks.patch("guard", {"rules": rule("pressure > limit + 2")})
        tasks.wait(in_force, "guard")
        assert client.get(prefix + "alarm") == 1, "the latch is kept"
        client.put(prefix + "pressure", 6.0)
        client.put(prefix + "CLEAR", 1)
        client.wait_for(prefix + "alarm", 0)
        connections = [value for _, value in client.heard(prefix + "alarm") if "conn" in str(value)]
        assert connections == ["conn True"]
    tasks.ready("guard")
    assert tasks.uid("guard") == pod


def test_an_edited_limit_and_text_arrive_too(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    inputs = {"pressure": {"type": "float", "value": 1.0, "alarms": {"high": 4.0}, "unit": "mbar"}}
    tasks.patch("guard", {"parameters": {"limit": 2.0}, "inputs": inputs})
    tasks.wait(in_force, "guard")
    with PvClient(tasks.address("guard")) as client:
        client.put(prefix + "pressure", 4.5)
        client.wait_for(prefix + "alarm", 1)
        assert client.severity(prefix + "pressure") == 1
        assert client.get(prefix + "pressure.EGU") == "mbar"


def test_a_new_pv_replaces_the_pod(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    before = tasks.uid("guard")
    more = {"id": "extra", "condition": "pressure > 100", "outputs": {"extra": 1}}
    edit = {
        "outputs": {"extra": {"type": "bool"}},
        "ruleDefaults": {"extra": 0},
        "rules": [*rule("pressure > limit"), more],
    }
    tasks.patch("guard", edit)
    tasks.wait(in_force, "guard")
    tasks.ready("guard")
    assert tasks.uid("guard") != before
    with PvClient(tasks.address("guard")) as client:
        assert client.get(prefix + "extra") == 0


def test_a_bad_edit_never_reaches_the_pod_and_a_good_one_mends_it(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    good = tasks.ready("guard")["status"]["runtime"]["configHash"]
    pod = tasks.uid("guard")
    tasks.patch("guard", {"rules": rule("presure > limit")})
    message = tasks.stalled("guard", "InvalidSpec")
    assert "spec.rules[0].condition" in message
    assert "pressure" in message, "the nearest name is given"
    with PvClient(tasks.address("guard")) as client:
        client.put(prefix + "pressure", 9.0)
        client.wait_for(prefix + "alarm", 1)
    found = tasks.get("ioctask", "guard")
    assert found["status"]["runtime"]["configHash"] == good
    assert of(found, "Ready")["status"] != "True" or of(found, "Stalled")
    tasks.patch("guard", {"rules": rule("pressure > limit * 2")})
    tasks.ready("guard")
    assert tasks.uid("guard") == pod


def test_a_manifest_that_is_bad_from_the_start_makes_nothing(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix, rules=rule("pressure > nothing")))
    assert "nothing" in tasks.stalled("guard", "InvalidSpec")
    assert tasks.list("statefulset") == []
    tasks.patch("guard", {"rules": rule("pressure > limit")})
    tasks.ready("guard")


def test_disabled_means_hands_off_until_it_is_taken_away(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    tasks.annotate("guard", "ioc-operator.dev/reconcile=disabled")
    before = tasks.get("configmap", "guard-config")["metadata"]["resourceVersion"]
    tasks.patch("guard", {"parameters": {"limit": 3.0}})
    tasks.wait(lambda t: t["status"]["observedGeneration"] == t["metadata"]["generation"], "guard")
    assert tasks.get("configmap", "guard-config")["metadata"]["resourceVersion"] == before
    tasks.annotate("guard", "ioc-operator.dev/reconcile-")
    tasks.wait(in_force, "guard")


def test_a_request_is_echoed_when_it_has_been_carried_out(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    tasks.annotate("guard", "ioc-operator.dev/requestedAt=now-1")
    tasks.wait(lambda t: t["status"].get("lastHandledReconcileAt") == "now-1", "guard")


def test_a_restart_that_is_asked_for_replaces_the_pod_once(operator: Operator, tasks: Tasks):
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.ready("guard")
    before = tasks.uid("guard")
    tasks.annotate("guard", "ioc-operator.dev/restartedAt=2026-01-01T00:00:00Z")
    tasks.wait(lambda t: is_ready(t) and tasks.uid("guard") not in (before, None), "guard")
    after = tasks.uid("guard")
    tasks.annotate("guard", "ioc-operator.dev/restartedAt-")
    tasks.patch("guard", {"parameters": {"limit": 3.0}})
    tasks.wait(in_force, "guard")
    tasks.ready("guard")
    assert tasks.uid("guard") == after, "to take the annotation away asks for nothing"


def test_a_reset_that_is_asked_for_releases_a_latch_in_the_same_pod(
    operator: Operator, tasks: Tasks
):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    before = tasks.uid("guard")
    with PvClient(tasks.address("guard")) as client:
        client.put(prefix + "pressure", 9.0)
        client.wait_for(prefix + "alarm", 1)
        client.put(prefix + "pressure", 1.0)
        tasks.annotate("guard", "ioc-operator.dev/resetAt=2026-01-01T00:00:00Z")
        client.wait_for(prefix + "alarm", 0)
    tasks.wait(lambda t: t["status"]["runtime"].get("resetAt") == "2026-01-01T00:00:00Z", "guard")
    tasks.ready("guard")
    assert tasks.uid("guard") == before


def test_the_pod_before_an_edit_of_its_resources_is_never_called_ready_after_it(
    operator: Operator, tasks: Tasks
):
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.ready("guard")
    before = tasks.uid("guard")
    tasks.patch("guard", {"resources": {"requests": {"cpu": "30m", "memory": "64Mi"}}})
    seen = []
    until = time.monotonic() + 40
    while not (seen and seen[-1][0] and seen[-1][1] != before):
        assert time.monotonic() < until, seen[-3:]
        found = tasks.get("ioctask", "guard")
        if found["status"]["observedGeneration"] == 2:
            ready = of(found, "Ready")["status"] == "True"
            seen.append((ready, found["status"].get("pod", {}).get("uid")))
    assert (True, before) not in seen
    assert len(seen) > 3
