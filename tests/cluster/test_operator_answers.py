"""An API server that answers late, wrongly, or not to the end: the operator gets there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.faulty_api import FAULTS, RETRY_AFTER, FaultyApi
from cluster.invariants import check
from cluster.operator_process import OperatorProcess, install, operator
from cluster.quiet import check_quiet, written
from cluster.rig import Rig
from cluster.tasks import Tasks, current, of, task

TASKS = 6
PATIENCE = 90.0


@pytest.fixture(scope="module")
def kubeconfig(control_plane: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def tasks(control_plane: Rig, namespace: str, process: OperatorProcess) -> Iterator[Tasks]:
    yield Tasks(control_plane.kubectl, namespace)
    check(control_plane.kubectl, namespace)
    check_quiet(control_plane, namespace)


@pytest.fixture
def api(control_plane: Rig) -> Iterator[FaultyApi]:
    with FaultyApi(control_plane) as made:
        yield made


@pytest.fixture
def process(
    api: FaultyApi, kubeconfig: Path, namespace: str, tmp_path: Path
) -> Iterator[OperatorProcess]:
    through = api.kubeconfig(kubeconfig, tmp_path / "through.kubeconfig")
    flags = ("--namespace", namespace, "--lease-namespace", namespace)
    with operator(through, tmp_path, "--no-leader-election", *flags) as made:
        yield made
        print(made.log)  # pytest shows it when the test fails


def job(tasks: Tasks, name: str) -> dict[str, object]:
    """A job whose pod never starts: there is no node."""
    code = "from ioc_runtime import JobBase\nclass Run(JobBase):\n    def run(self): pass\n"
    spec = {
        "prefix": tasks.prefix(name),
        "plugin": {"inline": {"files": {"run.py": code}}, "class": "Run"},
    }
    api = "ioc-operator.dev/v1alpha1"
    return {"apiVersion": api, "kind": "IocJob", "metadata": {"name": name}, "spec": spec}


def test_one_answer_in_five_is_wrong_and_everything_is_made_once(
    control_plane: Rig, api: FaultyApi, process: OperatorProcess, tasks: Tasks
) -> None:
    names = [f"t{number}" for number in range(TASKS)]
    tasks.apply(*(task(name, tasks.prefix(name)) for name in names), job(tasks, "scan"))
    for name in names:
        tasks.wait(current, name, patience=PATIENCE)
        tasks.patch(name, {"parameters": {"limit": 7.0}})
    tasks.wait(lambda t: "run" in t.get("status", {}), "scan", "iocjob", PATIENCE)
    uids = {name: tasks.get("statefulset", name)["metadata"]["uid"] for name in names}
    for name in names:
        found = tasks.wait(settled, name, patience=PATIENCE)
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
        assert '"limit":7' in tasks.get("configmap", f"{name}-config")["data"]["manifest.json"]
    assert set(api.met) >= {*FAULTS, "watch cut"}, f"{api.met}\n{process.log}"
    # The account of the namespace is everybody's: another task may ask for it meanwhile.
    own = [seconds for seconds, path in api.waited if not path.endswith("/ioc-runtime")]
    assert all(seconds >= RETRY_AFTER for seconds in own), api.waited
    assert {n: tasks.get("statefulset", n)["metadata"]["uid"] for n in names} == uids
    until = time.monotonic() + PATIENCE
    while not (jobs := names_of(tasks, "jobs")):
        assert time.monotonic() < until, "the run has not begun"
        time.sleep(0.2)
    api.at_peace = True
    time.sleep(4.0)  # the last watches are cut, and what was held back is done
    before = len(list(written(control_plane, tasks.namespace)))
    time.sleep(4.0)
    assert list(written(control_plane, tasks.namespace))[before:] == []
    assert jobs == names_of(tasks, "jobs") == ["scan-1"]
    assert process.ask("/healthz")[0] == 200
    assert "Traceback" not in process.log


def names_of(tasks: Tasks, kind: str) -> list[str]:
    return tasks.run("get", kind, "-o", "jsonpath={.items[*].metadata.name}").split()


def settled(found: dict[str, object]) -> bool:
    """Judged, made, and the one thing that is wrong is that there is no node."""
    return current(found) and of(found, "Ready")["reason"] == "Unschedulable"


def test_what_went_while_no_watch_worked_is_noticed_when_they_have_expired(
    api: FaultyApi, process: OperatorProcess, tasks: Tasks
) -> None:
    api.at_peace = True
    prefix = tasks.prefix("shared")
    tasks.apply(task("first", prefix))
    tasks.wait(settled, "first")
    tasks.apply(task("second", prefix))
    tasks.stalled("second", "PvConflict")
    api.blind = True
    time.sleep(1.0)
    tasks.delete("ioctask", "first")
    tasks.delete("statefulset", "first", "--ignore-not-found")
    time.sleep(1.0)
    assert of(tasks.get("ioctask", "second"), "Stalled")["reason"] == "PvConflict"
    api.expire()
    api.blind = False
    found = tasks.wait(settled, "second", patience=PATIENCE)
    assert found["status"]["claim"] == {"prefix": prefix}
    followed = {"ioctasks", "iocjobs", "pods", "configmaps", "statefulsets"}
    until = time.monotonic() + PATIENCE
    while not (kinds := {path.rsplit("/", 1)[1] for path in api.expired}) >= followed:
        assert time.monotonic() < until, kinds
        time.sleep(0.1)
