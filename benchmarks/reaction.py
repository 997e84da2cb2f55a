"""Reaction: a client puts to a source PV and waits for the device's output.

Method. A C IOC serves one source PV per device. One client (libca or p4p raw, one
C callback, garbage collector off) puts 0 and 1 in turn to the source of one device,
and takes the time from just before the put to the arrival of the output's new
value in the client. Then it lets everything settle for 0.3 to 1 ms and goes on with
the next device. A series has three of them: the client alone (its monitor is on the
source PV itself: what no device can be faster than), the C record, and the device
under test. They are interleaved change by change, in an order that is shuffled anew
each round, so that whatever else the machine does hits all three alike. The put is
always a CA put, the cheapest there is; the device's link and the client's monitor
of the output use the protocol of the case.

A ratio is device / C record of the same series, the median over its repeats, of p50
and of p99 of n changes. "net" has the p50 of the client alone subtracted, on both
sides of its ratio. Everything shares the cores of the machine, as it would in a small
installation.

"seen by pyepics" and "seen by p4p" are the same with the clients that users have,
put included (p4p's put asks the server twice): less strict, because the client's
own share is larger, but what a user sees.

With a burning thread the device takes a core from everything else, the C record
beside it included.
"""

from __future__ import annotations

import gc
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import devices
from benchmarks.devices import Load
from benchmarks.figures import Row, apart, chapter, failed, median, percentile
from benchmarks.processes import Ports, client_environment

CLIENT = "client alone"
C_RECORD = "C record"
GOALS = {"ca": {1: 1.1, 50: 1.15, 200: 1.15}, "pva": {1: 1.1, 50: 1.15, 200: 1.15}}
BURN_GOAL = 2.0


@dataclass(frozen=True)
class Device:
    """A device, and the task it runs."""

    kind: str
    rules: int = 1
    burn: bool = False

    @property
    def label(self) -> str:
        """How the table names it."""
        rules = (
            "" if self.kind in (CLIENT, C_RECORD) else f", {self.rules} rule{'s'[: self.rules > 1]}"
        )
        return f"{self.kind}{rules}"


def run(quick: bool) -> Iterator[Row]:
    """All series, one after the other."""
    n, repeats = (300, 1) if quick else (2000, 3)
    have = [kind for kind in ("softioc", "iocmng", "ours") if kind in devices.available()]

    def series(case: str, protocol: str, device: Device, library: bool = False) -> list[Row]:
        again = repeats if device.kind == "ours" else 1
        rows: list[Row] = apart(_series, case, protocol, device, n, again, library)
        return rows

    for protocol in ("ca", "pva"):
        for kind in have:
            for rules in {"softioc": (1,)}.get(kind, (1, 200) if quick else (1, 50, 200)):
                yield from series(f"reaction {protocol.upper()}", protocol, Device(kind, rules))
    for protocol, library in (("ca", "pyepics"), ("pva", "p4p")):
        case = f"reaction {protocol.upper()}, seen by {library}"
        for kind in have if not quick else ():
            for rules in {"softioc": (1,), "iocmng": (1, 200)}.get(kind, (1, 50, 200)):
                yield from series(case, protocol, Device(kind, rules), True)
    for protocol, library in (("ca", "pyepics"), ("pva", "p4p")):
        case = f"reaction {protocol.upper()}, a thread burns a core"
        for kind in have if not quick else ["ours"]:
            yield from series(case, protocol, Device(kind, burn=True))
        if not quick:
            yield from series(
                f"{case}, seen by {library}", protocol, Device("ours", burn=True), True
            )


def _series(
    case: str, protocol: str, device: Device, n: int, repeats: int, library: bool
) -> list[Row]:
    """The C record and the device, measured together; the client's own share is in both."""
    slow = device.kind != "ours" and device.burn
    with Bench(protocol, (Device(CLIENT), Device(C_RECORD), device), library) as bench:
        bench.measure(100 if slow else 200)  # warm-up
        taken = [bench.measure(500 if slow else n) for _ in range(repeats)]
    if bench.broken:
        return [failed(case, device.label, error) for _, error in bench.broken]
    rows = [_row(case, protocol, one, taken) for one in bench.used]
    return [replace(rows[1], device=f"{C_RECORD}, beside {device.label}"), rows[2]]


def _row(
    case: str,
    protocol: str,
    device: Device,
    taken: Sequence[dict[Any, Any]],
) -> Row:
    base, peer = Device(CLIENT), Device(C_RECORD)
    p50 = median(percentile(one[device], 0.5) for one in taken)
    p99 = median(percentile(one[device], 0.99) for one in taken)
    lost = sum(one["lost", device] for one in taken)
    values = {"p50": p50, "p99": p99, "max": max(max(one[device]) for one in taken), "lost": lost}
    figure = f"p50 {p50:6.0f} µs, p99 {p99:6.0f} µs" + (f", {lost} lost" if lost else "")
    if device == base:
        return Row(case, device.label, figure, values=values)
    net = median(percentile(one[device], 0.5) - percentile(one[base], 0.5) for one in taken)
    values["net"] = net
    figure += f", net {net:6.0f} µs"
    if device == peer:
        return Row(case, device.label, figure, values=values)
    ratios = {
        f"ratio_p{int(100 * q)}": median(
            percentile(one[device], q) / percentile(one[peer], q) for one in taken
        )
        for q in (0.5, 0.99)
    }
    peer_net = median(percentile(one[peer], 0.5) - percentile(one[base], 0.5) for one in taken)
    ratios["ratio_net"] = net / peer_net if peer_net > 0 else float("nan")
    text = "{ratio_p50:.2f} / {ratio_p99:.2f} (net {ratio_net:.2f})".format(**ratios)
    goal, reached = "", None
    if device.kind == "ours":
        limit = BURN_GOAL if device.burn else GOALS[protocol][device.rules]
        goal = f"≤ {limit:g} (p50, p99)"
        reached = max(ratios["ratio_p50"], ratios["ratio_p99"]) <= limit and not lost
    return Row(case, device.label, figure, text, goal, reached, values | ratios)


