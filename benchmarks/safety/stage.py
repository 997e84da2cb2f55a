"""What a story plays on: a field IOC, the system under test, and a client.

The field IOC is a C IOC with a gauge (TEMP), two switches (X, Y) and an actuator
(ACT). The system's links use the protocol of the stage, and so does the client
that watches; puts are CA puts.
"""

from __future__ import annotations

import os
import random
import signal
import textwrap
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

from benchmarks import devices, peer
from benchmarks.processes import Ports, Process, client_environment, server_environment

RUN, PAUSED = 1, 2
"""Values of STATUS, the same in both systems."""


@dataclass(frozen=True)
class Event:
    """What the client saw of one PV, once."""

    at: float
    """time.monotonic()"""
    value: float
    severity: int
    status: int
    stamp: int
    """Nanoseconds since 1970, by the record."""


class Watch:
    """All events of one PV since a moment."""

    def __init__(self, channel: Any) -> None:
        self.events: list[Event] = []
        self._channel = channel
        channel.monitor(self._arrived)
        if self.until(lambda _: True, 5) is None:
            raise RuntimeError(f"{channel.name} is connected but tells nothing")

    def _arrived(self, value: float, _: int, severity: int, status: int, stamp: int) -> None:
        self.events.append(Event(time.monotonic(), value, severity, status, stamp))

    def forget(self) -> None:
        """Keep only the newest event."""
        del self.events[:-1]

    @property
    def now(self) -> Event:
        """The newest event."""
        return self.events[-1]

    def until(self, wanted: Callable[[Event], bool], within: float) -> float | None:
        """Seconds until the newest event is as wanted; None when it does not become so."""
        start = time.monotonic()
        while (passed := time.monotonic() - start) < within:
            if self.events and wanted(self.events[-1]):
                return passed
            time.sleep(0.01)
        return None

    def reaches(self, value: float, within: float) -> bool:
        """Whether the value becomes this within so many seconds."""
        return self.until(lambda event: event.value == value, within) is not None

    def changes(self) -> int:
        """How often the value changed among the events kept."""
        values = [event.value for event in self.events]
        return sum(a != b for a, b in zip(values, values[1:], strict=False))


class Refused(Exception):
    """The system does not take this task, and says why."""


class Stage:
    """One story's field IOC, system and client; everything ends with it.

    :param system: ours or iocmng
    :param protocol: ca or pva
    :param brief: stories that count something count less
    """

    def __init__(self, system: str, protocol: str, work: Path, brief: bool = False) -> None:
        self.system = system
        self.protocol = protocol
        self.brief = brief
        self._work = work
        self._stack = ExitStack()
        self._ports, self._field_ports = Ports(), Ports()
        tag = f"S{random.SystemRandom().randrange(10**6)}"
        self.prefix = f"{tag}:T:"
        self._field_prefix = f"{tag}:F:"
        self._field: Process | None = None
        self._process: Process | None = None
        self._channels: dict[str, Any] = {}
        os.environ.update(client_environment([self._field_ports, self._ports]))

    # The field

    def field(self, temp: float = 20.0) -> None:
        """Start the field IOC with the gauge at this reading."""
        database = [
            devices.record("ao", f"{self._field_prefix}{name}", VAL=str(value), PINI="YES")
            for name, value in (("TEMP", temp), ("X", 0), ("Y", 0), ("ACT", 0))
        ]
        self._field = devices.c_ioc(
            "\n".join(database), self._work, [self._field_ports], self._field_ports
        )
        self._stack.enter_context(self._field)

    def field_dies(self) -> None:
        """Kill the field IOC, as kill -9 does."""
        if self._field:
            self._field.stop(signal.SIGKILL)

    def gauge(self, value: float, name: str = "TEMP") -> None:
        """The gauge (or a switch) reads this from now on."""
        self._channel(self._field_prefix + name).put(value)

    def gauge_severity(self, severity: str) -> None:
        """Every further reading of the gauge above -1000 has this severity."""
        self._channel(self._field_prefix + "TEMP.HIGH").put(-1000.0)
        self._channel(self._field_prefix + "TEMP.HSV").put_text(severity)

    # The system

    def start(self, task: Task) -> None:
        """Start the system with this task and wait until it serves and has settled.

        :raises Refused: when it says that the task is wrong.
        """
        names = {name: f"{self._field_prefix}{name}" for name in ("TEMP", "X", "Y", "ACT")} | {
            "link": f"{self.protocol}://{self._field_prefix}"
        }
        text = Template(textwrap.dedent(task.ours if self.system == "ours" else task.iocmng))
        self._launch(text.substitute(names))
        if not self.watch("STATUS").reaches(RUN, 25):
            raise RuntimeError("the system did not come up")
        time.sleep(1.0)

    def restart(self) -> None:
        """End the system politely and start it again, with what it has kept."""
        if self._process:
            self._process.stop()
        self._channels = {name: c for name, c in self._channels.items() if self.prefix not in name}
        self._stack.enter_context(self._again())
        if not self.watch("STATUS").reaches(RUN, 25):
            raise RuntimeError("the system did not come up again")
        time.sleep(1.0)

    def _launch(self, text: str) -> None:
        if self.system == "ours":
            plan = self._plan(text)

            def again() -> Process:
                return devices.run_plan(plan, self._work, [self._field_ports], self._ports)
        else:
            (self._work / "config.yaml").write_text(text)

            def again() -> Process:
                return Process(
                    peer.run_command(self.prefix, self.protocol),
                    server_environment(self._ports) | client_environment([self._field_ports]),
                    directory=self._work,
                    log=self._work / "iocmng.log",
                )

        self._start = again
        self._stack.enter_context(self._again())

    def _again(self) -> Process:
        self._process = self._start()
        return self._process

    def _plan(self, spec: str) -> str:
        from ioc_runtime.compile import ManifestError, compile_text
        from ioc_runtime.plan import to_json

        manifest = (
            "apiVersion: ioc-operator.dev/v1alpha1\nkind: IocTask\nmetadata: {name: story}\nspec:\n"
            + textwrap.indent(spec, "  ")
        )
        try:
            (compiled,) = compile_text(manifest, overrides={"prefix": self.prefix})
        except ManifestError as error:
            raise Refused("; ".join(str(problem) for problem in error.problems)) from None
        return to_json(replace(compiled.plan, prefix=self.prefix))

    # The client

    def watch(self, name: str) -> Watch:
        """Follow a PV of the task from now on, over the stage's protocol."""
        return self._watch(self.prefix + name, self.protocol)

    def watch_ca(self, name: str) -> Watch:
        """The same over CA, which alone tells the EPICS alarm status as a number."""
        return self._watch(self.prefix + name, "ca")

    def watch_field(self, name: str) -> Watch:
        """Follow a PV of the field IOC."""
        return self._watch(self._field_prefix + name, self.protocol)

    def put(self, name: str, value: float) -> None:
        """An operator's put to a PV of the task."""
        self._channel(self.prefix + name).put(value)

    def _watch(self, full: str, protocol: str) -> Watch:
        from benchmarks import caclient, pvaclient

        return Watch(caclient.Channel(full, 25) if protocol == "ca" else pvaclient.Channel(full))

    def _channel(self, full: str) -> Any:
        from benchmarks import caclient

        if full not in self._channels:
            self._channels[full] = caclient.Channel(full)
        return self._channels[full]

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@dataclass(frozen=True)
class Task:
    """One task, in the words of each system. $link, $TEMP, $X, $Y, $ACT are filled in."""

    ours: str
    """What stands below `spec:` of an IocTask."""
    iocmng: str
    """A config.yaml."""
