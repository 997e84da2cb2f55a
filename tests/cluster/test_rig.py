"""The test cluster itself: what other cluster tests rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.pv import PvClient
from cluster.rig import OPERATOR_IMAGE, RUNTIME_IMAGE, Rig, RigError, slots
from cluster.serving import pod, task
from ioc_runtime.plan import Input, Plan
from support.epics_env import EpicsEnv

HOLDS_A_RIG = """
import sys, time
from cluster.rig import Rig
rig = Rig.up(control_plane={control_plane})
print(rig.name, flush=True)
time.sleep(600)
"""


def wait_for(pod_name: str, condition: str, rig: Rig, namespace: str) -> None:
    rig.kubectl("wait", f"pod/{pod_name}", f"--for={condition}", "-n", namespace, "--timeout=40s")


def until(is_so: Callable[[], object], patience: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def test_the_api_server_makes_accounts_and_keeps_a_log_of_writes(
    control_plane: Rig, namespace: str
):
    control_plane.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace)
    control_plane.kubectl("create", "configmap", "noted", "-n", namespace)
    noted = [
        (event["verb"], event["user"]["username"], event["responseStatus"]["code"])
        for event in control_plane.audit_events()
        if event["objectRef"].get("name") == "noted"
    ]
    assert noted == [("create", "admin", 201)]


def test_two_control_planes_live_side_by_side(control_plane: Rig):
    with Rig.up(control_plane=True) as other:
        assert other.api_url != control_plane.api_url
        other.kubectl("create", "namespace", "only-here")
        with pytest.raises(RigError, match="only-here"):
            control_plane.kubectl("get", "namespace", "only-here")
    assert Rig.find(other.name) is None


@pytest.mark.usefixtures("a_rig_can_run")
def test_a_component_can_be_killed_frozen_and_started_again():
    with Rig.up(control_plane=True) as rig:
        rig.kubectl("create", "namespace", "kept")
        assert rig.stop("kube-apiserver") == -9
        with pytest.raises(OSError):
            rig.api_get("/readyz")
        rig.start("kube-apiserver")
        rig.wait_for_api()
        rig.kubectl("get", "namespace", "kept")
        rig.pause("kube-apiserver")
        with pytest.raises(OSError):
            rig.api_get("/readyz", timeout=0.5)
        rig.resume("kube-apiserver")
        rig.wait_for_api()
        assert rig.cpu_seconds("kube-apiserver") > 0
        rig.delete_namespaces()
        with pytest.raises(RigError, match="kept"):
            rig.kubectl("get", "namespace", "kept")


@pytest.mark.usefixtures("a_rig_can_run")
def test_a_component_that_dies_by_itself_is_named():
    with Rig.up(control_plane=True) as rig:
        pid = rig.status()["kube-scheduler"]["pid"]
        rig.node_exec(["kill", "-9", pid])
        with pytest.raises(RigError, match="kube-scheduler ended with -9"):
            until(lambda: rig.check())


def test_a_task_serves_over_ca_and_pva_through_its_cluster_ip(
    rig: Rig, namespace: str, epics_env: EpicsEnv, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EPICS_CA_REPEATER_PORT", str(epics_env.repeater))
    prefix = epics_env.prefix
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    rig.kubectl("label", "namespace", namespace, restricted)
    plan = Plan(
        name="guard",
        namespace=namespace,
        prefix=prefix,
        inputs=(Input(name="limit", type="float", value=3.5),),
    )
    rig.kubectl("apply", "-n", namespace, "-f", "-", stdin=task("guard", plan))
    wait_for("guard", "condition=Ready", rig, namespace)
    [address] = rig.resolve(f"guard.{namespace}.svc.cluster.local")
    with PvClient(address) as client:
        client.wait_for(f"{prefix}limit", 3.5, patience=20)
        assert client.get(f"{prefix}limit", "pva") == 3.5
        client.put(f"{prefix}limit", 4.5)
        assert client.get(f"{prefix}limit", "pva") == 4.5

    # From another pod, by the Service's name, and in the pod itself by kubectl exec.
    ask = (
        "import os; os.environ.update(EPICS_PVA_NAME_SERVERS='guard:5075', "
        "EPICS_PVA_ADDR_LIST='', EPICS_PVA_AUTO_ADDR_LIST='NO')\n"
        "from p4p.client.thread import Context\n"
        f"print(float(Context('pva').get('{prefix}limit', timeout=10)))"
    )
    reader = pod("reader", ["python", "-c", ask])
    rig.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(reader))
    wait_for("reader", "jsonpath={.status.phase}=Succeeded", rig, namespace)
    assert rig.kubectl("logs", "reader", "-n", namespace) == "4.5\n"
    who = rig.kubectl("exec", "guard", "-n", namespace, "--", "id", "-u")
    assert who == "65532\n"

    # A stop is a clean one: the init passes the signal on and the exit code back.
    rig.kubectl("exec", "guard", "-n", namespace, "--", "python", "-c", "import os; os.kill(1, 15)")
    wait_for("guard", "jsonpath={.status.phase}=Succeeded", rig, namespace)


def test_a_pod_reaches_the_api_server_by_https(rig: Rig, namespace: str):
    ask = (
        "import ssl, urllib.request\n"
        "where = '/var/run/secrets/kubernetes.io/serviceaccount/'\n"
        "token = open(where + 'token').read()\n"
        "request = urllib.request.Request('https://kubernetes.default.svc/version', "
        "headers={'Authorization': 'Bearer ' + token})\n"
        "context = ssl.create_default_context(cafile=where + 'ca.crt')\n"
        "print(urllib.request.urlopen(request, timeout=10, context=context).status)"
    )
    rig.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace)
    asking = pod("asking", ["python", "-c", ask])
    rig.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(asking))
    wait_for("asking", "jsonpath={.status.phase}=Succeeded", rig, namespace)
    assert rig.kubectl("logs", "asking", "-n", namespace) == "200\n"


IMAGE_RULES = """
import importlib.metadata, os, pathlib, shutil, sys
import {modules}
compilers = [c for c in ("gcc", "cc", "c++", "clang", "make") if shutil.which(c)]
assert not compilers, compilers
packages = {{d.metadata["Name"].lower() for d in importlib.metadata.distributions()}}
assert not packages & {{{absent}}}, packages
tools = {{t for t in ("git", "ssh", "pip") if shutil.which(t)}}
assert tools >= {{{tools}}}, tools
assert os.getuid() == 65532 and not os.access("/opt", os.W_OK)
uncompiled = [m.__name__ for m in list(sys.modules.values())
              if (f := getattr(m, "__file__", None) or "").startswith("/opt")
              and f.endswith(".py") and not os.path.exists(m.__cached__)]
