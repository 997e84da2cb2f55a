"""`kubectl ioc` against real pods: their PVs with a kubeconfig alone, and no route to them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import API, Tasks, of, task
from ioc_runtime.cli.cluster import Cluster
from support.spawn import ROOT, Spawn, Spawned

NOWHERE = {"EPICS_CA_ADDR_LIST": "", "EPICS_PVA_ADDR_LIST": "", "EPICS_CA_NAME_SERVERS": ""}
"""What a person's shell says of EPICS: nothing."""
SCRIPT = """\
#!{python}
import sys
sys.path.insert(0, {root!r})
from ioc_runtime.cli.kubectl import {function}
{function}()
"""


class Plugin:
    """Runs `kubectl-ioc` in a process of its own, in the namespace of the test."""

    def __init__(self, spawn: Spawn, kubeconfig: Path, namespace: str) -> None:
        self._spawn = spawn
        self._where = ("-n", namespace, "--kubeconfig", str(kubeconfig))

    def start(self, *words: str) -> Spawned:
        return self._spawn("-m", "ioc_runtime.cli.kubectl", *words, *self._where, env=NOWHERE)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        process = self.start(*words)
        code = process.wait(60)
        return code, process.output, process.errors


@pytest.fixture
def ioc(spawn: Spawn, rig: Rig, tasks: Tasks) -> Plugin:
    return Plugin(spawn, rig.kubeconfig, tasks.namespace)


def test_pvs_of_a_pod_are_read_written_followed_and_reset(
    operator: Operator, tasks: Tasks, ioc: Plugin
):
    prefix = tasks.prefix("guard")
    trips = {"name": "trips", "steps": [{"set": {"pressure": 9}, "expect": {"alarm": "HIGH"}}]}
    tasks.apply(task("guard", prefix, tests=[trips]))
    tasks.ready("guard")
    for protocol in ("ca", "pva"):
        code, out, err = ioc("get", "guard", "-p", protocol)
        assert (code, err) == (0, ""), err
        assert re.search(rf"^{prefix}STATUS +RUN \(1\)", out, re.MULTILINE), out
        assert re.search(rf"^{prefix}alarm +OK \(0\)", out, re.MULTILINE), out
        code, out, err = ioc("put", "guard/pressure", "9", "-p", protocol)
        assert (code, err) == (0, ""), err
        assert re.search(rf"^{prefix}pressure +9 ", out)
        code, out, _ = ioc("get", f"{prefix}alarm", "guard/RULE:high", "-o", "json", "-p", protocol)
        assert [json.loads(line)["text"] for line in out.splitlines()] == ["HIGH", "ACTIVE"]
        code, out, _ = ioc("reset", "guard")
        assert code == 1
        assert out == f"{prefix}RESET is done: alarm stays latched: rule high is active\n"
        assert ioc("put", "guard/pressure", "1", "-p", protocol)[0] == 0
        code, out, _ = ioc("reset", "guard", "--clear-only")
        assert (code, out) == (0, f"{prefix}CLEAR is done: cleared alarm\n")
    assert ioc("reset", "guard")[1] == f"{prefix}RESET is done; there was nothing to release\n"
    code, out, _ = ioc("test", "guard")
    assert (code, out.splitlines()[-1]) == (
        *(0, f"{tasks.namespace}/guard: guard: 1 test, 1 passed"),
    )
    assert ioc("put", "guard/pressure", "-1.5e-3")[0] == 0
    code, out, err = ioc("get", "guard/presure", "guard/pressure")
    assert code == 1
    assert re.search(rf"^{prefix}pressure +-0.0015 ", out)
    assert err == f"{prefix}presure   guard has no PV presure (did you mean pressure?)\n"
    code, out, err = ioc("bypass", "guard", "beam/door", "--end")
    assert (code, out) == (1, "")
    assert f"there is no {prefix}beam:door:BYPASS: guard has no permits" in err
    code, out, err = ioc("logs", "guard", "--previous")
    assert (code, out) == (1, "")
    assert err == "kubectl-ioc: pod guard-0 has had no container before the present one\n"
    code, out, err = ioc("status")
    assert (code, err) == (0, ""), "an operator is at work"
    code, out, err = ioc("get", "gaurd")
    assert (code, out) == (1, "")
    assert "there is no task or job 'gaurd'" in err and "nearest: 'guard'" in err

    monitor = ioc.start("monitor", "guard/pressure", "-o", "json")
    monitor.wait_for('"value": -0.0015')
    tasks.run("delete", "pod", "guard-0")
    monitor.wait_for("disconnected")
    tasks.ready("guard")
    assert ioc("put", "guard/pressure", "3")[0] == 0
    monitor.wait_for('"value": 3.0', 60)


