"""The life of a release, as its README and notes have it, with tasks and jobs that live on.

Each stage is a fixture that begins where the one before it ended, so a test can be run alone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.chart import CHART
from cluster.invariants import check
from cluster.iocctl import Iocctl
from cluster.pv import PvClient
from cluster.release import NAME, NEXT, PREVIOUS, RESTRICTED, VERSION, Release, images, newer
from cluster.rig import OPERATOR_IMAGE, RUNTIME_IMAGE, Rig
from cluster.tasks import API, Tasks, task
from support.promql import Page
from support.spawn import Spawn

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(480)

SPACE = "bl01"
SOURCE = """
import time
from ioc_runtime import JobBase, JobResult

class Scan(JobBase):
    def execute(self, seconds=0.0, good=True):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.sleep(0.1)
        return JobResult(success=good)
"""
JOBS = {"done": {}, "bad": {"good": False}, "long": {"seconds": 3600}}
"""Arguments by name: one that is over, one that has failed, one that goes on."""
KEPT = ("guard", "moving")
FOLLOWS = "follows"
"""A task that wants the default image of the day."""
OBJECTS = len(JOBS) + len(KEPT) + 1


@pytest.fixture(scope="module")
def own(a_node_can_run: None) -> Iterator[Rig]:
    """Two operators may not share a cluster, and other tests start theirs in `rig`."""
    with Rig.up() as rig:
        for reference in (OPERATOR_IMAGE, RUNTIME_IMAGE):
            name = reference.rsplit(":", 1)[0]
            rig.node_exec(["ctr", "-n", "k8s.io", "images", "tag", reference, f"{name}:{NEXT}"])
        for space in (NAME, SPACE):
            rig.kubectl("create", "namespace", space)
            rig.kubectl("label", "namespace", space, RESTRICTED)
        yield rig


@pytest.fixture(scope="module")
def tasks(own: Rig) -> Tasks:
    return Tasks(own.kubectl, SPACE)


@pytest.fixture(scope="module")
def previous(own: Rig) -> Release:
    """The chart as it was last released, installed."""
    release = Release(own)
    release.helm("install", *images("dev"), chart=PREVIOUS)
    return release


class Life:
    """What is to stay as it is through all that happens to the release."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.client = PvClient(*(tasks.address(name) for name in KEPT))
        self.first = self.now()

    def now(self) -> Object:
        """Pods with their restarts, templates, Jobs, and the runs of the jobs."""
        others = ("-l", f"app.kubernetes.io/instance!={FOLLOWS}")
        pods = {
            pod["metadata"]["name"]: (
                pod["metadata"]["uid"],
                [each["restartCount"] for each in pod["status"]["containerStatuses"]],
            )
            for pod in self.tasks.list("pod", *others)
        }
        kept = {
            f"{kind} {each['metadata']['name']}": each["metadata"]["generation"]
            for kind in ("statefulset", "job")
            for each in self.tasks.list(kind, *others)
        }
        runs = {
            each["metadata"]["name"]: {
                key: each["status"]["run"].get(key)
                for key in ("number", "startTime", "completionTime")
            }
            for each in self.tasks.list("iocjob")
        }
        return {"pods": pods, "kept": kept, "runs": runs}

    def unchanged(self) -> None:
        """Nothing was restarted, made anew or repeated, and no client has lost a PV."""
        assert self.now() == self.first
        for name in KEPT:
            heard = [value for _, value in self.client.heard(self.tasks.prefix(name) + "ENABLE")]
            assert "conn True" in heard
            assert "conn False" not in heard
        assert self.client.get(self.tasks.prefix("guard") + "pressure") == 1.0
        first = self.client.get(self.tasks.prefix("moving") + "current")
        until = time.monotonic() + 20
        while self.client.get(self.tasks.prefix("moving") + "current") == first:
            assert time.monotonic() < until, "the simulated value stands still"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def life(previous: Release, tasks: Tasks) -> Iterator[Life]:
    """Two tasks and three jobs, applied while the previous chart is installed."""
    display = {"low": 0, "high": 10}
    moving = {
        "prefix": tasks.prefix("moving"),
        "plugin": {"builtin": "simulation"},
        "outputs": {"current": {"type": "float", "display": display}},
        "terminationGracePeriodSeconds": 3,
    }
    plugin = {"inline": {"files": {"scan.py": SOURCE}}}
    jobs = {
        name: {
            "prefix": tasks.prefix(name),
            "plugin": plugin,
            "runArgs": {"kwargs": arguments},
            "terminationGracePeriodSeconds": 3,
        }
        for name, arguments in JOBS.items()
    }
    head = {"apiVersion": API}
    tasks.apply(
        task("guard", tasks.prefix("guard")),
        task(FOLLOWS, tasks.prefix(FOLLOWS), imagePolicy="Follow"),
        head | {"kind": "IocTask", "metadata": {"name": "moving"}, "spec": moving},
        *(
            head | {"kind": "IocJob", "metadata": {"name": name}, "spec": spec}
            for name, spec in jobs.items()
        ),
    )
    for name in (*KEPT, FOLLOWS):
        tasks.ready(name)
    tasks.run("wait", "--for=condition=Complete", "iocjob/done", "--timeout=60s", timeout=70)
    tasks.run("wait", "--for=condition=Failed", "iocjob/bad", "--timeout=60s", timeout=70)
    tasks.wait(lambda found: running(found), "long", "iocjob")
    made = Life(tasks)
    with made.client as client:
        for name in KEPT:
            client.watch(tasks.prefix(name) + "ENABLE")
        yield made


