"""The NetworkPolicies of the chart and of the documents, where kube-router holds pods to them.

The network of a rig heeds no policy. `IOC_TEST_KUBE_ROUTER` names the program that does, version 2
or newer; without it these tests are skipped. It finds `ipset` (a Debian package) on PATH.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from cluster.release import NAME, RESTRICTED, Release, images
from cluster.rig import RUNTIME_IMAGE, Rig
from cluster.rig.components import NODE_NAME
from cluster.rig.host import find
from cluster.tasks import API, Tasks, of, task

Object = dict[str, Any]

pytestmark = pytest.mark.timeout(480)

PAGE: Final = Path(__file__).parents[2] / "docs/howto/networks.md"
VARIABLE: Final = "IOC_TEST_KUBE_ROUTER"
PATIENCE: Final = 60.0
WATCHERS: Final = "monitoring"
"""Namespace of the Prometheus that may read metrics."""
PROMETHEUS: Final = {"app.kubernetes.io/name": "prometheus"}
METRICS_FROM: Final = [
    {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": WATCHERS}},
        "podSelector": {"matchLabels": PROMETHEUS},
    }
]
READERS: Final = {
    "prometheus": (WATCHERS, PROMETHEUS),
    "another": (WATCHERS, {}),
    "namesake": ("default", PROMETHEUS),
}
"""Pods that try to read metrics, by name: namespace and labels. The first one may."""
METRICS: Final = 8080
CONNECT: Final = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()
    print("reached")
except OSError as error:
    print(error)
"""
GET: Final = """
import sys, urllib.request
with urllib.request.urlopen(f"http://{sys.argv[1]}:8080/metrics", timeout=5) as answer:
    print(answer.read().decode())
"""
SERVE: Final = ["python", "-m", "http.server", "8000"]


@pytest.fixture(scope="module")
def enforcer() -> Path:
    """kube-router's program."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip(f"a rig's network heeds no NetworkPolicy: {VARIABLE}=PROGRAM of kube-router v2")
    if not find("ipset"):
        pytest.skip("kube-router needs ipset: apt-get install --no-install-recommends ipset")
    return Path(given).absolute()


class Site:
    """A cluster with a release, a Prometheus, and others."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.release = rig, Release(rig)

    def upgrade(self, **policy: Any) -> None:
        """Install or upgrade the release with these values of its policy."""
        there = self.rig.kubectl("get", "deployments", "-n", NAME, "-o", "name")
        values = f"networkPolicy={json.dumps(policy)}"
        self.release.helm("upgrade" if there else "install", *images("dev"), "--set-json", values)

    def start(self, name: str, space: str, labels: Object) -> None:
        """A pod that listens on port 8000."""
        container = {"name": "main", "image": RUNTIME_IMAGE, "command": SERVE}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": space, "labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
        self.apply(pod)

    def address(self, name: str, space: str) -> str:
        pod = json.loads(self.rig.kubectl("get", "pod", name, "-n", space, "-o", "json"))
        return str(pod["status"]["podIP"])

    def api_server(self) -> str:
        """The address of its Service."""
        where = ("get", "service", "kubernetes", "-n", "default")
        return self.rig.kubectl(*where, "-o", "jsonpath={.spec.clusterIP}")

    def operator(self) -> Object:
        """A pod of the operator that is Ready."""
        until = time.monotonic() + PATIENCE
        while True:
            for pod in self.release.pods():
                containers = pod["status"].get("containerStatuses", ())
                if containers and all(each["ready"] for each in containers):
                    return pod
            assert time.monotonic() < until, "no pod of the operator is Ready"
            time.sleep(0.2)

    def python(self, pod: str, space: str, code: str, *args: str) -> str:
        """What a program prints in a pod."""
        command = ("exec", "-i", pod, "-n", space, "--", "python", "-", *args)
        return self.rig.kubectl(*command, stdin=code, check=False)

    def reaches(self, host: str, port: int) -> str:
        """What becomes of a new connection from the operator's pod."""
        pod = self.operator()["metadata"]["name"]
        return self.python(pod, NAME, CONNECT, host, str(port)).strip()

    def apply(self, *made: Object) -> None:
        self.rig.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, made)))

    def reads(self, name: str) -> bool:
        """Whether one of READERS is answered with metrics."""
        address = self.operator()["status"]["podIP"]
        return "ioc_operator_leader " in self.python(name, READERS[name][0], GET, address)


@pytest.fixture(scope="module")
def site(a_node_can_run: None, enforcer: Path) -> Iterator[Site]:
    with Rig.up() as rig:
        for space in (NAME, WATCHERS):
            rig.kubectl("create", "namespace", space)
        rig.kubectl("label", "namespace", NAME, RESTRICTED)
        # Nothing but policies: routes and Services are the business of the rig.
        flags = ["--run-firewall=true", "--run-router=false", "--run-service-proxy=false"]
        flags += [f"--kubeconfig={rig.kubeconfig}", f"--hostname-override={NODE_NAME}"]
        flags += [f"--service-cluster-ip-range={rig.record.slot.services}", "--health-port=0"]
        rig.add("kube-router", [enforcer, *flags])
        made = Site(rig)
        for name, (space, labels) in READERS.items():
            made.start(name, space, labels)
        made.upgrade(enabled=False)
        for name, (space, _) in READERS.items():
            ready = "--for=condition=Ready"
            rig.kubectl("wait", ready, f"pod/{name}", "-n", space, "--timeout=50s")
        yield made
        rig.check()


