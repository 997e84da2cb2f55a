"""What a test asks of a task or of a job in the same words, simulated or real."""

from __future__ import annotations

from typing import Any

from ioc_runtime.plan import SEVERITIES, Plan
from ioc_runtime.plugin.errors import nearest
from ioc_runtime.testing.manifest import BadTest
from ioc_runtime.testing.shown import Shown


class UnderTest:
    """PVs as clients see them, by their names without the prefix."""

    plan: Plan

    def output(self, name: str) -> Shown:
        """An output's PV."""
        self._signal(name, "output")
        return self.pv(name)

    def input(self, name: str) -> Shown:
        """An input's PV."""
        self._signal(name, "input")
        return self.pv(name)

    def pv(self, name: str) -> Shown:
        """Any PV by its name without the prefix, as `MESSAGE` or `RULE:high`."""
        raise NotImplementedError

    @property
    def message(self) -> str:
        """MESSAGE."""
        return str(self.pv("MESSAGE").value)

    def _put(self, name: str, value: Any) -> None:
        """As a client writes an operators' PV."""
        raise NotImplementedError

    def _settle(self) -> None:
        """Let the plugin do what there is to do; raises what it raised."""
        raise NotImplementedError

    def _signal(self, name: str, kind: str) -> Any:
        """The signal; `kind` is "input", "output" or "input or output"."""
        known: dict[str, Any] = {}
        known |= {s.name: s for s in self.plan.inputs} if "input" in kind else {}
        known |= {s.name: s for s in self.plan.outputs} if "output" in kind else {}
        if name not in known:
            raise BadTest(f"no {kind} {name!r}{nearest(name, known)}")
        return known[name]

    @staticmethod
    def _severity(name: str) -> int:
        if name not in SEVERITIES:
            raise BadTest(f"severity: expected one of {', '.join(SEVERITIES)}, got {name!r}")
        return SEVERITIES.index(name)


class TaskUnderTest(UnderTest):
    """What only a task has."""

    def rule(self, name: str) -> str:
        """State of a rule: OK, PENDING, ACTIVE, LATCHED, INVALID or DISABLED."""
        ids = [rule.id for rule in self.plan.rules]
        if name not in ids:
            raise BadTest(f"no rule {name!r}{nearest(name, ids)}")
        return self.pv(f"RULE:{name}").state

    @property
    def status(self) -> str:
        """STATUS: INIT, RUN, PAUSED, END or ERROR."""
        return self.pv("STATUS").state

    def put(self, name: str, value: Any) -> None:
        """Write an operators' PV: a set-point, ENABLE, CLEAR, RESET."""
        self._put(name, value)
        self._settle()


class JobUnderTest(UnderTest):
    """What only a job has."""

    def abort(self) -> None:
        """A client puts 1 to CMD:ABORT."""
        self._put("CMD:ABORT", 1)

    def stop_run(self) -> None:
        """A client puts 1 to CMD:STOP."""
        self._put("CMD:STOP", 1)

    @property
    def state(self) -> str:
        """STATE: Pending, Preparing, Running, ... or how it ended."""
        return self.pv("STATE").state