def test_without_an_operator_no_status_is_the_reason_for_what_it_denies(
    operator: Operator, tasks: Tasks, ioc: Plugin
):
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.ready("guard")
    operator.process.stop()
    code, out, err = ioc("status")
    assert code == 1
    assert err.startswith("no operator is at work (nobody holds the Lease ioc-operator/")
    assert re.search(r"^guard +task +Unknown +RUN .* NoOperator ", out, re.MULTILINE), out
    assert ioc("get", "guard/pressure")[0] == 0, "its PVs are there all the same"
    tasks.run("scale", "statefulset", "guard", "--replicas=0")
    tasks.run("wait", "--for=delete", "pod/guard-0", "--timeout=60s")
    code, out, err = ioc("get", "guard")
    assert (code, out) == (1, "")
    assert err == (
        "kubectl-ioc: task guard has no pod that runs: its status speaks of pod guard-0, "
        "which is not there; no operator is at work\n"
    )
    code, out, _ = ioc("status")
    assert code == 1
    assert re.search(r"^guard +task +Unknown +Unknown .* PodGone ", out, re.MULTILINE), out
    operator.start()
    tasks.ready("guard")


FOREVER = (
    "from ioc_runtime import JobBase\nclass Run(JobBase):\n    def execute(self): self.sleep(60)\n"
)


def test_a_job_that_runs_is_reset_as_a_task_is(operator: Operator, tasks: Tasks, ioc: Plugin):
    spec = {"prefix": tasks.prefix("ramp"), "plugin": {"inline": {"files": {"run.py": FOREVER}}}}
    tasks.apply({"apiVersion": API, "kind": "IocJob", "metadata": {"name": "ramp"}, "spec": spec})
    tasks.wait(lambda found: of(found, "Serving").get("status") == "True", "ramp", "iocjob")
    said = f"{tasks.prefix('ramp')}RESET is done; there was nothing to release\n"
    assert ioc("reset", "ramp") == (0, said, "")


BYPASS = """
record(ao, "$(P)beam:vacuum:BYPASS") {
    field(ASG, "OPERATOR")
    field(DRVL, "0") field(DRVH, "3600") field(FLNK, "$(P)beam:vacuum:BYPASS:LEFT")
}
record(calc, "$(P)beam:vacuum:BYPASS:LEFT") {
    field(INPA, "$(P)beam:vacuum:BYPASS") field(CALC, "A<=600?A:VAL")
}
record(lso, "$(P)beam:vacuum:BYPASS:REASON") { field(ASG, "OPERATOR") field(SIZV, "100") }
"""
"""The names and types that a permit's condition has; here all it does is to refuse more than
600 s."""


def test_a_condition_is_bypassed_for_a_time_and_with_a_reason(
    operator: Operator, tasks: Tasks, ioc: Plugin
):
    tasks.apply(task("permits", tasks.prefix("permits"), database=[BYPASS]))
    tasks.ready("permits")
    which = ("bypass", "permits", "beam/vacuum")
    assert ioc(*which)[:2] == (0, "permits: beam/vacuum is not bypassed\n")
    why = "the gauge is being calibrated, ask Ann"
    said = f"permits: beam/vacuum is bypassed for 300 s: {why}\n"
    assert ioc(*which, "--for", "300", "--reason", why)[:2] == (0, said)
    assert ioc(*which)[:2] == (0, said)
    code, out, err = ioc(*which, "--for", "1200", "--reason", why)
    assert (code, out) == (1, said), "the bypass before it is no yes to this one"
    assert "it is not as asked, 1200 s: started" in err
    assert ioc(*which, "--end")[:2] == (0, "permits: beam/vacuum is not bypassed\n")
    code, out, err = ioc(*which, "--for", "1200", "--reason", why)
    assert (code, out) == (1, "permits: beam/vacuum is not bypassed\n")
    assert "it is not as asked, 1200 s: started" in err
    code, out, err = ioc("bypass", "permits", "beam/door", "--end", "-w", "2")
    assert (code, out) == (1, "")
    assert "beam:door:BYPASS does not answer: permits has no permits" in err


