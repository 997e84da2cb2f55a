"""What is told when one status follows another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from ioc_operator import conditions as c
from ioc_operator.status import Conflict, View, job_status, task_status, transitions
from ioc_operator.status.transitions import EVENTS
from support.examples import examples
from unit.operator.test_status_job import BROKEN, COMPLETE, running
from unit.operator.test_status_properties import JSON, VIEWS
from unit.operator.views import OTHER, container, ended, later, pod, report, starting, view, waiting


def told(*views: View) -> list[list[str]]:
    """The Events of each step through these views, from the second on."""
    status: dict[str, Any] = task_status(views[0])
    steps = []
    for one in views[1:]:
        after = task_status(one, status)
        steps.append([f"{e.type} {e.reason}: {e.note}" for e in transitions(status, after)])
        status = after
    return steps


def lost(connected: int, *names: str) -> View:
    inputs = {"connected": connected, "total": 12, "disconnected": [*names]}
    return view(runtime=report(inputs=inputs))


STORIES: dict[str, tuple[list[View], list[list[str]]]] = {
    "it comes up": (
        [view(pod=None), view(pod=starting()), view()],
        [[], ["Normal Served: BL01:VAC:* is served by pod guard-0 on node n0"]],
    ),
    "an edit": (
        [
            view(),
            view(generation=4, config_hash=OTHER),
            view(generation=4, config_hash=OTHER, runtime=report(configHash=OTHER)),
        ],
        [[], ["Normal ConfigInForce: generation 4 is in force"]],
    ),
    "an edit, acknowledged before we looked": (
        [view(), view(generation=4)],
        [["Normal ConfigInForce: generation 4 is in force"]],
    ),
    "a bad edit, taken back": (
        [view(), view(generation=4, facts=None, problems="x: expected y"), view(generation=5)],
        [
            ["Warning InvalidSpec: x: expected y. What ran before runs on."],
            ["Normal ConfigInForce: generation 5 is in force"],
        ],
    ),
    "a pause": (
        [view(), view(runtime=report(state="PAUSED")), view()],
        [["Normal Paused: paused by ENABLE"], ["Normal Resumed: ENABLE is 1 again"]],
    ),
    "inputs come and go": (
        [view(), lost(11, "p"), lost(11, "p"), lost(9, "p", "q", "r"), lost(11, "r"), view()],
        [
            ["Warning InputDisconnected: 1 of 12 not connected: p"],
            [],
            ["Warning InputDisconnected: 3 of 12 not connected: p, q, r"],
            [],
            ["Normal InputsConnected: all inputs are connected"],
        ],
    ),
    "rules": (
        [view(), view(runtime=report(rules={"active": [], "invalid": ["low"]})), view()],
        [
            ["Warning RulesInvalid: cannot be judged: low"],
            ["Normal AllValid: all rules can be judged again"],
        ],
    ),
    "an error": (
        [view(), view(runtime=report(state="ERROR", message="boom"))],
        [["Warning TaskError: boom"]],
    ),
    "a crash, and up again": (
        [
            view(),
            view(pod=starting(container=container(ready=False, started=False, ended=ended()))),
            view(pod=pod(container=container(started_at="", restarts=1, last=ended()))),
        ],
        [
            ["Warning Error: exit code 12: an exception, or a plugin that gave up"],
            ["Normal Served: BL01:VAC:* is served by pod guard-0 on node n0"],
        ],
    ),
    "a crash loop is told once, not at each turn": (
        [
            view(pod=starting()),
            view(pod=waiting("CrashLoopBackOff", restarts=2, last=ended(1))),
            view(pod=starting(container=container(ready=False, restarts=3, last=ended(1)))),
            view(pod=waiting("CrashLoopBackOff", restarts=3, last=ended(1))),
        ],
        [
            [
                "Warning Error: exit code 1",
                "Warning CrashLoop: restarted 2 times; last end: exit code 1",
            ],
            [],
            [],
        ],
    ),
    "the readiness probe fails": (
        [view(), view(pod=starting(container=container(ready=False)))],
        [
            [
                "Warning NotServed: the readiness probe fails: it may not serve, "
                "or its reports are not taken"
            ]
        ],
    ),
    "the node goes silent": (
        [view(), view(pod=pod(ready=False))],
        [
            [
                "Warning NodeLost: node n0 does not answer",
                "Warning NotServed: node n0 does not answer; "
                "whether the PVs are served is not known",
            ]
        ],
    ),
    "suspended and back": (
        [view(), view(suspend=True, pod=None), view(pod=None)],
        [
            ["Normal Suspended: suspended by spec.suspend"],
            ["Normal Unsuspended: spec.suspend is false again"],
        ],
    ),
    "a name of somebody else": (
        [View(generation=1, now=view().now), view(pod=None, conflict=Conflict("a/b", "P:"))],
        [["Warning PvConflict: P: belongs to a/b."]],
    ),
    "a pod that is replaced as asked": (
        [view(), view(pod=pod(), pod_outdated=True), view(pod=starting(deleted_at="x"))],
        [[], []],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_change_is_told_in_its_own_words(story: str):
    views, expected = STORIES[story]
    assert told(*[later(one, n) for n, one in enumerate(views)]) == expected


def test_the_first_status_tells_what_is_wrong_and_nothing_that_is_well_but_served():
    assert [e.reason for e in transitions(None, task_status(view()))] == ["Served"]
    bad = task_status(view(problems="x: expected y", facts=None, pod=None))
    assert [e.reason for e in transitions({}, bad)] == ["InvalidSpec"]


def test_a_run_is_told_at_its_start_and_at_its_end():
    assert [e.reason for e in transitions(None, job_status(running()))] == ["Served", "RunStarted"]
    begun = job_status(running())
    assert [(e.reason, e.note) for e in transitions(begun, job_status(COMPLETE, begun))] == [
        ("Completed", "run 2 has ended well")
    ]
    ends = transitions(begun, job_status(BROKEN, begun))
    assert [(e.type, e.reason) for e in ends] == [
        ("Warning", "Exception"),
        ("Warning", "RunFailed"),
    ]
    assert ends[1].note == "run 2: exit code 12: boom; PodFailurePolicy"


@settings(max_examples=examples(200), deadline=None)
@given(VIEWS, VIEWS, JSON)
def test_nothing_is_told_without_a_change_and_nothing_breaks(one: View, two: View, garbage: Any):
    first = task_status(one, garbage)
    assert transitions(first, first) == []
    assert transitions(first, task_status(one, first)) == []
    second = task_status(two, first)
    for event in (*transitions(first, second), *transitions(garbage, second)):
        assert event.type in ("Normal", "Warning")
        assert event.note and len(event.note.encode()) <= c.MESSAGE_BYTES
        assert event.reason and len(event.reason) <= 128


def test_every_reason_of_an_event_is_documented():
    seen: set[str] = set()
    for views, _ in STORIES.values():
        status: dict[str, Any] = {}
        for one in views:
            after = task_status(one, status)
            seen |= {e.reason for e in transitions(status, after)}
            status = after
    assert seen - {"Error"} <= {*EVENTS, *c.REASONS}
    of_jobs = {c.COMPLETED, c.RUN_FAILED, "RunStarted"}
    of_no_status = {"StatusRefused"}
    assert {*EVENTS} <= seen | of_jobs | of_no_status  # no Event is promised that never comes
