"""From an applied manifest to PVs that answer, and what is left when it goes."""

from __future__ import annotations

import json
import time

from cluster.invariants import Object
from cluster.pv import PvClient
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import Tasks, is_ready, of, task

SOON = 5.0
"""Seconds after which a link follows a source that answers, on a busy machine."""

CLIENT_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "client"},
    "spec": {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "client",
                "image": "localhost/ioc-runtime:dev",
                "imagePullPolicy": "IfNotPresent",
                "args": ["sleep", "300"],
            }
        ],
    },
}
READ_BY_NAME = """
import os, sys
os.environ |= {"EPICS_CA_AUTO_ADDR_LIST": "NO", "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    "EPICS_CA_ADDR_LIST": "", "EPICS_PVA_ADDR_LIST": "",
    "EPICS_CA_NAME_SERVERS": sys.argv[1] + ":5064",
    "EPICS_PVA_NAME_SERVERS": sys.argv[1] + ":5075"}
import epics
from p4p.client.thread import Context
print(epics.caget(sys.argv[2], timeout=5), Context("pva").get(sys.argv[2], timeout=5) + 0)
os._exit(0)
"""


def test_an_applied_task_serves_its_pvs_over_ca_and_pva_through_its_service(
    operator: Operator, tasks: Tasks
):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    found = tasks.ready("guard")
    with PvClient(tasks.address("guard")) as client:
        assert client.get(prefix + "pressure") == 1.0
        assert client.get(prefix + "pressure", "pva") == 1.0
        client.put(prefix + "pressure", 9.0)
        client.wait_for(prefix + "alarm", 1)
        client.wait_for(prefix + "alarm", 1, "pva")
    assert found["status"]["summary"]["state"] == "RUN"


def test_kubectl_get_shows_what_the_control_room_sees(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    header, row = tasks.run("get", "ioctask", "guard").splitlines()
    columns = dict(zip(header.split(), row.split(), strict=False))
    assert columns["NAME"] == "guard"
    assert columns["READY"] == "True"
    assert columns["STATE"] == "RUN"


def test_another_pod_reads_the_pvs_by_the_services_name(operator: Operator, rig: Rig, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix), CLIENT_POD)
    tasks.ready("guard")
    tasks.run("wait", "--for=condition=Ready", "pod/client", "--timeout=60s", timeout=90)
    host = f"guard.{tasks.namespace}.svc.cluster.local"
    said = tasks.run(
        "exec", "client", "--", "python", "-c", READ_BY_NAME, host, prefix + "pressure"
    )
    assert said.split() == ["1.0", "1.0"]


def test_one_task_follows_another_through_its_service_whichever_is_first(
    operator: Operator, tasks: Tasks
):
    source, sink = tasks.prefix("source"), tasks.prefix("sink")
    server = f"source.{tasks.namespace}.svc.cluster.local"
    follower = task("sink", sink, network={"nameServers": [server]})
    follower["spec"]["inputs"]["pressure"] = {"type": "float", "link": f"ca://{source}pressure"}
    follower["spec"]["inputs"]["same"] = {"type": "float", "link": f"pva://{source}pressure"}
    tasks.apply(follower)
    tasks.ready("sink")
    tasks.wait(connected("0/2"), "sink")
    tasks.apply(task("source", source))  # until now its name is not in the DNS
    tasks.ready("source")
    follows_soon(tasks, source, sink, 7.5)
    found = tasks.wait(connected("2/2"), "sink")
    assert of(found, "InputsConnected")["status"] == "True"
    for value in (8.5, 9.5):
        uid = tasks.uid("source")
        tasks.delete("pod", "source-0")
        tasks.wait(lambda t, uid=uid: other_pod(t, uid) and is_ready(t), "source")
        follows_soon(tasks, source, sink, value)
    assert tasks.get("ioctask", "sink")["status"]["pod"]["restarts"] == 0


def other_pod(found: Object, uid: str | None) -> bool:
    """Its pod is there, and is not this one."""
    return found["status"].get("pod", {"uid": uid})["uid"] != uid


def connected(inputs: str):
    """The summary counts the inputs so."""
    return lambda t: t.get("status", {}).get("summary", {}).get("inputs") == inputs


def follows_soon(tasks: Tasks, source: str, sink: str, value: float) -> None:
    """A put to the source arrives over both protocols, without waiting for a search."""
    with PvClient(tasks.address("source"), tasks.address("sink")) as client:
        client.put(source + "pressure", value)
        began = time.monotonic()
        client.wait_for(sink + "pressure", value, patience=SOON)
        client.wait_for(sink + "same", value, patience=SOON)
        client.wait_for(sink + "alarm", 1)
        print(f"followed {time.monotonic() - began:.2f} s after the source answered")


def test_a_deleted_task_leaves_only_what_the_namespace_shares(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    tasks.delete("ioctask", "guard")
    tasks.gone("pod", "guard-0")
    until = time.monotonic() + 20
    kinds = "statefulset,service,configmap,pod,job,pvc"
    while time.monotonic() < until:
        left = json.loads(tasks.run("get", kinds, "-o", "json"))["items"]
        names = {f"{o['kind']}/{o['metadata']['name']}" for o in left}
        if names <= {"ConfigMap/kube-root-ca.crt"}:
            break
        time.sleep(0.2)
    assert names <= {"ConfigMap/kube-root-ca.crt"}
    assert tasks.get("serviceaccount", "ioc-runtime")
    assert tasks.get("rolebinding", "ioc-runtime")["roleRef"]["name"] == "ioc-operator-runtime"


def test_a_suspended_task_has_no_pod_keeps_its_claim_and_resumes(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    tasks.patch("guard", {"suspend": True})
    tasks.gone("pod", "guard-0")
    found = tasks.wait(lambda t: of(t, "Suspended").get("status") == "True", "guard")
    assert of(found, "Ready")["status"] != "True"
    tasks.apply(task("thief", prefix))
    assert "guard" in tasks.stalled("thief", "PvConflict")
    tasks.patch("guard", {"suspend": False})
    tasks.ready("guard")
