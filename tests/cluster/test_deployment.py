"""The chart as a person installs it: both images, two replicas, a task, and the way out."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator

import pytest

from cluster.invariants import check
from cluster.operator_process import CHART
from cluster.pv import PvClient
from cluster.rig import OPERATOR_IMAGE, RUNTIME_IMAGE, Rig
from cluster.tasks import Tasks, task

RELEASE = "ioc-operator"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


def values(prefix: str, image: str) -> list[str]:
    repository, tag = image.rsplit(":", 1)
    return ["--set", f"{prefix}.repository={repository},{prefix}.tag={tag}"]


@pytest.fixture(scope="module")
def cluster_of_its_own(rig: Rig) -> Iterator[Rig]:
    """Two operators may not share a cluster; `rig` has the one that other tests start."""
    with Rig.up() as own:
        yield own


def helm(rig: Rig, *args: str) -> None:
    command = [rig.helm(), *args, "--kubeconfig", rig.kubeconfig, "--namespace", RELEASE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def release(cluster_of_its_own: Rig) -> Iterator[Rig]:
    """The chart installed into a namespace of the restricted standard, and available."""
    rig = cluster_of_its_own
    rig.kubectl("create", "namespace", RELEASE)
    rig.kubectl("label", "namespace", RELEASE, RESTRICTED)
    images = [*values("image", OPERATOR_IMAGE), *values("runtime.image", RUNTIME_IMAGE)]
    helm(rig, "install", RELEASE, str(CHART), *images)
    wanted = "deployment/ioc-operator"
    rig.kubectl("rollout", "status", wanted, "-n", RELEASE, "--timeout=60s", timeout=90)
    yield rig


@pytest.fixture
def deployed(release: Rig) -> Iterator[Tasks]:
    """A namespace of the restricted standard."""
    name = f"ioc-test-{secrets.token_hex(4)}"
    release.kubectl("create", "namespace", name)
    release.kubectl("label", "namespace", name, RESTRICTED)
    yield Tasks(release.kubectl, name)
    check(release.kubectl, name)


def leader(rig: Rig) -> str:
    """The pod that holds the Lease."""
    lease = json.loads(rig.kubectl("get", "lease", RELEASE, "-n", RELEASE, "-o", "json"))
    return str(lease["spec"].get("holderIdentity") or "").rsplit("_", 1)[0]


def test_an_installed_chart_serves_survives_its_leader_and_leaves_tasks_running(
    release: Rig, deployed: Tasks
):
    prefix = deployed.prefix("guard")
    deployed.apply(task("guard", prefix))
    deployed.ready("guard")
    pods = json.loads(release.kubectl("get", "pods", "-n", RELEASE, "-o", "json"))["items"]
    assert len(pods) == 2
    first = leader(release)
    assert first in [pod["metadata"]["name"] for pod in pods]

    with PvClient(deployed.address("guard")) as client:
        assert client.get(prefix + "pressure") == 1.0
        release.kubectl("delete", "pod", first, "-n", RELEASE, "--grace-period=0", "--force")
        deployed.patch("guard", {"parameters": {"limit": 0.5}})
        client.wait_for(prefix + "alarm", 1, patience=20)
        deployed.ready("guard")
        assert leader(release) != first

        pod = deployed.uid("guard")
        helm(release, "uninstall", RELEASE, "--wait")
        time.sleep(1)
        assert client.get(prefix + "alarm") == 1
        assert deployed.uid("guard") == pod
        assert deployed.get("ioctask", "guard")["spec"]["prefix"] == prefix
