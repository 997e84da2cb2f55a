"""Throughput: distinct values through a transform, with a rule beside it.

Method. The source IOC itself writes 1, 2, 3 … to a source PV at a steady rate for
some seconds (what a sleep overshoots is caught up at once, so a burst holds a few
values) and keeps the time of each write. The device computes 2·x and evaluates a
rule on x; the client counts the distinct values of the output and when each one
arrived. One device runs at a time. "client alone" is the same client on the source
PV itself: what the protocol and the client lose without any device.

Given for each rate: the share of values that never arrived, and how late they were,
from the write in the source to the arrival in the client: p99 of all, and the last
value, which is the one that counts after a burst. A value that a later one has
overtaken in a queue counts as lost. CA monitors merge when a reader is slow; PVA
monitors are asked for with a queue of 1000 by the client.
"""

from __future__ import annotations

import array
import gc
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import devices
from benchmarks.devices import Load
from benchmarks.figures import Row, apart, chapter, failed, percentile
from benchmarks.processes import Ports, client_environment

CLIENT = "client alone"
GOAL = {"ca": 10_000, "pva": 5_000}
LATE_MS = 5.0


def run(quick: bool) -> Iterator[Row]:
    """Every device at every rate, over both protocols."""
    seconds = 1.0 if quick else 2.5
    rates = (5_000, 10_000) if quick else (2_000, 5_000, 10_000, 20_000)
    for protocol in ("ca", "pva"):
        for kind in ("C record", "ours") if quick else (CLIENT, *devices.available()):
            try:
                yield from apart(_series, protocol, kind, rates, seconds)
            except (RuntimeError, TimeoutError) as error:
                yield failed(f"throughput {protocol.upper()}", kind, error)


def _series(protocol: str, kind: str, rates: tuple[int, ...], seconds: float) -> list[Row]:
    from benchmarks import caclient, pvaclient

    tag = f"T{random.SystemRandom().randrange(10**6)}"
    source, own = Ports(), Ports()
    os.environ.update(client_environment([source, own]))
    load = Load(f"{tag}:D:", f"{tag}:SRC", protocol, double=True)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ioc = devices.c_ioc(
            devices.record("ao", load.source, VAL="0", PINI="YES"), work, [source], source
        )
        stack.enter_context(ioc)
        factor, output = 1.0, load.source
        if kind != CLIENT:
            stack.enter_context(devices.DEVICES[kind](load, work, [source], own))
            factor, output = 2.0, load.output
        seen: dict[float, int] = {}
        raw: Any = (caclient if protocol == "ca" else pvaclient).Channel
        channel = raw(output)  # held: a PVA subscription ends with its object
        channel.monitor(lambda value, now, *_: seen.setdefault(value, now))
        _settle(caclient.Channel(load.source), seen, factor)
        gc.collect()
        gc.freeze()
        gc.disable()
        rows = []
        for rate in rates:
            time.sleep(0.3)
            seen.clear()
            file = work / "times"
            ioc.tell(f"flood {load.source} {rate} {seconds} {file}")
            ioc.expect("flooded", seconds * 3 + 10)
            rows.append(_row(protocol, kind, rate, file, seen, factor))
        return rows


def _settle(source: Any, seen: dict[float, int], factor: float) -> None:
    end = time.monotonic() + 30
    k = 0.0
    while k * factor not in seen or k == 0.0:
        if time.monotonic() > end:
            raise TimeoutError("the device does not follow its source")
        k -= 1.0
        source.put(k)
        time.sleep(0.2)


def _row(
    protocol: str, kind: str, rate: int, file: Path, seen: dict[float, int], factor: float
) -> Row:
    written = array.array("q")
    written.frombytes(file.read_bytes())
    end = time.monotonic() + 5
    while len(written) * factor not in seen and time.monotonic() < end:
        time.sleep(0.05)
    late = [
        (now - written[k]) / 1e6
        for value, now in list(seen.items())
        if 0 <= (k := int(value / factor) - 1) < len(written)
    ]
    last = seen.get(len(written) * factor)
    lost = 1 - len(late) / len(written)
    took = (written[-1] - written[0]) / 1e9
    values = {
        "offered": len(written) / took,
        "delivered": len(late) / took,
        "lost": lost,
        "late_p99_ms": percentile(late, 0.99) if late else float("nan"),
        "last_late_ms": (last - written[-1]) / 1e6 if last else float("nan"),
    }
    end_text = f"last {values['last_late_ms']:.1f} ms late" if last else "last one never came"
    figure = (
        f"{values['delivered']:6.0f}/s, {f'{lost:.2%}' if lost else 'none'} lost, "
        f"p99 {values['late_p99_ms']:.1f} ms, {end_text}"
    )
    goal, reached = "", None
    if kind == "ours" and rate <= GOAL[protocol]:
        goal = f"none lost, last ≤ {LATE_MS:g} ms"
        reached = not lost and bool(last) and values["last_late_ms"] <= LATE_MS
    case = f"throughput {protocol.upper()}, {rate:,}/s offered"
    return Row(case, kind, figure, "", goal, reached, values)


if __name__ == "__main__":
    chapter(run)
