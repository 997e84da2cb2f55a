"""What the operator may do with the shipped role, and that it may do nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.api import Api
from cluster.chart import CHART, HOME, OPERATOR, RELEASE, account, helm, installed, token
from cluster.rig import Rig

Object = dict[str, Any]
Grant = tuple[str, str, str, str]
"""Group, resource, the one name it is for or "", verb."""
NOBODY = "system:serviceaccount:default:nobody"
OURS = "ioc-operator.dev"
CHILD = ("get", "list", "watch", "create", "patch", "delete")
EXPECTED: dict[tuple[str, str, str], tuple[str, ...]] = {
    (OURS, "ioctasks", ""): ("get", "list", "watch"),
    (OURS, "iocjobs", ""): ("get", "list", "watch"),
    (OURS, "ioctasks/status", ""): ("patch",),
    (OURS, "iocjobs/status", ""): ("patch",),
    (OURS, "ioctasks/finalizers", ""): ("update",),
    (OURS, "iocjobs/finalizers", ""): ("update",),
    ("apps", "statefulsets", ""): CHILD,
    ("batch", "jobs", ""): CHILD,
    ("", "configmaps", ""): CHILD,
    ("", "services", ""): CHILD,
    ("", "pods", ""): ("get", "list", "watch", "patch"),
    ("events.k8s.io", "events", ""): ("create", "patch"),
    ("", "serviceaccounts", "ioc-runtime"): ("get", "list", "watch", "create", "patch"),
    ("rbac.authorization.k8s.io", "rolebindings", "ioc-runtime"): CHILD,
}
"""All that the operator may do in a namespace that it looks after."""
LEASE: dict[tuple[str, str, str], tuple[str, ...]] = {
    ("coordination.k8s.io", "leases", ""): ("create",),
    ("coordination.k8s.io", "leases", RELEASE): ("get", "update"),
}
"""And in its own, beside that."""


def grants(expected: dict[tuple[str, str, str], tuple[str, ...]]) -> set[Grant]:
    return {(*what, verb) for what, verbs in expected.items() for verb in verbs}


@pytest.fixture(scope="module")
def rig_with_chart() -> Iterator[Rig]:
    with installed() as rig:
        yield rig


class Allowed:
    """What the API server says that a user may do; asked as that user."""

    def __init__(self, rig: Rig, user: str) -> None:
        self.rig, self.user = rig, user

    def _ask(self, kind: str, spec: Object) -> Object:
        api = Api(self.rig, impersonate=self.user)
        path = f"/apis/authorization.k8s.io/v1/{kind.lower()}s"
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        return api.good("POST", path, body)["status"]

    def __call__(
        self, verb: str, resource: str, group: str = "", *, space: str = "bl01", name: str = ""
    ) -> bool:
        resource, _, sub = resource.partition("/")
        what = {"verb": verb, "group": group, "resource": resource, "subresource": sub}
        where = {"namespace": space, "name": name}
        return self._ask("SelfSubjectAccessReview", {"resourceAttributes": what | where})["allowed"]

    def everything(self, space: str) -> set[Grant]:
        """All grants in a namespace, but those of every ServiceAccount."""
        return self._grants(space) - Allowed(self.rig, NOBODY)._grants(space)

    def _grants(self, space: str) -> set[Grant]:
        rules = self._ask("SelfSubjectRulesReview", {"namespace": space})["resourceRules"]
        return {
            (group, resource, name, verb)
            for rule in rules
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for name in rule.get("resourceNames") or [""]
            for verb in rule["verbs"]
        }


@pytest.fixture
def may(rig_with_chart: Rig) -> Allowed:
    return Allowed(rig_with_chart, OPERATOR)


def test_the_operator_may_do_this_and_nothing_else(may: Allowed):
    assert may.everything("bl01") == grants(EXPECTED)
    assert may.everything(HOME) == grants(EXPECTED) | grants(LEASE)


def test_there_is_no_wildcard_in_what_it_may(may: Allowed):
    assert [grant for grant in may.everything(HOME) if "*" in "".join(grant)] == []


@pytest.mark.parametrize(
    ("verb", "resource", "group"),
    [
        ("list", "ioctasks", OURS),
        ("watch", "iocjobs", OURS),
        ("patch", "ioctasks/status", OURS),
        ("patch", "iocjobs/status", OURS),
        ("create", "statefulsets", "apps"),
        ("delete", "statefulsets", "apps"),
        ("patch", "services", ""),
        ("patch", "configmaps", ""),
        ("create", "jobs", "batch"),
        ("patch", "pods", ""),
        ("create", "events", "events.k8s.io"),
    ],
)
def test_the_operator_may(verb: str, resource: str, group: str, may: Allowed):
    assert may(verb, resource, group)


@pytest.mark.parametrize(
    ("verb", "resource", "group"),
    [
        ("get", "secrets", ""),
        ("list", "secrets", ""),
        ("create", "secrets", ""),
        ("create", "roles", "rbac.authorization.k8s.io"),
        ("patch", "roles", "rbac.authorization.k8s.io"),
        ("escalate", "clusterroles", "rbac.authorization.k8s.io"),
        ("bind", "clusterroles", "rbac.authorization.k8s.io"),
        ("patch", "clusterroles", "rbac.authorization.k8s.io"),
        ("create", "clusterrolebindings", "rbac.authorization.k8s.io"),
        ("delete", "rolebindings", "rbac.authorization.k8s.io"),
        ("impersonate", "users", ""),
        ("create", "serviceaccounts/token", ""),
        ("create", "pods", ""),
        ("delete", "pods", ""),
        ("create", "pods/exec", ""),
        ("get", "pods/log", ""),
        ("patch", "ioctasks", OURS),
        ("delete", "ioctasks", OURS),
        ("create", "iocjobs", OURS),
        ("update", "ioctasks/status", OURS),
        ("get", "nodes", ""),
        ("list", "namespaces", ""),
        ("list", "customresourcedefinitions", "apiextensions.k8s.io"),
        ("patch", "validatingadmissionpolicies", "admissionregistration.k8s.io"),
        ("get", "persistentvolumeclaims", ""),
        ("create", "deployments", "apps"),
        ("get", "leases", "coordination.k8s.io"),
    ],
)
def test_the_operator_may_not(verb: str, resource: str, group: str, may: Allowed):
    assert not may(verb, resource, group)


def test_the_operator_touches_one_account_and_one_binding_of_a_namespace(may: Allowed):
    for resource, group in (("serviceaccounts", ""), ("rolebindings", "rbac.authorization.k8s.io")):
        assert may("patch", resource, group, name="ioc-runtime")
        assert may("create", resource, group, name="ioc-runtime")
        assert not may("patch", resource, group, name="default")
        assert not may("create", resource, group)


def test_the_operator_has_the_lease_of_its_own_namespace_alone(may: Allowed):
    group = "coordination.k8s.io"
    assert may("create", "leases", group, space=HOME)
    assert may("update", "leases", group, space=HOME, name=RELEASE)
    assert not may("update", "leases", group, space=HOME, name="other")
    assert not may("create", "leases", group)
    assert not may("delete", "leases", group, space=HOME, name=RELEASE)


def test_a_runtime_may_patch_status_and_nothing_else(rig_with_chart: Rig):
    rig_with_chart.kubectl("create", "namespace", "bl02")
    account(Api(rig_with_chart), "bl02", "ioc-runtime")
    may = Allowed(rig_with_chart, "system:serviceaccount:bl02:ioc-runtime")
    status = {(OURS, f"{kind}/status", "", "patch") for kind in ("ioctasks", "iocjobs")}
    assert may.everything("bl02") == status
    assert may.everything("bl01") == set()


def test_a_token_of_the_account_can_do_what_the_role_says(rig_with_chart: Rig):
    api = Api(rig_with_chart, token(Api(rig_with_chart), HOME, RELEASE))
    path = f"/apis/{OURS}/v1alpha1/ioctasks"
    assert api.call("GET", path)[0] == 200
    code, answer = api.call("GET", "/api/v1/secrets")
    assert code == 403
    assert 'cannot list resource "secrets"' in answer["message"]


def test_an_operator_of_two_namespaces_may_do_nothing_beyond_them(rig_with_chart: Rig):
    for name in ("bl10", "bl11", "elsewhere"):
        rig_with_chart.kubectl("create", "namespace", name)
    release = "two-ioc-operator"
    shared = f"admissionPolicy.exempt={{{OPERATOR}}}"  # the other one has all namespaces
    options = ("--set", f"watchNamespaces={{bl10,bl11}},crds.enabled=false,{shared}")
    helm(rig_with_chart, "install", release, str(CHART), *options)
    try:
        may = Allowed(rig_with_chart, f"system:serviceaccount:{HOME}:{release}")
        assert may.everything("bl10") == may.everything("bl11") == grants(EXPECTED)
        assert may.everything("elsewhere") == set()
        leases = {(group, what, name and release) for group, what, name in LEASE}
        assert {grant[:3] for grant in may.everything(HOME)} == leases
        assert not may("list", "ioctasks", OURS, space="")
    finally:
        helm(rig_with_chart, "uninstall", release)
