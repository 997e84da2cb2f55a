"""The chart from its installation to its removal, and what the operator is told by it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.api import Api, path_of
from cluster.chart import (
    CASES,
    CHART,
    HOME,
    OPERATOR,
    RELEASE,
    RUNTIME_ROLE,
    helm,
    installed,
    rendered,
)
from cluster.prometheus import definitions
from cluster.rig import Rig
from ioc_operator.flags import parse

Object = dict[str, Any]
API = "ioc-operator.dev/v1alpha1"
DIGEST = "sha256:" + 8 * "01234567"


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


@pytest.fixture(scope="module")
def rig_with_kinds(rig_with_chart: Rig) -> Rig:
    """With the kinds and the namespaces that the files of values name."""
    names = ("servicemonitors", "podmonitors", "prometheusrules")
    files = [f"{definitions()}/monitoring.coreos.com_{name}.yaml" for name in names]
    rig_with_chart.kubectl("apply", "--server-side", "-f", ",".join(files))
    kinds = [f"crd/{name}.monitoring.coreos.com" for name in names]
    rig_with_chart.kubectl("wait", "--for=condition=Established", "--timeout=20s", *kinds)
    for space in ("bl01", "bl02", "monitoring"):
        rig_with_chart.kubectl("create", "namespace", space)
    # A pod is refused without its account, and a dry run makes none.
    for account in (f"other-{RELEASE}-test", "north-test"):
        rig_with_chart.kubectl("create", "serviceaccount", account, "-n", HOME)
    return rig_with_chart


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_api_server_takes_all_that_is_made_of_a_file_of_values(rig_with_kinds: Rig, case: str):
    made = rendered(rig_with_kinds, "--values", str(CASES[case]), release="other")
    pod = {"apiVersion": "v1", "kind": "Pod"} | one(made, "Deployment")["spec"]["template"]
    # What it asks for is judged by the standard of the namespace, like the pod of the test.
    pod["metadata"] |= {"name": "one-of-them", "namespace": HOME}
    pod["spec"]["serviceAccountName"] = RELEASE
    done = dry_run(rig_with_kinds, [*made, pod])
    assert "Warning" not in done.stderr
    assert done.stdout.count("serverside-applied") == len(made) + 1, done.stderr


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("ServiceMonitor", {"endpoints": [{"prot": "http"}]}),
        ("PrometheusRule", {"groups": [{"rules": []}]}),
        ("NetworkPolicy", {"egress": [{"port": 53}]}),
        ("Pod", {"securityContext": {}}),
    ],
)
def test_the_api_server_would_notice_a_mistake(rig_with_kinds: Rig, kind: str, edit: Object):
    values = ("--values", str(CASES["everything"]))
    made = one(rendered(rig_with_kinds, *values, release="other"), kind)
    good = dry_run(rig_with_kinds, [made])
    assert good.returncode == 0, good.stderr
    assert dry_run(rig_with_kinds, [made | {"spec": made["spec"] | edit}]).returncode != 0


def dry_run(rig: Rig, made: list[Object]) -> subprocess.CompletedProcess[str]:
    """What the API server says of these objects, without keeping them."""
    command = [rig.layout.binaries / "kubectl", "--kubeconfig", rig.kubeconfig, "apply"]
    options = ["--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"]
    text = "\n---\n".join(map(json.dumps, made))
    return subprocess.run(
        [*command, *options, "-f", "-"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_who_may_view_or_edit_a_namespace_may_do_so_with_its_tasks(rig_with_chart: Rig):
    def may(role: str, verb: str, kind: str, *part: str) -> bool:
        who = f"--as=system:serviceaccount:default:{role}"
        what = (verb, f"{kind}.ioc-operator.dev", *part)
        said = rig_with_chart.kubectl("auth", "can-i", *what, who, "-n", "default", check=False)
        return said.strip() == "yes"

    for role in ("view", "edit", "admin"):
        rig_with_chart.kubectl(
            *("create", "rolebinding", role, "-n", "default"),
            *(f"--clusterrole={role}", f"--serviceaccount=default:{role}"),
        )
    until = time.monotonic() + 20
    while not may("admin", "create", "iocjobs"):
        assert time.monotonic() < until, "the roles are not put together"
        time.sleep(0.1)
    for kind in ("ioctasks", "iocjobs"):
        assert [may(role, "watch", kind) for role in ("view", "edit", "admin")] == [True] * 3
        for verb in ("create", "patch", "update", "delete", "deletecollection"):
            assert [may(role, verb, kind) for role in ("view", "edit")] == [False, True]
        assert not may("admin", "patch", kind, "--subresource=status")


def test_the_notes_name_the_next_command_and_what_is_dangerous(rig_with_chart: Rig):
    def notes(*args: str) -> str:
        said = helm(rig_with_chart, "upgrade", RELEASE, str(CHART), "--dry-run=server", *args)
        return said.partition("NOTES:\n")[2]

    plain = notes()
    assert "all namespaces." in plain
    assert f"helm test {RELEASE} --namespace {HOME}" in plain
    assert "CAUTION" not in plain
    unsafe = ("admissionPolicy.enabled=false", "crds.keep=false", "replicaCount=1")
    assert notes("--set", ",".join(unsafe)).count("CAUTION: ") == 3
    some = notes("--set", "watchNamespaces={bl01,bl02},labelSelector=site=north")
    assert "looks after namespaces bl01, bl02, objects with site=north." in some
    assert "--namespace bl01" in some


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
        "runtime.image.digest": DIGEST,
        "runtime.image.pullPolicy": "Always",
        "plugins.cache": "claim:shared",
        "plugins.index": "packages",
        "extraArgs": "{--sweep-period=60}",
    }
    options = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    found = parse(container(rendered(rig_with_chart, *options))["args"][3:], {})
    assert found.namespaces == ("bl01", "bl02")
    assert (found.label_selector, found.workers) == ("site=north", 4)
    assert (found.log_format, found.log_level) == ("text", "DEBUG")
    assert (found.lease_duration, found.sweep_period) == (15, 60)
    assert (found.runtime_image, found.image_pull_policy) == (f"mirror/ioc@{DIGEST}", "Always")
    assert (found.plugin_cache, found.plugin_index) == ("claim:shared", "packages")


def test_parts_can_be_left_out(rig_with_chart: Rig):
    made = rendered(rig_with_chart, "--values", str(CASES["bare"]))
    assert sorted(each["kind"] for each in made) == ["Deployment", "PodMonitor", "Service"]
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


def tried(rig: Rig, *args: str) -> str:
    """What Helm says against a command, "" if it does as it is told."""
    command = [rig.helm(), "--kubeconfig", rig.kubeconfig, "--namespace", HOME, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr if done.returncode else ""


def test_two_releases_share_no_namespace(rig_with_kinds: Rig):
    def watch(verb: str, release: str, *spaces: str, more: str = "") -> str:
        crds = "crds.enabled=false" if release == "north" else "crds.enabled=true"
        given = ",".join(each for each in (crds, more) if each)
        only = f"watchNamespaces={json.dumps(spaces)}"
        values = ("--reset-values",) if verb == "upgrade" else ()
        more_args = ("--set-json", only, "--set", given)
        return tried(rig_with_kinds, verb, release, str(CHART), *values, *more_args)

    both = "each would keep the other from writing status; expected watchNamespaces"
    theirs = f"release {RELEASE} in namespace {HOME} looks after"
    assert f"{theirs} all namespaces, and release north would look after all namespaces" in (
        said := watch("install", "north")
    )
    assert f"both have all of them, and {both}" in said
    assert f"both have bl02, and {both}" in watch("install", "north", "bl02")
    assert watch("upgrade", RELEASE, "bl01") == ""
    assert f"{theirs} namespace bl01, and release north would" in watch("install", "north")
    try:
        assert watch("install", "north", "bl02") == ""
        assert watch("upgrade", "north", "bl02") == ""
        assert f"both have bl01, and {both}" in watch("upgrade", "north", "bl02", "bl01")
        # Who says that the other may write status, knows of it.
        known = f"admissionPolicy.exempt={{{OPERATOR}}}"
        assert watch("upgrade", "north", "bl02", "bl01", more=known) == ""
    finally:
        tried(rig_with_kinds, "uninstall", "north")
        assert watch("upgrade", RELEASE) == ""


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
        said = tried(rig_with_chart, "install", "other", str(CHART))
        assert "invalid ownership metadata" in said
        helm(rig_with_chart, "install", "other", str(CHART), "--take-ownership")
        helm(rig_with_chart, "uninstall", "other", "--wait")
    finally:
        helm(rig_with_chart, "install", RELEASE, str(CHART), "--take-ownership")
