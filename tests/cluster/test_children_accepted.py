"""What the builders make, judged by a real API server: no pod has to run for that."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cluster.conftest import Cluster
from unit.operator.golden import CASES, FOLDER, Object, children, template

APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=ioc-operator", "-f", "-")


@pytest.fixture
def restricted(cluster: Cluster, namespace: str) -> str:
    """A namespace that refuses pods outside the restricted standard."""
    labels = ("enforce", "warn", "audit")
    said = [f"pod-security.kubernetes.io/{label}=restricted" for label in labels]
    cluster.kubectl("label", "namespace", namespace, *said)
    shared = yaml.safe_load_all((FOLDER / "namespace.yaml").read_text())
    apply(cluster, namespace, list(shared))
    cluster.kubectl("create", "serviceaccount", "guard", "-n", namespace)
    return namespace


def apply(cluster: Cluster, namespace: str, objects: list[Object], *more: str) -> list[Object]:
    """Apply as the operator does; the objects as the server has them then."""
    for each in objects:
        each["metadata"]["namespace"] = namespace
        each["metadata"].pop("ownerReferences", None)  # or they would be collected at once
        for subject in each.get("subjects", []):
            subject["namespace"] = namespace
    text = "\n---\n".join(json.dumps(each) for each in objects)
    answer = cluster.kubectl(*APPLY, *more, "-n", namespace, "-o", "json", stdin=text)
    found = json.loads(answer)
    items: list[Object] = found["items"] if found["kind"] == "List" else [found]
    return items


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_api_server_takes_what_is_made(cluster: Cluster, restricted: str, case: str):
    made = list(yaml.safe_load_all((FOLDER / f"{case}.yaml").read_text()))
    taken = apply(cluster, restricted, made, "--dry-run=server")
    assert [each["kind"] for each in taken] == [each["kind"] for each in made]


@pytest.mark.parametrize("case", sorted(set(CASES) - {"host-network"}))
def test_a_namespace_of_the_restricted_standard_takes_the_pod(
    cluster: Cluster, restricted: str, case: str
):
    pod = template(case)
    pod["spec"].pop("priorityClassName", None)  # the class is the cluster's to have
    if case == "storage":
        pod["spec"]["volumes"].append({"name": "state", "emptyDir": {}})  # of the claim template
    (taken,) = apply(cluster, restricted, [as_pod(case, pod)], "--dry-run=server")
    assert taken["kind"] == "Pod"


def test_it_refuses_a_pod_on_the_nodes_network(cluster: Cluster, restricted: str):
    pod = as_pod("host-network", template("host-network"))
    with pytest.raises(AssertionError, match=r"violates PodSecurity.*hostNetwork=true"):
        apply(cluster, restricted, [pod], "--dry-run=server")


def as_pod(name: str, pod: Object) -> Object:
    return pod | {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": pod["metadata"] | {"name": name},
    }


@pytest.mark.parametrize("name", ["3a", "a-3", "0"])
def test_a_task_may_begin_with_a_digit(cluster: Cluster, restricted: str, name: str):
    made = children("plain")
    for each in made:
        each["metadata"]["name"] = each["metadata"]["name"].replace("plain", name)
    assert len(apply(cluster, restricted, made, "--dry-run=server")) == len(made)


@pytest.mark.parametrize("case", ["vacuum-guard", "everything", "job"])
def test_applying_the_same_again_changes_nothing(cluster: Cluster, restricted: str, case: str):
    made = children(case)
    first = apply(cluster, restricted, made)
    second = apply(cluster, restricted, made)
    assert [revision(each) for each in second] == [revision(each) for each in first]


def revision(thing: Object) -> Any:
    """Moves with every write to the object; of one with a status, to its spec."""
    return thing["metadata"].get("generation") or thing["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    "detour",
    [
        {"network": {"hostNetwork": True}},
        {"report": {"enabled": False}},
        {"env": [{"name": "A", "value": "1"}], "nodeSelector": {"a": "b"}},
        {"podTemplate": {"spec": {"containers": [{"name": "ioc", "livenessProbe": None}]}}},
        {"podTemplate": {"spec": {"volumes": [{"name": "tmp", "hostPath": {"path": "/x"}}]}}},
        {"podTemplate": {"spec": {"containers": [{"name": "beside", "image": "i"}]}}},
    ],
    ids=lambda detour: next(iter(detour)),
)
def test_an_edit_and_its_reverse_leave_no_trace(cluster: Cluster, restricted: str, detour: Object):
    first = apply(cluster, restricted, children("plain"))[-1]
    between = apply(cluster, restricted, children("plain", **detour))[-1]
    last = apply(cluster, restricted, children("plain"))[-1]
    assert between["spec"]["template"] != first["spec"]["template"]
    assert last["spec"] == first["spec"]


def test_a_service_type_can_be_changed_and_changed_back(cluster: Cluster, restricted: str):
    def service(**block: Any) -> Object:
        return children("plain", network={"service": block})[1]

    kinds = ["ClusterIP", "NodePort", "LoadBalancer", "ClusterIP"]
    seen = [apply(cluster, restricted, [service(type=kind)])[0]["spec"] for kind in kinds]
    assert [each["type"] for each in seen] == kinds
    assert len({each["clusterIP"] for each in seen}) == 1, "clients keep the address"
    assert all("nodePort" not in port for port in seen[-1]["ports"])


def test_a_name_with_a_dot_is_refused_which_is_why_it_is_said_before(
    cluster: Cluster, restricted: str
):
    service = children("plain")[1]
    service["metadata"]["name"] = "a.b"
    with pytest.raises(AssertionError, match="must not contain dots|a lowercase RFC 1123 label"):
        apply(cluster, restricted, [service], "--dry-run=server")
