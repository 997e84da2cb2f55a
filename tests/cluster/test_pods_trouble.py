"""What goes wrong in a pod or around it, and what the status says of it."""

from __future__ import annotations

import json
import time

from cluster.pv import PvClient
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import Tasks, of, task

CRASHES = """
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def initialize(self):
        raise ValueError("no such crystal")
"""
EATS_MEMORY = """
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def initialize(self):
        self.kept = []
        while True:
            self.kept.append(bytearray(4_000_000))
"""


def plugin(source: str) -> dict[str, object]:
    return {"inline": {"files": {"guard.py": source}}, "class": "Guard"}


def test_a_plugin_that_cannot_start_is_named_and_an_edit_mends_it(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    source = "import no_such_module\nfrom ioc_runtime import TaskBase\nclass Guard(TaskBase): ...\n"
    tasks.apply(task("guard", prefix, plugin=plugin(source)))
    found = tasks.wait(lambda t: of(t, "Stalled"), "guard")
    said = json.dumps(found["status"])
    assert "no_such_module" in said
    assert of(found, "Ready")["status"] != "True"
    tasks.patch("guard", {"plugin": None})
    tasks.ready("guard")


def test_a_plugin_that_raises_leaves_the_rules_working_and_is_told(
    operator: Operator, tasks: Tasks
):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix, plugin=plugin(CRASHES)))
    found = tasks.wait(lambda t: "no such crystal" in json.dumps(t.get("status", {})), "guard")
    assert of(found, "PluginLoaded").get("status") != "True"
    with PvClient(tasks.address("guard")) as client:
        client.put(prefix + "pressure", 9.0)
        client.wait_for(prefix + "alarm", 1)


def test_a_missing_input_is_named_and_the_task_serves(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    manifest = task("guard", prefix)
    manifest["spec"]["inputs"]["gauge"] = {"type": "float", "link": f"ca://{prefix}NOBODY:HAS"}
    tasks.apply(manifest)
    found = tasks.wait(lambda t: of(t, "InputsConnected").get("status") == "False", "guard")
    assert "gauge" in of(found, "InputsConnected")["message"]
    assert found["status"]["summary"]["inputs"] == "0/1"
    with PvClient(tasks.address("guard")) as client:
        assert client.severity(prefix + "gauge") == 3


def test_a_broken_image_is_told_and_an_edit_mends_it(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    missing = "localhost/no-such-image:1"
    tasks.apply(task("guard", prefix, image=missing, imagePullPolicy="Never"))
    assert missing in tasks.stalled("guard", "ImagePull")
    tasks.patch("guard", {"image": None})
    tasks.ready("guard")


def test_a_deleted_pod_comes_back_and_the_status_never_says_ready_for_the_dead_one(
    operator: Operator, tasks: Tasks
):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    before = tasks.uid("guard")
    tasks.delete("pod", "guard-0", "--wait=false")
    tasks.wait(lambda t: of(t, "Ready")["status"] != "True", "guard")
    found = tasks.ready("guard")
    assert found["status"]["pod"]["uid"] != before


def test_an_evicted_pod_comes_back(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    before = tasks.uid("guard")
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "guard-0", "namespace": tasks.namespace},
    }
    path = f"/api/v1/namespaces/{tasks.namespace}/pods/guard-0/eviction"
    tasks.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    tasks.wait(lambda t: t["status"].get("pod", {}).get("uid") not in (None, before), "guard")
    tasks.ready("guard")


def test_a_container_out_of_memory_is_told_by_name(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    limits = {"limits": {"memory": "96Mi"}, "requests": {"memory": "64Mi"}}
    tasks.apply(task("guard", prefix, plugin=plugin(EATS_MEMORY), resources=limits))
    found = tasks.wait(lambda t: "OOMKilled" in json.dumps(t.get("status", {})), "guard")
    assert found["status"]["history"][-1]["reason"] == "OOMKilled"


def test_a_task_made_again_while_its_pod_lingers_has_one_pod_at_a_time(
    operator: Operator, rig: Rig, tasks: Tasks
):
    prefix = tasks.prefix("guard")
    manifest = task("guard", prefix, terminationGracePeriodSeconds=8)
    manifest["spec"]["podTemplate"] = {
        "spec": {
            "containers": [
                {"name": "ioc", "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}}}
            ]
        }
    }
    tasks.apply(manifest)
    tasks.ready("guard")
    old = tasks.uid("guard")
    tasks.delete("ioctask", "guard")
    tasks.apply(manifest)
    until = time.monotonic() + 40
    while time.monotonic() < until:
        pods = tasks.list("pod")
        running = [
            p
            for p in pods
            if any("running" in c["state"] for c in p["status"].get("containerStatuses", []))
        ]
        assert len(running) <= 1
        if running and running[0]["metadata"]["uid"] != old:
            break
        time.sleep(0.2)
    tasks.ready("guard")
    assert tasks.uid("guard") != old
