"""Trigger: a client puts 1 on TRIGGER and waits for the acknowledgement.

Method. Our task is in mode triggered, its plugin counts its cycles into an output. A
client (libca or p4p raw, garbage collector off) triggers it 500 times at random phase: it
waits 1 to 11 ms, takes the time, puts 1, and takes the time of the acknowledgement as it
arrives. There are two of them: the answer of the put itself (a put with callback over CA,
with `block=true` over PVA), and the 0 that a monitor of TRIGGER shows after a plain put.
At once after each it reads the output, TASK_STATUS and CYCLE anew from the server: a value
of an earlier cycle is stale.

The peer is a plain `bo` record with a `calc` behind it in a C IOC of its own process,
triggered in turn with ours by a put that waits, in the same run: it does nothing and
tells what client, network and server cost by themselves. A ratio is ours / that, of p50
and of p99, the median over the repeats.
"""

from __future__ import annotations

import gc
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import devices
from benchmarks.figures import Row, apart, chapter, failed, median, percentile
from benchmarks.processes import Ports, client_environment

LIMITS = 1500.0, 3000.0
"""µs, p50 and p99, that are asked for."""
PLUGIN = """
from ioc_runtime import TaskBase

class Counts(TaskBase):
    n = 0

    def triggered(self):
        self.n += 1
        self.set_output("result", self.n)
        return self.n % 2 == 0
"""

Ask = Callable[[], float]
"""Triggers once; µs until the acknowledgement."""


def run(quick: bool) -> Iterator[Row]:
    """Both protocols, each with both acknowledgements."""
    n, repeats = (100, 1) if quick else (500, 3)
    for protocol in ("ca", "pva"):
        for ack in ("put answered", "TRIGGER at 0"):
            case = f"trigger {protocol.upper()}, {ack}"
            try:
                yield from apart(_series, case, protocol, ack, n, repeats)
            except (RuntimeError, TimeoutError) as error:
                yield failed(case, "ours", error)


def _series(case: str, protocol: str, ack: str, n: int, repeats: int) -> list[Row]:
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours, peer = Ports(), Ports()
        os.environ.update(client_environment([ours, peer]))
        tag = f"B{random.SystemRandom().randrange(10**6)}:"
        stack.enter_context(_start_peer(f"{tag}P:", work, peer))
        stack.enter_context(_start_ours(f"{tag}T:", work, ours))
        return _measure(case, protocol, ack, tag, n, repeats)


def _start_peer(prefix: str, work: Path, ports: Ports) -> Any:
    database = [
        devices.record("bo", f"{prefix}GO", FLNK=f"{prefix}N", ZNAM="a", ONAM="b"),
        devices.record("calc", f"{prefix}N", CALC="VAL+1"),
    ]
    return devices.c_ioc("\n".join(database), work, [], ports)


def _start_ours(prefix: str, work: Path, ports: Ports) -> Any:
    from ioc_runtime import plan as p

    plan = p.Plan(
        name="bench",
        namespace="",
        prefix=prefix,
        mode="triggered",
        outputs=(p.Output(name="result", type="int"),),
        plugin=p.Plugin(files={"counts.py": PLUGIN}),
    )
    return devices.run_plan(p.to_json(plan), work, [], ports)


def _measure(case: str, protocol: str, ack: str, tag: str, n: int, repeats: int) -> list[Row]:
    from benchmarks import caclient, pvaclient

    channel: Any = (caclient if protocol == "ca" else pvaclient).Channel
    trigger, peer = channel(f"{tag}T:TRIGGER"), channel(f"{tag}P:GO")
    reads = [channel(f"{tag}T:{name}").get for name in ("result", "TASK_STATUS", "CYCLE")]
    plain = caclient.Channel(f"{tag}T:TRIGGER").put
    ask = _waiting(trigger) if ack == "put answered" else _watching(trigger, plain)
    cycles = stale = 0
    taken: list[tuple[list[float], list[float]]] = []
    for round_, count in enumerate((20, *[n] * repeats)):
        mine, theirs = [], []
        gc.collect()
        gc.freeze()
        gc.disable()
        for _ in range(count):
            time.sleep(random.uniform(0.001, 0.011))
            mine.append(ask())
            cycles += 1
            stale += [read() for read in reads] != [cycles, cycles % 2, cycles]
            time.sleep(random.uniform(0.001, 0.011))
            theirs.append(_waiting(peer)())
        gc.enable()
        if round_:
            taken.append((mine, theirs))
    return _rows(case, taken, stale)


def _waiting(channel: Any) -> Ask:
    def ask() -> float:
        began = time.perf_counter_ns()
        return float(channel.put_and_wait(1.0) - began) / 1000

    return ask


def _watching(channel: Any, put: Callable[[float], None]) -> Ask:
    arrived: list[int] = []
    done = threading.Event()
    asked = False

    def heard(value: float, now: int, *_: int) -> None:
        if value == 0 and asked:
            arrived.append(now)
            done.set()

    channel.monitor(heard)

    def ask() -> float:
        nonlocal asked
        arrived.clear()
        done.clear()
        asked = True
        began = time.perf_counter_ns()
        put(1.0)
        if not done.wait(5):
            raise TimeoutError("TRIGGER did not go back to 0 within 5 s")
        asked = False
        return (arrived[0] - began) / 1000

    time.sleep(0.2)  # the first value of the monitor
    return ask


def _rows(case: str, taken: list[tuple[list[float], list[float]]], stale: int) -> list[Row]:
    rows = []
    for which, device in ((1, "C record"), (0, "ours")):
        p50, p99 = (median(percentile(one[which], q) for one in taken) for q in (0.5, 0.99))
        longest = max(max(one[which]) for one in taken)
        figure = f"p50 {p50:6.0f} µs, p99 {p99:6.0f} µs, max {longest:6.0f} µs"
        values = {"p50": p50, "p99": p99, "max": longest}
        if device == "C record":
            rows.append(Row(case, device, figure, values=values))
            continue
        ratios = [
            median(percentile(mine, q) / percentile(theirs, q) for mine, theirs in taken)
            for q in (0.5, 0.99)
        ]
        values |= {"stale": stale, "ratio_p50": ratios[0], "ratio_p99": ratios[1]}
        rows.append(
            Row(
                case,
                device,
                f"{figure}, {stale} stale",
                f"{ratios[0]:.2f} / {ratios[1]:.2f}",
                "≤ 1.5 ms, 3 ms (p50, p99), 0 stale",
                p50 <= LIMITS[0] and p99 <= LIMITS[1] and not stale,
                values,
            )
        )
    return rows


if __name__ == "__main__":
    chapter(run)
