"""What the operator asks of a running task by a file: once, and of no later process."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from runtime.field import Field
from runtime.source import wait_until
from runtime.volume import Volume
from support.spawn import Spawn, Spawned

SPEC = """
inputs: {level: {type: float, value: 3}}
outputs: {held: {type: bool, states: [OK, HIGH], latch: rise}}
ruleDefaults: {held: OK}
rules: [{id: high, condition: "level > 10", outputs: {held: HIGH}}]
"""


def asked(when: Any) -> str:
    return json.dumps({"resetAt": when})


class Guard:
    """A task with a latch, and the volume that it looks at."""

    def __init__(self, spawn: Spawn, field: Field) -> None:
        self.spawn, self.field = spawn, field
        self.volume = Volume(field.directory / "volume")
        self.plan = field.plan(SPEC)

    def offer(self, requests: str = "") -> None:
        self.volume.write(self.plan, requests)

    def start(self) -> Spawned:
        process = self.spawn(
            *("-m", "ioc_runtime", self.volume.plan, "--follow", "--no-search"),
            *("--state", self.field.state),
        )
        process.wait_said("ready")
        return process

    def latch(self) -> None:
        """Engage the latch; its cause is gone again."""
        self.field.ca.put("level", 20)
        self.field.shows("held", 1, severity=0)
        self.field.ca.put("level", 3)
        wait_until(lambda: self.field.value("RULE:high") == 3)

    def stays_latched(self) -> None:
        """The file is looked at 20 times a second; a reset would act at once."""
        time.sleep(0.5)
        assert self.field.value("held") == 1


def test_a_new_request_is_one_put_to_reset_and_is_audited(spawn: Spawn, field: Field):
    guard = Guard(spawn, field)
    guard.offer()
    process = guard.start()
    guard.latch()
    guard.offer(asked("one"))
    field.shows("held", 0)
    [audit] = [each for each in process.said("audit") if each["pv"].endswith("RESET")]
    assert (audit["user"], audit["old"], audit["new"]) == ("annotation resetAt", "", "one")

    guard.latch()
    guard.offer(asked("one"))  # written again, as after any edit of the manifest
    guard.stays_latched()
    for nonsense in ("{", "[]", asked(7), asked(""), "x" * 100_000, "[" * 4000):
        guard.offer(nonsense)
    guard.offer()
    guard.stays_latched()
    guard.offer(asked("two"))
    field.shows("held", 0)
    assert not [each for each in process.said("log") if each["level"] == "ERROR"]


def test_a_cause_that_is_still_there_keeps_its_latch(spawn: Spawn, field: Field):
    guard = Guard(spawn, field)
    guard.offer()
    guard.start()
    field.ca.put("level", 20)
    field.shows("held", 1)
    guard.offer(asked("one"))
    guard.stays_latched()


def test_a_request_from_before_the_start_is_not_carried_out(
    spawn: Spawn, field: Field, tmp_path: Path
):
    guard = Guard(spawn, field)
    guard.offer()
    process = guard.start()
    guard.latch()
    process.kill()
    guard.offer(asked("one"))
    guard.start()
    field.client()
    field.shows("held", 1)
    guard.stays_latched()
    guard.offer(asked("two"))
    field.shows("held", 0)
