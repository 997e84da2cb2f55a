"""Tasks whose plugin comes from Git, for tests: the manifest, its Secret, what must be nowhere."""

from __future__ import annotations

import time
from typing import Any, Final

from cluster.invariants import condition, runs
from cluster.pv import PvClient
from cluster.rig import RigError
from cluster.running import Operator
from cluster.tasks import Tasks, current, of, task

SOON: Final = 30.0
"""Seconds until a reason has to stand in the status, once a pod has begun to fetch."""
PATIENCE: Final = 180.0
"""Seconds for that pod to begin, on a machine that has other work."""

CODE: Final = """
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def initialize(self):
        self.set_output("label", "{label}")
"""


def guard(tasks: Tasks, url: str, name: str = "guard", **git_fields: Any) -> dict[str, Any]:
    outputs = {"label": {"type": "string"}, "alarm": {"type": "bool"}}
    source = {"url": url, "ref": "main", "path": "guard", "secretRef": {"name": "deploy"}}
    return task(name, tasks.prefix(name), outputs=outputs, plugin={"git": source | git_fields})


def secret(tasks: Tasks, files: dict[str, str], name: str = "deploy") -> None:
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": files}
    tasks.apply(made)


def label(tasks: Tasks, name: str = "guard") -> str:
    with PvClient(tasks.address(name)) as client:
        # kube-proxy may be late with the way to a new pod, after an outage most of all.
        return str(client.get(tasks.prefix(name) + "label", timeout=20))


def edit(tasks: Tasks, name: str = "guard", **fields: Any) -> None:
    tasks.patch(name, {"plugin": {"git": fields}})


def told(tasks: Tasks, name: str, reason: str, kind: str = "ioctask") -> str:
    """The message of Stalled, which has to come within `SOON`."""
    began, until = None, time.monotonic() + PATIENCE
    while True:
        found = tasks.get(kind, name)
        stalled = of(found, "Stalled")
        if current(found) and stalled.get("reason") == reason:
            return str(stalled["message"])
        now = time.monotonic()
        if began is None and _begun(tasks, name):
            began = now
        late = now > until or (began is not None and now - began > SOON)
        assert not late, f"{name} is not Stalled by {reason}: {found.get('status')}"
        time.sleep(0.2)


def _begun(tasks: Tasks, name: str) -> bool:
    """Whether a pod that does not serve yet runs its first container, or has run it."""
    for pod in tasks.list("pod", "-l", f"app.kubernetes.io/instance={name}"):
        fetch = pod["status"].get("initContainerStatuses", [])[:1]
        goes = any("waiting" not in each["state"] or each["restartCount"] for each in fetch)
        if goes and not pod["metadata"].get("deletionTimestamp"):
            if condition(pod, "Ready") != "True":
                return True
    return False


def source_of(found: dict[str, Any]) -> dict[str, Any]:
    return found["status"].get("runtime", {}).get("source", {})


PLACES: Final = ("ioctask", "iocjob", "pod", "statefulset", "job", "configmap", "service", "events")

# What the serving container sees: its files, and what its processes were started with.
LOOK: Final = """
import os, sys
secret, found = sys.stdin.read().encode(), []
places = [os.walk(top) for top in ("/etc", "/var", "/run", "/tmp", "/home", "/root", "/opt")]
files = [os.path.join(dir, name) for place in places for dir, _, names in place for name in names]
pids = [pid for pid in os.listdir("/proc") if pid.isdigit()]
files += [f"/proc/{pid}/{what}" for pid in pids for what in ("cmdline", "environ")]
looked = 0
for file in files:
    try:
        with open(file, "rb") as stream:
            text = stream.read(10_000_000)
    except OSError:
        continue
    looked += 1
    if secret in text:
        found.append(file)
print(looked, *found)
"""


def assert_no_secret(tasks: Tasks, operator: Operator, *secrets: str) -> None:
    """Nowhere that a person with a view of the namespace may look, but in the Secret.

    Nor in the operator's log, nor in a container that serves.
    """
    for secret in secrets:
        assert secret not in operator.log
    for kind in PLACES:
        said = tasks.run("get", kind, "-o", "yaml")
        assert not [secret for secret in secrets if secret in said], kind
    for pod in tasks.list("pod"):
        _not_in_pod(tasks, pod, secrets)


def _not_in_pod(tasks: Tasks, pod: dict[str, Any], secrets: tuple[str, ...]) -> None:
    name = pod["metadata"]["name"]
    serving = pod["spec"]["containers"]
    for container in [*pod["spec"].get("initContainers", []), *serving]:
        for which in ("--previous=false", "--previous"):
            try:
                log = tasks.run("logs", name, "-c", container["name"], which, "--tail=1000")
            except RigError as error:
                # not begun yet, or only once; or the try was over, and its pod has just gone
                words = ("waiting to start", "not found", "previous terminated container")
                assert any(word in str(error) for word in words), error
                continue
            assert not [secret for secret in secrets if secret in log]
    assert not {"credentials", "index"} & {mount["name"] for mount in serving[0]["volumeMounts"]}
    if not runs(pod) or pod["metadata"]["labels"]["app.kubernetes.io/name"] != "ioc-runtime":
        return
    for secret in secrets:
        look = ("exec", "-i", name, "-c", serving[0]["name"], "--", "python", "-c", LOOK)
        looked, *found = tasks.run(*look, stdin=secret).split()
        assert int(looked) > 10 and not found
