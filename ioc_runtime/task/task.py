"""A task in its process: what is started in which order, and what acts on what.

Start: state file, plugin's code, engine, records, links, first evaluation, plugin,
ready. Stop is the reverse. Anything that goes wrong before `ready` is a `CannotStart`
with one sentence and an exit code.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.engine.engine import Engine, Restored
from ioc_runtime.plan import Plan
from ioc_runtime.standard import LOG_LEVELS, STATUS_STATES
from ioc_runtime.task.counters import Counters
from ioc_runtime.task.events import Events, Post
from ioc_runtime.task.host import TaskHost
from ioc_runtime.task.logs import LogKeeper
from ioc_runtime.task.loop import Loop
from ioc_runtime.task.panel import Panel
from ioc_runtime.task.saying import Sayings
from ioc_runtime.version import __version__

if TYPE_CHECKING:
    from ioc_runtime.epics.audit import Entry
    from ioc_runtime.epics.links import Links
    from ioc_runtime.epics.served import Served
    from ioc_runtime.plugin.loader import Loaded
    from ioc_runtime.plugin.runner import PluginRunner
    from ioc_runtime.state import StateFile
    from ioc_runtime.task.record_file import RecordFile

EXIT_IO: Final = 11
EXIT_BAD_SPEC: Final = 15
PLUGIN_STOP: Final = 0.8
"""Seconds that a plugin's cleanup may take when the task stops."""

log = logging.getLogger("ioc_runtime")


class CannotStart(Exception):
    """The task cannot be started; the text is for a person.

    :ivar reason: one word of CamelCase, as conditions have it
    :ivar exit_code: what the process ends with
    """

    def __init__(self, reason: str, text: str, exit_code: int = EXIT_BAD_SPEC) -> None:
        super().__init__(text)
        self.reason, self.exit_code = reason, exit_code


@dataclass(frozen=True)
class Options:
    """How a task runs on this machine."""

    state_directory: Path | None = None
    """None: nothing is kept over a restart."""
    ca_port: int | None = None
    pva_port: int | None = None
    snapshot: float | None = None
    """Seconds between snapshots that are said; None: none."""
    search: bool = True
    """Look for the task's own names on the network before serving them."""
    record: Path | None = None
    """File that every event goes to, for a replay."""