class Bench:
    """A source IOC, the devices, and one client that is connected to all of them."""

    def __init__(self, protocol: str, used: Sequence[Device], library: bool = False) -> None:
        self._stack = ExitStack()
        self._library = library
        self._random = random.Random(1)
        self.used = list(used)
        self.broken: list[tuple[Device, Exception]] = []
        work = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        source = Ports()
        own = {device: Ports() for device in used if device.kind != CLIENT}
        os.environ.update(client_environment([source, *own.values()]))
        os.environ["EPICS_CA_MAX_ARRAY_BYTES"] = "16384"
        try:
            self._start(protocol, work, source, own)
        except BaseException:
            self._stack.close()
            raise

    def _start(self, protocol: str, work: Path, source: Ports, own: dict[Device, Ports]) -> None:
        tag = f"B{random.SystemRandom().randrange(10**6)}"
        others = tuple(f"{tag}:SRC:O{k}" for k in range(10))
        names = {device: f"{tag}:SRC:X{k}" for k, device in enumerate(self.used)}
        database = [devices.record("ao", name, VAL="0", PINI="YES")
                    for name in (*others, *names.values())]  # fmt: skip
        self._stack.enter_context(devices.c_ioc("\n".join(database), work, [source], source))
        self._targets: dict[Device, Target] = {}
        for k, device in enumerate(self.used):
            if device.kind == CLIENT:
                continue
            load = Load(
                prefix=f"{tag}:D{k}:",
                source=names[device],
                protocol=protocol,
                rules=device.rules,
                others=others if device.rules > 1 else (),
                burn=device.burn,
            )
            place = work / f"d{k}"
            place.mkdir()
            start = devices.DEVICES[device.kind]
            try:
                self._stack.enter_context(start(load, place, [source], own[device]))
                target = Target(names[device], load.output, protocol, self._library)
                target.settle()
                self._targets[device] = target
            except (RuntimeError, TimeoutError) as error:
                self.broken.append((device, error))
        for device in self.used:
            if device.kind == CLIENT:
                target = Target(names[device], names[device], protocol, self._library)
                target.settle()
                self._targets[device] = target
        self.used = [device for device in self.used if device in self._targets]

    def measure(self, n: int) -> dict[Any, Any]:
        """n changes of each device, in µs; ("lost", device) counts what never came."""
        taken: dict[Any, Any] = {device: [] for device in self.used}
        taken |= {("lost", device): 0 for device in self.used}
        order = list(self.used)
        gc.collect()
        gc.freeze()
        gc.disable()
        for k in range(n):
            self._random.shuffle(order)
            for device in order:
                time.sleep(0.0003 + self._random.random() * 0.0007)
                latency = self._targets[device].change(float((k + 1) % 2))
                if latency is None:
                    taken["lost", device] += 1
                else:
                    taken[device].append(latency)
        gc.enable()
        return taken

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Target:
    """A source PV to put to and an output to wait for."""

    def __init__(self, source: str, output: str, protocol: str, library: bool) -> None:
        from benchmarks import caclient, pvaclient, userclient

        user = userclient.Epics if protocol == "ca" else userclient.P4p
        self._put = (user if library else caclient.Channel)(source).put
        self._wanted: float | None = None
        self._arrived = 0
        self._done = threading.Lock()
        self._done.acquire()
        raw: Any = (caclient if protocol == "ca" else pvaclient).Channel
        channel = (user if library else raw)(output)
        channel.monitor(self._event)
        self._channel = channel

    def _event(self, value: float, now: int, *_: int) -> None:
        if value == self._wanted:
            self._wanted = None
            self._arrived = now
            self._done.release()

    def change(self, value: float, timeout: float = 1.0) -> float | None:
        """Put `value`; µs until the output says the same, None when it never does."""
        self._wanted = value
        start = time.perf_counter_ns()
        self._put(value)
        if not self._done.acquire(timeout=timeout):
            self._wanted = None
            self._done.acquire(blocking=False)
            return None
        return (self._arrived - start) / 1000

    def settle(self, timeout: float = 30.0) -> None:
        """Change the source until the output follows."""
        end = time.monotonic() + timeout
        followed, value = 0, 0.0
        while followed < 4 or value:
            if time.monotonic() > end:
                raise TimeoutError(f"{self._channel.name} does not follow its source")
            value = 1.0 - value
            followed = followed + 1 if self.change(value, 0.5) else 0


if __name__ == "__main__":
    chapter(run)
