"""Reload: from an edit of the configuration to the PV that shows it, and what others notice.

Method. A task follows the plan in a directory that is exchanged as a kubelet exchanges a
ConfigMap's volume (a new directory, then a symbolic link renamed). Each edit changes a
parameter; the time goes from just before the exchange to the arrival of the value that
follows from it at a Channel Access client. What comes before in a cluster (the operator,
the API server, the kubelet) is not in it. "Busy" is the same beside four processes that
only compute.

"Beside reloads" is the reaction of a rule (as in benchmarks/reaction.py) while the plan
of 500 rules is exchanged 4 times a second, against the same task left alone, one after
the other. The longest time in which nothing else was evaluated is what the task says
itself.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import devices
from benchmarks.figures import Row, apart, chapter, failed, percentile
from benchmarks.processes import (
    Ports,
    Process,
    client_environment,
    python,
    server_environment,
)

GOAL = 0.5
BUSY = 4
MANY = 500
SPIN = "while True: pass"


def run(quick: bool) -> Iterator[Row]:
    """Edits of small and of large tasks, on a quiet and a busy machine; then reactions."""
    edits = 20 if quick else 200
    for rules, busy in ((1, 0), (1, BUSY), (MANY, 0), (MANY, BUSY)):
        beside = f", {busy} busy loops" if busy else ""
        case = f"edit → in force, {rules} rule{'s'[: rules > 1]}{beside}"
        try:
            yield apart(_edits, case, rules, busy, edits)
        except (RuntimeError, TimeoutError) as error:
            yield failed(case, "ours", error)
    try:
        yield from apart(_beside, f"reaction CA, {MANY} rules", 4.0 if quick else 20.0)
    except (RuntimeError, TimeoutError) as error:
        yield failed("reaction beside reloads", "ours", error)


class Volume:
    """The plan's file, exchanged as a whole."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._turn = path, 0
        path.mkdir()
        self.plan = path / "plan.json"
        self.write(text)
        self.plan.symlink_to("..data/plan.json")

    def write(self, text: str) -> None:
        old, self._turn = self._path / f"..{self._turn}", self._turn + 1
        new = self._path / f"..{self._turn}"
        new.mkdir()
        (new / "plan.json").write_text(text)
        link = self._path / "..data_tmp"
        link.symlink_to(new.name)
        os.rename(link, self._path / "..data")
        shutil.rmtree(old, ignore_errors=True)


class Task:
    """A task that follows its plan: `k` shows a parameter, `y` follows a source."""

    def __init__(self, stack: ExitStack, rules: int) -> None:
        self.prefix = f"R{random.SystemRandom().randrange(10**6)}:"
        self.source = f"{self.prefix}SRC:X"
        self._rules = rules
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source, own = Ports(), Ports()
        os.environ.update(client_environment([source, own]))
        database = devices.record("ao", self.source, VAL="0", PINI="YES")
        stack.enter_context(devices.c_ioc(database, work, [source], source))
        self.volume = Volume(work / "volume", self.text(0))
        flags = ["--follow", "--ca-port", str(own.ca), "--pva-port", str(own.pva)]
        self.process = stack.enter_context(
            Process(
                python("ioc_runtime", str(self.volume.plan), *flags),
                server_environment(own) | client_environment([source]),
                directory=work,
                log=work / "ours.log",
            )
        )
        self.process.expect('"ready"')

    def text(self, k: int) -> str:
        """The plan whose parameter is `k`, as JSON; no two have the same hash."""
        from ioc_runtime import plan as p

        spare = [
            p.Rule(f"r{i}", f"level > {i} + 0 * number", {f"o{i}": 1.0}, 0.0, "level {level:.1f}")
            for i in range(self._rules - 1)
        ]
        outputs = [
            p.Output(f"o{i}", "float", owner="rules", default=0.0) for i in range(len(spare))
        ]
        plan = p.Plan(
            name="reload",
            namespace="",
            prefix=self.prefix,
            parameters={"number": k},
            inputs=(
                p.Input("x", "float", link=p.Link("ca", self.source)),
                p.Input("level", "float", value=-1.0, alarms=p.Alarms(high=1e6 + k)),
            ),
            outputs=(
                p.Output("k", "float", owner="transform"),
                p.Output("y", "float", owner="rules", default=0.0),
                *outputs,
            ),
            transforms=(p.Transform("k", "number"),),
            rules=(p.Rule("x", "x > 0.5", {"y": 1.0}), *spare),
            config_hash=f"{k:064x}",
        )
        return p.to_json(plan)


