"""A pod is told that its configuration has changed, and again while it does not say so.

No node here: what a kubelet and a runtime would say is written by hand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.operator_process import install, operator
from cluster.rig import Rig
from cluster.tasks import Tasks, task, until

pytestmark = pytest.mark.timeout(180)

CONFIG = "ioc-operator.dev/config"
AGAIN = "ioc-operator.dev/toldAgainAt"


@pytest.fixture(scope="module")
def kubeconfig(control_plane: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def tasks(control_plane: Rig, kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Tasks]:
    flags = ("--namespace", namespace, "--no-leader-election")
    with operator(kubeconfig, tmp_path, *flags) as process:
        process.ready()
        yield Tasks(control_plane.kubectl, namespace)


def write_status(tasks: Tasks, kind: str, name: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    tasks.run("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)


def wanted(tasks: Tasks) -> str:
    """The hash of what the ConfigMap holds."""
    return str(tasks.get("configmap", "guard-config")["metadata"]["annotations"][CONFIG])


def report(tasks: Tasks, config: str) -> None:
    """What the runtime in the pod would say: that this is in force."""
    runtime = {"podUID": tasks.uid("guard"), "configHash": config, "state": "RUN"}
    write_status(tasks, "ioctask", "guard", {"runtime": runtime})


def notes(tasks: Tasks) -> dict[str, str]:
    pod = tasks.pod("guard")
    assert pod is not None
    return dict(pod["metadata"].get("annotations", {}))


def running(tasks: Tasks) -> str:
    """A task whose pod is Ready and runs what is wanted, which it says; the hash of it."""
    tasks.apply(task("guard", tasks.prefix("guard")))
    until(lambda: tasks.uid("guard"), "a pod")
    first = wanted(tasks)
    report(tasks, first)
    ready = [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]
    write_status(tasks, "pod", "guard-0", {"phase": "Running", "conditions": ready})
    return first


def test_a_pod_that_does_not_take_over_an_edit_is_told_again_until_it_says_so(tasks: Tasks):
    first = running(tasks)
    tasks.patch("guard", {"parameters": {"limit": 6.0}})
    until(lambda: notes(tasks).get(CONFIG, first) != first, "told of the edit")
    second = wanted(tasks)
    assert notes(tasks)[CONFIG] == second
    assert AGAIN not in notes(tasks), "at first it gets time"

    once = until(lambda: notes(tasks).get(AGAIN), "told again")
    twice = until(lambda: notes(tasks)[AGAIN] > once and notes(tasks)[AGAIN], "and again")

    report(tasks, second)
    time.sleep(15)  # the next one would come 12 s after the last
    assert notes(tasks) == notes(tasks) | {AGAIN: twice, CONFIG: second}


def test_a_task_that_was_scaled_to_none_while_no_operator_ran_gets_its_pod_again(
    control_plane: Rig, kubeconfig: Path, namespace: str, tmp_path: Path
):
    tasks = Tasks(control_plane.kubectl, namespace)
    flags = ("--namespace", namespace, "--no-leader-election")
    with operator(kubeconfig, tmp_path, *flags) as process:
        process.ready()
        tasks.apply(task("guard", tasks.prefix("guard")))
        until(lambda: tasks.uid("guard"), "a pod")
        assert process.stop() == 0
    tasks.run("scale", "statefulset", "guard", "--replicas=0")
    tasks.run("delete", "pod", "guard-0", "--grace-period=0", "--force", "--ignore-not-found")
    tasks.gone("pod", "guard-0")
    with operator(kubeconfig, tmp_path, *flags) as process:
        process.ready()
        until(lambda: tasks.uid("guard"), "a pod again")


def test_a_pod_that_runs_what_is_wanted_is_left_alone(tasks: Tasks):
    running(tasks)
    before = notes(tasks)
    time.sleep(5)
    assert notes(tasks) == before
    assert not {CONFIG, AGAIN} & before.keys()
