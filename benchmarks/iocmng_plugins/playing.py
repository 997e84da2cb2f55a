"""One plugin on one system: started, played with, measured. In a process of its own."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import devices, peer
from benchmarks.iocmng_plugins.scripts import FIELD, Script
from benchmarks.processes import (
    ROOT,
    Ports,
    Process,
    client_environment,
    python,
    server_environment,
)

PLUGINS = ROOT / "tests" / "data" / "iocmng"
PATIENCE = 30.0
REACTIONS = 60


@dataclass
class Played:
    """What one system did."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By label and PV."""
    reactions: list[float] = field(default_factory=list)
    """Seconds from a put in the field to the output at a client."""
    cycles: float | None = None
    """Cycles a second."""
    fastest: float | None = None
    """Cycles a second when they are asked for every millisecond."""

    def summary(self) -> dict[str, Any]:
        """As plain data."""
        plain = asdict(self)
        del plain["reactions"]
        if self.reactions:
            plain["median"] = statistics.median(self.reactions)
            plain["p99"] = sorted(self.reactions)[int(0.99 * (len(self.reactions) - 1))]
        return plain


class Player:
    """Plays one script on one system over one protocol."""

    def __init__(self, script: Script, system: str, protocol: str, work: Path) -> None:
        self.script, self.system, self.protocol, self.work = script, system, protocol, work
        self.ports, self.field_ports = Ports(), Ports()
        self.prefix = f"P{random.SystemRandom().randrange(10**6)}:T:"
        self.played = Played()
        self._followed: dict[str, Any] = {}
        self.fast = False
        os.environ.update(client_environment([self.field_ports, self.ports]))

    def play(self, *, timed: bool = True) -> Played:
        """All of it."""
        with self._running():
            if self.script.ends_at is not None:
                self._follow_to_the_end()
            self._steps()
            if timed:
                self._measure()
        if timed and self.script.period is not None:
            self.fast = True
            with self._running():
                self.played.fastest = self._rate()
        return self.played

    @contextmanager
    def _running(self) -> Iterator[None]:
        """The field, and the system when it runs."""
        kinds = {"VALVE": "bo", "MOVING": "longout"}
        records = [
            devices.record(kinds.get(name, "ao"), f"FIELD:{name}", VAL=f"{value:g}", PINI="YES")
            for name, value in FIELD.items()
        ]
        with devices.c_ioc("\n".join(records), self.work, [self.field_ports], self.field_ports):
            with self._system():
                self._wait_for(self.script.ready, self.script.runs_at)
                yield

    def _system(self) -> Process:
        environment = server_environment(self.ports) | client_environment([self.field_ports])
        directory = PLUGINS / self.script.plugin
        if self.system == "iocmng":
            fast = ("-p", "interval=0.001") if self.fast else ()
            command = peer.run_command(self.prefix, self.protocol, "-m", self.script.module, *fast)
            log = self.work / "iocmng.log"
            environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
            return Process(command, environment, directory=directory, log=log)
        flags = ["--prefix", self.prefix, "--set", f"protocol={self.protocol}"]
        flags += ["--ca-port", str(self.ports.ca), "--pva-port", str(self.ports.pva)]
        flags += ["--state", str(self.work), *["--set", "period=0.001"] * self.fast]
        command = python("ioc_runtime.cli", "run", str(directory), *flags)
        return Process(command, environment, log=self.work / "ours.log")

    # what a client sees

    def full(self, name: str) -> str:
        """A PV of the field, or of the plugin."""
        return name if name.startswith("FIELD:") else self.prefix + name

    def value(self, name: str) -> Any:
        """What a PV says, rounded; None when nobody answers."""
        import epics

        if name in self._followed:
            value = self._followed[name].value
        else:
            value = epics.caget(self.full(name), timeout=2.0, as_string=False)
        if isinstance(value, float):
            return float(f"{value:.6g}")
        if value is None or isinstance(value, str | int):
            return value
        items = list(value)
        return items if items else ""  # a text that is empty comes as an empty array

    def _wait_for(self, name: str, wanted: float) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.value(name) == wanted:
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.system}: {name} did not become {wanted:g}")

    def _follow_to_the_end(self) -> None:
        """Follow the PVs of a job that runs until it is done; they may go with it."""
        import epics

        followed = {
            name: epics.PV(self.full(name), auto_monitor=True) for name in self.script.looks
        }
        if not all(pv.wait_for_connection(5) for pv in followed.values()):
            raise RuntimeError(f"{self.system}: the job ended too soon")
        self._followed = followed
        self._wait_for(self.script.ready, self.script.ends_at or 0.0)
        time.sleep(0.1)

    def _put(self, name: str, value: float) -> None:
        import epics

        if not epics.caput(self.full(name), value, wait=False, timeout=3.0):
            raise RuntimeError(f"{self.system}: no put to {name}")

    def _steps(self) -> None:
        for step in self.script.steps:
            if step.kind == "wait":
                time.sleep(step.value)
            elif step.kind == "look":
                self.played.answers[step.name] = {n: self.value(n) for n in self.script.looks}
            else:
                self._put(f"FIELD:{step.name}" if step.kind == "field" else step.name, step.value)

    # how fast

    def _measure(self) -> None:
        if self.script.period is not None:
            self.played.cycles = self._rate()
        if self.script.reaction is None:
            return
        from benchmarks import caclient

        source, low, high, output = self.script.reaction
        field_pv = caclient.Channel(f"FIELD:{source}")
        seen: list[tuple[float, float]] = []
        out = caclient.Channel(self.full(output))
        out.monitor(lambda value, at, *_: seen.append((value, at)))
        if not field_pv.connected.wait(5):
            raise RuntimeError("no connection to the field")
        field_pv.put(low)
        time.sleep(1.0)
        for n in range(REACTIONS):
            wanted, value = (0.0, low) if n % 2 else (1.0, high)
            seen.clear()
            began = time.perf_counter_ns()
            field_pv.put(value)
            self._until(seen, wanted)
            arrived = next((at for found, at in seen if found == wanted), None)
            if arrived is not None:
                self.played.reactions.append((arrived - began) / 1e9)
            time.sleep(0.02 + random.random() * (self.script.period or 0.05))

    def _rate(self) -> float:
        """Cycles a second."""
        time.sleep(1.0)
        began, before = time.monotonic(), self.value(self.script.counter)
        time.sleep(4.0)
        now = self.value(self.script.counter)
        return float((now - before) / (time.monotonic() - began))

    def _until(self, seen: list[tuple[float, float]], wanted: float) -> None:
        end = time.monotonic() + 3.0
        while time.monotonic() < end and not any(found == wanted for found, _ in seen):
            time.sleep(0.0005)