def _edits(case: str, rules: int, busy: int, count: int) -> Row:
    from benchmarks import caclient

    with ExitStack() as stack:
        task = Task(stack, rules)
        seen: dict[int, int] = {}
        arrived = threading.Event()

        def told(value: float, now: int, *_: int) -> None:
            seen.setdefault(int(value), now)
            arrived.set()

        caclient.Channel(f"{task.prefix}k").monitor(told)
        for _ in range(busy):
            stack.enter_context(Process([sys.executable, "-c", SPIN], {}))
        taken = []
        for k in range(1, count + 1):
            text = task.text(k)
            time.sleep(random.uniform(0.02, 0.12))  # anywhere between two looks at the file
            began = time.perf_counter_ns()
            task.volume.write(text)
            while k not in seen:
                arrived.clear()
                if k not in seen and not arrived.wait(5.0):
                    raise TimeoutError("an edit did not come into force within 5 s")
            taken.append((seen[k] - began) / 1e9)
        held = [said["held"] for said in _said(task.process, count)]
    p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
    values = {"p50": p50, "p99": p99, "max": max(taken), "held": max(held)}
    usual, most = 1e3 * percentile(held, 0.5), 1e3 * max(held)
    text = f"p50 {p50:.3f} s, p99 {p99:.3f} s; others held up {usual:.1f} ms, {most:.1f} at most"
    return Row(case, "ours", text, goal=f"p99 ≤ {GOAL} s", reached=p99 <= GOAL, values=values)


def _said(process: Process, count: int) -> list[dict[str, Any]]:
    return [json.loads(process.expect('"reload"')) for _ in range(count)]


def _beside(case: str, seconds: float) -> list[Row]:
    from benchmarks.reaction import Target

    with ExitStack() as stack:
        task = Task(stack, MANY)
        target = Target(task.source, f"{task.prefix}y", "ca", False)
        target.settle()
        texts = [task.text(k) for k in (1, 2)]
        quiet = _reactions(target, seconds)
        stop = threading.Event()
        turns = 0

        def edit() -> None:
            nonlocal turns
            while not stop.wait(0.25):
                task.volume.write(texts[turns % 2])
                turns += 1

        thread = threading.Thread(target=edit)
        thread.start()
        try:
            beside = _reactions(target, seconds)
        finally:
            stop.set()
            thread.join()
        held = [said["held"] for said in _said(task.process, turns - 1)]
    rows = []
    for name, found in ((case, quiet), (f"{case}, beside reloads", beside)):
        p50, p99, most = percentile(found, 0.5), percentile(found, 0.99), max(found)
        figure = f"p50 {p50:.0f} µs, p99 {p99:.0f} µs, max {most / 1e3:.1f} ms"
        values = {"p50": p50, "p99": p99, "max": most, "n": len(found)}
        rows.append(Row(name, "ours", figure, values=values))
    ratio = percentile(beside, 0.5) / percentile(quiet, 0.5)
    figure = f"{rows[1].figure}; {turns} reloads held it up for {max(held) * 1e3:.1f} ms at most"
    rows[1] = Row(rows[1].case, "ours", figure, f"{ratio:.2f} (p50)", values=rows[1].values)
    return rows


def _reactions(target: Any, seconds: float) -> list[float]:
    """Reactions in µs, one after the other, so that reloads meet some of them."""
    taken: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(random.uniform(0.0005, 0.002))
        taken.append(target.change(float((len(taken) + 1) % 2)) or 1e6)
    if len(taken) % 2:
        target.change(0.0)  # the next one begins with a change
    return taken


if __name__ == "__main__":
    chapter(run)