class Task:
    """One running IocTask."""

    def __init__(self, plan: Plan, options: Options, sayings: Sayings, logs: LogKeeper) -> None:
        self.plan, self.options, self.sayings, self.logs = plan, options, sayings, logs
        self.counters = Counters()
        self.writers: list[Post] = []
        self.running = False
        self.records = 0
        """Number of names that are served."""
        self.exit_code = 0
        self.finished: Callable[[], None] = lambda: None
        """Called when the task ends by itself (a plugin that gave up)."""
        self._began = time.monotonic()
        self._failing = ""
        self._ended = False
        self._record: RecordFile | None = None
        self._runner: PluginRunner | None = None
        self._inputs = {signal.name: i for i, signal in enumerate(plan.inputs)}
        self._outputs = {signal.name: i for i, signal in enumerate(plan.outputs)}

    # --- life

    def start(self) -> None:
        """Start everything, up to and including the first evaluation.

        :raises CannotStart: with everything stopped again that had been started
        """
        self._state, restored = self._open_state()
        self._loaded = self._load_plugin()
        functions = self._loaded.functions if self._loaded is not None else {}
        self.engine = self._make_engine(functions, restored)
        self.events = Events(self.engine, self, self.counters)
        self._served = self._serve()
        self.writers.extend(self._served.writers)
        self.panel = Panel(self, self._served)
        self._links = self._open_links()
        self._loop = Loop(self, self.plan.period if self.plan.mode == "periodic" else None)
        self.events.on_timer = self._loop.kick
        self.events.do(self.engine.start)
        self.running = True
        self._runner = self._start_plugin()
        self.panel.first()
        self.show_status()
        self._loop.start()

    def stop(self) -> None:
        """Stop in order; bounded, whatever hangs."""
        self.running = False
        if self._runner is not None:
            self._runner.stop(PLUGIN_STOP)
        self._loop.stop(0.2)
        self._links.close()
        if not self.exit_code:
            self._ended = True
        self.show_status()
        if self._state is not None:
            self.keep()
            if not self._state.flush(0.5):
                log.error("the state file could not be written in time")
            self._state.close()
        if self._record is not None:
            self._record.close(0.5)
        if self._loaded is not None:
            self._loaded.close()

    def end(self, exit_code: int) -> None:
        """The task is over by its own account."""
        self.exit_code = exit_code
        self.finished()

    # --- the parts

    def _open_state(self) -> tuple[StateFile | None, Restored]:
        if self.options.state_directory is None:
            return None, Restored()
        from ioc_runtime.state import StateError, StateFile

        try:
            state = StateFile(self.options.state_directory, self.plan.prefix, self._state_problem)
        except StateError as error:
            raise CannotStart("StateUnavailable", str(error)) from None
        kept = state.load()
        if kept.problem:
            log.error("%s", kept.problem)
        setpoints = {
            signal.name: kept.setpoints[signal.name][0]
            for signal in self.plan.inputs
            if signal.persist
            and signal.name in kept.setpoints
            and kept.setpoints[signal.name][1] == signal.value
        }
        return state, Restored(kept.latches, setpoints, lost=kept.problem is not None)

    def _state_problem(self, text: str | None) -> None:
        if text:
            log.error("%s", text)
        else:
            log.info("the state file can be written again")

    def _load_plugin(self) -> Loaded | None:
        if self.plan.plugin is None:
            return None
        from ioc_runtime.plugin.errors import PluginError
        from ioc_runtime.plugin.loader import load

        try:
            return load(self.plan)
        except PluginError as error:
            log.error("%s", error.traceback or error)
            raise CannotStart("PluginFailed", f"plugin: {error}") from None

    def _make_engine(self, functions: Any, restored: Restored) -> Engine:
        engine: Any = Engine(self.plan, time, functions, restored)
        if self.options.record is not None:
            from ioc_runtime.engine.recording import Recorder
            from ioc_runtime.task.record_file import RecordFile

            self._record = RecordFile(self.options.record)
            engine = Recorder(engine, self._record.keep)
        return engine

    def _serve(self) -> Served:
        from ioc_runtime.epics import ports
        from ioc_runtime.epics.access import AccessError
        from ioc_runtime.epics.served import DatabaseError, LayoutError, NameTaken, Served

        served = Served(self.plan, self._put, self._audit)
        try:
            notes = [
                ports.choose(ports.CA, self.options.ca_port),
                ports.choose(ports.PVA, self.options.pva_port),
            ]
            served.serve(self._search if self.options.search else None)
        except ports.PortError as error:
            raise CannotStart("PortTaken", str(error), EXIT_IO) from None
        except NameTaken as error:
            raise CannotStart("PvConflict", str(error)) from None
        except LayoutError as error:
            raise CannotStart("UnknownLayout", str(error)) from None
        except (AccessError, DatabaseError) as error:
            raise CannotStart("BadRecords", str(error)) from None
        for warning in served.warnings:
            log.warning("%s", warning)
        self.sayings.say(
            "ports",
            ca=ports.actual(ports.CA),
            pva=ports.actual(ports.PVA),
            note="; ".join(note for note in notes if note),
        )
        self.records = len(served.names)
        return served

    def _search(self, names: list[str]) -> list[tuple[str, str]]:
        """Who serves names of ours: looked for while EPICS starts, which takes as long."""
        from ioc_runtime.epics.search import who_serves

        found = who_serves(names)
        return [(name, found[name]) for name in names if name in found]

    def _open_links(self) -> Links:
        from ioc_runtime.epics.links import Links

        links = Links(self.plan, self)
        links.open()
        return links

    def _start_plugin(self) -> PluginRunner | None:
        if self._loaded is None:
            return None
        from ioc_runtime.plugin.runner import PluginRunner

        runner = PluginRunner(
            self.plan,
            self._loaded,
            TaskHost(self),
            failed=self._plugin_failed,
            recovered=self._plugin_recovered,
            ended=self._plugin_ended,
        )
        runner.start()
        return runner

    # --- the sink of links (see `Links`)

    def sample(self, index: int, value: Any, severity: int, status: int, ns: int) -> None:
        self.events.sample(index, value, severity, status, ns)

    def alive(self, index: int) -> None:
        self.events.alive(index)

    def disconnected(self, index: int) -> None:
        self.panel.connections_changed = True
        self.events.disconnected(index)

    def output_connected(self, index: int, up: bool) -> None:
        self.panel.connections_changed = True
        if up:
            self.events.do(self.engine.link_up, index)

    def written(self, index: int, error: str | None) -> None:
        if error is None:
            return
        with self.events.lock:
            self.counters.write_errors += 1
            self.panel.message(error, 1)
        log.warning("%s", error)

    # --- what effects act on (see `World`)

    def rule(self, index: int, state: int, ns: int) -> None:
        self._served.rule(index, state, ns)

    def write(self, output: int, value: Any) -> None:
        self._links.write(output, value)

    def message(self, text: str, severity: int) -> None:
        self.panel.message(text, severity)

    def keep(self) -> None:
        """Hand what outlives the process to the state file."""
        if self._state is None:
            return
        setpoints = {
            state.name: (state.value, state.plan.value)
            for state in self.engine.inputs
            if state.plan.link is None and state.plan.persist and state.value is not None
        }
        self._state.save(self.engine.latched(), setpoints)

    def refuse(self, index: int, value: Any) -> None:
        self._served.restore(index, value)

    def changed(self, index: int, value: Any, before: Any) -> None:
        if self._runner is not None:
            self._runner.changed(self.plan.inputs[index].name, value, before)

    # --- operators' PVs

    def _put(self, name: str, value: Any) -> None:
        """An operators' PV was written; called from the EPICS event task."""
        index = self._inputs.get(name)
        if index is not None:
            self.events.do(self.engine.put, index, value)
        elif name == "ENABLE":
            self.enable(bool(value))
        elif name == "CLEAR":
            self.events.do(self.engine.clear)
        elif name == "RESET":
            self._reset()
        elif name == "LOG_LEVEL":
            logging.getLogger().setLevel(LOG_LEVELS[value])
        elif name == "SILENCED_LOGGERS":
            self.logs.silence(str(value).split(","))

    def enable(self, on: bool) -> None:
        """ENABLE: pause or go on."""
        if on == self.engine.enabled:
            return
        if self._runner is not None and not on:
            self._runner.pause()
        self.events.do(self.engine.enable, on)
        if self._runner is not None and on:
            self._runner.resume()
        log.info("enabled" if on else "paused")
        self.show_status()

    def _reset(self) -> None:
        with self.events.lock:
            self.counters.reset()
        self.events.do(self.engine.reset)
        for index, signal in enumerate(self.plan.inputs):
            if signal.link is not None:
                self._links.poke(index)

    def _audit(self, entry: Entry) -> None:
        """A client's put was accepted."""
        self.sayings.say(
            "audit", pv=entry.pv, user=entry.user, host=entry.host, old=entry.old, new=entry.new
        )

    # --- the plugin

    def _plugin_failed(self, sentence: str, traceback: str) -> None:
        self._failing = sentence
        log.error("%s\n%s", sentence, traceback)
        with self.events.lock:
            self.panel.message(sentence, 2)
        self.show_status()

    def _plugin_recovered(self) -> None:
        self._failing = ""
        self.show_status()

    def _plugin_ended(self, exit_code: int, sentence: str) -> None:
        self.events.do(self.engine.plugin_ended)
        self._plugin_failed(sentence, "")
        self.sayings.say("error", reason="PluginFailed", text=sentence, exit=exit_code)
        self.end(exit_code)

    # --- the loop's work (see `Work`)

    @property
    def next_wake(self) -> float | None:
        with self.events.lock:
            return self.engine.next_wake

    def wake(self) -> None:
        self.events.do(self.engine.wake)

    def cycle(self, missed: int) -> None:
        with self.events.lock:
            self.counters.overruns += missed
            self.counters.cycles += 1
        if not self.engine.enabled:
            return
        self.events.do(self.engine.full_pass)
        if self._runner is not None and not self._runner.execute():
            with self.events.lock:
                self.counters.overruns += 1

    def beat(self) -> None:
        with self.events.lock:
            self.counters.heartbeat += 1
            if self.plan.mode != "periodic":
                self.counters.cycles += 1

    def turn(self, now: float) -> None:
        self._ask_quiet_sources(now)
        self.panel.refresh(now)

    def _ask_quiet_sources(self, now: float) -> None:
        """An answer to a get is a sign of life of a source that has nothing new."""
        for state in self.engine.inputs:
            max_age = state.plan.max_age
            if max_age is None or not state.connected or state.plan.link is None:
                continue
            asked = self.panel.asked.get(state.index, state.life)
            if now - max(state.life, asked) >= max_age / 2:
                self.panel.asked[state.index] = now
                self._links.poke(state.index)

    # --- status

    @property
    def status(self) -> str:
        """STATUS, by name."""
        if self._ended:
            return "END"
        if self._failing or self.exit_code:
            return "ERROR"
        if not self.running:
            return "INIT"
        return "RUN" if self.engine.enabled else "PAUSED"

    def show_status(self) -> None:
        with self.events.lock:
            self.panel.status(STATUS_STATES.index(self.status))

    @property
    def uptime(self) -> int:
        return int(time.monotonic() - self._began)

    @property
    def links(self) -> Links:
        return self._links

    def describe(self) -> dict[str, Any]:
        """What is said at the start."""
        schemes = {s.link.scheme for s in self.plan.signals if getattr(s, "link", None)}
        return {
            "name": self.plan.name,
            "prefix": self.plan.prefix,
            "mode": self.plan.mode,
            "protocols": sorted(schemes),
            "version": __version__,
            "pid": os.getpid(),
        }
