"""The PVs of other IOCs, simulated: what links follow and what they write to.

Stands for `ioc_runtime.epics.links.Links` in a task under test. Each PV is one thing, however
many links name it: what an output writes to `ca://X` comes in by an input that follows it.
Nothing is told to the task from inside a call of its own; it waits for `deliver`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.plan import Input, Link, Output, Plan
from ioc_runtime.task.task import Task


@dataclass
class Pv:
    """A PV of somebody else."""

    name: str
    up: bool = True
    refuses: str = ""
    """Why it takes no write; "" where it does."""
    sample: tuple[Any, int, int] | None = None
    """Value, severity, status; None while nobody has set it (UDF)."""
    written: list[Any] = field(default_factory=list)
    """What links have written to it, the oldest first."""


class Elsewhere:
    """All PVs that a plan's links name."""

    def __init__(self, plan: Plan, task: Task, now: Callable[[], int]) -> None:
        """`now` gives nanoseconds since 1970."""
        self._plan, self._task, self._now = plan, task, now
        self.inputs = [False] * len(plan.inputs)
        self.outputs = [False] * len(plan.outputs)
        self.pvs: dict[str, Pv] = {}
        self._news: deque[Callable[[], None]] = deque()
        for signal in (*plan.inputs, *plan.outputs):
            if signal.link is not None:
                self.pvs.setdefault(str(signal.link), Pv(str(signal.link)))

    # --- what the test does

    def pv(self, name: str) -> Pv | None:
        """The PV behind the link of an input or output; None where there is no link."""
        signal: Any = next((s for s in self._plan.signals if s.name == name), None)
        link: Link | None = getattr(signal, "link", None)
        return None if link is None else self.pvs[str(link)]

    def connect(self, pv: Pv) -> None:
        """Bring a PV (back); whoever follows it gets what it holds."""
        pv.up = True
        for o in self._writing(pv):
            self.outputs[o] = True
            self._task.output_connected(o, True)
        for i in self._following(pv):
            self.inputs[i] = True
            self._feed(i, pv)

    def disconnect(self, pv: Pv) -> None:
        """Take a PV away."""
        pv.up = False
        for i in self._following(pv):
            self.inputs[i] = False
            self._task.disconnected(i)
        for o in self._writing(pv):
            self.outputs[o] = False
            self._task.output_connected(o, False)

    def set(self, pv: Pv, value: Any, severity: int, status: int) -> None:
        """Give a PV a value, whose followers hear of it."""
        pv.sample = (value, severity, status)
        if pv.up:
            for i in self._following(pv):
                self._feed(i, pv)

    def deliver(self) -> bool:
        """Tell the task what has come of its own writes; whether there was anything."""
        told = bool(self._news)
        while self._news:
            self._news.popleft()()
        return told

    def give(self, name: str) -> Pv:
        """The PV of that address, which is there from now on."""
        return self.pvs.setdefault(name, Pv(name))

    def now(self) -> int:
        """Nanoseconds since 1970, as the test has it."""
        return self._now()

    def take(self, pv: Pv, value: Any) -> None:
        """A write arrives; followers hear of it after the call that has written."""
        pv.written.append(value)
        self._news.append(lambda: self.set(pv, value, 0, 0))

    # --- what the task does, as with `Links`

    def write(self, o: int, value: Any) -> None:
        output = self._plan.outputs[o]
        pv = self.pvs[str(output.link)]
        if not pv.up:
            return  # written when it connects, as the engine sees to
        error = self._put(pv, output, value)
        self._news.append(lambda: self._task.written(o, error))

    def put_and_wait(self, name: str, value: Any, timeout: float) -> str | None:
        pv = self.pv(name)
        signal: Any = next(s for s in self._plan.signals if s.name == name)
        if pv is None or not pv.up:
            return f"{signal.link}: not connected within {timeout:g} s, {value!r} is not written"
        return self._put(pv, signal, value)

    def writing(self) -> bool:
        return False

    def poke(self, i: int) -> None:
        if self.inputs[i]:
            self._task.alive(i)

    def reload(self, plan: Plan) -> None:
        self._plan = plan

    def missing(self, scheme: str) -> Iterator[str]:
        return iter(())

    def close(self, timeout: float = 0.0) -> None:
        """Nothing runs here."""

    # ---

    def _put(self, pv: Pv, signal: Input | Output, value: Any) -> str | None:
        if pv.refuses:
            return f"{signal.link}: {value!r} is not written: {pv.refuses}"
        self.take(pv, value)
        return None

    def _following(self, pv: Pv) -> Iterator[int]:
        return (i for i, s in enumerate(self._plan.inputs) if s.link and str(s.link) == pv.name)

    def _writing(self, pv: Pv) -> Iterator[int]:
        return (o for o, s in enumerate(self._plan.outputs) if s.link and str(s.link) == pv.name)

    def _feed(self, i: int, pv: Pv) -> None:
        signal = self._plan.inputs[i]
        value, severity, status = pv.sample or (None, 3, 17)
        if value is not None:
            try:
                value = coerce(signal, value)
            except BadValue:
                value, severity, status = None, 3, 1
        self._task.sample(i, value, severity, status, self._now())
