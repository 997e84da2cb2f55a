"""A job under test, over the network: `RealJob`. Its run starts the serving process."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ioc_runtime.job.outcome import Outcome
from ioc_runtime.plan import Plan
from ioc_runtime.standard import standard_of
from ioc_runtime.testing.manifest import BadTest
from ioc_runtime.testing.processes import START, NoAnswer
from ioc_runtime.testing.real import LOOK, PATIENCE, PluginFailed, Real
from ioc_runtime.testing.shown import Shown
from ioc_runtime.testing.under_test import JobUnderTest


class RealJob(Real, JobUnderTest):
    """An IocJob in a serving process, which `run` starts."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._set: dict[str, Any] = {}
        self._last: dict[str, Shown] = {}
        self._over = False

    def start(self) -> RealJob:
        """As `SimulatedJob.start`."""
        self._launch_world()
        self._await_world()
        return self

    def run(self) -> Outcome:
        """As `SimulatedJob.run`."""
        if self._process is not None:
            raise BadTest("a job runs once: start another one")
        begun = time.monotonic()
        inputs = tuple(
            replace(one, value=self._set.get(one.name, one.value)) for one in self.plan.inputs
        )
        self._launch(replace(self.plan, inputs=inputs))
        process = self._process
        assert process is not None  # noqa: S101
        said = process.answer(lambda line: line.get("say") in ("ready", "error"), START)
        if said["say"] == "error":
            raise BadTest(said["text"])
        lost = time.monotonic() - begun  # times of `at` count from the run
        self._calls = [(when + lost, call) for when, call in self._calls]
        names = [s.name for s in self.plan.signals] + [s.name for s in standard_of("IocJob")]
        while "result" not in self._said:
            self._call_due()
            if process.code is not None:
                raise NoAnswer(process.report("ended without a result"))
            time.sleep(LOOK / 4)
        try:
            self._last = {one.name: one for one in self._read(names)}
        except BadTest:
            pass  # the PVs have gone already
        self._over = True
        process.wait(PATIENCE)
        return self._outcome(self._said["result"])

    def _outcome(self, said: dict[str, Any]) -> Outcome:
        found = Outcome(
            said["state"], said["exit"], said["reason"], said["message"], said.get("data")
        )
        if found.exit_code in (11, 12):
            self._failures += 1
            self._snapshot = {"plugin": {"error": found.text}}
            if not self._expecting:
                raise PluginFailed(found.text)
        return found

    def _put(self, name: str, value: Any) -> None:
        if self._process is None:
            self._set[name] = value
        else:
            super()._put(name, value)

    def pv(self, name: str) -> Shown:
        """As `Simulated.pv`; after the run what its PVs held at its end."""
        if not self._over:
            return super().pv(name)
        if name not in self._last:
            raise BadTest(f"{name} could not be read before the PVs went")
        return self._last[name]

    def _settle(self) -> None:
        """Nothing: a job goes on by itself."""

    def _ended(self, code: int | None) -> None:
        """Any exit code may be that of a run."""
