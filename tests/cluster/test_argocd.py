"""What Git says and what the API server has do not drift apart, and actions change neither.

No node here: the operator runs as a process, pods stay Pending. Argo CD compares as kubectl
does: with the last applied object (client-side), or by a dry run as the same field manager.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.operator_process import OperatorProcess, install, operator
from cluster.rig import Rig
from cluster.tasks import Tasks, current
from scripts.argocd.__main__ import GROUP, SCRIPTS
from scripts.argocd.lua import act, merge_patch, run

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
MANIFESTS = ("vacuum-guard", "magnet-trend", "setpoints", "watchdog", "measure")
RENDERED = ROOT / "tests" / "data" / "ioc-task" / "rendered.yaml"
SIDES = [pytest.param((), id="client-side"), pytest.param(("--server-side",), id="server-side")]
OF_STATUS = {"ioc-operator-status", "ioc-runtime"}

Object = dict[str, Any]
Side = tuple[str, ...]


@pytest.fixture(scope="module")
def kubeconfig(control_plane: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def running(kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator of this namespace."""
    flags = ("--namespace", namespace, "--no-leader-election")
    with operator(kubeconfig, tmp_path, *flags) as process:
        yield process.ready()


@pytest.fixture
def tasks(control_plane: Rig, namespace: str) -> Tasks:
    return Tasks(control_plane.kubectl, namespace)


