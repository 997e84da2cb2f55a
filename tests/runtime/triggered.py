"""Plugins in mode triggered, and clients that trigger them."""

from __future__ import annotations

import time
from typing import Any

from runtime.field import Field
from runtime.source import wait_until

UNDEFINED = 17
SUCCESS, LOGIC_FAILURE, IO_FAILURE, EXCEPTION, SKIPPED, STALLED = range(6)

DOUBLER = """
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def triggered(self):
        self.set_output("twice", 2 * self.inputs.level.value)
"""
LEVEL = """
mode: triggered
inputs: {level: {type: int, value: 1}}
outputs: {twice: {type: int}}
"""

SLOW = """
import time
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def triggered(self):
        time.sleep(self.inputs.seconds.value)
        self.set_output("done", self.cycle_count + 1)
"""
SECONDS = """
mode: triggered
inputs: {seconds: {type: float, value: 0.5}}
outputs: {done: {type: int}}
"""

ANSWERS = """
from ioc_runtime import JobResult, PutFailed, Skip, TaskBase
class Guard(TaskBase):
    def triggered(self):
        how = self.inputs.how.value
        if how == "true":
            return True
        if how == "result":
            return JobResult(True, {"x": 1})
        if how == "false":
            return False
        if how == "why":
            return JobResult(False, message="no beam")
        if how == "number":
            return 2
        if how == "skip":
            raise Skip("beam is off")
        if how == "io":
            raise PutFailed("valve: ca://SOME:VALVE did not take 1")
        if how == "raise":
            raise RuntimeError("broken inside")
        if how == "owner":
            self.set_output("ruled", 1)
        if how == "require":
            self.inputs.far.require()
"""
HOW = """
mode: triggered
inputs:
  how: {type: string, value: none}
  far: {type: float, link: "ca://@NOWHERE"}
outputs: {ruled: {type: int}}
ruleDefaults: {ruled: 0}
rules: [{id: r, condition: "how == 'ruled'", outputs: {ruled: 1}}]
"""


class Waited:
    """A put with a callback, in libca's thread."""

    def __init__(self, field: Field, name: str = "TRIGGER") -> None:
        self.ended: float | None = None
        self.began = time.monotonic()
        field.ca.pv(name).put(1, wait=False, callback=self._done)

    def _done(self, **_: Any) -> None:
        self.ended = time.monotonic()

    def seconds(self, timeout: float = 10.0) -> float:
        wait_until(lambda: self.ended is not None, timeout)
        assert self.ended is not None
        return self.ended - self.began


class P4p:
    """Puts on TRIGGER over PVA, plain or waited for."""

    def __init__(self, field: Field) -> None:
        self.client = field.pva()
        self.name = field.prefix + "TRIGGER"

    def put(self, wait: bool) -> None:
        self.client.context.put(self.name, {"value.index": 1}, timeout=10, wait=wait or None)
