"""One pass of N rules of ours, in this process: the engine alone, then with records.

Prints medians of COUNT passes in ms as JSON.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from ioc_runtime import plan as p
from ioc_runtime.engine.engine import Engine

KINDS = {"none fires": (0.1, 0.2), "all fire": (0.0, 1.0)}


def main() -> None:
    """Measure both kinds of pass, both ways."""
    size, count = int(sys.argv[1]), int(sys.argv[2])
    plan = _plan(size)
    alone = Engine(plan, time)
    alone.start()
    found = {}
    for kind in KINDS:
        found[f"{kind}; engine alone"] = _measure(alone.samples, kind, size, count)
    events = _served(plan)
    for kind in KINDS:
        found[f"{kind}; with record writes"] = _measure(
            lambda batch: events.do(events.engine.samples, batch), kind, size, count
        )
    print(json.dumps(found), flush=True)


def _plan(size: int) -> p.Plan:
    return p.Plan(
        name="pass",
        namespace="",
        prefix="PASS:",
        inputs=tuple(
            p.Input(name=f"x{k}", type="float", link=p.Link("ca", f"S:{k}")) for k in range(size)
        ),
        outputs=tuple(
            p.Output(name=f"y{k}", type="float", owner="rules", default=0.0) for k in range(size)
        ),
        rules=tuple(p.Rule(f"r{k}", f"x{k} > 0.5", {f"y{k}": 1.0}) for k in range(size)),
    )


def _measure(pass_: Callable[[Any], Any], kind: str, size: int, count: int) -> float:
    taken = []
    gc.collect()
    gc.freeze()
    for n in range(count + 20):
        value, now = KINDS[kind][n % 2], time.time_ns()
        batch = [(k, value, 0, 0, now) for k in range(size)]
        start = time.perf_counter()
        pass_(batch)
        taken.append(time.perf_counter() - start)
        time.sleep(0.001)
    return statistics.median(taken[20:]) * 1000


class _World:
    """What effects act on, records only."""

    def __init__(self, served: Any) -> None:
        self.writers = served.writers
        self.rule_writers = served.rule_writers

    def message(self, text: str, severity: int) -> None:
        """Rules of this task have no message."""


def _served(plan: p.Plan) -> Any:
    from ioc_runtime.epics.served import Served
    from ioc_runtime.task.counters import Counters
    from ioc_runtime.task.events import Events

    served = Served(plan, lambda name, value: None)
    served.serve()
    world: Any = _World(served)
    events = Events(Engine(plan, time), world, Counters())
    events.joint = (served.together, served.joint_writers, served.joint_rule_writers)
    events.do(events.engine.start)
    return events


if __name__ == "__main__":
    main()