assert not uncompiled, uncompiled
sys.exit(7)
"""


@pytest.mark.parametrize(
    ("image", "modules", "absent", "tools"),
    [
        (
            RUNTIME_IMAGE,
            "ioc_runtime.task, ioc_runtime.compile, ioc_runtime.fetch.git",
            ["kopf", "kubernetes"],
            ["git", "ssh", "pip"],  # a plugin is fetched and installed with them
        ),
        (
            OPERATOR_IMAGE,
            "ioc_operator, ioc_runtime.compile, kopf",
            ["softioc", "p4p", "pyepics", "pip"],
            [],
        ),
    ],
)
def test_an_image_holds_what_it_needs_compiled_and_no_compiler(
    rig: Rig, namespace: str, image: str, modules: str, absent: list[str], tools: list[str]
):
    script = IMAGE_RULES.format(
        modules=modules,
        absent=", ".join(map(repr, absent)),
        tools=", ".join(map(repr, tools)) or "*()",
    )
    checking = pod("checking", ["python", "-c", script])
    checking["spec"]["containers"][0]["image"] = image
    rig.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace)
    rig.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(checking))
    wait_for("checking", "jsonpath={.status.phase}=Failed", rig, namespace)
    path = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    code = rig.kubectl("get", "pod", "checking", "-n", namespace, "-o", path)
    assert code == "7", rig.kubectl("logs", "checking", "-n", namespace)


def leftovers(record: slots.Record) -> list[str]:
    """What is still on the machine of a rig that has ended."""
    found = [str(p) for p in (record.data, Path("/sys/class/net") / record.slot.interface)]
    found += [f"{c}/{record.slot.cgroup}" for c in map(str, Path("/sys/fs/cgroup").iterdir())]
    found = [path for path in found if os.path.exists(path)]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(record.data) in command:
            found.append(command)
    return found


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def kill_a_starter(tmp_path: Path, *, control_plane: bool) -> None:
    """Have a process bring up a rig, kill it, and see what the next one finds."""
    script = tmp_path / "holds.py"
    script.write_text(HOLDS_A_RIG.format(control_plane=control_plane))
    holder = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert holder.stdout is not None
    with holder:
        try:
            name = holder.stdout.readline().decode().strip()
            held = Rig.find(name)
            assert held is not None
            carrier = parent_of(held.record.pid)
            if not control_plane:
                sleeper = pod("sleeper", ["sleep", "600"])
                held.kubectl("apply", "-f", "-", stdin=json.dumps(sleeper))
                wait_for("sleeper", "condition=Ready", held, "default")
        finally:
            holder.kill()
    # The line to its starter is cut, so it ends; the next one sweeps up after it.
    until(lambda: not held.record.alive())
    os.waitpid(carrier, 0)  # orphans of tests are adopted by the test process
    with Rig.up(control_plane=True):
        pass
    assert leftovers(held.record) == []
    assert Rig.find(name) is None


@pytest.mark.usefixtures("a_rig_can_run")
def test_a_starter_that_is_killed_leaves_no_control_plane_behind(tmp_path: Path):
    kill_a_starter(tmp_path, control_plane=True)


@pytest.mark.usefixtures("rig")
def test_a_starter_that_is_killed_leaves_no_pod_behind(tmp_path: Path):
    kill_a_starter(tmp_path, control_plane=False)
