"""Many tasks on a control plane alone: no node, so their pods stay Pending.

The bare client is our own HTTP client without anything around it: as many requests at a
time as the operator has workers, the very same children, one status. Each gets a fresh
cluster with the custom resources already in it. The times are those of the API server's
own log: from the first write of a run to its last, refused ones and Leases apart.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Row
from cluster.operator_process import install
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import task
from ioc_operator.children import namespace_children, task_children
from ioc_operator.desired import judge, read
from ioc_operator.kube.client import Client
from ioc_operator.kube.credentials import Credentials
from ioc_operator.kube.resources import CHILDREN, OWNERS
from ioc_operator.settings import Settings

CREATE_BAR = 0.8
TAKEOVER_BAR = 8.0
WORKERS = Settings().workers
IDLE = 60.0


def run(tasks: int) -> list[Row]:
    """All rows; the operator's run leads on to the restart, the idle time and the takeover."""
    with tempfile.TemporaryDirectory() as directory:
        bare = bare_run(tasks, Path(directory))
    with tempfile.TemporaryDirectory() as directory:
        return operator_run(tasks, bare, Path(directory))


class Log:
    """Writes in the API server's log, from one moment on."""

    def __init__(self, rig: Rig, agent: str) -> None:
        self._rig, self._agent = rig, agent
        self._skip = sum(1 for _ in rig.audit_events())
        self._cpu = rig.cpu_seconds()

    def writes(self) -> list[dict[str, Any]]:
        """Those of the agent; Leases and Events are not about a task."""
        found = []
        for number, event in enumerate(self._rig.audit_events()):
            ref = event.get("objectRef", {})
            mine = event.get("userAgent", "").startswith(self._agent)
            if number >= self._skip and mine and ref.get("resource") not in ("leases", "events"):
                found.append(event)
        return found

    def seconds(self) -> float:
        """From the first write to the last."""
        times = [datetime.fromisoformat(e["stageTimestamp"]) for e in self.writes()]
        return (max(times) - min(times)).total_seconds()

    def cpu(self) -> float:
        """Seconds of the API server since then."""
        return self._rig.cpu_seconds() - self._cpu


async def prepare(kubeconfig: Path, tasks: int) -> list[dict[str, Any]]:
    """The custom resources."""
    client = Client(Credentials(str(kubeconfig), None), user_agent="prepare")
    resource = OWNERS["IocTask"]
    made: list[dict[str, Any]] = []

    async def one(number: int) -> None:
        body = task(f"t{number}", f"T{number}:")
        body["metadata"]["namespace"] = "bench"
        made.append(await client.create(resource, body))

    await at_most(WORKERS, [one(number) for number in range(tasks)])
    await client.close()
    return made


async def at_most(many: int, work: list[Any]) -> None:
    gate = asyncio.Semaphore(many)

    async def guarded(each: Any) -> None:
        async with gate:
            await each

    await asyncio.gather(*map(guarded, work))


def bare_run(tasks: int, directory: Path) -> tuple[float, float]:
    """Tasks per second, and seconds of the API server's processor per task."""
    with Rig.up(control_plane=True) as rig:
        install(rig, directory)
        rig.kubectl("create", "namespace", "bench")
        made = asyncio.run(prepare(rig.kubeconfig, tasks))
        log = Log(rig, "bare")
        asyncio.run(apply_all(rig.kubeconfig, made))
        return tasks / log.seconds(), log.cpu() / tasks


async def apply_all(kubeconfig: Path, made: list[dict[str, Any]]) -> None:
    client = Client(Credentials(str(kubeconfig), None), user_agent="bare")
    settings = Settings()
    for shared in namespace_children("bench", settings):
        await client.apply(CHILDREN[shared["kind"]], shared)

    async def one(raw: dict[str, Any]) -> None:
        wanted = read(raw)
        default = wanted.default_image(settings)
        for child in task_children(wanted, judge(wanted), settings, default):
            await client.apply(CHILDREN[child["kind"]], child)
        await client.apply_status(OWNERS["IocTask"], status_of(raw))

    await at_most(WORKERS, [one(raw) for raw in made])
    await client.close()


def status_of(raw: dict[str, Any]) -> dict[str, Any]:
    """A status as the operator writes it first."""
    now = "2026-01-01T00:00:00Z"
    condition = {
        "status": "False",
        "reason": "PodMissing",
        "message": "the pod is not there yet",
        "observedGeneration": 1,
        "lastTransitionTime": now,
    }
    return {
        "apiVersion": raw["apiVersion"],
        "kind": raw["kind"],
        "metadata": {key: raw["metadata"][key] for key in ("name", "namespace")},
        "status": {
            "observedGeneration": 1,
            "phase": "Pending",
            "conditions": [condition | {"type": t} for t in ("Ready", "Reconciling")],
            "claim": {"prefix": raw["spec"]["prefix"]},
            "summary": {"state": "Unknown", "inputs": "", "permits": "", "since": now},
        },
    }


