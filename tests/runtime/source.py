"""A source IOC in a process of its own, and links that follow it in the test's process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ioc_runtime.epics.links import Links
from ioc_runtime.plan import Input, Link, Output, Plan
from support.epics_env import EpicsEnv
from support.spawn import Spawn

HERE = Path(__file__).parent


class Source:
    """The IOC of ioc_source.py; commands are answered before they return."""

    def __init__(self, spawn: Spawn, env: EpicsEnv, directory: Path, place: int = 1) -> None:
        self.prefix = env.prefix
        self._spawn, self._environ = spawn, env.server(place)
        self._fifo = directory / f"commands-{place}"

    def start(
        self, variant: str = "float", many: int = 0, environ: dict[str, str] | None = None
    ) -> Source:
        self._fifo.unlink(missing_ok=True)
        os.mkfifo(self._fifo)
        arguments = (HERE / "ioc_source.py", self.prefix, self._fifo, variant, many)
        self.process = self._spawn(
            "-W", "ignore", *map(str, arguments), env=self._environ | (environ or {}), until="up"
        )
        self._answers = 0
        return self

    def do(self, what: str, **arguments: Any) -> Any:
        with self._fifo.open("w") as commands:
            commands.write(json.dumps({"do": what, **arguments}) + "\n")
        self._answers += 1
        wait_until(lambda: len(self.process.said("done")) >= self._answers, 20)
        return self.process.said("done")[-1]["answer"]

    def set(self, name: str, value: Any) -> None:
        self.do("set", name=name, value=value)

    def get(self, name: str) -> Any:
        return self.do("get", name=name)

    def kill(self) -> None:
        self.process.kill()


class Heard:
    """A sink that keeps all it is told."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, Any, int, int, int]] = []
        self.arrivals: list[float] = []
        self.events: list[tuple[Any, ...]] = []

    def sample(self, i: int, value: Any, severity: int, status: int, ns: int) -> None:
        self.arrivals.append(time.monotonic())
        self.samples.append((i, value, severity, status, ns))

    def alive(self, i: int) -> None:
        self.events.append(("alive", i))

    def disconnected(self, i: int) -> None:
        self.events.append(("disconnected", i))

    def output_connected(self, o: int, up: bool) -> None:
        self.events.append(("output", o, up))

    def written(self, o: int, error: str | None) -> None:
        self.events.append(("written", o, error))

    # --- what tests ask

    def last(self, i: int) -> tuple[Any, int, int, int] | None:
        """value, severity, status, ns of the newest sample of input i."""
        return next((sample[1:] for sample in reversed(self.samples) if sample[0] == i), None)

    def value(self, i: int) -> Any:
        last = self.last(i)
        return None if last is None else last[0]

    def severity(self, i: int) -> int | None:
        last = self.last(i)
        return None if last is None else last[1]

    def values(self, i: int) -> list[Any]:
        return [sample[1] for sample in self.samples if sample[0] == i]

    def results(self, o: int) -> list[str | None]:
        """What `written` said of output o."""
        return [event[2] for event in self.events if event[:2] == ("written", o)]


@contextmanager
def followed(*signals: Input | Output, heard: Heard | None = None) -> Iterator[tuple[Links, Heard]]:
    """Links of a plan with these inputs and outputs, open until the block ends."""
    inputs = tuple(signal for signal in signals if isinstance(signal, Input))
    outputs = tuple(signal for signal in signals if isinstance(signal, Output))
    heard = heard or Heard()
    links = Links(Plan("test", "", "TEST:", inputs=inputs, outputs=outputs), heard)
    links.open()
    try:
        yield links, heard
    finally:
        began = time.monotonic()
        links.close()
        took = time.monotonic() - began
    told = len(heard.samples), len(heard.events)
    time.sleep(0.05)
    assert took < 1
    assert told == (len(heard.samples), len(heard.events)), "the sink was called after close"


def linked(scheme: str, name: str, poll: float | None = None) -> Link:
    return Link("ca" if scheme == "ca" else "pva", name, poll)


def wait_until(true: Callable[[], Any], timeout: float = 10.0) -> None:
    """Wait for a condition; the test fails when it stays false."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not true within {timeout} s"
        time.sleep(0.005)
