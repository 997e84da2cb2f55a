"""The operator as a process with the shipped role: what it makes, keeps and leaves alone.

No node here: pods stay Pending, and what needs them is shown in test_pods_*.py.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster.invariants import check
from cluster.operator_process import OperatorProcess, install, operator
from cluster.quiet import check_quiet
from cluster.rig import Rig
from cluster.tasks import Tasks, current, of, task

pytestmark = pytest.mark.timeout(180)

CHILDREN = (("configmap", "{}-config"), ("service", "{}"), ("statefulset", "{}"))


@pytest.fixture(scope="module")
def kubeconfig(control_plane: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the operator's account, with the role that the chart ships."""
    return install(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture
def tasks(control_plane: Rig, namespace: str, start: object) -> Iterator[Tasks]:
    """The namespace of the test; whatever went on in it, the invariants hold in the end.

    They are looked at while the operators of `start` that have not been ended still run.
    """
    yield Tasks(control_plane.kubectl, namespace)
    check(control_plane.kubectl, namespace)
    check_quiet(control_plane, namespace)


OURS = ("-l", "app.kubernetes.io/managed-by=ioc-operator")


@pytest.fixture
def start(
    kubeconfig: Path, namespace: str, tmp_path: Path
) -> Iterator[Callable[..., OperatorProcess]]:
    """Starts operators of this namespace, without a Lease unless the flags say so."""
    open_ones: list[Any] = []

    def begin(*flags: str, **environment: str) -> OperatorProcess:
        flags = flags or ("--no-leader-election",)
        made = operator(
            kubeconfig, tmp_path, "--namespace", namespace, *flags, environment=environment
        )
        open_ones.append(made)
        return made.__enter__()

    yield begin
    for made in open_ones:
        made.__exit__(None, None, None)


def observed(found: dict[str, Any]) -> bool:
    return current(found) and bool(found["status"].get("conditions"))


def versions(tasks: Tasks, name: str) -> dict[str, tuple[str, str]]:
    """Uid and resourceVersion of the children: a write would change them."""
    made = {}
    for kind, pattern in CHILDREN:
        meta = tasks.get(kind, pattern.format(name))["metadata"]
        # The StatefulSet's controller writes its status: the generation is ours alone.
        made[kind] = meta["uid"], str(meta.get("generation", meta["resourceVersion"]))
    return made


def wait(is_so: Callable[[], Any], what: str, patience: float = 15.0) -> None:
    until = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < until, f"not within {patience} s: {what}"
        time.sleep(0.05)


def dead_or_done(process: OperatorProcess, tasks: Tasks, name: str) -> bool:
    return process.popen.poll() is not None or bool(of(tasks.get("ioctask", name), "Stalled"))


def writes(rig: Rig, namespace: str, since: int = 0) -> list[str]:
    """Writes of the operator to a namespace, Events and Leases apart, after the first few."""
    found = []
    for event in rig.audit_events():
        ref = event.get("objectRef", {})
        ours = event.get("userAgent", "").startswith("ioc-operator")
        here = ref.get("namespace") == namespace
        if ours and here and ref.get("resource") not in ("events", "leases"):
            where = f"{ref['resource']}/{ref.get('name', '')}/{ref.get('subresource', '')}"
            code = event.get("responseStatus", {}).get("code")
            found.append(f"{event['verb']} {where} {code} by {event['userAgent']}")
    return found[since:]


def test_a_task_gets_its_children_and_a_status_and_deletion_leaves_nothing(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    process = start().ready()
    tasks.apply(task("guard", tasks.prefix("guard")))
    found = tasks.wait(observed, "guard")
    assert found["status"]["claim"] == {"prefix": tasks.prefix("guard")}
    assert found["status"]["summary"]["state"] == "Unknown", "no pod has said anything"
    for kind, pattern in CHILDREN:
        child = tasks.get(kind, pattern.format("guard"))
        owner = child["metadata"]["ownerReferences"][0]
        assert (owner["uid"], owner["controller"]) == (found["metadata"]["uid"], True)
    assert tasks.get("rolebinding", "ioc-runtime")["roleRef"]["name"] == "ioc-operator-runtime"

    tasks.delete("ioctask", "guard")
    for kind, pattern in CHILDREN:
        tasks.gone(kind, pattern.format("guard"))
    tasks.gone("pod", "guard-0")
    left = tasks.run("get", "cm,svc,sts,pod,job", "-o", "name").split()
    assert left == ["configmap/kube-root-ca.crt"]
    assert process.stop() == 0


def test_after_a_restart_and_a_sweep_nothing_is_written(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    first = start().ready()
    tasks.apply(*(task(f"t{n}", tasks.prefix(f"t{n}")) for n in range(5)))
    for number in range(5):
        tasks.wait(lambda found: of(found, "Stalled"), f"t{number}")  # Unschedulable: settled
    assert first.stop() == 0
    before = len(writes(control_plane, tasks.namespace))
    assert before >= 5 * 4

    second = start("--no-leader-election", "--sweep-period", "1").ready()
    wait(lambda: second.metric("ioc_operator_reconciles_total") >= 5, "all were looked at")
    time.sleep(2.5)  # sweeps
    assert writes(control_plane, tasks.namespace, before) == []
    assert second.metric("ioc_operator_sweep_repairs_total") == 0


def test_a_bad_manifest_makes_nothing_and_a_bad_edit_changes_nothing(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    start().ready()
    bad = [{"id": "high", "condition": "presure > limit", "outputs": {"alarm": 1}}]
    tasks.apply(task("guard", tasks.prefix("guard"), rules=bad))
    message = tasks.stalled("guard", "InvalidSpec")
    assert "spec.rules[0].condition" in message and "pressure" in message, message
    assert tasks.run("get", "sts,svc", "-o", "name") == ""

    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.wait(lambda found: of(found, "Ready").get("reason") == "Unschedulable", "guard")
    good = versions(tasks, "guard")
    tasks.patch("guard", {"rules": bad})
    tasks.stalled("guard", "InvalidSpec")
    assert versions(tasks, "guard") == good


def test_a_manifest_whose_tests_fail_makes_nothing_and_such_an_edit_changes_nothing(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    start().ready()
    steps = [{"set": {"pressure": 1}, "expect": {"alarm": 0}}, {"set": {"pressure": 9}}]
    good = [{"name": "trips", "steps": [*steps, {"expect": {"alarm": 1}}]}]
    bad = [{"name": "trips", "steps": [*steps, {"expect": {"alarm": 0}}]}]
    tasks.apply(task("guard", tasks.prefix("guard"), tests=bad))
    message = tasks.stalled("guard", "TestsFailed")
    assert message.startswith("test 'trips', step 3: expected alarm OK, got HIGH ("), message
    assert "rules: high ACTIVE; pressure is 9" in message, message
    assert tasks.run("get", "sts,svc", "-o", "name") == ""

    tasks.patch("guard", {"tests": good})
    tasks.wait(lambda found: of(found, "Ready").get("reason") == "Unschedulable", "guard")
    made = versions(tasks, "guard")
    # The same test, and a rule that does not do what it asks for.
    other = [{"id": "high", "condition": "pressure > limit + 5", "outputs": {"alarm": 1}}]
    tasks.patch("guard", {"rules": other})
    tasks.stalled("guard", "TestsFailed")
    assert versions(tasks, "guard") == made
    tasks.patch("guard", {"tests": []})
    tasks.wait(lambda found: of(found, "Ready").get("reason") == "Unschedulable", "guard")
    assert versions(tasks, "guard")["configmap"] != made["configmap"]


def test_what_somebody_else_changes_or_deletes_is_put_right(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    start().ready()
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.wait(observed, "guard")

    def replicas() -> int:
        return tasks.get("statefulset", "guard")["spec"]["replicas"]

    tasks.run("scale", "statefulset", "guard", "--replicas=2")
    wait(lambda: replicas() == 1, "replicas are one again")
    off = json.dumps({"spec": {"publishNotReadyAddresses": False}})
    tasks.run("patch", "service", "guard", "--type=merge", "-p", off)
    wait(
        lambda: tasks.get("service", "guard")["spec"].get("publishNotReadyAddresses"),
        "addresses are published before readiness again",
    )
    config = tasks.get("configmap", "guard-config")["metadata"]["uid"]
    tasks.delete("configmap", "guard-config")

    def new_config() -> bool:
        found = tasks.list("configmap", "-l", "ioc-operator.dev/kind=IocTask")
        return any(each["metadata"]["uid"] != config for each in found)

    wait(new_config, "the ConfigMap is there again")
    # An annotation of somebody else's is theirs to keep, and no reason to go round in circles.
    tasks.run("annotate", "statefulset", "guard", "example.org/note=mine")
    time.sleep(1.0)
    assert tasks.get("statefulset", "guard")["metadata"]["annotations"]["example.org/note"]


def test_an_object_that_is_somebody_else_s_is_left_alone(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    start().ready()
    tasks.run("create", "configmap", "guard-config", "--from-literal=precious=yes")
    tasks.apply(task("guard", tasks.prefix("guard")))
    message = tasks.stalled("guard", "NameTaken")
    assert "ConfigMap" in message and "guard-config" in message
    assert tasks.get("configmap", "guard-config")["data"] == {"precious": "yes"}
    assert tasks.run("get", "sts", "-o", "name") == "", "and nothing else was made"

    tasks.delete("configmap", "guard-config")
    tasks.annotate("guard", "ioc-operator.dev/requestedAt=now")
    tasks.wait(lambda found: of(found, "Ready").get("reason") != "NameTaken", "guard")
    assert tasks.get("statefulset", "guard")
    found = tasks.wait(lambda f: f["status"].get("lastHandledReconcileAt") == "now", "guard")
    assert current(found)


def test_suspend_disable_and_resume(tasks: Tasks, start: Callable[..., OperatorProcess]) -> None:
    start().ready()
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.wait(observed, "guard")
    tasks.patch("guard", {"suspend": True})
    tasks.wait(lambda f: current(f) and of(f, "Suspended"), "guard")
    tasks.gone("pod", "guard-0")
    tasks.annotate("guard", "ioc-operator.dev/reconcile=disabled")
    tasks.patch("guard", {"suspend": False})
    tasks.wait(lambda f: of(f, "Ready").get("reason") == "ReconcileDisabled", "guard")
    assert tasks.get("statefulset", "guard")["spec"]["replicas"] == 0, "hands off"
    tasks.run("annotate", "ioctask", "guard", "ioc-operator.dev/reconcile-")
    wait(lambda: tasks.get("statefulset", "guard")["spec"]["replicas"] == 1, "one again")
    tasks.wait(lambda f: current(f) and not of(f, "Suspended"), "guard")


def test_a_prefix_has_one_owner_and_passes_on_when_it_is_free(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    first = start().ready()
    tasks.apply(task("one", tasks.prefix("x")))
    tasks.wait(observed, "one")
    tasks.apply(task("two", tasks.prefix("x")))
    assert f"{tasks.namespace}/one" in tasks.stalled("two", "PvConflict")
    time.sleep(1.1)  # ages are whole seconds
    tasks.apply(task("three", tasks.prefix("three")))
    tasks.wait(observed, "three")
    names = tasks.run("get", "sts", "-o", "name").split()
    assert names == ["statefulset.apps/one", "statefulset.apps/three"]

    # A losing edit, of whatever age, keeps what it has; so does a restart in between.
    good = versions(tasks, "three")
    tasks.patch("three", {"prefix": tasks.prefix("x")})
    tasks.stalled("three", "PvConflict")
    assert first.stop() == 0
    second = start().ready()
    wait(lambda: second.metric("ioc_operator_reconciles_total") >= 3, "all were looked at")
    assert tasks.get("ioctask", "three")["status"]["claim"]["prefix"] == tasks.prefix("three")
    assert versions(tasks, "three") == good

    tasks.delete("ioctask", "one")
    tasks.wait(lambda f: of(f, "Ready").get("reason") != "PvConflict", "two")
    assert tasks.get("statefulset", "two")

    def new_owner(found: dict[str, Any]) -> bool:
        return f"{tasks.namespace}/two" in of(found, "Stalled").get("message", "")

    tasks.wait(new_owner, "three")


def test_a_task_that_is_deleted_and_made_again_gets_children_of_its_own(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    start().ready()
    tasks.apply(task("guard", tasks.prefix("guard")))
    old = tasks.wait(observed, "guard")["metadata"]["uid"]
    tasks.delete("ioctask", "guard", "--wait=false")
    tasks.apply(task("guard", tasks.prefix("guard")))
    new = tasks.wait(observed, "guard")["metadata"]["uid"]
    assert new != old

    def owners() -> set[str]:
        found = tasks.list("cm,svc,sts", "-l", "ioc-operator.dev/kind=IocTask")
        return {each["metadata"]["ownerReferences"][0]["uid"] for each in found}

    wait(lambda: owners() == {new}, "all children are the new one's")


def test_an_edit_that_the_server_refuses_in_part_changes_nothing(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    start().ready()
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.wait(lambda f: of(f, "Stalled"), "guard")
    good = versions(tasks, "guard")
    overlay = {"spec": {"priority": "high"}}
    tasks.patch("guard", {"podTemplate": overlay, "parameters": {"limit": 6.0}})
    assert "priority" in tasks.stalled("guard", "Refused")
    assert versions(tasks, "guard") == good, "not the ConfigMap either"


def test_a_podtemplate_of_the_wrong_type_is_refused_in_the_server_s_words(
    tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    start().ready()
    overlay = {"spec": {"priority": "high"}}
    tasks.apply(task("guard", tasks.prefix("guard"), podTemplate=overlay))
    message = tasks.stalled("guard", "Refused")
    assert "priority" in message, message


@pytest.mark.parametrize("when", ["exit-before", "exit-after"])
def test_killed_at_any_write_it_converges_when_started_again(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess], when: str
) -> None:
    survived = False
    for number in range(1, 12):
        name = f"t{number}"
        tasks.apply(task(name, tasks.prefix(name)))
        faulty = start(IOC_OPERATOR_FAULT=f"{when}:{number}")
        wait(partial(dead_or_done, faulty, tasks, name), "it has died, or is done")
        survived = faulty.popen.poll() is None
        if survived:
            assert faulty.stop() == 0
            break
        assert faulty.popen.returncode == 86, faulty.log
        whole = start().ready()
        tasks.wait(lambda found: of(found, "Stalled").get("reason") == "Unschedulable", name)
        assert len(versions(tasks, name)) == 3
        assert whole.stop() == 0
    assert survived and number > 4, "the writes of one task are counted out"


def test_an_outage_of_the_api_server_is_waited_out(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    process = start().ready()
    tasks.apply(*(task(f"t{n}", tasks.prefix(f"t{n}")) for n in range(10)))
    control_plane.stop("kube-apiserver")
    try:
        time.sleep(6.0)
        assert process.popen.poll() is None, process.log
        assert process.ask("/healthz")[0] == 200
    finally:
        control_plane.start("kube-apiserver")
        control_plane.wait_for_api()
    for number in range(10):
        tasks.wait(observed, f"t{number}", patience=60.0)
    assert process.stop() == 0


def test_what_was_deleted_while_the_watch_was_cut_is_noticed(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    process = start("--no-leader-election", "--sweep-period", "1").ready()
    tasks.apply(task("one", tasks.prefix("x")))
    tasks.wait(observed, "one")
    tasks.apply(task("two", tasks.prefix("x")))
    tasks.stalled("two", "PvConflict")
    process.send(signal.SIGSTOP)
    try:
        tasks.delete("ioctask", "one")
        for kind, name in (("pod", "one-0"), ("configmap", "one-config"), ("service", "one")):
            tasks.gone(kind, name)  # the collector's work is done before its server goes
        tasks.gone("statefulset", "one")
        # Started anew, the server remembers no event from before.
        control_plane.stop("kube-apiserver")
        control_plane.start("kube-apiserver")
        control_plane.wait_for_api()
    finally:
        process.send(signal.SIGCONT)
    tasks.wait(lambda f: of(f, "Ready").get("reason") != "PvConflict", "two")
    assert tasks.get("statefulset", "two")


def test_of_two_replicas_one_leads_and_a_dead_one_is_followed_within_eight_seconds(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    lease = ("--lease-namespace", "ioc-operator")
    one = start(*lease).ready().leads()
    two = start(*lease).ready()
    assert two.metric("ioc_operator_leader ") == 0, "a standby is ready and does not lead"
    found = json.loads(control_plane.kubectl("get", "lease", "-A", "-o", "json", *OURS))["items"]
    marks = [each["metadata"]["annotations"] for each in found]
    assert {"ioc-operator.dev/namespaces": tasks.namespace} in marks, "what status asks for"
    tasks.apply(task("a", tasks.prefix("a")))
    tasks.wait(observed, "a")
    assert two.metric('ioc_operator_api_requests_total{verb="apply') == 0

    one.kill()
    killed = time.monotonic()
    tasks.apply(task("b", tasks.prefix("b")))
    tasks.wait(observed, "b")
    assert time.monotonic() - killed < 10.0, "6 s of the lease, a look each second, the work"
    assert two.stop() == 0

    three = start(*lease).ready()
    began = time.monotonic()
    three.leads()
    assert time.monotonic() - began < 3.0, "a lease that was given up is free at once"
    assert three.stop() == 0


def test_a_leader_that_was_frozen_past_its_lease_writes_nothing(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    lease = ("--lease-namespace", "ioc-operator")
    frozen = start(*lease).ready().leads()
    tasks.apply(*(task(f"t{n}", tasks.prefix(f"t{n}")) for n in range(20)))
    time.sleep(0.3)  # in the middle of its work
    frozen.send(signal.SIGSTOP)
    other = start(*lease).ready().leads()
    for number in range(20):
        tasks.wait(observed, f"t{number}")
    tasks.patch("t1", {"parameters": {"limit": 6.0}})
    before = writes(control_plane, tasks.namespace)
    frozen.send(signal.SIGCONT)
    time.sleep(3.0)
    assert frozen.popen.poll() is None, frozen.log
    assert frozen.metric("ioc_operator_leader ") == 0
    after = writes(control_plane, tasks.namespace)[len(before) :]
    # What had left before it was frozen may have been answered only now; nothing has begun.
    assert [line for line in after if frozen.identity in line] == []
    assert other.stop() == 0
    frozen.leads()
    assert frozen.stop() == 0


def test_two_operators_without_a_lease_agree_in_the_end_and_are_quiet(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    one, two = start().ready(), start().ready()
    tasks.apply(*(task(f"t{n}", tasks.prefix(f"t{n}")) for n in range(5)))
    for number in range(5):
        tasks.wait(lambda f: of(f, "Stalled").get("reason") == "Unschedulable", f"t{number}")
    time.sleep(1.0)
    before = len(writes(control_plane, tasks.namespace))
    time.sleep(3.0)
    assert writes(control_plane, tasks.namespace, before) == []
    assert (one.stop(), two.stop()) == (0, 0)


def test_a_missing_permission_is_said_and_its_return_noticed(
    control_plane: Rig, tasks: Tasks, start: Callable[..., OperatorProcess]
) -> None:
    role = json.loads(control_plane.kubectl("get", "clusterrole", "ioc-operator", "-o", "json"))
    less = json.loads(json.dumps(role))
    for rule in less["rules"]:
        if "statefulsets" in rule["resources"]:
            rule["verbs"].remove("patch")
    for each in (role, less):
        del each["metadata"]["resourceVersion"]
    control_plane.kubectl("replace", "-f", "-", stdin=json.dumps(less))
    try:
        start().ready()
        tasks.apply(task("guard", tasks.prefix("guard")))
        message = tasks.stalled("guard", "Forbidden")
        assert "statefulsets" in message
    finally:
        control_plane.kubectl("replace", "-f", "-", stdin=json.dumps(role))
    tasks.annotate("guard", "ioc-operator.dev/requestedAt=now")
    tasks.wait(lambda f: of(f, "Ready").get("reason") == "Unschedulable", "guard")


def test_the_kinds_may_come_after_the_operator(tmp_path: Path) -> None:
    with Rig.up(control_plane=True) as rig:
        kubeconfig = install(rig, tmp_path)
        for kind in ("ioctasks", "iocjobs"):
            rig.kubectl("delete", "crd", f"{kind}.ioc-operator.dev")
        with operator(kubeconfig, tmp_path, "--no-leader-election") as process:
            time.sleep(2.0)
            code, text = process.ask("/readyz")
            assert code == 503 and "CRDs" in text, text
            assert process.ask("/healthz")[0] == 200
            install(rig, tmp_path)
            process.ready()
            rig.kubectl("create", "namespace", "bl01")
            tasks = Tasks(rig.kubectl, "bl01")
            tasks.apply(task("guard", "LATE:"))
            tasks.wait(observed, "guard")
            # And they may go: children go with their owners, and nothing makes them anew.
            rig.kubectl("delete", "crd", "ioctasks.ioc-operator.dev")
            tasks.gone("statefulset", "guard")
            time.sleep(2.0)
            assert tasks.run("get", "sts,svc", "-o", "name") == ""
            wait(lambda: process.ask("/readyz")[0] == 503, "it says so", 60.0)
            assert process.popen.poll() is None, process.log
            install(rig, tmp_path)
            process.ready()
            tasks.apply(task("again", "LATE:"))
            tasks.wait(observed, "again")
            assert process.stop() == 0
