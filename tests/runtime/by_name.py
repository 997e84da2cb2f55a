"""A plugin that reads and writes PVs by name.

Its `work` returns plain data, which goes to the log and from there to the test.
"""

from __future__ import annotations

import json
from typing import Any

from runtime.field import Field
from runtime.source import wait_until
from support.spawn import Spawned

SPEC = """
prefixes: {src: "@", away: "@AWAY:"}
inputs:
  level: {type: float, value: 1.5, tags: [input, slow]}
  mode: {type: enum, states: ['Off', Auto], value: Auto, tags: [input]}
  source: {type: float, link: "ca://{src}F", tags: [input]}
  lost: {type: float, link: "ca://{away}F"}
outputs:
  own: {type: float, tags: [result]}
  alarm: {type: bool, link: "ca://@B"}
ruleDefaults: {alarm: 0}
rules: [{id: high, condition: level > 10, outputs: {alarm: 1}}]
"""
HEAD = """
import enum, json, sys, time
from ioc_runtime import *

def plain(results):
    if isinstance(results, (PvReading, PvWrite)):
        results = [results]
    return [[r.name, r.value, r.error] for r in results]

class Guard(TaskBase):
    def execute(self):
        if getattr(self, "over", False):
            return
        self.over = True
        began = time.monotonic()
        try:
            found = self.work()
        except TaskError as error:
            found = f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        self.logger.info("FOUND %s", json.dumps([found, took]))
"""


def work(field: Field, body: str, spec: str = SPEC, **options: Any) -> tuple[Any, float, Spawned]:
    """What `work` returned, the seconds it took, and the task."""
    lines = "".join(f"        {line}\n" for line in body.strip("\n").splitlines())
    code = f"{HEAD}    def work(self):\n{lines}"
    periodic = "mode: periodic\nperiod: 0.1\n" + spec
    task = field.start(periodic, "--no-search", code=code, **options)
    found, took = result(task)
    return found, took, task


def result(task: Spawned) -> tuple[Any, float]:
    def said() -> list[str]:
        texts = [line["text"] for line in task.said("log")]
        return [text for text in texts if text.startswith("FOUND ")]

    wait_until(said, 20)
    found, took = json.loads(said()[0].removeprefix("FOUND "))
    return found, took
