"""A job under test: started with its code, watched by clients, waited for."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from p4p.util import ThreadedWorkQueue

from ioc_runtime.standard import JOB_STATES
from runtime.field import Field
from runtime.source import wait_until
from support.spawn import Spawned

GATE = "inputs: {go: {type: int, value: 0}}\noutputs: {own: {type: float, unit: A}}\n"
"""The spec of a job that waits for a client: `gate(self)` in its code."""
HEAD = """\
import asyncio, logging, threading, time
from ioc_runtime import JobBase, JobResult, PutFailed, Stopped

def gate(job):
    while not job.inputs.go.value:
        job.sleep(0.01)

"""
LINES = HEAD.count("\n")
"""Of the code before a test's own."""


def start(field: Field, code: str, spec: str = GATE, *options: str, **more: Any) -> Spawned:
    """Start a job that serves; its code is below HEAD, in guard.py."""
    whole = HEAD + textwrap.dedent(code).strip("\n") + "\n"
    return field.start(spec, "--no-search", *options, code=whole, kind="IocJob", **more)


def outcome(job: Spawned, timeout: float = 20.0) -> dict[str, Any]:
    """What it says of its end, once it has ended; the exit code is that of the process."""
    code = job.wait(timeout)
    (result,) = job.said("result")
    (stopped,) = job.said("stopped")
    assert result["exit"] == stopped["exit"] == code
    return result


def states(job: Spawned) -> list[str]:
    """The states it has said."""
    return [said["state"] for said in job.said("state")]


def in_state(field: Field, state: str) -> None:
    """Wait until STATE is this one."""
    wait_until(lambda: JOB_STATES[field.value("STATE")] == state)


class Watch:
    """All values that a client of each protocol was told of some PVs."""

    def __init__(self, field: Field, *names: str) -> None:
        self.ca: dict[str, list[Any]] = {name: [] for name in names}
        self.pva: dict[str, list[Any]] = {name: [] for name in names}
        self.severities: list[int] = []
        """Of the last of the names, over CA."""
        self._queue = ThreadedWorkQueue(name="watch", workers=1, maxsize=1000).start()
        context = field.pva().context
        self._ends = [
            field.ca.watch(name, partial(self._over_ca, name, name == names[-1])) for name in names
        ]
        self._subscriptions = [
            context.monitor(field.prefix + name, self._over_pva(name), queue=self._queue)
            for name in names
        ]
        wait_until(lambda: all([*self.ca.values(), *self.pva.values()]))

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        for end in self._ends:
            end()
        self._queue.stop()

    def until(self, name: str, value: Any, timeout: float = 5.0) -> None:
        """Both clients have seen it last."""
        deadline = time.monotonic() + timeout
        while not (self.ca[name][-1] == self.pva[name][-1] == value):
            seen = (self.ca[name][-3:], self.pva[name][-3:])
            assert time.monotonic() < deadline, f"{name}: {seen}, not {value}"
            time.sleep(0.005)

    def _over_ca(self, name: str, last: bool, value: Any, severity: int, **_: Any) -> None:
        self.ca[name].append(value)
        if last:
            self.severities.append(severity)

    def _over_pva(self, name: str) -> Callable[[Any], None]:
        def heard(update: Any) -> None:
            if not isinstance(update, Exception):
                value = update["value"]
                self.pva[name].append(value["index"] if hasattr(value, "getID") else value)

        return heard
