"""Memory: what a serving process keeps resident after a minute of work.

Method. The simulated vacuum station of the demonstration runs beside the device; the
device runs the demonstration's task (buffers, transforms, rules, a latch, a plugin)
for 60 s. Then VmRSS is read from /proc, and PSS, which shares what several processes
map. "CA" and "PVA" have all links of the task rewritten to that one scheme; "both" is
the task as it stands. Every device runs without the right to lock memory, as in a
pod: with it, an IOC started by root keeps four times as much.

Peers follow the pressure and set an alarm: a C IOC (Python included, which only
starts it), bare softioc with `epics.PV`, and iocmng. All run at the same time.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks import devices
from benchmarks.devices import Load
from benchmarks.figures import Row, chapter, failed
from benchmarks.processes import (
    ROOT,
    Ports,
    Process,
    client_environment,
    python,
    server_environment,
)

MANIFEST = ROOT / "ioc_runtime" / "cli" / "demo" / "vacuum-guard.yaml"
GOALS = {"CA": 48.0, "PVA": 48.0, "both": 52.0}
MIB = 1024.0


def run(quick: bool) -> list[Row]:
    """All devices at once."""
    seconds = 10.0 if quick else 60.0
    tag = f"M{random.SystemRandom().randrange(10**6)}:"
    case = f"resident memory after {seconds:.0f} s"
    running: dict[str, Process] = {}
    broken: list[Row] = []
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        station = Ports()
        stack.enter_context(_station(tag, work, station))
        for name in [name for name in devices.available() if name != "ours"]:
            load = Load(f"{tag}{name[0]}:", f"{tag}GAUGE1:P", "ca")
            running[name] = devices.DEVICES[name](load, _place(work, name), [station], Ports())
            stack.enter_context(running[name])
        for scheme in GOALS:
            device = f"ours, {scheme}"
            try:
                plan = _plan(tag, scheme)
                running[device] = devices.run_plan(plan, _place(work, device), [station], Ports())
                stack.enter_context(running[device])
            except (RuntimeError, ValueError) as error:
                broken.append(failed(case, "ours", error))
        time.sleep(seconds)
        sizes = {name: _size(process.pid) for name, process in running.items()}
    bare = sizes["softioc"][0]
    return [_row(case, name, size, bare) for name, size in sizes.items()] + broken


def _row(case: str, name: str, size: tuple[float, float], bare: float) -> Row:
    rss, pss = size
    limit = GOALS.get(name.removeprefix("ours, "))
    return Row(
        case,
        name,
        f"RSS {rss:.1f} MiB, PSS {pss:.1f} MiB",
        f"{rss / bare:.2f} × softioc" if name != "softioc" else "",
        f"≤ {limit:g} MiB" if limit else "",
        rss <= limit if limit else None,
        {"rss_mib": rss, "pss_mib": pss},
    )


def _place(work: Path, name: str) -> Path:
    place = work / re.sub(r"\W", "-", name)
    place.mkdir()
    return place


def _station(tag: str, work: Path, ports: Ports) -> Process:
    process = Process(
        python("ioc_runtime.cli.demo.station", tag),
        server_environment(ports) | client_environment([ports]),
        log=work / "station.log",
    )
    os.environ.update(client_environment([ports]))
    from benchmarks import caclient

    caclient.Channel(f"{tag}GAUGE1:P", 20)
    return process


def _plan(tag: str, scheme: str) -> str:
    from ioc_runtime.compile import compile_text
    from ioc_runtime.plan import to_json

    text = MANIFEST.read_text().replace("DEMO:GUARD:", f"{tag}{scheme}:").replace("DEMO:", tag)
    if scheme != "both":
        text = re.sub(r"\b(ca|pva)://", f"{scheme.lower()}://", text)
    (compiled,) = compile_text(text)
    return to_json(compiled.plan)


def _size(pid: int) -> tuple[float, float]:
    """VmRSS and PSS in MiB."""

    def read(file: str, key: str) -> float:
        text = Path(f"/proc/{pid}/{file}").read_text()
        found = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) / MIB if found else float("nan")

    return read("status", "VmRSS"), read("smaps_rollup", "Pss")


if __name__ == "__main__":
    chapter(run)
