"""`iocctl status` and `iocctl logs` against a real API server, and a real pod."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.conftest import Cluster
from cluster.rig import Rig, RigError
from cluster.serving import task as served_task
from ioc_operator.status import View, task_status
from ioc_runtime.plan import Input, Output, Plan
from support.spawn import ROOT, Spawn, Spawned
from unit.operator.views import pod, report, view, waiting


@dataclass
class Iocctl:
    """Runs `iocctl` in a process of its own, with a cluster's kubeconfig."""

    spawn: Spawn
    kubeconfig: Path
    namespace: str

    def start(self, *words: str) -> Spawned:
        where = ("--kubeconfig", str(self.kubeconfig))
        return self.spawn("-m", "ioc_runtime.cli", *words, *where)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error, in the namespace of the test."""
        process = self.start(*words, "-n", self.namespace)
        code = process.wait(40)
        return code, process.output, process.errors


Put = Callable[[str, View], None]


def served(kubectl: Callable[..., str], kind: str) -> None:
    """Wait until the API server answers for a kind: a little after it says Established."""
    for attempt in range(50):
        try:
            kubectl("get", "--raw", f"/apis/ioc-operator.dev/v1alpha1/{kind}?limit=1")
            return
        except (AssertionError, RigError):
            if attempt == 49:
                raise
            time.sleep(0.2)


def putter(kubectl: Callable[..., str], namespace: str) -> Put:
    """Makes an IocTask with the status that the operator would write."""
    kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    for kind in ("ioctasks", "iocjobs"):
        served(kubectl, kind)

    def put(name: str, known: View) -> None:
        head: dict[str, Any] = {
            **{"apiVersion": "ioc-operator.dev/v1alpha1", "kind": "IocTask"},
            "metadata": {"name": name, "namespace": namespace},
        }
        outputs = {"alarm": {"type": "bool", "states": ["OK", "HIGH"]}}
        spec = {"prefix": PREFIX, "inputs": {"p": {"type": "float"}}, "outputs": outputs}
        kubectl("apply", "-f", "-", stdin=json.dumps(head | {"spec": spec}))
        status = task_status(known)
        status["runtime"] = known.runtime
        patch = json.dumps({"status": status})
        kubectl(
            *("patch", "ioctask", name, "-n", namespace, "--subresource=status"),
            *("--type=merge", "-p", patch),
        )

    return put


PREFIX = "BL01:VAC:"
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


def test_values_and_logs_come_from_the_pod(spawn: Spawn, rig: Rig, namespace: str):
    alarm = Output("alarm", "bool", states=("OK", "HIGH"))
    set_point = Input("p", "float", unit="mbar", value=1.5)
    made = json.loads(
        served_task("guard", Plan("guard", "", PREFIX, inputs=(set_point,), outputs=(alarm,)))
    )
    serving = made["items"][2]
    serving["metadata"]["labels"] |= {
        **{"app.kubernetes.io/instance": "guard", "ioc-operator.dev/kind": "IocTask"}
    }
    rig.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(made))
    putter(rig.kubectl, namespace)("guard", view(generation=1, pod=pod(name="guard")))
    rig.kubectl("wait", "--for=condition=Ready", "pod/guard", "-n", namespace, "--timeout=40s")
    iocctl = Iocctl(spawn, rig.kubeconfig, namespace)
    for protocol in ("ca", "pva"):
        code, out, err = iocctl("status", "guard", "--protocol", protocol)
        assert (code, err) == (0, "")
        assert f"values, over {protocol.upper()} from " in out
        assert re.search(rf"^{PREFIX}STATUS +RUN \(1\)", out, re.MULTILINE)
        assert re.search(rf"^{PREFIX}p +1.5 mbar", out, re.MULTILINE)
    code, out, err = iocctl("status", "guard", "--address", "127.0.0.1:9")
    assert (code, out.count(f"{PREFIX}p ")) == (0, 0)
    assert "no values: 127.0.0.1 port 9 is not reached from here (Connection refused)" in err
    code, out, _ = iocctl("logs", "guard")
    assert code == 0
    assert f"guard starts: prefix {PREFIX}" in out
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  RUN", out, re.MULTILINE)
    code, out, _ = iocctl("logs", "guard", "--tail", "3", "-o", "json")
    assert [bool(json.loads(line)["say"]) for line in out.splitlines()] == [True] * 3
    follow = iocctl.start("logs", "guard", "-f", "-n", namespace)
    follow.wait_for("guard starts")
    rig.kubectl("delete", "pod", "guard", "-n", namespace, "--wait=false")
    follow.wait_for("stopped")
    follow.popen.send_signal(signal.SIGINT)
    assert follow.wait(10) == 0


def test_a_task_without_a_pod_has_no_log_and_says_why(iocctl: Iocctl, put: Put):
    put("guard", view(generation=1, pod=None))
    code, out, err = iocctl("logs", "guard")
    assert (code, out) == (1, "")
    assert "task guard has no pod: PodMissing: there is no pod yet" in err
