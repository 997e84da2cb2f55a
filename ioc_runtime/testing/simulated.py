"""A task under test, simulated: `SimulatedTask`. All calls return at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ioc_runtime.address import BadLink, expand, parse_link
from ioc_runtime.plan import Plan
from ioc_runtime.plugin.loader import Loaded
from ioc_runtime.task.parts import CannotStart
from ioc_runtime.testing.clock import FakeClock
from ioc_runtime.testing.driven import DrivenTask
from ioc_runtime.testing.elsewhere import Pv
from ioc_runtime.testing.manifest import BadTest
from ioc_runtime.testing.shown import Shown
from ioc_runtime.testing.under_test import TaskUnderTest, UnderTest

ALARM = 7
"""Status of a simulated alarm (STATE); UDF and the like are the runtime's own."""


class Simulated(UnderTest):
    """What tasks and jobs under test share: PVs, links, time, failures of the plugin."""

    real = False
    """Whether it runs in a process of its own, over the network."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.clock = FakeClock()
        self._task: DrivenTask
        self._failures: list[tuple[str, BaseException]] = []
        self._expecting = False

    # --- the world

    def set(self, severity: str = "NO_ALARM", **values: Any) -> None:
        """Give inputs a value: a set-point as an operator does, a linked one at its source.

        A state goes by name or index. `severity` is that of the source.
        """
        number = self._severity(severity)
        for name, value in values.items():
            pv = self._find(name, "input")
            if pv is not None:
                self._task.elsewhere.set(pv, value, number, ALARM if number else 0)
            else:
                self._put(name, value)
            self._settle()

    def disconnect(self, *names: str) -> None:
        """Take away the PVs behind the links of these inputs and outputs."""
        for name in names:
            self._task.elsewhere.disconnect(self._linked(name))
            self._settle()

    def connect(self, *names: str) -> None:
        """Bring them back."""
        for name in names:
            self._task.elsewhere.connect(self._linked(name))
            self._settle()

    def writes(self, name: str) -> list[Any]:
        """What was written to the PV behind the link of an output or input, the oldest first.

        A state by its index.
        """
        return list(self._linked(name).written)

    def set_pv(self, address: str, value: Any, severity: str = "NO_ALARM") -> None:
        """Give a PV that the plugin reads or writes by name a value. Simulated only.

        The address is `ca://X`, `pva://X`, or a bare name. A PV that was given none is one
        that does not answer.
        """
        link = self._address(address)
        number = self._severity(severity)
        self._task.elsewhere.set(
            self._task.elsewhere.give(link), value, number, ALARM if number else 0
        )
        self._settle()

    def pv_writes(self, address: str) -> list[Any]:
        """What was written to such a PV, the oldest first. Simulated only."""
        return list(self._task.elsewhere.give(self._address(address)).written)

    # --- time

    def after(self, seconds: float) -> None:
        """Let so much time pass."""
        if not seconds >= 0:
            raise BadTest(f"after: expected seconds, 0 or more, got {seconds!r}")
        self._task.advance(self.clock.mono + seconds)
        self._settle()

    # --- what clients see

    def pv(self, name: str) -> Shown:
        """Any PV of the task by its name without the prefix, as `MESSAGE` or `RULE:high`."""
        found = self._task.records_shown.shown(name)
        if found is None:
            raise BadTest(f"no PV {name!r} of {self.plan.name} has been posted yet")
        return found

    # --- failures

    @contextmanager
    def failing(self, match: str = "") -> Iterator[None]:
        """What is done in this block makes the plugin fail, with these words in its message.

        Outside of such a block an exception of the plugin's raises in the test.
        """
        self._settle()
        self._expecting = True
        try:
            yield
        finally:
            self._expecting = False
        texts = [f"{where}: {type(error).__name__}: {error}" for where, error in self._failures]
        self._failures.clear()
        if not any(match in text for text in texts):
            raise AssertionError(f"expected a failure with {match!r}, got {texts or 'none'}")

    # ---

    def _start(self) -> None:
        try:
            self._task.start()
        except CannotStart as error:
            raise BadTest(str(error)) from None
        self._settle()

    def _settle(self) -> None:
        self._task.settle()
        if self._failures and not self._expecting:
            error = self._failures[0][1]
            self._failures.clear()
            raise error

    def _raised(self, where: str, error: BaseException) -> None:
        self._failures.append((where, error))

    def _put(self, name: str, value: Any) -> None:
        self._task.put(name, value)

    def _find(self, name: str, kind: str) -> Pv | None:
        self._signal(name, kind)
        return self._task.elsewhere.pv(name)

    def _linked(self, name: str) -> Pv:
        pv = self._find(name, "input or output")
        if pv is None:
            raise BadTest(f"{name!r} has no link")
        return pv

    def _address(self, text: str) -> str:
        try:
            return str(parse_link(expand(text, self.plan.prefixes), self.plan.protocol))
        except BadLink as error:
            raise BadTest(f"expected {error}, got {text!r}") from None
        except KeyError as error:
            raise BadTest(f"no prefix {error} in the manifest") from None


class SimulatedTask(Simulated, TaskUnderTest):
    """An IocTask: real engine, real plugin, no EPICS, and a clock of the test's own."""

    def __init__(self, plan: Plan, cls: type | None = None) -> None:
        """`cls` is run in place of what the plan's plugin would load."""
        super().__init__(plan)
        loaded = None if cls is None else Loaded(cls)
        self._task = DrivenTask(plan, raised=self._raised, loaded=loaded, clock=self.clock)

    def start(self) -> SimulatedTask:
        """Start it: linked PVs are there and have no value yet; `initialize` has run."""
        self._start()
        return self

    def stop(self) -> None:
        """End it; `cleanup` runs. A second time nothing happens."""
        if not self._task.running:
            return
        self._task.stop()
        self._settle()

    def refuse(self, name: str, why: str = "refused by its server") -> None:
        """Let the PV behind a link take no writes; "" lets it take them again. Simulated only."""
        self._linked(name).refuses = why

    def at(self, seconds: float, call: Callable[[], Any]) -> None:
        """Call something so many seconds from now, while `after` lets time pass."""
        self._task.at(self.clock.mono + seconds, call)
