"""The status of a task, case by case."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ioc_operator.status import ApplyError, Conflict, Facts, View, task_status
from ioc_operator.status.pod import Container
from unit.operator.views import (
    HASH,
    OTHER,
    at,
    condition,
    container,
    ended,
    later,
    pod,
    reasons,
    report,
    starting,
    view,
    waiting,
)


def test_a_task_that_is_well_is_ready_and_says_so():
    status = task_status(view())
    assert reasons(status) == {
        "Ready": "True Running",
        "Serving": "True PodReady",
        "PluginLoaded": "True Loaded",
        "RulesValid": "True AllValid",
        "InputsConnected": "True AllConnected",
    }
    assert status["phase"] == "Running"
    assert status["observedGeneration"] == 3
    assert status["summary"] == {"state": "RUN", "inputs": "12/12", "permits": "", "since": at(100)}
    assert status["claim"] == {"prefix": "BL01:VAC:"}
    assert status["pod"] == {
        **{"name": "guard-0", "uid": "u1", "node": "n0", "ip": "10.0.0.7"},
        **{"startedAt": at(2), "image": "ioc-runtime:1", "restarts": 0},
    }
    assert "history" not in status
    assert "runtime" not in status


def test_the_first_status_is_in_progress_for_tools_that_wait():
    status = task_status(View(generation=1, now=view().now))
    assert reasons(status) == {
        "Ready": "Unknown Progressing",
        "Reconciling": "True Progressing",
        "Serving": "False PodMissing",
    }
    assert status["observedGeneration"] == 1
    assert status["summary"]["state"] == "Unknown"


def fetching(message: str, restarts: int) -> Container:
    """An init container that has ended, and runs again."""
    last = ended(15, message=message)
    return container(name="fetch", ready=False, started=False, restarts=restarts, last=last)


STORIES: dict[str, tuple[View, str, str, str]] = {
    # what is known: (view, Ready, the other one that is set, phase)
    "no pod yet": (view(pod=None), "False PodMissing", "Reconciling", "Pending"),
    "image on its way": (
        view(pod=waiting("ContainerCreating")),
        *("False Starting", "Reconciling", "Pending"),
    ),
    "records not yet served": (view(pod=starting()), "False Starting", "Reconciling", "Pending"),
    "first restart": (
        view(pod=starting(container=container(ready=False, started=False, restarts=1))),
        *("False Restarting", "Reconciling", "Pending"),
    ),
    "pod deleted": (
        view(pod=pod(deleted_at=at(50))),
        *("False PodTerminating", "Reconciling", "Pending"),
    ),
    "evicted": (
        view(pod=starting(phase="Failed", reason="Evicted", message="low on memory")),
        *("False PodEnded", "Reconciling", "Pending"),
    ),
    "template has moved on": (
        view(pod=pod(), pod_outdated=True),
        *("False Rolling", "Reconciling", "Pending"),
    ),
    "broken image, fixed by an edit": (
        view(pod=waiting("ImagePullBackOff"), pod_outdated=True),
        *("False Rolling", "Reconciling", "Pending"),
    ),
    "no node": (
        view(pod=starting(node="", phase="Pending", scheduling="0/3 nodes are available")),
        *("False Unschedulable", "Stalled", "Stalled"),
    ),
    "image that is not there": (
        view(pod=waiting("ErrImagePull", "not found")),
        *("False ImagePull", "Stalled", "Stalled"),
    ),
    "Secret that is not there": (
        view(pod=waiting("CreateContainerConfigError", 'secret "x" not found')),
        *("False ContainerError", "Stalled", "Stalled"),
    ),
    "backing off": (
        view(pod=waiting("CrashLoopBackOff", restarts=4, last=ended())),
        *("False CrashLoop", "Stalled", "Stalled"),
    ),
    "between two back-offs": (
        view(pod=starting(container=container(ready=False, restarts=4, last=ended()))),
        *("False CrashLoop", "Stalled", "Stalled"),
    ),
    "crash loop of a plugin that does not load": (
        view(
            pod=waiting(
                "CrashLoopBackOff",
                restarts=4,
                last=ended(15, message='{"reason": "PluginFailed", "text": "no class"}'),
            )
        ),
        *("False PluginFailed", "Stalled", "Stalled"),
    ),
    "a source that takes long to fail, while it is tried again": (
        view(pod=starting(inits=(fetching('{"reason": "Timeout", "text": "silence"}', 1),))),
        *("False Timeout", "Stalled", "Stalled"),
    ),
    "a source that has failed just now": (
        view(pod=starting(inits=(fetching('{"reason": "Timeout", "text": "silence"}', 0),))),
        *("False Starting", "Reconciling", "Pending"),
    ),
    "what fetches was killed once": (
        view(pod=starting(inits=(fetching("", 1),))),
        *("False Starting", "Reconciling", "Pending"),
    ),
    "a source that came at the second try": (
        view(pod=starting(inits=(replace(fetching('{"reason": "Timeout"}', 1), ready=True),))),
        *("False Starting", "Reconciling", "Pending"),
    ),
    "a first crash": (
        view(pod=starting(container=container(ready=False, started=False, ended=ended()))),
        *("False Restarting", "Reconciling", "Pending"),
    ),
    "started, and not yet asked whether it is ready": (
        view(pod=starting(ready_since=at(1), container=container(ready=False))),
        *("False Starting", "Reconciling", "Pending"),
    ),
    "readiness probe fails": (
        view(pod=starting(container=container(ready=False))),
        *("False NotReady", "", "Degraded"),
    ),
    "a container beside ours is not ready, though ours crashed before": (
        view(pod=starting(container=container(restarts=4, last=ended()))),
        *("False NotReady", "", "Degraded"),
    ),
    "a readiness gate is closed": (
        view(pod=pod(ready=False, ready_reason="ReadinessGatesNotReady")),
        *("False NotReady", "", "Degraded"),
    ),
    "node gone": (view(pod=pod(ready=False)), "Unknown NodeLost", "", "Degraded"),
    "pod of another uid reported": (
        view(runtime=report(podUID="u0")),
        *("Unknown NotReported", "Reconciling", "Pending"),
    ),
    "never reported": (
        view(runtime=None),
        *("Unknown NotReported", "Reconciling", "Pending"),
    ),
    "the container before this one reported": (
        view(pod=pod(container=container(started_at=at(60), restarts=1, last=ended()))),
        *("Unknown NotReported", "Reconciling", "Pending"),
    ),
    "edit not yet acknowledged": (
        view(config_hash=OTHER),
        *("Unknown ConfigPending", "Reconciling", "Pending"),
    ),
    "runtime too old": (
        view(
            config_hash=OTHER,
            runtime=report(refused={"configHash": OTHER, "reason": "RuntimeTooOld", "text": "x"}),
        ),
        *("False RuntimeTooOld", "Stalled", "Stalled"),
    ),
    "plan refused": (
        view(
            config_hash=OTHER,
            runtime=report(refused={"configHash": OTHER, "reason": "BadPlan", "text": "x"}),
        ),
        *("False PlanRefused", "Stalled", "Stalled"),
    ),
    "an older plan was refused": (
        view(runtime=report(refused={"configHash": OTHER, "reason": "BadPlan", "text": "x"})),
        *("True Running", "", "Running"),
    ),
    "paused": (view(runtime=report(state="PAUSED")), "True Paused", "", "Running"),
    "starting, says the task": (
        view(runtime=report(state="INIT")),
        *("False Starting", "Reconciling", "Pending"),
    ),
    "task in error": (
        view(runtime=report(state="ERROR", lastError={"text": "boom"})),
        *("False TaskError", "", "Degraded"),
    ),
    "task ended": (view(runtime=report(state="END")), "False TaskEnded", "", "Degraded"),
    "plugin failed": (
        view(runtime=report(plugin={"state": "failed"})),
        *("False PluginFailed", "Stalled", "Stalled"),
    ),
    "plugin ended": (
        view(runtime=report(plugin={"state": "ended"})),
        *("False PluginEnded", "", "Degraded"),
    ),
    "plugin not mentioned": (
        view(runtime=report(plugin=7)),
        *("Unknown BadReport", "", "Degraded"),
    ),
    "unknown state": (
        view(runtime=report(state="FINE")),
        *("Unknown BadReport", "", "Degraded"),
    ),
    "inputs missing": (
        view(runtime=report(inputs={"connected": 11, "total": 12, "disconnected": ["p"]})),
        *("True Running", "", "Degraded"),
    ),
    "bad edit, the last good one runs on": (
        view(facts=None, problems="spec.rules[0].condition: expected a name"),
        *("False InvalidSpec", "Stalled", "Stalled"),
    ),
    "bad from the start": (
        View(generation=1, now=view().now, problems="spec.prefix: expected a text"),
        *("False InvalidSpec", "Stalled", "Stalled"),
    ),
    "edit whose tests fail, the last good one runs on": (
        view(facts=None, failed_tests="test 'trips', step 2: expected valve 0, got 1"),
        *("False TestsFailed", "Stalled", "Stalled"),
    ),
    "edit whose tests fail and that would suspend": (
        view(suspend=True, facts=None, failed_tests="test 'trips', step 2: expected a, got b"),
        *("False TestsFailed", "Stalled", "Stalled"),
    ),
    "prefix of somebody else": (
        view(pod=None, claim=None, conflict=Conflict("bl02/pumps", "BL01:VAC:")),
        *("False PvConflict", "Stalled", "Stalled"),
    ),
    "name of somebody else": (
        view(errors=(ApplyError(0, "ConfigMap bl01/guard-config", "is not ours"),)),
        *("False NameTaken", "Stalled", "Stalled"),
    ),
    "refused": (
        view(errors=(ApplyError(422, "StatefulSet bl01/guard", "spec.x: Invalid"),)),
        *("False Refused", "Stalled", "Stalled"),
    ),
    "forbidden": (
        view(errors=(ApplyError(403, "Service bl01/guard", "cannot patch"),)),
        *("False Forbidden", "Stalled", "Stalled"),
    ),
    "hands off, and edited": (
        view(disabled=True, applied=False),
        *("Unknown ReconcileDisabled", "", "Degraded"),
    ),
    "hands off, and nothing to do": (view(disabled=True), "True Running", "", "Running"),
    "suspended": (
        view(suspend=True, pod=None),
        *("False SuspendedBySpec", "Suspended", "Suspended"),
    ),
    "bad edit that would suspend": (
        view(suspend=True, facts=None, problems="spec.x: expected y"),
        *("False InvalidSpec", "Stalled", "Stalled"),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_ready_names_the_first_thing_in_the_way(story: str):
    one, ready, other, phase = STORIES[story]
    status = task_status(one)
    assert reasons(status)["Ready"] == ready
    extra = {"Reconciling", "Stalled", "Suspended"} & {c["type"] for c in status["conditions"]}
    assert extra == ({other} if other else set())
    assert status["phase"] == phase


def test_suspended_with_a_pod_that_still_ends_is_in_progress():
    status = task_status(view(suspend=True, pod=pod(deleted_at=at(50))))
    assert reasons(status)["Reconciling"] == "True Suspending"
    assert reasons(status)["Suspended"] == "True SuspendedBySpec"
    assert status["phase"] == "Suspended"


@pytest.mark.parametrize(
    "one",
    [
        view(runtime=report(podUID="u0")),
        view(config_hash=OTHER),
        view(pod=pod(ready=False)),
        view(pod=pod(deleted_at=at(90))),
        view(pod=pod(container=container(started_at=at(60)))),
        view(pod=None),
        view(runtime=None),
        view(runtime=report(state="FINE")),
    ],
)
def test_a_report_that_is_not_of_what_runs_now_is_never_shown_as_live(one: View):
    status = task_status(one)
    assert (status["summary"]["state"], status["summary"]["inputs"]) == ("Unknown", "Unknown")
    for kind in ("PluginLoaded", "RulesValid", "InputsConnected"):
        assert reasons(status)[kind] == "Unknown NoLiveReport"


def test_a_bad_edit_leaves_what_runs_in_sight():
    good = task_status(view())
    status = task_status(later(view(facts=None, problems="x: expected y", generation=4), 5), good)
    assert status["summary"] == good["summary"]
    assert status["observedGeneration"] == 4
    ready = condition(status, "Ready")
    assert ready and ready["message"] == "x: expected y. What ran before runs on."
    assert reasons(status)["InputsConnected"] == "True AllConnected"


def test_long_problems_are_cut_and_what_runs_is_still_told():
    ready = condition(task_status(view(facts=None, problems="ä" * 2000)), "Ready")
    assert ready and len(ready["message"].encode()) <= 1024
    assert ready["message"].endswith("… What ran before runs on.")


def test_disconnected_inputs_are_counted_and_named():
    inputs = {"connected": 9, "total": 12, "disconnected": ["p1", "p2"]}
    status = task_status(view(runtime=report(inputs=inputs)))
    found = condition(status, "InputsConnected")
    assert found and found["message"] == "3 of 12 not connected: p1, p2, …"
    assert status["summary"]["inputs"] == "9/12"


@pytest.mark.parametrize(
    "inputs",
    [
        {"connected": 3, "total": 3, "disconnected": []},
        {"connected": 12, "total": 12, "disconnected": ["p"]},
        {"connected": 13, "total": 12},
        {"connected": True, "total": True},
        {"connected": 12, "total": 12, "disconnected": "none"},
        {"connected": -1, "total": 12},
        [],
        None,
    ],
)
def test_numbers_that_cannot_be_are_not_believed(inputs: Any):
    status = task_status(view(runtime=report(inputs=inputs)))
    assert reasons(status)["InputsConnected"] == "Unknown NoLiveReport"
    assert status["summary"]["inputs"] == "Unknown"


def test_rules_that_cannot_be_judged_are_named():
    status = task_status(view(runtime=report(rules={"active": [], "invalid": ["low", "high"]})))
    found = condition(status, "RulesValid")
    assert found and (found["reason"], found["message"]) == (
        *("RulesInvalid", "cannot be judged: low, high"),
    )


def test_conditions_are_only_for_what_the_manifest_has():
    bare = task_status(view(facts=Facts()))
    assert set(reasons(bare)) == {"Ready", "Serving"}
    assert bare["summary"]["inputs"] == ""
    none = report(inputs={"connected": 0, "total": 0, "disconnected": []})
    bad = task_status(view(facts=None, problems="x: expected y", runtime=none))
    assert bad["summary"]["inputs"] == "", "what runs has none, whatever the edit has"


def test_without_reports_the_probes_tell_and_a_forged_report_tells_nothing():
    status = task_status(view(report=False, runtime=report(state="ERROR")))
    assert reasons(status) == {"Ready": "True ProbesPass", "Serving": "True PodReady"}
    assert status["summary"]["state"] == "Unreported"
    assert status["summary"]["inputs"] == "Unreported"
    told = task_status(view(report=False, config_hash=OTHER))
    assert reasons(told)["Ready"] == "Unknown ConfigPending"


def test_a_pull_that_backs_off_has_the_message_of_the_pull_itself():
    cause = "failed to pull and unpack image: not found"
    pulling = task_status(view(pod=waiting("ErrImagePull", cause)))
    text = f'Back-off pulling image "ioc-runtime:1": ErrImagePull: {cause}'
    backing = task_status(later(view(pod=waiting("ImagePullBackOff", text)), 9), pulling)
    assert backing["conditions"] == pulling["conditions"]


def test_a_start_takes_one_status_until_it_is_ready():
    waits = starting(ready_since=at(0))
    first = task_status(view(pod=waits))
    probed = starting(ready_since=at(0), container=container(ready=False))
    assert task_status(later(view(pod=probed), 1), first) == first


def test_a_restart_has_one_condition_from_its_crash_until_it_is_ready():
    crashed = starting(container=container(ready=False, started=False, ended=ended()))
    first = task_status(view(pod=crashed))
    again = container(ready=False, started=False, restarts=1, last=ended())
    second = task_status(later(view(pod=starting(container=again)), 1), first)
    assert second["conditions"] == first["conditions"]


def test_since_is_the_time_of_the_last_change_of_state():
    first = task_status(view())
    second = task_status(later(view(generation=4), 10), first)
    assert second["summary"]["since"] == first["summary"]["since"]
    third = task_status(later(view(runtime=report(state="PAUSED")), 20), second)
    assert third["summary"]["since"] == at(120)


def test_a_request_is_echoed_once_it_was_acted_on():
    asked = view(requested_at="2026-03-01T03:00:00Z")
    assert task_status(asked)["lastHandledReconcileAt"] == "2026-03-01T03:00:00Z"
    failed = view(requested_at="now", errors=(ApplyError(422, "Service x", "no"),))
    assert "lastHandledReconcileAt" not in task_status(failed)
    before = {"lastHandledReconcileAt": "earlier"}
    assert task_status(failed, before)["lastHandledReconcileAt"] == "earlier"


def test_a_status_is_json():
    assert json.loads(json.dumps(task_status(view()))) == task_status(view())


def test_what_somebody_else_wrote_into_the_status_does_no_harm():
    previous: dict[str, Any] = {
        "conditions": [7, {"type": 7}, {"type": "Ready", "status": "True"}],
        "history": [None, {"time": "x"}, {"time": at(1), "reason": "Old", "exitCode": True}],
        "summary": "RUN",
        "lastHandledReconcileAt": {},
    }
    status = task_status(view(), previous)
    assert reasons(status)["Ready"] == "True Running"
    assert status["history"] == [{"time": at(1), "reason": "Old", "message": ""}]


def test_the_hash_of_no_config_matches_no_report():
    blank = view(config_hash=None, runtime=report(configHash=None))
    assert reasons(task_status(blank))["Ready"] == "Unknown Progressing"
    assert HASH not in json.dumps(task_status(blank))