def test_a_connection_hears_the_servers_first_words_each_time(
    rig: Rig, operator: Operator, tasks: Tasks
):
    tasks.apply(task("guard", tasks.prefix("guard")))
    tasks.ready("guard")
    cluster = Cluster(rig.kubeconfig)
    for _ in range(60):  # one in eight did not, where they came along with the handshake
        with closing(cluster.dial(tasks.namespace, "guard-0", 5064)) as connection:
            connection.settimeout(20)
            assert len(connection.recv(16)) == 16


def test_who_may_not_forward_and_where_nothing_runs_it_is_one_sentence(
    spawn: Spawn, rig: Rig, operator: Operator, tasks: Tasks, ioc: Plugin, tmp_path: Path
):
    tasks.apply(task("guard", tasks.prefix("guard")), task("off", "X:OFF:", suspend=True))
    look = ("--verb=get,list", "--resource=pods,ioctasks.ioc-operator.dev,iocjobs.ioc-operator.dev")
    tasks.run("create", "role", "look", *look)
    account = f"--serviceaccount={tasks.namespace}:default"
    tasks.run("create", "rolebinding", "look", "--role=look", account)
    rig.write_kubeconfig(tmp_path / "eve", tasks.run("create", "token", "default").strip())
    tasks.ready("guard")
    eve = Plugin(spawn, tmp_path / "eve", tasks.namespace)
    code, out, err = eve("get", "guard")
    assert (code, out) == (3, "")
    assert err.startswith(f"kubectl-ioc: no way to pod {tasks.namespace}/guard-0: ")
    assert "cannot" in err and err.endswith("rights to get and create pods/portforward\n"), err
    assert err.count("\n") == 1
    tasks.run("create", "role", "way", "--verb=get,create", "--resource=pods/portforward")
    tasks.run("create", "rolebinding", "way", "--role=way", account)
    assert eve("get", "guard/pressure")[0] == 0, "these rights are all it takes"

    tasks.wait(lambda found: found.get("status", {}).get("phase") == "Suspended", "off")
    code, out, err = ioc("get", "off")
    assert (code, out) == (1, "")
    assert err == (
        "kubectl-ioc: task off has no pod that runs: SuspendedBySpec: suspended by spec.suspend\n"
    )


def test_kubectl_finds_the_plugin_and_completes_its_words(
    rig: Rig, operator: Operator, tasks: Tasks, tmp_path: Path
):
    tasks.apply(task("guard", tasks.prefix("guard"), suspend=True))
    for name, function in (("kubectl-ioc", "main"), ("kubectl_complete-ioc", "complete")):
        path = tmp_path / name
        path.write_text(SCRIPT.format(python=sys.executable, root=str(ROOT), function=function))
        path.chmod(0o755)
    binaries = rig.layout.binaries
    environ = os.environ | {
        **{"PATH": f"{tmp_path}:{binaries}:/usr/bin:/bin", "KUBECONFIG": str(rig.kubeconfig)},
        "KUBECTL_PLUGINS_PATH": "",
    }

    def kubectl(*words: str) -> str:
        command = [str(binaries / "kubectl"), *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
        return done.stdout

    assert str(tmp_path / "kubectl-ioc") in kubectl("plugin", "list")
    tasks.wait(lambda found: found.get("status", {}).get("phase") == "Suspended", "guard")
    assert "SuspendedBySpec" in kubectl("ioc", "status", "-n", tasks.namespace)
    assert kubectl("__complete", "ioc", "re").startswith("reset\t")
    words = ("__complete", "ioc", "get", "-n", tasks.namespace)
    assert kubectl(*words, "gu").splitlines() == ["guard", ":4"]
    assert kubectl(*words, "guard/al").splitlines() == ["guard/alarm", ":4"]