@pytest.fixture(scope="module")
def places(site: Site) -> Iterator[dict[str, tuple[str, int]]]:
    """What the operator has no business with, and which listens."""
    with socket.create_server((site.rig.host_address, 0)) as listener:
        yield {
            "a machine outside": (site.rig.host_address, listener.getsockname()[1]),
            "a pod": (site.address("another", WATCHERS), 8000),
            "the kubelet": (site.rig.record.slot.address, 10250),
        }


@pytest.fixture(scope="module")
def before(site: Site, places: dict[str, tuple[str, int]]) -> Object:
    """What goes without the policy, with the same enforcer."""
    reached = {name: site.reaches(*place) for name, place in places.items()}
    return {"reached": reached, "read": {name: site.reads(name) for name in READERS}}


@pytest.fixture(scope="module")
def closed(site: Site, places: dict[str, tuple[str, int]], before: Object) -> Site:
    """With the policy in force, and pods of the operator that were never without it.

    Of the API server's ports only the one behind its Service is named.
    """
    site.upgrade(
        enabled=True,
        apiServerCIDRs=[f"{site.rig.record.slot.address}/32"],
        apiServerPorts=[6443],
        metricsFrom=METRICS_FROM,
    )
    until = time.monotonic() + PATIENCE
    while site.reaches(*places["a pod"]) == "reached":
        assert time.monotonic() < until, "kube-router has not taken up the policy"
        time.sleep(0.5)
    which = f"app.kubernetes.io/name=ioc-operator,app.kubernetes.io/instance={NAME}"
    site.rig.kubectl("delete", "pods", "-n", NAME, "-l", which, "--timeout=50s")
    return site


def test_without_the_policy_everything_is_open(before: Object):
    assert set(before["reached"].values()) == {"reached"}
    assert set(before["read"].values()) == {True}


def test_behind_the_policy_the_operator_gets_ready_leads_and_makes_tasks_ready(closed: Site):
    tasks = Tasks(closed.rig.kubectl, "default")
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.ready("guard", patience=PATIENCE)
    tasks.patch("guard", {"parameters": {"limit": 7.0}})
    tasks.ready("guard")
    assert len(closed.release.pods()) == 2
    assert closed.release.leader() in [pod["metadata"]["name"] for pod in closed.release.pods()]
    closed.rig.kubectl("rollout", "status", f"deployment/{NAME}", "-n", NAME, "--timeout=50s")


def test_behind_the_policy_only_the_named_pods_read_metrics(closed: Site):
    assert {name: closed.reads(name) for name in READERS} == {
        "prometheus": True,
        "another": False,
        "namesake": False,
    }


def test_behind_the_policy_the_operator_reaches_the_api_server_and_nothing_else(
    closed: Site, places: dict[str, tuple[str, int]]
):
    assert closed.reaches(closed.api_server(), 443) == "reached"
    assert closed.reaches(closed.rig.dns_address, 53) == "reached"
    reached = {name: closed.reaches(*place) for name, place in places.items()}
    assert "reached" not in reached.values(), reached


def test_helm_test_passes_behind_the_policy(closed: Site):
    assert re.search(r"^ca://HELM-TEST:.*, then ", closed.release.helm("test"), re.MULTILINE)


def test_of_the_api_servers_ports_the_translated_one_counts(closed: Site):
    service = closed.api_server()
    closed.upgrade(enabled=True, apiServerPorts=[443])
    until = time.monotonic() + PATIENCE
    while closed.reaches(service, 443) == "reached":
        assert time.monotonic() < until, "port 443 of the Service is enough"
        time.sleep(0.5)


def test_in_a_namespace_that_denies_by_default_tasks_get_on_with_the_rules_of_the_page(site: Site):
    """Last: what it makes, it leaves."""
    block = re.findall(r"```yaml\n(apiVersion: networking.*?)```", PAGE.read_text(), re.DOTALL)
    [rules] = [yaml.safe_load(text) for text in block]
    space = rules["metadata"]["namespace"]
    site.rig.kubectl("create", "namespace", space)
    head = {"apiVersion": rules["apiVersion"], "kind": "NetworkPolicy"}
    meta = {"name": "deny", "namespace": space}
    both = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    site.apply(head | {"metadata": meta, "spec": both})
    site.upgrade(enabled=False)

    tasks = Tasks(site.rig.kubectl, space)
    links = {name: f"{name}://{tasks.prefix('source')}pressure" for name in ("ca", "pva")}
    inputs = {name: {"type": "float", "link": link} for name, link in links.items()}
    network = {"nameServers": ["source"]}
    sink = {"prefix": tasks.prefix("sink"), "inputs": inputs, "network": network}
    head = {"apiVersion": API, "kind": "IocTask", "metadata": {"name": "sink"}}
    tasks.apply(task("source", tasks.prefix("source")), head | {"spec": sink})
    tasks.run("wait", "--for=create", "pod/source-0", "pod/sink-0", "--timeout=50s")
    tasks.run("wait", "--for=condition=Ready", "pod/source-0", "--timeout=50s")
    client = ("another", WATCHERS, CONNECT, tasks.address("source"), "5064")
    assert site.python(*client).strip() != "reached"
    assert of(tasks.get("ioctask", "sink"), "InputsConnected").get("status") != "True"

    site.apply(rules)
    for name in ("source", "sink"):
        tasks.ready(name, patience=PATIENCE)
    tasks.wait(lambda found: found["status"]["summary"]["inputs"] == "2/2", "sink")
    assert site.python(*client).strip() == "reached"
