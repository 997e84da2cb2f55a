"""The task of the serving process, without EPICS and without threads: `DrivenTask`.

Engine, events, panel, plugin's loader, binding and runner are the real ones. In place of
records stand lists of what was posted, in place of links `Elsewhere`, and in place of the loop
`advance`, which does what the loop does, in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

from ioc_runtime.engine.engine import Engine, Restored
from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.plan import Plan
from ioc_runtime.plugin.loader import Loaded
from ioc_runtime.standard import RULE_STATES, standard_of
from ioc_runtime.task import parts
from ioc_runtime.task.events import Events
from ioc_runtime.task.host import TaskHost
from ioc_runtime.task.logs import LogKeeper
from ioc_runtime.task.loop import BEAT
from ioc_runtime.task.panel import Panel
from ioc_runtime.task.parts import Options
from ioc_runtime.task.task import Task
from ioc_runtime.task.work import TaskWork
from ioc_runtime.testing.by_name import ByName
from ioc_runtime.testing.clock import FakeClock
from ioc_runtime.testing.elsewhere import Elsewhere
from ioc_runtime.testing.shown import Shown, SignalRecord, shown
from ioc_runtime.testing.stepping import SteppedRunner

MOST_TURNS: Final = 1_000_000
"""Turns of one `advance`: more would take minutes."""


class Records:
    """What `Served` is to a task: the place that effects are written to."""

    def __init__(self, plan: Plan, clock: FakeClock) -> None:
        self._clock = clock
        self.signals = {signal.name: SignalRecord(signal) for signal in plan.signals}
        self.names = [*self.signals]
        self.writers = [record.write for record in self.signals.values()]
        self.rules: dict[str, tuple[int, int]] = {}
        self.rule_writers = [self._rule(rule.id) for rule in plan.rules]
        self._states = {pv.name: pv.states for pv in standard_of(plan.kind)}
        self.standard_writers = dict.fromkeys(self._states)
        self.others: dict[str, tuple[Any, int, int]] = {}
        self._inputs = [signal.name for signal in plan.inputs]

    def standard(self, name: str, value: Any, severity: int = 0) -> None:
        """Post a standard PV."""
        self.others[name] = (value, severity, self._clock.wall)

    def inputs_connected(self, flags: list[bool]) -> None:
        self.standard("CONN_INP", flags)

    def outputs_connected(self, flags: list[bool]) -> None:
        self.standard("CONN_OUT", flags)

    def agree(self, index: int, value: Any) -> None:
        """A client's put was processed, and this is what came of it."""
        if value is not None:
            self.signals[self._inputs[index]].write(value, 0, 0, self._clock.wall)

    restore = agree

    def shown(self, name: str) -> Shown | None:
        """A PV by its name; None where there is none."""
        if name in self.signals:
            return self.signals[name].shown()
        rule = name.removeprefix("RULE:")
        if rule in self.rules:
            state, ns = self.rules[rule]
            return shown(name, state, 0, ns, RULE_STATES)
        if name in self.others:
            return shown(name, *self.others[name], tuple(self._states.get(name, ())))
        return None

    def _rule(self, name: str) -> Callable[[Any, int, int, int], None]:
        def write(state: Any, severity: int, status: int, ns: int) -> None:
            self.rules[name] = (int(state), ns)

        return write


def _in_this_process(plan: Plan) -> Plan:
    """Nothing runs beside the test, a plugin in a process of its own neither."""
    plugin = plan.plugin
    return plan if plugin is None else replace(plan, plugin=replace(plugin, isolation="thread"))