def running(found: Object) -> bool:
    return found.get("status", {}).get("runtime", {}).get("job", {}).get("state") == "Running"


@pytest.fixture(scope="module")
def upgraded(life: Life, previous: Release, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """This chart, with other images and an operator that takes itself for a newer one."""
    previous.helm("upgrade", *newer(tmp_path_factory.mktemp("newer")))
    return previous


@pytest.fixture(scope="module")
def page(upgraded: Release) -> Page:
    """What the leader says of itself when it has looked at everything."""
    return upgraded.settled(NEXT, OBJECTS)


def test_the_previous_release_works(previous: Release):
    assert len(previous.pods()) == 2


def test_tasks_and_jobs_live_in_it(life: Life, tasks: Tasks):
    life.unchanged()
    assert image_of(tasks, FOLLOWS).endswith(":dev")


def image_of(tasks: Tasks, name: str) -> str:
    """Of the pod of a task."""
    pod = tasks.pod(name)
    return str(pod["spec"]["containers"][0]["image"]) if pod else ""


def test_an_upgrade_restarts_no_task_and_repeats_no_job(
    life: Life, upgraded: Release, page: Page, tasks: Tasks
):
    assert page.kinds
    [said] = {pod["spec"]["containers"][0]["image"].rsplit(":")[-1] for pod in upgraded.pods()}
    assert said == NEXT
    version = upgraded.shell(
        f"kubectl exec -n {NAME} deployment/{NAME} -- python -m ioc_operator --version"
    )
    assert version == f"ioc-operator {VERSION}\n"
    # One that asks for it gets the new image: the operator has really been at them all.
    until = time.monotonic() + 60
    while not image_of(tasks, FOLLOWS).endswith(f":{NEXT}"):
        assert time.monotonic() < until, "the task that follows the default image does not"
        time.sleep(0.5)
    life.unchanged()


def test_after_an_upgrade_edits_are_followed_and_new_tasks_get_the_new_image(
    life: Life, upgraded: Release, tasks: Tasks
):
    tasks.patch("guard", {"parameters": {"limit": 0.5}})
    life.client.wait_for(tasks.prefix("guard") + "alarm", 1, patience=20)
    tasks.ready("guard")
    tasks.apply(task("fresh", tasks.prefix("fresh")))
    tasks.ready("fresh")
    assert image_of(tasks, "fresh").endswith(f":{NEXT}")
    tasks.delete("ioctask", "fresh")
    tasks.gone("pod", "fresh-0")
    life.unchanged()


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(page: Page):
    alerts = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    asked = [each["expr"].replace("SELECTOR", 'job="x"') for each in alerts]
    panels = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(asked) > 20
    assert [lack for text in asked for lack in page.lacks(text)] == []


def test_the_notes_lead_to_a_value(upgraded: Release):
    script = upgraded.notes()
    assert f"helm test {NAME}" in script
    said = upgraded.shell(script)
    assert re.search(r"^FIRST:current .*mA", said, re.MULTILINE), said
    assert upgraded.rig.kubectl("get", "ioctask", "-n", "default", "-o", "name") == ""


def test_helm_test_reads_a_pv_again_and_leaves_nothing_behind(upgraded: Release):
    said = upgraded.helm("test")
    assert re.search(r"^ca://HELM-TEST:.*, then ", said, re.MULTILINE)
    assert re.search(r"^pva://HELM-TEST:.*, then ", said, re.MULTILINE)
    kinds = "ioctask,pod,configmap,serviceaccount,role,rolebinding"
    left = upgraded.shell(f"kubectl get -n {NAME} -o name {kinds}").splitlines()
    assert [name for name in left if name.endswith("-test")] == []
    until = time.monotonic() + 60
    while "test" in upgraded.shell(f"kubectl get -n {NAME} -o name pod,statefulset,service"):
        assert time.monotonic() < until, "what the operator had made for the test does not go"
        time.sleep(0.5)


def test_the_tasks_outlive_the_leader(life: Life, upgraded: Release, tasks: Tasks):
    first = upgraded.leader()
    assert first in [pod["metadata"]["name"] for pod in upgraded.pods()]
    upgraded.rig.kubectl("delete", "pod", first, "-n", NAME, "--grace-period=0", "--force")
    tasks.patch("guard", {"parameters": {"limit": 0.25}})
    tasks.ready("guard")
    assert upgraded.leader() != first
    life.unchanged()


@pytest.fixture(scope="module")
def rolled_back(upgraded: Release, life: Life) -> Release:
    upgraded.helm("rollback")
    return upgraded


def test_a_rollback_restarts_no_task_and_repeats_no_job(life: Life, rolled_back: Release):
    rolled_back.settled("dev", OBJECTS)
    life.unchanged()


@pytest.fixture(scope="module")
def uninstalled(rolled_back: Release, life: Life) -> Release:
    rolled_back.helm("uninstall")
    return rolled_back


def test_after_an_uninstall_tasks_go_on_and_nothing_waits_for_a_finalizer(
    life: Life, uninstalled: Release, tasks: Tasks, spawn: Spawn
):
    kinds = "clusterrole,clusterrolebinding,validatingadmissionpolicy"
    assert NAME not in uninstalled.rig.kubectl("get", kinds, "-o", "name")
    status, until = Iocctl(spawn, uninstalled.rig.kubeconfig, SPACE), time.monotonic() + 60
    code, out, err = status("status")
    while not err and time.monotonic() < until:  # it may have led until a second ago
        code, out, err = status("status")
    assert code == 1
    assert err.startswith("no operator is at work (nobody holds the Lease ")
    assert re.search(r"^guard +task +Unknown +RUN .* NoOperator ", out, re.MULTILINE), out
    life.unchanged()
    held = "ioctask,iocjob,statefulset,service,configmap,job"
    for each in tasks.list(held):
        assert "finalizers" not in each["metadata"], each["metadata"]["name"]
    life.client.put(tasks.prefix("guard") + "pressure", 0.1)
    assert life.client.get(tasks.prefix("guard") + "pressure") == 0.1
    life.client.put(tasks.prefix("guard") + "pressure", 1.0)


@pytest.fixture(scope="module")
def deleted(uninstalled: Release, life: Life, tasks: Tasks) -> Release:
    """A job that is deleted while there is no operator."""
    tasks.delete("iocjob", "long", "--timeout=20s")
    return uninstalled


def test_without_an_operator_things_can_still_be_deleted(deleted: Release, tasks: Tasks):
    tasks.gone("iocjob", "long")
    for kind in ("job", "pod"):
        until = time.monotonic() + 60
        while any(each["metadata"]["name"].startswith("long") for each in tasks.list(kind)):
            assert time.monotonic() < until, f"the {kind} of a deleted IocJob does not go"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def again(deleted: Release, life: Life) -> Release:
    """This chart for one namespace, where definitions and tasks of the last release are left."""
    deleted.helm("install", *images(NEXT), "--set", f"watchNamespaces={{{SPACE}}}")
    return deleted


def test_an_operator_that_comes_back_takes_up_what_is_there(
    life: Life, again: Release, tasks: Tasks
):
    for part in life.first.values():
        for name in [name for name in part if name.split()[-1].startswith("long")]:
            del part[name]
    again.settled(NEXT, OBJECTS - 1)
    tasks.patch("guard", {"parameters": {"limit": 5.0}})
    tasks.ready("guard")
    life.unchanged()


def test_helm_test_goes_where_the_operator_looks(again: Release, tasks: Tasks):
    said = again.helm("test")
    assert re.search(r"^ca://HELM-TEST:.*, then ", said, re.MULTILINE)
    kinds = "ioctask,role,rolebinding"
    left = tasks.run("get", kinds, "-o", "name").splitlines()
    assert [name for name in left if name.endswith("-test")] == []


def test_a_namespace_full_of_tasks_goes_without_an_operator(again: Release, tasks: Tasks):
    check(again.rig.kubectl, SPACE)
    again.helm("uninstall")
    again.rig.kubectl("delete", "namespace", SPACE, "--timeout=90s", timeout=100)
    assert SPACE not in again.rig.kubectl("get", "namespaces", "-o", "name")