class Repository:
    """Manifests in Git, brought to a namespace as Argo CD does it."""

    def __init__(self, rig: Rig, tasks: Tasks, directory: Path, side: Side) -> None:
        self._rig, self.tasks, self._side = rig, tasks, side
        self.file = directory / "git.yaml"
        texts = [(ROOT / "examples" / f"{name}.yaml").read_text() for name in MANIFESTS]
        found = [
            each
            for text in [*texts, RENDERED.read_text()]
            for each in yaml.safe_load_all(text)
            if each
        ]
        for n, each in enumerate(found):
            each["metadata"]["namespace"] = tasks.namespace
            if each["kind"].startswith("Ioc"):
                each["spec"]["prefix"] = f"{tasks.namespace[-8:].upper()}:{n}:"
                each["spec"].pop("suspend", None)
        self.manifests = found
        self.write()

    def write(self) -> None:
        self.file.write_text("---\n".join(yaml.safe_dump(each) for each in self.manifests))

    @property
    def owners(self) -> list[Object]:
        return [each for each in self.manifests if each["kind"].startswith("Ioc")]

    def sync(self) -> str:
        return self.tasks.run("apply", *self._side, "-f", str(self.file), timeout=60)

    def diff(self) -> str:
        """What a sync would change; "" for nothing."""
        kubectl = self._rig.layout.binaries / "kubectl"
        command = [kubectl, "--kubeconfig", self._rig.kubeconfig, "diff", *self._side]
        done = subprocess.run(
            [*command, "-f", self.file], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        assert bool(done.stdout) == (done.returncode == 1)
        return done.stdout

    def live(self) -> dict[str, Object]:
        found = self.tasks.list("ioctasks,iocjobs", "--show-managed-fields")
        return {f"{each['kind']} {each['metadata']['name']}": each for each in found}

    def settled(self) -> dict[str, Object]:
        """The objects, once the operator has said something of each and rests."""
        until, before = time.monotonic() + 40, ""
        while True:
            live = self.live()
            seen = all(current(each) and each["status"].get("conditions") for each in live.values())
            now = json.dumps({name: each.get("status") for name, each in live.items()})
            if seen and now == before:
                return live
            assert time.monotonic() < until, now
            before = now
            time.sleep(0.5)


@pytest.fixture(params=SIDES)
def repository(
    control_plane: Rig,
    running: OperatorProcess,
    tasks: Tasks,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Repository:
    made = Repository(control_plane, tasks, tmp_path, request.param)
    made.sync()
    made.settled()
    return made


def spec_managers(found: Object) -> set[str]:
    """Who owns a field below spec, or a label or annotation."""
    managers = set()
    for entry in found["metadata"]["managedFields"]:
        fields = entry["fieldsV1"]
        if "f:spec" in fields or "f:metadata" in fields:
            managers.add(entry["manager"])
    return managers


def script(kind: str, action: str) -> str:
    return (SCRIPTS / GROUP / kind / "actions" / action / "action.lua").read_text()


def carry_out(tasks: Tasks, kind: str, name: str, action: str) -> Object:
    """As Argo CD does it: the script's object, as a merge patch; what the server answers."""
    live = tasks.get(kind.lower(), name)
    patch = merge_patch(live, act(script(kind, action), live))
    said = tasks.run(
        *("patch", kind.lower(), name, "--type=merge", "-o", "json", "-p", json.dumps(patch))
    )
    answer: Object = json.loads(said)
    return answer


def until(is_so: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_a_second_sync_finds_nothing_to_do(repository: Repository):
    before = repository.settled()
    assert len(before) == len(repository.owners)
    assert repository.diff() == ""
    repository.sync()
    after = repository.settled()
    for name, each in after.items():
        assert each["metadata"]["generation"] == before[name]["metadata"]["generation"] == 1, name
        assert len(spec_managers(each)) == 1, name
        managers = {entry["manager"] for entry in each["metadata"]["managedFields"]}
        assert managers - spec_managers(each) <= OF_STATUS, name
        assert "finalizers" not in each["metadata"]
        notes = set(each["metadata"].get("annotations", {}))
        ours = {note for note in notes if note.startswith(GROUP)}
        assert ours == set(), "the operator leaves no mark on what is Git's"


def test_an_edit_in_git_is_a_difference_and_is_gone_with_the_next_sync(repository: Repository):
    repository.owners[0]["spec"].setdefault("parameters", {})["limit"] = 2.5e-6
    repository.write()
    assert "2.5e-06" in repository.diff()
    repository.sync()
    repository.settled()
    assert repository.diff() == ""


def test_actions_are_no_difference_and_a_sync_does_not_undo_them(repository: Repository):
    tasks = repository.tasks
    done = {
        "magnet-trend": ("IocTask", "suspend"),
        "vacuum-guard": ("IocTask", "restart"),
        "setpoints": ("IocTask", "reset"),
        "ramp": ("IocJob", "suspend"),
        "measure": ("IocTask", "restart"),
    }
    names = {each["metadata"]["name"]: each["kind"] for each in repository.owners}
    for name, (kind, action) in done.items():
        assert names[name] == kind
        carry_out(tasks, kind, name, action)
    repository.settled()
    assert repository.diff() == ""
    repository.sync()
    live = repository.settled()
    for name, (kind, action) in done.items():
        found = live[f"{kind} {name}"]
        if action == "suspend":
            assert found["spec"]["suspend"] is True
        else:
            note = {"restart": "restartedAt", "reset": "resetAt"}[action]
            assert f"{GROUP}/{note}" in found["metadata"]["annotations"]


def test_actions_do_what_they_say(tasks: Tasks, running: OperatorProcess, tmp_path: Path):
    tasks.run("apply", "-f", str(ROOT / "examples" / "setpoints.yaml"))
    tasks.wait(lambda t: current(t) and t["status"].get("conditions"), "setpoints")

    def replicas() -> int:
        return tasks.get("statefulset", "setpoints")["spec"]["replicas"]

    def template() -> Object:
        notes = tasks.get("statefulset", "setpoints")["spec"]["template"]["metadata"]
        found: Object = notes["annotations"]
        return found

    def requests() -> str | None:
        return tasks.get("configmap", "setpoints-config")["data"].get("requests.json")

    before = template()
    carry_out(tasks, "IocTask", "setpoints", "suspend")
    until(lambda: replicas() == 0, "suspended")
    health = (SCRIPTS / GROUP / "IocTask" / "health.lua").read_text()
    tasks.wait(lambda t: run(health, t)["status"] == "Suspended", "setpoints")
    carry_out(tasks, "IocTask", "setpoints", "resume")
    until(lambda: replicas() == 1, "resumed")
    assert template() == before

    answer = carry_out(tasks, "IocTask", "setpoints", "reset")
    asked = answer["metadata"]["annotations"][f"{GROUP}/resetAt"]
    until(lambda: requests() == json.dumps({"resetAt": asked}), "reset")
    assert template() == before, "a reset replaces no pod"

    answer = carry_out(tasks, "IocTask", "setpoints", "restart")
    asked = answer["metadata"]["annotations"][f"{GROUP}/restartedAt"]
    until(lambda: template().get(f"{GROUP}/restartedAt") == asked, "restarted")
    restarted = template()
    tasks.annotate("setpoints", f"{GROUP}/restartedAt-")
    tasks.patch("setpoints", {"inputs": {"resistance": {"value": 3.5}}})
    tasks.wait(lambda t: current(t), "setpoints")
    until(lambda: "3.5" in tasks.get("configmap", "setpoints-config")["data"]["plan.json"], "edit")
    assert template() == restarted, "to take the annotation away restarts nothing"
