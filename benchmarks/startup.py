"""Start-up: from the start of the process to the first PV that answers a client.

Method. Each device serves a task with 100 inputs that follow 100 PVs of a source IOC
which is up. The client holds no EPICS library: it tries to open the device's CA port
every 2 ms, and as soon as that works sends the bytes of "create channel, read" for
the mirror of the first input and waits for the value. The time runs from fork to the
arrival of that value. `iocctl` and the compiler do not take part: as in a pod, the
plan is there. Devices take turns; the figure is the median of the repeats.

The C IOC has the same 100 records with CP links, started by a small Python (its
libraries come as a Python package); bare softioc has 100 records and 100 `epics.PV`.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from benchmarks import devices, peer
from benchmarks.figures import Row, chapter, median
from benchmarks.processes import (
    LOOPBACK,
    Ports,
    Process,
    client_environment,
    python,
    server_environment,
)

INPUTS = 100
GOAL = 0.9
LONGEST = 60.0

Launch = Callable[[str, list[str], Path, Ports, Ports], Process]
"""Prefix, source PVs, directory, ports of the source, own ports -> process, just started."""


def run(quick: bool) -> list[Row]:
    """Every device, several times in turn."""
    repeats = 2 if quick else 7
    launches = {name: LAUNCH[name] for name in devices.available()}
    taken: dict[str, list[float]] = {name: [] for name in launches}
    tag = f"U{random.SystemRandom().randrange(10**6)}"
    names = [f"{tag}:SRC:{k}" for k in range(INPUTS)]
    source = Ports()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = [devices.record("ao", name, VAL="0", PINI="YES") for name in names]
        stack.enter_context(devices.c_ioc("\n".join(database), work, [source], source))
        for k in range(repeats):
            for name, launch in launches.items():
                place = work / f"{k}-{name.replace(' ', '-')}"
                place.mkdir()
                ports = Ports()
                prefix = f"{tag}:{k}{name[0]}:"
                with launch(prefix, names, place, source, ports) as process:
                    answered = _first_answer(f"{prefix}x", ports.ca, process)
                if answered is not None:
                    taken[name].append(answered)
    return [_row(name, seconds, taken) for name, seconds in taken.items()]


def _row(name: str, seconds: list[float], taken: dict[str, list[float]]) -> Row:
    case = f"process start → first PV answers, {INPUTS} inputs"
    if not seconds:
        return Row(case, name, "never answered", reached=False if name == "ours" else None)
    value, bare = median(seconds), median(taken["softioc"])
    goal = f"≤ {GOAL} s" if name == "ours" else ""
    return Row(
        case,
        name,
        f"{value:.2f} s ({min(seconds):.2f} to {max(seconds):.2f})",
        f"{value / bare:.2f} × softioc" if name != "softioc" else "",
        goal,
        value <= GOAL if name == "ours" else None,
        {"seconds": value, "ratio": value / bare},
    )


def _first_answer(pv: str, port: int, process: Process) -> float | None:
    """Seconds from the start of the process to the value; None when none comes."""
    while time.monotonic() - process.started < LONGEST and process.running:
        with suppress(OSError):
            if _answers(pv, port):
                return time.monotonic() - process.started
        time.sleep(0.002)
    return None


def _answers(pv: str, port: int) -> bool:
    """One conversation in the CA protocol: version, create channel, read, value."""
    with socket.create_connection((LOOPBACK, port), timeout=0.5) as circuit:
        circuit.settimeout(1.0)
        name = pv.encode() + b"\0"
        name += b"\0" * (-len(name) % 8)
        circuit.sendall(
            _message(0, 0, 0, 13)
            + _message(20, 8, payload=b"bench\0\0\0")
            + _message(21, 8, payload=b"bench\0\0\0")
            + _message(18, len(name), p1=1, p2=13, payload=name)
        )
        stream = circuit.makefile("rb")
        sid = None
        while (header := stream.read(16)) and len(header) == 16:
            command, size, kind, _, first, second = struct.unpack(">HHHHII", header)
            stream.read(size)
            if command == 26:  # no such channel (yet)
                return False
            if command == 18 and sid is None:
                sid = second
                circuit.sendall(_message(15, 0, 6, 1, sid, 7))
            if command == 15:
                return size >= 8 and kind == 6
    return False


def _message(
    command: int, size: int, kind: int = 0, count: int = 0, p1: int = 0, p2: int = 0,
    payload: bytes = b"",
) -> bytes:  # fmt: skip
    return struct.pack(">HHHHII", command, size, kind, count, p1, p2) + payload


def _c_record(prefix: str, names: list[str], work: Path, source: Ports, ports: Ports) -> Process:
    lines = [
        devices.record("calc", f"{prefix}x{k or ''}", INPA=devices.cp(name, "ca"), CALC="A")
        for k, name in enumerate(names)
    ]
    (work / "c.db").write_text("\n".join(lines) + "\n")
    return _launch(python("benchmarks.c_ioc", str(work / "c.db")), work, source, ports)


def _softioc(prefix: str, names: list[str], work: Path, source: Ports, ports: Ports) -> Process:
    task: dict[str, Any] = {
        "prefix": prefix.rstrip(":"),
        "protocol": "ca",
        "inputs": {f"x{k or ''}": name for k, name in enumerate(names)},
        "double": False,
        "burn": False,
    }
    return _launch(python("benchmarks.bare_softioc", json.dumps(task)), work, source, ports)


def _iocmng(prefix: str, names: list[str], work: Path, source: Ports, ports: Ports) -> Process:
    import yaml

    inputs = {
        f"x{k or ''}": {"type": "float", "link": name, "link_mode": "monitor"}
        for k, name in enumerate(names)
    }
    config = {
        "parameters": {"mode": "reactive"},
        "arguments": {"inputs": inputs, "outputs": {"y": {"type": "float"}}},
        "rules": [{"id": "x", "condition": "x > 0.5", "outputs": {"y": 1.0}}],
        "rule_defaults": {"y": 0.0},
    }
    (work / "config.yaml").write_text(yaml.safe_dump(config))
    return _launch(peer.run_command(prefix, "ca"), work, source, ports)


def _ours(prefix: str, names: list[str], work: Path, source: Ports, ports: Ports) -> Process:
    from ioc_runtime import plan as p

    plan = p.Plan(
        name="startup",
        namespace="",
        prefix=prefix,
        inputs=tuple(
            p.Input(name=f"x{k or ''}", type="float", link=p.Link("ca", name))
            for k, name in enumerate(names)
        ),
        outputs=(p.Output(name="y", type="float", owner="rules", default=0.0),),
        rules=(p.Rule("x", "x > 0.5", {"y": 1.0}),),
    )
    return devices.launch_plan(p.to_json(plan), work, [source], ports)


def _launch(command: list[str], work: Path, source: Ports, ports: Ports) -> Process:
    return Process(
        command,
        server_environment(ports) | client_environment([source]),
        directory=work,
        log=work / "log",
    )


LAUNCH: dict[str, Launch] = {
    "C record": _c_record,
    "softioc": _softioc,
    "iocmng": _iocmng,
    "ours": _ours,
}


if __name__ == "__main__":
    chapter(run)
