"""The order in which an event's effects are carried out, and the lock of large passes."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from ioc_runtime.engine.engine import Engine
from ioc_runtime.plan import Input, Link, Output, Plan, Rule
from ioc_runtime.task.counters import Counters
from ioc_runtime.task.events import MANY, Events


class Written:
    """Writes down what is carried out, in its order."""

    def __init__(self, plan: Plan) -> None:
        self.done: list[str] = []
        self.broken = ""
        names = [signal.name for signal in plan.signals]
        self.writers = [partial(self._post, name) for name in names]
        self.rule_writers = [partial(self._post, f"RULE:{rule.id}") for rule in plan.rules]

    def _post(self, name: str, value: Any, severity: int, status: int, ns: int) -> None:
        if name == self.broken and severity < 3:
            raise OverflowError("it does not fit")
        self.done.append(f"{name}={value}" if severity < 3 else f"{name} INVALID")

    def write(self, output: int, value: Any) -> None:
        self.done.append(f"link {output}={value}")

    def message(self, text: str, severity: int) -> None:
        self.done.append("message")

    def lock(self) -> None:
        self.done.append("lock")

    def unlock(self) -> None:
        self.done.append("unlock")


def task(size: int) -> tuple[Events, Written]:
    plan = Plan(
        name="t",
        namespace="n",
        prefix="T:",
        inputs=tuple(Input(f"x{k}", "float", link=Link("ca", f"S{k}")) for k in range(size)),
        outputs=tuple(
            Output(f"y{k}", "int", owner="rules", default=0, link=Link("ca", f"T{k}"))
            for k in range(size)
        ),
        rules=tuple(Rule(f"r{k}", f"x{k} > 1", {f"y{k}": 1}, message="high") for k in range(size)),
    )
    written = Written(plan)
    world: Any = written
    events = Events(Engine(plan, time), world, Counters())
    events.do(events.engine.start)
    for k in range(size):
        events.sample(k, 0.0, 0, 0, 0)
    written.done.clear()
    return events, written


def test_outputs_and_links_come_before_what_explains_them_and_messages_last():
    events, written = task(1)
    events.sample(0, 5.0, 0, 0, 0)
    assert written.done == ["y0=1", "link 0=1", "x0=5.0", "RULE:r0=2", "message"]


def test_a_record_that_cannot_be_written_turns_invalid_and_keeps_no_other_from_its_value():
    events, written = task(1)
    written.broken = "y0"
    events.sample(0, 5.0, 0, 0, 0)
    assert written.done == ["y0 INVALID", "link 0=1", "x0=5.0", "RULE:r0=2", "message"]


def test_a_large_pass_is_written_under_one_lock_that_is_given_back_before_messages():
    events, written = task(MANY)
    world: Any = written
    events.joint = (world, written.writers, written.rule_writers)
    written.broken = "x3"
    now = time.time_ns()
    events.do(events.engine.samples, [(k, 5.0, 0, 0, now) for k in range(MANY)])
    assert written.done[0] == "lock"
    assert written.done.count("lock") == written.done.count("unlock") == 1
    after = written.done[written.done.index("unlock") + 1 :]
    assert after == ["message"] * MANY
    assert "x3 INVALID" in written.done


def test_a_small_pass_takes_no_common_lock():
    events, written = task(1)
    world: Any = written
    events.joint = (world, written.writers, written.rule_writers)
    events.sample(0, 5.0, 0, 0, 0)
    assert "lock" not in written.done
