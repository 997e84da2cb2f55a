"""One task on a node: from apply to the first answers, from an edit to its effect.

The first answers are those of new clients, one every 20 ms, through the Service's address
(its name is one more look-up). An edit flips an output; its effect is what a monitor
through the Service sees, and its acknowledgement what stands in the status.
"""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import ca_by_tcp
from benchmarks.figures import Row, median, percentile
from cluster.operator_process import NAMESPACE, install
from cluster.pv import PvClient
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import task

APPLY_BAR = 3.0
EDIT_BAR = 0.5
SETTLED = 5.0
"""Seconds after Ready. A kubelet looks at a pod it has just worked on only after its next
listing of containers, once a second: an edit that comes within a second waits for that."""
TASKS = "/apis/ioc-operator.dev/v1alpha1/namespaces/bench/ioctasks"


class Api:
    """One kept connection to the API server, as administrator."""

    def __init__(self, rig: Rig) -> None:
        context = ssl.create_default_context(cafile=str(rig.ca_file))
        host = rig.api_url.removeprefix("https://")
        self._connection = http.client.HTTPSConnection(host, timeout=10, context=context)
        self._token = rig.admin_token

    def ask(self, verb: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body)
        self._connection.request(verb, path, data, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status == 404:
            return None
        if answer.status >= 300:
            raise RuntimeError(f"{verb} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def run(applies: int, edits: int) -> list[Row]:
    """Both figures, in one cluster."""
    with tempfile.TemporaryDirectory() as directory, Rig.up() as rig:
        kubeconfig = install(rig, Path(directory))
        rig.kubectl("create", "namespace", "bench")
        api = Api(rig)
        with Operator(kubeconfig, Path(directory), "--lease-namespace", NAMESPACE):
            first = [apply(api, f"apply-{n}") for n in range(applies + 1)][1:]
            return [*applied(first), *edited(rig, api, edits)]


def apply(api: Api, name: str, manifest: Any = None) -> dict[str, float]:
    """Seconds from the request to each step of one task, the usual one or this."""
    prefix = f"{name.upper()}:"
    began = time.monotonic()
    api.ask("POST", TASKS, manifest or task(name, prefix))
    seen: dict[str, float] = {}
    address = ""
    while not address:
        service = api.ask("GET", f"/api/v1/namespaces/bench/services/{name}")
        address = service["spec"]["clusterIP"] if service else ""
    seen["Service"] = time.monotonic() - began
    while time.monotonic() - began < 30:
        try:
            ca_by_tcp.read(address, prefix + "pressure")
        except OSError:
            time.sleep(0.02)
        else:
            seen["CA"] = time.monotonic() - began
            break
    with PvClient(address) as client:
        client.get(prefix + "pressure", "pva", timeout=5)
    seen["PVA, by a client that is started then"] = time.monotonic() - began
    while not _ready(api.ask("GET", f"{TASKS}/{name}")):
        time.sleep(0.02)
    seen["Ready in the status"] = time.monotonic() - began
    return seen


def _ready(found: Any) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def applied(first: list[dict[str, float]]) -> list[Row]:
    """A row for each step."""
    rows = []
    for step in first[0]:
        times = [each[step] for each in first]
        bar = step == "CA"
        rows.append(
            Row(
                f"apply → {step}",
                "ours",
                f"{median(times):.2f} s p50, {max(times):.2f} s max of {len(times)}",
                goal=f"≤ {APPLY_BAR:g} s" if bar else "",
                reached=max(times) <= APPLY_BAR if bar else None,
                values={"p50": median(times), "max": max(times)},
            )
        )
    return rows


def edited(rig: Rig, api: Api, edits: int) -> list[Row]:
    """Edits of one running task, one after the other."""
    prefix = "EDIT:"
    manifest = task("edit", prefix)
    del manifest["spec"]["outputs"]["alarm"]["latch"]
    api.ask("POST", TASKS, manifest)
    while not _ready(api.ask("GET", f"{TASKS}/edit")):
        time.sleep(0.05)
    time.sleep(SETTLED)
    address = api.ask("GET", "/api/v1/namespaces/bench/services/edit")["spec"]["clusterIP"]
    alarm, effects, acknowledged = prefix + "alarm", [], []
    with PvClient(address) as client:
        client.watch(alarm)
        client.wait_for(alarm, 0)
        for number in range(edits):
            wanted = 1 - number % 2
            patch = {"spec": {"parameters": {"limit": 0.5 if wanted else 5.0}}}
            began = time.time()
            made = api.ask("PATCH", f"{TASKS}/edit", patch, "application/merge-patch+json")
            generation = made["metadata"]["generation"]
            while _reported(api.ask("GET", f"{TASKS}/edit")) != generation:
                time.sleep(0.01)
            acknowledged.append(time.time() - began)
            effects.append(_effect(client, alarm, wanted, began) - began)
            time.sleep(1.1)  # people are slower still
    return [
        *_steps(rig),
        _edit_row("edit → in force at a client", effects, goal=True),
        _edit_row("edit → acknowledged in the status", acknowledged, goal=False),
    ]


def _steps(rig: Rig) -> list[Row]:
    """What the operator's part is, by the API server's own log of writes."""
    steps: dict[str, list[float]] = {"configmaps": [], "pods": []}
    begun: dict[str, datetime] = {}
    for event in rig.audit_events():
        ref, when = event.get("objectRef", {}), datetime.fromisoformat(event["stageTimestamp"])
        ours = event.get("userAgent", "").startswith("ioc-operator")
        edit = ref.get("resource") == "ioctasks" and not ref.get("subresource")
        if event["verb"] == "patch" and ref.get("name") == "edit" and edit and not ours:
            begun = dict.fromkeys(steps, when)
        elif event["verb"] == "patch" and ours and ref.get("resource") in begun:
            steps[ref["resource"]].append((when - begun.pop(ref["resource"])).total_seconds())
    return [
        _edit_row("edit → written to the ConfigMap", steps["configmaps"], goal=False),
        _edit_row("edit → the kubelet is told (pod annotated)", steps["pods"], goal=False),
    ]


def _reported(found: Any) -> Any:
    return found["status"].get("runtime", {}).get("observedGeneration")


def _effect(client: PvClient, name: str, wanted: int, since: float) -> float:
    """When the monitor brought the value; the acknowledgement may be the quicker one."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for when, value in reversed(client.heard(name)):
            if when > since and value == wanted:
                return when
        time.sleep(0.02)
    raise RuntimeError(f"{name} is not {wanted} after 10 s")


def _edit_row(case: str, times: list[float], *, goal: bool) -> Row:
    p50, p99 = median(times), percentile(times, 0.99)
    return Row(
        case,
        "ours",
        f"{p50:.3f} s p50, {p99:.3f} s p99, {max(times):.3f} s max of {len(times)}",
        goal=f"≤ {EDIT_BAR:g} s p99" if goal else "",
        reached=p99 <= EDIT_BAR if goal else None,
        values={"p50": p50, "p99": p99, "max": max(times)},
    )
