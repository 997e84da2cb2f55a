"""What a pod may write, and what it may not, with the token that it would have."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.api import Api, path_of
from cluster.bad_objects import API, GOOD
from cluster.chart import (
    HOME,
    OPERATOR,
    RELEASE,
    account,
    bind,
    binding,
    installed,
    rendered,
    token,
)
from cluster.rig import Rig

Object = dict[str, Any]
RUNTIME = "ioc-runtime"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def rig_with_chart() -> Iterator[Rig]:
    with installed() as rig:
        yield rig


@pytest.fixture
def admin(rig_with_chart: Rig) -> Api:
    return Api(rig_with_chart)


@pytest.fixture
def operator(rig_with_chart: Rig, admin: Api) -> Api:
    """The API server as the operator sees it."""
    return Api(rig_with_chart, token(admin, HOME, RELEASE))


@pytest.fixture
def space(rig_with_chart: Rig, admin: Api) -> str:
    """A namespace in which runtimes can report."""
    name = f"beamline-{next(NUMBERS)}"
    rig_with_chart.kubectl("create", "namespace", name)
    account(admin, name, RUNTIME)
    return name


def make(api: Api, space: str, name: str, kind: str = "IocTask") -> Object:
    """An IocTask or IocJob of which the operator has written the status."""
    body = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": GOOD[kind]}
    api.good("POST", path_of(kind, space), body)
    return api.good("PATCH", path_of(kind, space, name, "status"), {"status": SEEN}, patch="merge")


SEEN = {
    "observedGeneration": 1,
    "phase": "Degraded",
    "conditions": [{"type": "Ready", "status": "False", "reason": "NotReady"}],
    "summary": {"state": "Unknown", "inputs": "Unknown", "permits": ""},
    "claim": {"prefix": "A:"},
}


class Pod:
    """A pod that nobody runs, and what it can do with its token."""

    def __init__(self, rig: Rig, space: str, name: str, account: str = RUNTIME) -> None:
        admin = Api(rig)
        body = {
            "metadata": {"name": name},
            "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]},
        }
        made = admin.good("POST", f"/api/v1/namespaces/{space}/pods", body)
        self.uid, self.space = made["metadata"]["uid"], space
        self.api = Api(rig, token(admin, space, account, made))

    def report(
        self, name: str, kind: str = "IocTask", space: str = "", **status: Any
    ) -> tuple[int, Object]:
        """Apply a status as the runtime does; without anything given, a good report."""
        given = status or {"runtime": {"podUID": self.uid, "state": "RUN", "latches": {"a": 1}}}
        where = space or self.space
        body = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "status": given}
        path = path_of(kind, where, name, "status") + "?fieldManager=ioc-runtime&force=true"
        return self.api.call("PATCH", path, body, patch="apply")


Make = Callable[..., Pod]


@pytest.fixture
def pod(rig_with_chart: Rig, space: str) -> Make:
    return lambda name, **more: Pod(rig_with_chart, more.pop("space", space), name, **more)


def test_a_pod_reports_below_status_runtime(admin: Api, space: str, pod: Make):
    make(admin, space, "guard")
    code, answer = pod("guard-0").report("guard")
    assert code == 200, answer
    status = answer["status"]
    assert {key: value for key, value in status.items() if key != "runtime"} == SEEN
    assert status["runtime"]["state"] == "RUN"


def test_a_pod_reports_before_the_operator_has_written_anything(admin: Api, space: str, pod: Make):
    body = {"apiVersion": API, "kind": "IocTask", "metadata": {"name": "guard"}, "spec": {}}
    admin.good("POST", path_of("IocTask", space), body)
    code, answer = pod("guard-0").report("guard")
    assert code == 200, answer
    assert answer["status"]["observedGeneration"] == -1


def test_reports_and_the_operators_status_do_not_disturb_each_other(
    admin: Api, operator: Api, space: str, pod: Make
):
    make(admin, space, "guard")
    one = pod("guard-0")
    path = path_of("IocTask", space, "guard", "status")
    for number in range(3):
        assert one.report("guard", runtime={"podUID": one.uid, "message": f"{number}"})[0] == 200
        body = {"apiVersion": API, "kind": "IocTask", "metadata": {"name": "guard"}}
        status = SEEN | {"observedGeneration": number}
        query = "?fieldManager=ioc-operator-status&force=true"
        said = operator.good("PATCH", path + query, body | {"status": status}, patch="apply")
        assert said["status"]["runtime"]["message"] == f"{number}"
        assert said["status"]["observedGeneration"] == number


@pytest.mark.parametrize(
    "forged",
    [
        {"conditions": [{"type": "Ready", "status": "True", "reason": "Running"}]},
        {"observedGeneration": 99},
        {"summary": {"state": "RUN", "inputs": "12/12", "permits": "ok"}},
        {"phase": "Running"},
        {"claim": {"prefix": "OTHERS:"}},
        {"lastHandledReconcileAt": "now"},
        {"history": []},
        {"pod": {"name": "guard-0"}},
    ],
    ids=lambda forged: next(iter(forged)),
)
def test_a_pod_cannot_forge_what_the_operator_says(
    forged: Object, admin: Api, space: str, pod: Make
):
    before = make(admin, space, "guard")
    one = pod("guard-0")
    code, answer = one.report("guard", runtime={"podUID": one.uid}, **forged)
    assert (code, answer["reason"]) == (403, "Forbidden"), answer
    assert (
        "pod guard-0 may write status.runtime and nothing else of the status" in (answer["message"])
    )
    now = admin.good("GET", path_of("IocTask", space, "guard"))
    assert now["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_pod_cannot_take_away_what_the_operator_says(admin: Api, space: str, pod: Make):
    make(admin, space, "guard")
    one = pod("guard-0")
    status = {"conditions": None, "runtime": {"podUID": one.uid}}
    path = path_of("IocTask", space, "guard", "status")
    code, answer = one.api.call("PATCH", path, {"status": status}, patch="merge")
    assert code == 403
    assert "nothing else of the status" in answer["message"]


def test_a_pod_cannot_write_the_status_of_another_task(admin: Api, space: str, pod: Make):
    make(admin, space, "guard")
    make(admin, space, "other")
    one = pod("guard-0")
    code, answer = one.report("other")
    assert (code, answer["reason"]) == (403, "Forbidden")
    said = "pod guard-0 may not write the status of other: it is not its pod"
    assert said in answer["message"]


def test_a_pod_cannot_speak_for_the_one_before_it(admin: Api, space: str, pod: Make):
    make(admin, space, "guard")
    one = pod("guard-0")
    assert one.report("guard")[0] == 200
    path = path_of("IocTask", space, "guard", "status")
    for runtime in ({"podUID": "another"}, {"podUID": ""}, {"podUID": None}, None):
        code, answer = one.api.call("PATCH", path, {"status": {"runtime": runtime}}, patch="merge")
        assert code == 403
        said = f"expected {one.uid} in status.runtime.podUID, the uid of pod guard-0"
        assert said in answer["message"], answer


def test_a_pod_cannot_write_the_spec(admin: Api, space: str, pod: Make):
    make(admin, space, "guard")
    one = pod("guard-0")
    path = path_of("IocTask", space, "guard")
    code, answer = one.api.call("PATCH", path, {"spec": {"suspend": True}}, patch="merge")
    assert code == 403
    assert 'cannot patch resource "ioctasks" in API group "ioc-operator.dev"' in answer["message"]
    status = {"runtime": {"podUID": one.uid}}
    body = {"spec": {"suspend": True}, "metadata": {"labels": {"a": "b"}}, "status": status}
    said = one.api.good("PATCH", f"{path}/status", body, patch="merge")
    assert said["spec"]["suspend"] is False
    assert "labels" not in said["metadata"]


@pytest.mark.parametrize(
    ("kind", "name", "of"),
    [
        ("IocTask", "a.b", "a.b-0"),
        ("IocTask", "a-0", "a-0-0"),
        ("IocJob", "ramp", "ramp-1-x7k2p"),
        ("IocJob", "ramp-1", "ramp-1-12-abcde"),
    ],
)
def test_a_pod_of_its_name_reports(
    kind: str, name: str, of: str, admin: Api, space: str, pod: Make
):
    make(admin, space, name, kind)
    code, answer = pod(of).report(name, kind)
    assert code == 200, answer


@pytest.mark.parametrize(
    ("kind", "name", "of"),
    [
        ("IocTask", "a.b", "a-b-0"),
        ("IocTask", "a", "a-1"),
        ("IocTask", "a", "a-0-0"),
        ("IocTask", "a", "a-1-x7k2p"),
        ("IocTask", "a-1", "a-1-x7k2p"),
        ("IocJob", "ramp", "ramp-0"),
        ("IocJob", "ramp", "ramp-1-0"),
        ("IocJob", "ramp", "ramp-1-abcdef"),
        ("IocJob", "ramp", "ramp-one-abcde"),
        ("IocJob", "ramp", "ramp-1-2-abcde"),
        ("IocJob", "ramp", "xramp-1-abcde"),
        ("IocJob", "ramp.x", "ramp-x-1-abcde"),
    ],
)
def test_a_pod_of_another_name_does_not(
    kind: str, name: str, of: str, admin: Api, space: str, pod: Make
):
    make(admin, space, name, kind)
    code, answer = pod(of).report(name, kind)
    assert code == 403
    assert f"pod {of} may not write the status of {name}" in answer["message"]


def test_a_pod_of_another_namespace_does_not(
    rig_with_chart: Rig, admin: Api, space: str, pod: Make
):
    make(admin, space, "guard")
    other = f"{space}-other"
    rig_with_chart.kubectl("create", "namespace", other)
    admin.good("POST", f"/api/v1/namespaces/{other}/serviceaccounts", {"metadata": {"name": "x"}})
    bind(admin, space, "x", other)
    code, answer = pod("guard-0", space=other, account="x").report("guard", space=space)
    assert code == 403
    assert "it takes the token of a pod of this namespace" in answer["message"]


def test_a_token_of_no_pod_does_not(rig_with_chart: Rig, admin: Api, space: str):
    make(admin, space, "guard")
    api = Api(rig_with_chart, token(admin, space, RUNTIME))
    path = path_of("IocTask", space, "guard", "status")
    code, answer = api.call("PATCH", path, {"status": {"runtime": {"state": "RUN"}}}, patch="merge")
    assert code == 403
    user = f"system:serviceaccount:{space}:{RUNTIME}"
    assert f"{user} may not write this status: it takes the token of a pod" in answer["message"]


def test_an_account_of_the_user_that_may_do_anything_is_held_to_the_same(
    admin: Api, space: str, pod: Make
):
    make(admin, space, "guard")
    account(admin, space, "mine", "cluster-admin")
    one = pod("guard-0", account="mine")
    assert one.report("guard")[0] == 200
    code, answer = one.report("guard", runtime={"podUID": one.uid}, phase="Running")
    assert code == 403
    assert "nothing else of the status" in answer["message"]
    path = path_of("IocTask", space, "guard")
    spec = one.api.good("PATCH", path, {"spec": {"suspend": True}}, patch="merge")["spec"]
    assert spec["suspend"] is True, "what its own role allows is not for this policy to refuse"


def test_persons_and_the_operator_are_not_meant(admin: Api, operator: Api, space: str):
    make(admin, space, "guard")
    path = path_of("IocTask", space, "guard", "status")
    for api in (admin, operator):
        said = api.good("PATCH", path, {"status": {"phase": "Running"}}, patch="merge")
        assert said["status"]["phase"] == "Running"


def test_an_account_that_is_exempt_is_not_meant(rig_with_chart: Rig, admin: Api):
    backup = "system:serviceaccount:backup:velero"
    made = rendered(rig_with_chart, "--set", f"admissionPolicy.exempt={{{backup}}}")
    [policy] = [
        each["spec"]
        for each in made
        if each["kind"] == "ValidatingAdmissionPolicy"
        and each["metadata"]["name"] == f"{RELEASE}-status"
    ]
    [condition] = policy["matchConditions"]
    assert condition["expression"].endswith(f'["{OPERATOR}","{backup}"])')


# What the operator may bind


def bind_as(operator: Api, space: str, name: str, body: Object) -> tuple[int, Object]:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space}/rolebindings/{name}"
    query = "?fieldManager=ioc-operator&force=true"
    return operator.call("PATCH", path + query, body, patch="apply")


def empty(rig: Rig) -> str:
    """A namespace without a binding."""
    name = f"empty-{next(NUMBERS)}"
    rig.kubectl("create", "namespace", name)
    return name


def test_the_operator_lets_the_runtimes_of_a_namespace_report(rig_with_chart: Rig, operator: Api):
    space = empty(rig_with_chart)
    code, answer = bind_as(operator, space, RUNTIME, binding(RUNTIME, space))
    assert code == 201, answer
    assert bind_as(operator, space, RUNTIME, binding(RUNTIME, space))[0] == 200


@pytest.mark.parametrize("role", ["cluster-admin", "edit", "view", "system:basic-user"])
def test_the_operator_binds_no_other_role(rig_with_chart: Rig, operator: Api, role: str):
    space = empty(rig_with_chart)
    code, answer = bind_as(operator, space, RUNTIME, binding(RUNTIME, space, role))
    assert code == 403, answer


def test_the_operator_does_not_even_bind_what_it_has_itself(rig_with_chart: Rig, operator: Api):
    space = empty(rig_with_chart)
    code, answer = bind_as(operator, space, RUNTIME, binding(RUNTIME, space, RELEASE))
    assert code == 403
    said = f"may bind ioc-runtime of the same namespace to {RELEASE}-runtime, and nothing else"
    assert said in answer["message"]


def test_the_operator_binds_nobody_else(rig_with_chart: Rig, operator: Api):
    space = empty(rig_with_chart)
    others = binding(RUNTIME, space)
    others["subjects"] += [{"kind": "ServiceAccount", "name": RUNTIME, "namespace": "default"}]
    code, answer = bind_as(operator, space, RUNTIME, others)
    assert code == 403
    assert "and nothing else" in answer["message"]
    code, answer = bind_as(operator, space, "other", binding("other", space))
    assert code == 403
    assert 'rolebindings.rbac.authorization.k8s.io "other" is forbidden' in answer["message"]
