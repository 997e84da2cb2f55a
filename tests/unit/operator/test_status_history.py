"""The last ends of containers: what they say, and that none is told twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ioc_operator.status import read_pod, task_status
from ioc_operator.status.history import history, sentence
from unit.operator.views import at, container, ended, later, pod, starting, view


def told(*pods, previous=None) -> list[tuple]:
    return [
        (e["time"], e["reason"], e.get("exitCode"), e["message"]) for e in history(pods, previous)
    ]


def test_an_end_says_what_the_runtime_left_as_its_last_words():
    words = json.dumps({"reason": "PluginFailed", "text": "guard.py:7: no such name", "exit": 15})
    one = pod(container=container(restarts=1, last=ended(15, message=words)))
    assert told(one) == [
        (at(60), "PluginFailed", 15, "exit code 15: guard.py:7: no such name"),
    ]


def test_a_container_that_was_out_of_memory_is_told_as_that_whatever_it_said_before():
    words = '{"reason": "PluginFailed", "text": "slow"}'
    one = pod(container=container(restarts=1, last=ended(137, "OOMKilled", words)))
    assert told(one) == [(at(60), "OOMKilled", 137, "exit code 137 (OOMKilled): slow")]


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (ended(137, "OOMKilled"), "exit code 137 (OOMKilled): it used more memory than its limit"),
        (ended(15), "exit code 15: its configuration, plugin or environment is of no use"),
        (ended(1, message="Traceback"), "exit code 1: Traceback"),
        (ended(1), "exit code 1"),
        (ended(0, "Completed"), "exit code 0"),
        (ended(None, "ContainerStatusUnknown"), "(ContainerStatusUnknown)"),
        (ended(1, message='{"text": ' + "[" * 2000), "exit code 1: " + '{"text": ' + "[" * 2000),
    ],
)
def test_an_end_in_words(end, text: str):
    assert sentence(end) == (text if len(text) <= 512 else text[:509] + "…")


def test_an_end_is_told_once_whoever_asks_and_however_often():
    first = task_status(view(pod=starting(container=container(ready=False, ended=ended()))))
    assert len(first["history"]) == 1
    restarted = container(started_at=at(61), restarts=1, last=ended())
    second = task_status(later(view(pod=pod(container=restarted)), 5), first)
    assert second["history"] == first["history"]
    new_pod = task_status(later(view(pod=pod(uid="u2")), 9), second)
    assert new_pod["history"] == first["history"]


def test_the_last_ten_are_kept_the_oldest_first():
    status: dict = {}
    for n in range(14):
        one = pod(container=container(restarts=n + 1, last=ended(when=60 + n)))
        status = task_status(view(pod=one), status)
        status = task_status(view(pod=one), status)
    assert [e["time"] for e in status["history"]] == [at(60 + n) for n in range(4, 14)]


def test_an_end_that_was_asked_for_and_went_well_is_none():
    stopped = container(ready=False, ended=ended(0, "Completed"))
    assert told(pod(deleted_at=at(90), container=stopped)) == []
    assert told(pod(deleted_at=at(90), container=container(ended=ended(137)))) != []
    assert told(pod(container=stopped)) != []


def test_an_eviction_is_told_as_one_with_and_without_a_container():
    whole = starting(phase="Failed", reason="Evicted", message="low on memory")
    with_code = replace(whole, container=container(ready=False, ended=ended(137)))
    assert [e[1:] for e in told(with_code)] == [
        ("Evicted", 137, "exit code 137: it was killed; low on memory"),
    ]
    without = replace(whole, container=container(ready=False))
    assert [e[1:] for e in told(without)] == [("Evicted", None, "low on memory")]


def test_an_end_that_turns_out_to_be_an_eviction_is_told_as_that():
    before = task_status(view(pod=starting(container=container(ready=False, ended=ended(137)))))
    evicted = replace(
        starting(phase="Failed", reason="Evicted"), container=container(ended=ended(137))
    )
    after = task_status(view(pod=evicted), before)
    assert [e["reason"] for e in before["history"] + after["history"]] == ["Error", "Evicted"]


def test_a_lost_node_is_told_once_while_it_is_lost():
    lost = view(pod=pod(ready=False, ready_since=at(70)))
    first = task_status(lost)
    second = task_status(later(lost, 300), first)
    assert second["history"] == first["history"]
    assert [(e["time"], e["reason"]) for e in first["history"]] == [(at(70), "NodeLost")]


def test_an_init_container_that_fails_is_named():
    fetch = container(name="fetch", ready=False, last=ended(15, message="no such branch"))
    assert [e[3] for e in told(starting(inits=(fetch,)))] == [
        "init container fetch: exit code 15: no such branch"
    ]


def test_a_pod_is_read_from_what_the_api_server_holds():
    raw = {
        "metadata": {
            "name": "guard-0",
            "uid": "u1",
            "creationTimestamp": at(0),
            "annotations": {"ioc-operator.dev/config": "h", "ioc-operator.dev/shape": "s"},
        },
        "spec": {"nodeName": "n0"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": at(3)},
                {"type": "ContainersReady", "status": "True"},
                {"type": "PodScheduled", "status": "True"},
            ],
            "containerStatuses": [
                {"name": "proxy", "ready": True},
                {
                    "name": "ioc",
                    "image": "ioc-runtime:1",
                    "ready": True,
                    "started": True,
                    "restartCount": 2,
                    "state": {"running": {"startedAt": at(2)}},
                    "lastState": {
                        "terminated": {
                            "exitCode": 137,
                            "reason": "OOMKilled",
                            "finishedAt": at(1),
                            "message": None,
                        }
                    },
                },
            ],
        },
    }
    read = read_pod(raw)
    assert read.container == container(restarts=2, last=ended(137, "OOMKilled", when=1))
    assert (read.uid, read.node, read.ip, read.config, read.shape, read.ready, read.lost) == (
        *("u1", "n0", "10.0.0.7", "h", "s", True, False),
    )


def test_a_pod_whose_node_went_silent_is_known_by_what_the_control_plane_left_of_it():
    """As a 1.37 control plane left it after 55 s: no reason, and the container still ready."""
    raw = {
        "spec": {"nodeName": "fake"},
        "status": {
            "conditions": [
                {"lastTransitionTime": at(55), "status": "False", "type": "Ready"},
                {"lastTransitionTime": at(0), "status": "True", "type": "ContainersReady"},
                {"lastTransitionTime": None, "status": "True", "type": "PodScheduled"},
            ],
            "containerStatuses": [
                {
                    **{"name": "ioc", "image": "x", "ready": True, "started": True},
                    "state": {"running": {"startedAt": at(0)}},
                }
            ],
            "phase": "Running",
        },
    }
    assert read_pod(raw).lost
    assert [e["reason"] for e in task_status(view(pod=read_pod(raw)))["history"]] == ["NodeLost"]


@pytest.mark.parametrize(
    "raw", [{}, {"status": 7, "metadata": []}, {"status": {"containerStatuses": [{}, 1]}}]
)
def test_a_pod_that_says_nothing_is_read_as_one(raw: dict):
    read = read_pod(raw)
    assert not read.ready
    task_status(view(pod=read))
