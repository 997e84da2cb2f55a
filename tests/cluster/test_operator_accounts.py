"""The account that pods report with: there before they are, and there again when it goes.

No node here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cluster.operator_process import OperatorProcess, install, operator
from cluster.rig import Rig
from cluster.tasks import Tasks, current, of, task, until

pytestmark = pytest.mark.timeout(180)

ACCOUNT = ("serviceaccount", "rolebinding")
NAME = "ioc-runtime"


@pytest.fixture(scope="module")
def kubeconfig(control_plane: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def running(kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    flags = ("--namespace", namespace, "--no-leader-election")
    with operator(kubeconfig, tmp_path, *flags) as process:
        process.ready()
        yield process


@pytest.fixture
def tasks(control_plane: Rig, namespace: str) -> Tasks:
    return Tasks(control_plane.kubectl, namespace)


def uid(tasks: Tasks, kind: str) -> str:
    """ "" where there is none."""
    path = "-o=jsonpath={.metadata.uid}"
    return tasks.run("get", kind, NAME, "--ignore-not-found", path)


@pytest.mark.parametrize("kind", ACCOUNT)
def test_one_that_is_deleted_comes_back_by_itself(
    kind: str, running: OperatorProcess, tasks: Tasks
):
    tasks.apply(task("guard", tasks.prefix("guard")))
    until(lambda: tasks.uid("guard"), "a pod")
    first = uid(tasks, kind)
    tasks.delete(kind, NAME)
    until(lambda: uid(tasks, kind) not in ("", first), f"another {kind}")


def test_a_namespace_that_is_made_again_gets_its_account_and_its_pods(
    running: OperatorProcess, tasks: Tasks
):
    guard = task("guard", tasks.prefix("guard"))
    tasks.apply(guard)
    first = until(lambda: tasks.uid("guard"), "a pod")
    space = tasks.namespace
    tasks.run("delete", "pod", "guard-0", "--grace-period=0", "--force")
    tasks.kubectl("delete", "namespace", space, "--timeout=60s")
    tasks.kubectl("create", "namespace", space)
    tasks.apply(guard)
    assert until(lambda: tasks.uid("guard"), "a pod in the new namespace") != first
    assert all(uid(tasks, kind) for kind in ACCOUNT)


def bind(tasks: Tasks, role: str, **labels: str) -> None:
    """A binding as something before this release may have left it."""
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": NAME, "labels": labels},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role,
        },
        "subjects": [],
    }
    tasks.run("create", "-f", "-", stdin=json.dumps(body))


def role(tasks: Tasks) -> str:
    return tasks.run("get", "rolebinding", NAME, "-o=jsonpath={.roleRef.name}")


def test_a_binding_of_an_earlier_release_is_made_anew(running: OperatorProcess, tasks: Tasks):
    bind(tasks, "earlier-runtime", **{"app.kubernetes.io/managed-by": "ioc-operator"})
    tasks.apply(task("guard", tasks.prefix("guard")))
    until(lambda: tasks.uid("guard"), "a pod")
    assert role(tasks) == "ioc-operator-runtime"
    assert "was bound to earlier-runtime" in running.log


def test_a_binding_of_somebody_else_is_left_alone_and_the_task_says_so(
    running: OperatorProcess, tasks: Tasks
):
    bind(tasks, "theirs")
    tasks.apply(task("guard", tasks.prefix("guard")))
    message = tasks.stalled("guard", "Refused")
    assert "is bound to theirs by somebody else; expected ioc-operator-runtime" in message
    assert role(tasks) == "theirs"
    tasks.delete("rolebinding", NAME)
    tasks.wait(lambda found: of(found, "Stalled").get("reason") != "Refused", "guard")
    assert role(tasks) == "ioc-operator-runtime"


def test_an_operator_looks_after_all_of_its_namespaces(
    control_plane: Rig, kubeconfig: Path, tasks: Tasks, tmp_path: Path
):
    other = Tasks(control_plane.kubectl, f"{tasks.namespace}-b")
    control_plane.kubectl("create", "namespace", other.namespace)
    try:
        flags = ("--namespace", f"{tasks.namespace},{other.namespace}", "--no-leader-election")
        with operator(kubeconfig, tmp_path, *flags) as process:
            process.ready()
            for name, each in (("one", tasks), ("two", other)):
                each.apply(task(name, tasks.prefix(name)))
                until(partial(each.uid, name), f"a pod in {each.namespace}")
                each.delete("service", name)
                until(lambda each=each: each.list("service"), f"what goes in {each.namespace}")
    finally:
        control_plane.kubectl("delete", "namespace", other.namespace, "--wait=false")


def test_where_it_may_not_look_at_accounts_it_writes_them_once(
    control_plane: Rig, kubeconfig: Path, tasks: Tasks, tmp_path: Path
):
    """A role that somebody else has made, before accounts were followed."""
    role = json.loads(control_plane.kubectl("get", "clusterrole", "ioc-operator", "-o", "json"))
    del role["metadata"]["resourceVersion"]
    less = json.loads(json.dumps(role))
    for rule in less["rules"]:
        if rule.get("resourceNames") == [NAME]:
            rule["verbs"] = ["create", "patch"]
    control_plane.kubectl("replace", "-f", "-", stdin=json.dumps(less))
    try:
        flags = ("--namespace", tasks.namespace, "--no-leader-election")
        with operator(kubeconfig, tmp_path, *flags) as process:
            process.ready()
            tasks.apply(task("guard", tasks.prefix("guard")))
            until(lambda: tasks.uid("guard"), "a pod")
            assert "list of rolebindings is not followed" in process.log
    finally:
        control_plane.kubectl("replace", "-f", "-", stdin=json.dumps(role))
    assert all(uid(tasks, kind) for kind in ACCOUNT)


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}
    resourceRules:
      - apiGroups: [ioc-operator.dev]
        apiVersions: ["*"]
        operations: [UPDATE]
        resources: [ioctasks/status]
  validations: [{{expression: "false", message: only another release may}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [Deny]}}
"""


def test_a_status_that_is_refused_is_told_by_the_log_and_an_event_once(
    running: OperatorProcess, tasks: Tasks
):
    policy = POLICY.format(name=tasks.namespace)
    tasks.kubectl("apply", "-f", "-", stdin=policy)
    try:
        time.sleep(2)  # until the server heeds it
        tasks.apply(task("guard", tasks.prefix("guard")))
        until(lambda: "its status is not taken" in running.log, "a line in the log")
        until(lambda: "StatusRefused" in tasks.run("get", "events"), "an Event")
        time.sleep(5)
        assert running.log.count("its status is not taken") == 1
        assert "only another release may" in running.log
    finally:
        tasks.kubectl("delete", "-f", "-", stdin=policy)
    tasks.wait(current, "guard")
