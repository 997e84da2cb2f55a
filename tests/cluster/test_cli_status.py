"""`iocctl status` and `iocctl logs` against a real API server."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from cluster.conftest import Cluster
from cluster.iocctl import Iocctl, Put, free_lease, putter
from cluster.rig import Rig
from support.spawn import Spawn
from unit.operator.views import report, view, waiting

GOOD = view(generation=1)
BAD = view(generation=1, pod=waiting("ErrImagePull", "not found"))


@pytest.fixture
def iocctl(spawn: Spawn, cluster: Cluster, namespace: str) -> Iocctl:
    return Iocctl(spawn, cluster.kubeconfig, namespace)


@pytest.fixture
def put(cluster: Cluster, namespace: str) -> Put:
    return putter(cluster.kubectl, namespace)


def test_the_table_shows_all_and_the_exit_code_says_whether_all_is_well(iocctl: Iocctl, put: Put):
    code, out, err = iocctl("status")
    assert (code, out) == (0, "")
    assert f"no tasks or jobs in namespace {iocctl.namespace}" in err
    put("guard", GOOD)
    code, out, _ = iocctl("status")
    assert code == 0
    assert re.search(r"^guard +task +True +RUN +12/12 +\S+ +Running +\d+s$", out, re.MULTILINE)
    put("pumps", BAD)
    code, out, _ = iocctl("status")
    assert code == 1
    assert re.search(r"^pumps +task +False .* ImagePull .*: not found$", out, re.MULTILINE)


def test_one_task_is_told_in_full_or_as_the_object_it_is(iocctl: Iocctl, put: Put):
    put("pumps", BAD)
    code, out, _ = iocctl("status", "pumps", "--no-values")
    assert code == 1
    assert out.startswith(f"task {iocctl.namespace}/pumps  Ready False  ImagePull\n")
    code, out, _ = iocctl("status", "pumps", "-o", "json")
    assert json.loads(out)["status"]["phase"] == "Stalled"
    code, out, err = iocctl("status", "nothing")
    assert (code, out) == (1, "")
    assert "there is no task or job 'nothing'" in err


def test_an_edit_that_no_operator_has_seen_is_not_shown_as_ready(
    iocctl: Iocctl, put: Put, cluster: Cluster
):
    put("guard", GOOD)
    edit = json.dumps({"spec": {"prefix": "BL02:"}})
    cluster.kubectl("patch", "ioctask", "guard", "-n", iocctl.namespace, "--type=merge", "-p", edit)
    code, out, _ = iocctl("status")
    assert code == 1
    assert re.search(r"^guard +task +Unknown .* NotSeen ", out, re.MULTILINE)


def test_a_watch_tells_each_change_once(iocctl: Iocctl, put: Put, cluster: Cluster):
    put("guard", GOOD)
    nothing = iocctl.start("status", "nope", "--watch", "-n", iocctl.namespace)
    watch = iocctl.start("status", "--watch", "-n", iocctl.namespace)
    watch.wait_for("task guard  Ready=True  Running  RUN  12/12")
    put("guard", view(generation=1, runtime=report(state="PAUSED")))
    watch.wait_for("task guard  Ready=True  Paused  PAUSED  12/12")
    put("pumps", BAD)
    watch.wait_for("task pumps  Ready=False  ImagePull")
    cluster.kubectl("delete", "ioctask", "pumps", "-n", iocctl.namespace)
    watch.wait_for("pumps is deleted")
    watch.popen.send_signal(signal.SIGINT)
    assert watch.wait(10) == 0
    paused = [line for line in watch.lines if "Paused" in line]
    assert len(paused) == 1
    nothing.popen.send_signal(signal.SIGINT)
    assert nothing.wait(10) == 1
    said = f"there is no task or job 'nope' in namespace {iocctl.namespace} yet\n"
    assert (nothing.output, nothing.errors) == ("", said)


def test_without_a_cluster_one_sentence_says_what_is_missing(spawn: Spawn, tmp_path: Path):
    missing = spawn("-m", "ioc_runtime.cli", "status", "--kubeconfig", tmp_path / "none")
    assert missing.wait(20) == 2
    empty = tmp_path / "empty"
    empty.write_text("{}")
    nothing = spawn("-m", "ioc_runtime.cli", "status", "--kubeconfig", empty)
    assert nothing.wait(20) == 3
    assert nothing.errors.startswith(f"iocctl: no cluster: the kubeconfig {empty} cannot be used")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    dead = tmp_path / "dead"
    dead.write_text(kubeconfig(f"http://127.0.0.1:{port}"))
    refused = spawn("-m", "ioc_runtime.cli", "status", "--kubeconfig", dead)
    assert refused.wait(20) == 3
    assert refused.errors.startswith(
        f"iocctl: the API server http://127.0.0.1:{port} cannot be reached: "
    )
    assert "Connection refused" in refused.errors
    assert len(refused.errors.splitlines()) == 1


def kubeconfig(server: str) -> str:
    return json.dumps(
        {
            **{"apiVersion": "v1", "kind": "Config", "current-context": "x"},
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": server}}],
            "users": [{"name": "x", "user": {"token": "t"}}],
        }
    )


def test_who_may_not_read_is_told_so(
    spawn: Spawn, control_plane: Rig, namespace: str, tmp_path: Path
):
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace)
    token = control_plane.kubectl("create", "token", "default", "-n", namespace).strip()
    path = tmp_path / "kubeconfig"
    control_plane.write_kubeconfig(path, token)
    code, out, err = Iocctl(spawn, path, namespace)("status")
    assert (code, out) == (3, "")
    assert err.startswith("iocctl: the API server does not permit it: ")
    assert len(err.splitlines()) == 1


def test_a_task_without_a_pod_has_no_log_and_says_why(iocctl: Iocctl, put: Put):
    put("guard", view(generation=1, pod=None))
    code, out, err = iocctl("logs", "guard")
    assert (code, out) == (1, "")
    assert "task guard has no pod: PodMissing: there is no pod yet" in err


def test_a_name_that_nothing_can_have_is_no_task(iocctl: Iocctl, put: Put):
    put("guard", GOOD)
    for words in (("status", "guard/status"), ("logs", "guard/p"), ("logs", "gurad", "-f")):
        code, out, err = iocctl(*words)
        assert (code, out) == (1, ""), words
        assert f"there is no task or job '{words[1]}' in namespace {iocctl.namespace}" in err


def test_where_no_operator_is_at_work_nothing_is_ready(
    iocctl: Iocctl, put: Put, control_plane: Rig
):
    put("guard", GOOD)
    put("pumps", BAD)
    watch = iocctl.start("status", "--watch", "-n", iocctl.namespace)
    watch.wait_for("task guard  Ready=True")
    free_lease(control_plane.kubectl, iocctl.namespace)
    said = (
        f"no operator is at work (nobody holds the Lease {iocctl.namespace}/ioc-operator): "
        "what follows is what was last known\n"
    )
    code, out, err = iocctl("status")
    assert (code, err) == (1, said)
    assert re.search(
        r"^guard +task +Unknown +RUN .* NoOperator .* last known: Running$", out, re.MULTILINE
    )
    assert re.search(r"^pumps +task +False .* ImagePull ", out, re.MULTILINE)
    code, out, err = iocctl("status", "guard", "--no-values")
    assert (code, err) == (1, said)
    assert out.startswith(f"task {iocctl.namespace}/guard  Ready Unknown  NoOperator\n")
    code, out, err = iocctl("status", "guard", "-o", "json")
    assert (code, err) == (1, said)
    assert json.loads(out)["status"]["summary"]["state"] == "RUN", "the object as it is"
    watch.wait_for("no operator is at work")
    watch.wait_for("task guard  Ready=Unknown  NoOperator")
    watch.popen.send_signal(signal.SIGINT)
    assert watch.wait(10) == 1


def test_a_status_that_speaks_of_a_pod_that_has_gone_is_not_believed(
    spawn: Spawn, iocctl: Iocctl, put: Put, control_plane: Rig, tmp_path: Path
):
    put("guard", GOOD)
    space = ("-n", iocctl.namespace)
    control_plane.kubectl("delete", "pod", "guard-0", *space, "--force", "--grace-period=0")
    free_lease(control_plane.kubectl, iocctl.namespace)
    code, out, _ = iocctl("status")
    gone = "the status speaks of pod guard-0, which is not there"
    assert code == 1
    assert re.search(rf"^guard +task +Unknown +Unknown .* PodGone .* {gone}$", out, re.MULTILINE)
    code, out, err = iocctl("logs", "guard")
    assert (code, out) == (1, "")
    assert err == (
        "iocctl: task guard has no pod: its status speaks of pod guard-0, which is not there; "
        "no operator is at work\n"
    )
    # Who may not read Leases, but pods, is told of the pod alone.
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", *space)
    kinds = "--resource=pods,ioctasks.ioc-operator.dev,iocjobs.ioc-operator.dev"
    control_plane.kubectl("create", "role", "look", "--verb=get,list", kinds, *space)
    account = f"--serviceaccount={iocctl.namespace}:default"
    control_plane.kubectl("create", "rolebinding", "look", "--role=look", account, *space)
    token = control_plane.kubectl("create", "token", "default", *space).strip()
    control_plane.write_kubeconfig(tmp_path / "eve", token)
    code, out, err = Iocctl(spawn, tmp_path / "eve", iocctl.namespace)("status")
    assert (code, err) == (1, "")
    assert gone in out