class DrivenTask(Task):
    """A task whose time passes when it is told to, in the thread that tells it.

    `raised` hears of every exception of the plugin's.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        raised: Callable[[str, BaseException], None],
        loaded: Loaded | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        sayings: Any = SimpleNamespace(say=lambda what, **fields: None)
        super().__init__(plan, Options(), sayings, LogKeeper(sayings))
        self._whole.set()  # there is no other thread that puts before all is there
        self.clock = clock or FakeClock()
        self._raised = raised
        self._loaded = loaded
        self._calls: list[tuple[float, int, Callable[[], Any]]] = []
        self._called = 0
        self._delivering = False
        self._refreshed = 0.0

    # --- life

    def start(self) -> None:
        """Everything up to and including the first evaluation and `initialize`.

        :raises CannotStart: the plugin cannot be loaded
        """
        plan = self.plan
        if self._loaded is None:
            self._loaded = parts.load_plugin(_in_this_process(plan))
        functions = self._loaded.functions if self._loaded is not None else {}
        self.engine = Engine(plan, self.clock, functions, Restored())
        self.events = Events(self.engine, self, self.counters)
        self.sample = self.events.sample
        self.records_shown = Records(plan, self.clock)
        self._served: Any = self.records_shown
        self.writers.extend(self._served.writers)
        self.rule_writers.extend(self._served.rule_writers)
        self.panel = Panel(self, self._served)
        self.panel.first(False)
        self._work = TaskWork(self)
        self.elsewhere = Elsewhere(plan, self, self.clock.time_ns)
        self._links: Any = self.elsewhere
        self._remote: Any = ByName(self.elsewhere)
        self.events.do(self.engine.start)
        self.running = True
        self._start_plugin()
        self.show_status()
        for pv in self.elsewhere.pvs.values():
            self.elsewhere.connect(pv)
        self._grid = self._begin = self.clock.mono
        self._cycles = self._beats = 0
        self._turn()
        self.settle()

    def stop(self) -> None:
        """The end of the task: `cleanup` runs."""
        self.running = False
        if self.runner is not None:
            self.runner.stop(0.0)
        if not self.exit_code:
            self._ended = True
        self.show_status()
        if self._loaded is not None:
            self._loaded.close()

    def _start_plugin(self) -> None:
        if self._loaded is None:
            return
        self._stepped = SteppedRunner(
            self.plan,
            self._loaded,
            TaskHost(self),
            clock=self.clock.monotonic,
            raised=self._raised,
            failed=self.plugin.failed,
            recovered=self.plugin.recovered,
            ended=self.plugin.ended,
        )
        self.runner = self._stepped
        self._stepped.start()

    # --- time

    def settle(self) -> None:
        """Let the plugin and the links do all that there is to do at this moment."""
        if self._delivering:
            return  # we are inside a call of the plugin's
        self._delivering = True
        try:
            more = True
            while more:
                if self.runner is not None:
                    self._stepped.step()
                more = self.elsewhere.deliver()
        finally:
            self._delivering = False
        self._refreshed += 1.0
        self.panel.refresh(self._refreshed)  # which never does it twice at a time

    def at(self, when: float, call: Callable[[], Any]) -> None:
        """Call something at a monotonic time, when time passes over it."""
        self._called += 1
        self._calls.append((when, self._called, call))
        self._calls.sort(key=lambda each: each[:2])

    def advance(self, end: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass up to a monotonic time, doing what the loop does on its way.

        It ends early as soon as `until` says so.
        """
        for _ in range(MOST_TURNS):
            now = min(end, self._next())
            self.clock.to(now)
            self._turn()
            while self._calls and self._calls[0][0] <= self.clock.mono:
                self._calls.pop(0)[2]()
            self.settle()
            if until() or self.clock.mono >= end and self._next() > end:
                return
        raise AssertionError(f"more than {MOST_TURNS} turns of the loop: let less time pass")

    def _next(self) -> float:
        """When something happens by itself."""
        found = [self._begin + (self._beats + 1) * BEAT]
        if self.plan.mode == "periodic":
            found.append(self._grid + self._cycles * self.plan.period)
        wake = self.engine.next_wake
        until = None if self.runner is None else self._stepped.until
        found += [when for when in (wake, until) if when is not None]
        found += [self._calls[0][0]] if self._calls else []
        for state in self.engine.inputs:
            if state.plan.max_age is not None and state.connected and state.plan.link is not None:
                asked = max(state.life, self.panel.asked.get(state.index, state.life))
                found.append(asked + state.plan.max_age / 2)
        return max(min(found), self.clock.mono)

    def _turn(self) -> None:
        """One turn of `Loop`."""
        now = self.clock.mono
        wake = self.engine.next_wake
        if wake is not None and wake <= now:
            self._work.wake()
        if self.plan.mode == "periodic":
            reached = int((now - self._grid) / self.plan.period + 1e-9) + 1
            if reached > self._cycles:
                missed, self._cycles = reached - self._cycles - 1, reached
                self._work.cycle(missed)
        beats = int((now - self._begin) / BEAT + 1e-9)
        if beats > self._beats:
            self._beats = beats
            self._work.beat()
        self._work.ask_quiet_sources(now + 1e-9)

    # --- clients

    def put(self, name: str, value: Any) -> None:
        """As a client writes an operators' PV."""
        index = self._inputs.get(name)
        if index is not None:
            signal = self.plan.inputs[index]
            try:
                value = coerce(signal, value)
            except BadValue:
                pass  # refused by the engine, which says so
        self._put(name, value)
