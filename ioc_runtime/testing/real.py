"""The same calls over the network: the serving process, simulated sources, real time.

`RealTask` and `RealJob` answer as `SimulatedTask` and `SimulatedJob` do. Each link has a PV in a
process of its own (`testing.source`), so that it can go and come; what clients see is read over
both protocols (`testing.client`). After each call it is waited until the plugin rests, as the
serving process says in its snapshots.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.plan import Link, Plan, to_json
from ioc_runtime.testing.manifest import BadTest
from ioc_runtime.testing.processes import START, Network, NoAnswer, Talking
from ioc_runtime.testing.real_source import Source, as_served
from ioc_runtime.testing.shown import Shown
from ioc_runtime.testing.simulated import ALARM
from ioc_runtime.testing.under_test import TaskUnderTest, UnderTest

PATIENCE: Final = 15.0
"""Seconds for what happens at once where nothing is loaded."""
LOOK: Final = 0.02
SNAPSHOT: Final = 0.1
MOST_SOURCES: Final = 32


class PluginFailed(AssertionError):
    """The plugin failed in its process; the text is the sentence that MESSAGE shows."""


class Real(UnderTest):
    """What tasks and jobs under test share, over the network."""

    real = True

    def __init__(self, plan: Plan) -> None:
        self.plan = plan = as_served(plan)
        links: dict[str, tuple[Link, Any]] = {}
        for signal in (*plan.inputs, *plan.outputs):
            if signal.link is not None:
                links.setdefault(signal.link.name, (signal.link, signal))
        if len(links) > MOST_SOURCES:
            raise BadTest(f"--ioc-real simulates at most {MOST_SOURCES} PVs, got {len(links)}")
        self._network = Network(len(links))
        self.sources = {
            name: Source(link, signal, place, self._network)
            for (name, (link, signal)), place in zip(
                links.items(), self._network.sources, strict=True
            )
        }
        self._directory = tempfile.TemporaryDirectory(prefix="ioc-test-")
        self._client: Talking | None = None
        self._process: Talking | None = None
        self._snapshot: dict[str, Any] = {}
        self._said: dict[str, dict[str, Any]] = {}
        self._failures = 0
        self._expecting = self._started = False
        self._calls: list[tuple[float, Callable[[], Any]]] = []

    # --- the world

    def set(self, severity: str = "NO_ALARM", **values: Any) -> None:
        """As `Simulated.set`."""
        number = self._severity(severity)
        for name, value in values.items():
            signal = self._signal(name, "input")
            try:
                value = coerce(signal, value)
            except BadValue as error:
                raise BadTest(f"{name}: {error}") from None
            if signal.link is None:
                self._put(name, value)
            else:
                source = self._source(name)
                source.set(value, number, ALARM if number else 0)
                if source.up and self._process is not None:
                    self._until(partial(self._shows, name, value, severity), f"{name} to follow")
            self._settle()

    def disconnect(self, *names: str) -> None:
        """As `Simulated.disconnect`."""
        for name in names:
            self._source(name).kill()
            self._await_link(name, False)
            self._settle()

    def connect(self, *names: str) -> None:
        """As `Simulated.connect`."""
        for name in names:
            source = self._source(name)
            if not source.up:
                source.launch()
                source.wait()
            self._await_link(name, True)
            self._settle()

    def writes(self, name: str) -> list[Any]:
        """As `Simulated.writes`; waits for a write that is under way."""
        source = self._source(name)
        output = next((each for each in self.plan.outputs if each.name == name), None)
        if output is not None and self._process is not None:
            shown = self.pv(name)
            told = shown.value if shown.valid else output.safe_value  # None: the link is not told
            until = time.monotonic() + 2.0
            while told is not None and source.up and time.monotonic() < until:
                if source.written and source.written[-1] == told:
                    break
                time.sleep(LOOK)
        return list(source.written)

    def refuse(self, name: str, why: str = "refused by its server") -> None:
        """As `SimulatedTask.refuse`; what clients are told is up to the protocol."""
        self._source(name).refuse(bool(why))

    # --- time

    def at(self, seconds: float, call: Callable[[], Any]) -> None:
        """As `SimulatedTask.at`."""
        self._calls.append((time.monotonic() + seconds, call))

    def after(self, seconds: float) -> None:
        """Let so much time pass: it really does."""
        if not 0 <= seconds < math.inf:
            raise BadTest(f"after: expected seconds, 0 or more, got {seconds!r}")
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._call_due()
            time.sleep(min(left, LOOK))
        self._call_due()
        self._settle()

    # --- what clients see

    def pv(self, name: str) -> Shown:
        """As `Simulated.pv`."""
        return self._read([name])[0]

    # --- failures

    @contextmanager
    def failing(self, match: str = "") -> Iterator[None]:
        """As `Simulated.failing`."""
        self._settle()
        before, self._expecting = self._failures, True
        try:
            yield
        finally:
            self._expecting = False
        text = str(self._plugin.get("error", ""))
        if self._failures == before or match not in text:
            raise AssertionError(f"expected a failure with {match!r}, got {text or 'none'!r}")

    # --- processes

    def stop(self) -> None:
        """End everything."""
        code = None
        try:
            if self._process is not None:
                code = self._process.stop()
            if self._client is not None:
                self._client.stop()
            for source in self.sources.values():
                source.kill()
        finally:
            self._network.close()
            self._directory.cleanup()
        self._ended(code)

    def _ended(self, code: int | None) -> None:
        if self._started and code not in (None, 0) and self._process is not None:
            raise PluginFailed(self._process.report(f"ended with exit code {code}"))

    def _launch_world(self) -> None:
        self._client = Talking(
            ["-m", "ioc_runtime.testing.client"], self._network.environment(), lambda line: None
        )
        for source in self.sources.values():
            source.launch()

    def _await_world(self) -> None:
        for source in self.sources.values():
            source.wait()
        assert self._client is not None  # noqa: S101
        self._client.answer(lambda line: line.get("did") == "up", START)

    def _launch(self, plan: Plan) -> None:
        path = Path(self._directory.name, "plan.json")
        path.write_text(to_json(plan))
        arguments = ["-m", "ioc_runtime", str(path), "--snapshot", str(SNAPSHOT), "--no-search"]
        environment = self._network.environment(self._network.task)
        self._process = Talking([*arguments, "--with-parent"], environment, self._heard)

    def _heard(self, line: dict[str, Any]) -> None:
        self._said[line.get("say", "")] = line
        if line.get("say") == "snapshot":
            self._snapshot = line

    # ---

    @property
    def _plugin(self) -> dict[str, Any]:
        found: dict[str, Any] = self._snapshot.get("plugin", {})
        return found

    def _settle(self) -> None:
        """Until two pictures in a row, taken from now on, show a plugin that rests."""
        if self._process is None:
            return
        seen, rests = time.time(), 0
        until = time.monotonic() + PATIENCE
        while rests < 2:
            picture = self._snapshot
            if picture.get("time", 0.0) > seen:
                seen = picture["time"]
                rests = rests + 1 if self._plugin["idle"] else 0
            elif self._process.code is not None or time.monotonic() > until:
                raise NoAnswer(self._process.report("did not come to rest"))
            else:
                time.sleep(LOOK / 4)
        failures = self._plugin["failures"]
        if failures > self._failures:
            self._failures = failures
            if not self._expecting:
                raise PluginFailed(self._plugin["error"])

    def _read(self, names: list[str]) -> list[Shown]:
        assert self._client is not None  # noqa: S101
        self._client.tell(get=[self.plan.prefix + name for name in names])
        answer = self._client.answer(lambda line: "got" in line or "error" in line, START)
        if "error" in answer:
            raise BadTest(answer["error"])
        return [self._shown(name, *found) for name, found in zip(names, answer["got"], strict=True)]

    def _shown(self, name: str, value: Any, severity: str, at: Any, states: list[str]) -> Shown:
        signal = next((s for s in self.plan.signals if s.name == name), None)
        if signal is not None and signal.states:
            states = list(signal.states)
        known = isinstance(value, int) and 0 <= value < len(states)
        return Shown(name, value, severity, at or 0.0, states[value] if known else "")

    def _put(self, name: str, value: Any) -> None:
        assert self._client is not None  # noqa: S101
        words = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        self._client.tell(put=self.plan.prefix + name, words=words)
        answer = self._client.answer(lambda line: "put" in line, START)
        if answer["error"] is not None:
            raise BadTest(f"{name}: {answer['error']}")

    def _shows(self, name: str, value: Any, severity: str) -> bool:
        found = self.pv(name)
        if severity == "INVALID":
            return found.severity == severity
        return found.severity not in ("INVALID",) and bool(found.value == value)

    def _await_link(self, name: str, up: bool) -> None:
        def there() -> bool:
            picture = self._snapshot
            every = [*picture.get("inputs", ()), *picture.get("outputs", ())]
            return any(one["name"] == name and one["connected"] is up for one in every)

        if self._process is not None:
            self._until(there, f"the link of {name} to {'connect' if up else 'go'}")

    def _until(self, true: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > until:
                raise NoAnswer(f"waited {PATIENCE:g} s for {what}")
            time.sleep(LOOK)

    def _call_due(self) -> None:
        now = time.monotonic()
        due = [each for each in self._calls if each[0] <= now]
        self._calls = [each for each in self._calls if each[0] > now]
        for _, call in sorted(due, key=lambda each: each[0]):
            call()

    def _source(self, name: str) -> Source:
        link = getattr(self._signal(name, "input or output"), "link", None)
        if link is None:
            raise BadTest(f"{name!r} has no link")
        return self.sources[link.name]


class RealTask(Real, TaskUnderTest):
    """An IocTask in a serving process."""

    def start(self) -> RealTask:
        """As `SimulatedTask.start`."""
        self._launch_world()
        self._launch(self.plan)
        self._await_world()
        process = self._process
        assert process is not None  # noqa: S101
        said = process.answer(lambda line: line.get("say") in ("ready", "error"), START)
        if said["say"] == "error":
            raise BadTest(said["text"])
        for signal in (*self.plan.inputs, *self.plan.outputs):
            if signal.link is not None:
                self._await_link(signal.name, True)
        self._started = True
        self._settle()
        return self
