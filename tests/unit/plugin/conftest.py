"""A task that only remembers: the host of the plugin API's own tests.

It stands in for the engine and the records, which have their tests with a real
plugin in tests/runtime. Here only the plugin's side is looked at.
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from ioc_runtime.plan import Input, Link, Output, Plan, Plugin, Range, Rule, Transform
from ioc_runtime.plugin.errors import Paused, PluginError
from ioc_runtime.plugin.host import Reading
from ioc_runtime.plugin.loader import Loaded, load
from ioc_runtime.plugin.runner import PluginRunner

PATIENCE = 20.0
"""Seconds that a test waits for what has to happen."""

GUARD = "class Guard(TaskBase):\n"
"""The first line of a plugin for `run`, which imports what it needs."""
GUARD_FILE = """
from ioc_runtime import TaskBase

class Guard(TaskBase):
    answer = 42
"""
"""A whole file of a plugin, for `load_files`."""

PLAN = Plan(
    name="guard",
    namespace="bl01",
    prefix="BL01:VAC:",
    mode="periodic",
    parameters={"limit": 1.5},
    inputs=(
        Input("pressure", "float", link=Link("ca", "VAC:GAUGE1:P"), unit="mbar"),
        Input("profile", "float", length=3, link=Link("pva", "VAC:PROFILE")),
        Input("setpoint", "float", drive=Range(0.0, 10.0), unit="A", value=3.0),
        Input("mode", "enum", states=("Off", "Auto", "Manual")),
    ),
    outputs=(
        Output("count", "int"),
        Output("label", "string"),
        Output("trace", "float", length=4),
        Output("valve", "bool", states=("SHUT", "OPEN"), link=Link("pva", "VAC:VALVE")),
        Output("alarm", "bool", states=("OK", "HIGH"), owner="rules", default=0),
        Output("mean", "float", owner="transform", link=Link("ca", "VAC:MEAN")),
    ),
    transforms=(Transform("mean", "mean(pressure_buf)"),),
    rules=(Rule("high", "pressure > limit", {"alarm": 1}),),
    plugin=Plugin(files={}),
)


class FakeFound(NamedTuple):
    value: Any
    severity: int = 0
    ns: int = 1_700_000_000_000_000_000
    states: tuple[str, ...] = ()
    error: str = ""


@dataclass
class FakeAsked:
    sent: bool

    def late(self, timeout: float) -> str:
        return f"no {'answer' if self.sent else 'connection'} within {timeout:g} s"


class FakeHost:
    """Remembers what a plugin does to its task."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.name, self.prefix, self.mode = plan.name, plan.prefix, plan.mode
        self.parameters = dict(plan.parameters)
        self.enabled = self.running = True
        self.cycle_count = 0
        self.readings = {s.name: Reading(None, 3, 0, False) for s in plan.signals}
        self.writes: list[tuple[str, Any]] = []
        self.puts: list[tuple[str, Any]] = []
        self.link_puts: list[tuple[str, Any, float]] = []
        self.messages: list[tuple[str, int]] = []
        self.statuses: list[str] = []
        self.written = threading.Condition()
        self.remote: dict[str, FakeFound] = {}
        """PVs of others, by name; what is not in it never answers."""
        self.sent: list[tuple[Link, Any]] = []

    def read(self, name: str) -> Reading:
        return self.readings[name]

    def write(self, name: str, value: Any) -> None:
        with self.written:
            if not self.enabled:
                raise Paused(f"{name} is not written")
            self.writes.append((name, value))
            self.readings[name] = Reading(value, 0, 1, True)
            self.written.notify_all()

    def put(self, name: str, value: Any) -> None:
        self.puts.append((name, value))

    def put_link(self, name: str, value: Any, timeout: float) -> None:
        self.link_puts.append((name, value, timeout))

    def fetch(self, links, until, takers):
        asked = []
        for link, take in zip(links, takers, strict=True):
            asked.append(FakeAsked(sent=link.name in self.remote))
            if link.name in self.remote:
                take(self.remote[link.name])
        return asked

    def send(self, writes, until, takers, refusal):
        self.sent += writes
        for (link, _), take in zip(writes, takers, strict=True):
            if link.name in self.remote:
                take(refusal())
        return [FakeAsked(sent=False) for _ in writes]

    def message(self, text: str, severity: int = 0) -> None:
        self.messages.append((text, severity))

    def status(self, text: str) -> None:
        self.statuses.append(text)

    def step_cycle(self) -> None:
        self.cycle_count += 1

    def wait_for(self, seen: Callable[[list[tuple[str, Any]]], bool]) -> None:
        """Until the writes so far are as they should be."""
        with self.written:
            assert self.written.wait_for(lambda: seen(self.writes), PATIENCE), self.writes