def operator_run(tasks: int, bare: tuple[float, float], directory: Path) -> list[Row]:
    """Creation, restart, idle, takeover."""
    with Rig.up(control_plane=True) as rig:
        kubeconfig = install(rig, directory)
        rig.kubectl("create", "namespace", "bench")
        asyncio.run(prepare(rig.kubeconfig, tasks))
        log = Log(rig, "ioc-operator")
        with Operator(kubeconfig, directory) as operator:
            rows = creation(rig, operator, tasks, bare, log)
        rows += restart(rig, kubeconfig, directory, tasks)
        rows.append(takeover(rig, kubeconfig, directory))
        return rows


def creation(
    rig: Rig, operator: Operator, tasks: int, bare: tuple[float, float], log: Log
) -> list[Row]:
    """As many as the bare client's."""
    until(lambda: count(rig, "statefulsets") >= tasks, 600, "every task has its StatefulSet")
    until(lambda: settled(operator), 600, "nothing is left to do")
    cpu = log.cpu()
    writes = log.writes()
    made = [e for e in writes if e["objectRef"]["resource"] == "statefulsets"]
    times = [datetime.fromisoformat(event["stageTimestamp"]) for event in writes]
    last = max(datetime.fromisoformat(event["stageTimestamp"]) for event in made)
    rate = tasks / (last - min(times)).total_seconds()
    ratio = rate / bare[0]
    return [
        Row("children of a task", "bare client", f"{bare[0]:.1f} tasks/s"),
        Row(
            "children of a task",
            "ours",
            f"{rate:.1f} tasks/s",
            f"{ratio:.2f}",
            f"≥ {CREATE_BAR:g}",
            ratio >= CREATE_BAR,
            {"rate": rate, "ratio": ratio},
        ),
        Row("API server per task", "bare client", f"{bare[1] * 1000:.0f} ms"),
        Row("API server per task", "ours", f"{cpu / tasks * 1000:.0f} ms"),
        Row("writes per task", "ours", f"{len(writes) / tasks:.1f}", values={"n": len(writes)}),
        Row(f"memory with {tasks} tasks", "ours", f"{memory(operator):.0f} MiB"),
    ]


def restart(rig: Rig, kubeconfig: Path, directory: Path, tasks: int) -> list[Row]:
    """A new process that finds everything done."""
    log = Log(rig, "ioc-operator")
    began = time.monotonic()
    with Operator(kubeconfig, directory) as operator:
        until(lambda: reconciled(operator) >= tasks and settled(operator), 60, "all looked at")
        seconds, writes, used = time.monotonic() - began, len(log.writes()), memory(operator)
        idle = Log(rig, "ioc-operator")
        time.sleep(IDLE)
        quiet = len(idle.writes())
    case = f"restart with {tasks} tasks"
    return [
        Row(case, "ours", f"{seconds:.1f} s until all were looked at, {writes} writes",
            goal="0 writes", reached=writes == 0),
        Row(f"memory after it ({tasks} tasks)", "ours", f"{used:.0f} MiB"),
        Row("idle", "ours", f"{quiet} writes in {IDLE:g} s", goal="0", reached=quiet == 0),
    ]  # fmt: skip


def takeover(rig: Rig, kubeconfig: Path, directory: Path) -> Row:
    """The leader is killed; the standby sees to the next edit."""
    first, second = Operator(kubeconfig, directory), Operator(kubeconfig, directory)
    with first:
        try:
            second.start(lead=False)
            second.process.ready()
            first.kill()
            began = time.monotonic()
            patch = json.dumps({"spec": {"parameters": {"limit": 7}}})
            rig.kubectl("patch", "ioctask", "t0", "-n", "bench", "--type=merge", "-p", patch)

            def done() -> bool:
                found = json.loads(rig.kubectl("get", "ioctask", "t0", "-n", "bench", "-o", "json"))
                return bool(found["status"]["observedGeneration"] == 2)

            until(done, 60, "the standby has taken over")
            seconds = time.monotonic() - began
        finally:
            second.__exit__()
    return Row(
        "leader killed → next edit reconciled",
        "ours",
        f"{seconds:.1f} s",
        goal=f"≤ {TAKEOVER_BAR:g} s",
        reached=seconds <= TAKEOVER_BAR,
        values={"seconds": seconds},
    )


def settled(operator: Operator) -> bool:
    """Nothing is queued, and it stays so for a moment."""
    for _ in range(3):
        if operator.process.metric("ioc_operator_queue_depth"):
            return False
        time.sleep(0.3)
    return True


def reconciled(operator: Operator) -> float:
    return operator.process.metric("ioc_operator_reconciles_total")


def count(rig: Rig, kind: str) -> int:
    """Objects of a kind, without their contents."""
    path = f"/apis/apps/v1/namespaces/bench/{kind}?limit=1"
    meta = json.loads(rig.api_get(path))
    return len(meta["items"]) + int(meta["metadata"].get("remainingItemCount", 0))


def memory(operator: Operator) -> float:
    """Resident, in MiB."""
    status = Path(f"/proc/{operator.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def until(what: Callable[[], bool], patience: float, said: str) -> None:
    end = time.monotonic() + patience
    while not what():
        if time.monotonic() > end:
            raise RuntimeError(f"not so after {patience:g} s: {said}")
        time.sleep(0.5)
