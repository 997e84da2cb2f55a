"""The chart from its installation to its removal, and what the operator is told by it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.api import Api, path_of
from cluster.chart import CHART, HOME, RELEASE, RUNTIME_ROLE, helm, installed, rendered
from cluster.rig import Rig
from ioc_operator.flags import parse

Object = dict[str, Any]
API = "ioc-operator.dev/v1alpha1"


@pytest.fixture(scope="module")
def rig_with_chart() -> Iterator[Rig]:
    with installed() as rig:
        yield rig


def one(made: list[Object], kind: str) -> Object:
    [found] = [each for each in made if each["kind"] == kind]
    return found


def container(made: list[Object]) -> Object:
    [found] = one(made, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def test_the_chart_is_without_fault(rig_with_chart: Rig):
    assert "0 chart(s) failed" in helm(rig_with_chart, "lint", str(CHART), "--strict")


def test_the_operators_pods_are_admitted_where_only_restricted_ones_are(rig_with_chart: Rig):
    until = time.monotonic() + 20
    pods: list[Object] = []
    while len(pods) < 2:
        assert time.monotonic() < until, rig_with_chart.kubectl("get", "events", "-n", HOME)
        time.sleep(0.1)
        pods = json.loads(rig_with_chart.kubectl("get", "pods", "-n", HOME, "-o", "json"))["items"]
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {RELEASE}


def test_the_policies_are_free_of_type_errors(rig_with_chart: Rig):
    until = time.monotonic() + 20
    while True:
        text = rig_with_chart.kubectl("get", "validatingadmissionpolicies", "-o", "json")
        status = [each.get("status", {}) for each in json.loads(text)["items"]]
        if all("typeChecking" in each for each in status):
            break
        assert time.monotonic() < until
        time.sleep(0.1)
    assert [each["typeChecking"] for each in status] == [{}, {}]


def test_the_flags_are_those_that_the_operator_knows(rig_with_chart: Rig):
    args = container(rendered(rig_with_chart))["args"]
    assert args[:3] == ["python", "-m", "ioc_operator"]
    plain = parse(args[3:], {"POD_NAME": "p", "POD_NAMESPACE": HOME})
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert plain.runtime_image == f"ioc-runtime:{version}"
    assert plain.runtime_cluster_role == RUNTIME_ROLE
    assert (plain.lease_name, plain.lease_namespace) == (RELEASE, HOME)
    assert (plain.lease_duration, plain.renew_deadline, plain.retry_period) == (6, 4, 1)
    assert (plain.namespaces, plain.label_selector, plain.log_format) == ((), "", "json")


def test_values_become_flags(rig_with_chart: Rig):
    values = {
        "watchNamespaces": "{bl01,bl02}",
        "labelSelector": "site=north",
        "workers": "4",
        "log.format": "text",
        "log.level": "debug",
        "leaderElection.leaseDuration": "15",
        "runtime.image.repository": "mirror/ioc",
        "runtime.image.digest": "sha256:0123",
        "runtime.image.pullPolicy": "Always",
        "extraArgs": "{--sweep-period=60}",
    }
    options = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    found = parse(container(rendered(rig_with_chart, *options))["args"][3:], {})
    assert found.namespaces == ("bl01", "bl02")
    assert (found.label_selector, found.workers) == ("site=north", 4)
    assert (found.log_format, found.log_level) == ("text", "DEBUG")
    assert (found.lease_duration, found.sweep_period) == (15, 60)
    assert (found.runtime_image, found.image_pull_policy) == ("mirror/ioc@sha256:0123", "Always")


def test_parts_can_be_left_out(rig_with_chart: Rig):
    off = ("rbac.create", "crds.enabled", "admissionPolicy.enabled", "podDisruptionBudget.enabled")
    options = [word for name in off for word in ("--set", f"{name}=false")]
    named = ("--set", "serviceAccount.create=false", "--set", "serviceAccount.name=given")
    made = rendered(rig_with_chart, *options, *named)
    assert sorted(each["kind"] for each in made) == ["Deployment", "Service"]
    assert one(made, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "given"


def test_no_object_of_the_chart_looks_like_one_that_the_operator_made(rig_with_chart: Rig):
    made = rendered(rig_with_chart)
    labels = [each["metadata"]["labels"] for each in made]
    assert {each["app.kubernetes.io/managed-by"] for each in labels} == {"Helm"}


def test_an_upgrade_to_the_same_changes_nothing(rig_with_chart: Rig):
    def versions() -> list[str]:
        kinds = "crd,clusterrole,validatingadmissionpolicy,validatingadmissionpolicybinding"
        text = rig_with_chart.kubectl("get", kinds, "-o", "json")
        found = [each["metadata"] for each in json.loads(text)["items"]]
        return [f"{each['name']} {each['generation']}" for each in found if "generation" in each]

    before = versions()
    assert len(before) >= 6
    helm(rig_with_chart, "upgrade", RELEASE, str(CHART))
    assert versions() == before


def test_tasks_stay_when_the_release_goes(rig_with_chart: Rig):
    api = Api(rig_with_chart)
    task = {"apiVersion": API, "kind": "IocTask", "metadata": {"name": "stays"}, "spec": {}}
    api.good("POST", path_of("IocTask", "default"), task)
    helm(rig_with_chart, "uninstall", RELEASE, "--wait")
    try:
        assert api.good("GET", path_of("IocTask", "default", "stays"))["spec"] is not None
        assert RELEASE not in rig_with_chart.kubectl(
            "get", "clusterrole,validatingadmissionpolicy", "-o", "name"
        )
    finally:
        helm(rig_with_chart, "install", RELEASE, str(CHART), "--take-ownership")