class Told:
    """What the runner tells the task, and waiting for it."""

    def __init__(self) -> None:
        self.news = threading.Condition()
        self.failures: list[tuple[str, str]] = []
        self.recoveries = 0
        self.end: tuple[int, str] | None = None

    def failed(self, sentence: str, traceback: str) -> None:
        with self.news:
            self.failures.append((sentence, traceback))
            self.news.notify_all()

    def recovered(self) -> None:
        with self.news:
            self.recoveries += 1
            self.news.notify_all()

    def ended(self, code: int, sentence: str) -> None:
        with self.news:
            self.end = (code, sentence)
            self.news.notify_all()

    def wait_for(self, seen: Callable[[Told], bool]) -> None:
        with self.news:
            assert self.news.wait_for(lambda: seen(self), PATIENCE), vars(self)


def plan_of(files: dict[str, str] | None = None, **plugin: Any) -> Plan:
    """The plan of these tests with a plugin of inline files."""
    texts = {name: textwrap.dedent(text) for name, text in (files or {}).items()}
    return Plan(
        **{
            **{f: getattr(PLAN, f) for f in Plan.__dataclass_fields__},
            "plugin": Plugin(files=texts if files is not None else None, **plugin),
        }
    )


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def load_files() -> Iterator[Callable[..., Loaded]]:
    """`load_files({"guard.py": "..."}, class_name=...)`; closed when the test ends."""
    loaded: list[Loaded] = []

    def _load(files: dict[str, str] | None, *, timeout: float = 30, **plugin: Any) -> Loaded:
        loaded.append(load(plan_of(files, **plugin), timeout=timeout))
        return loaded[-1]

    yield _load
    for item in loaded:
        item.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a blocking plugin waits for (`ioc_gate.wait()`); opened when the test ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def run(
    host: FakeHost, told: Told, load_files: Callable[..., Loaded], gate: threading.Event
) -> Iterator[Callable[..., PluginRunner]]:
    """`run("class Guard(TaskBase): ...")` starts a plugin; `gate` and `host` are its globals."""
    runners: list[PluginRunner] = []

    def _run(
        text: str,
        *,
        start: bool = True,
        max_failures: int | None = None,
        files: dict[str, str] | None = None,
        **options: Any,
    ) -> PluginRunner:
        source = "from ioc_runtime import *\nimport threading\n" + textwrap.dedent(text)
        loaded = load_files({"guard.py": source, **(files or {})}, max_failures=max_failures)
        assert loaded.package is not None
        vars(loaded.package.modules()[f"{loaded.package.name}.guard"]).update(gate=gate, host=host)
        runner = PluginRunner(
            plan_of({}, max_failures=max_failures),
            loaded,
            host,
            failed=told.failed,
            recovered=told.recovered,
            ended=told.ended,
            **{"retry": (0.0, 0.0), **options},
        )
        runners.append(runner)
        if start:
            runner.start()
        return runner

    yield _run
    gate.set()
    for runner in runners:
        runner.stop(PATIENCE)


def labels(host: FakeHost) -> list[str]:
    """What a plugin has written to `label`, the oldest first."""
    return [value for name, value in host.writes if name == "label"]


def until(condition: Callable[[], bool]) -> None:
    """Wait for a state that nobody announces; a few milliseconds at most."""
    deadline = threading.Event()
    for _ in range(int(PATIENCE * 200)):
        if condition():
            return
        deadline.wait(0.005)
    raise AssertionError("it did not happen")


def refused(load_files, files, **plugin) -> PluginError:
    """Why these files cannot be loaded, in one line."""
    with pytest.raises(PluginError) as error:
        load_files(files, **plugin)
    assert error.value.exit_code == 15
    assert "\n" not in str(error.value)
    return error.value
