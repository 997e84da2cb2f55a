"""A task in its process: what is started in which order, and what acts on what.

Start: state file, plugin's code, engine, records, links, first evaluation, plugin,
ready. Stop is the reverse. Anything that goes wrong before `ready` is a `CannotStart`
with one sentence and an exit code.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.engine.engine import Restored
from ioc_runtime.plan import Plan
from ioc_runtime.shape import plan_shape
from ioc_runtime.standard import STATUS_STATES
from ioc_runtime.task import parts
from ioc_runtime.task.commands import Commands
from ioc_runtime.task.counters import Counters
from ioc_runtime.task.crew import TaskCrew
from ioc_runtime.task.cycles import Cycles
from ioc_runtime.task.events import Events, Post
from ioc_runtime.task.host import TaskHost
from ioc_runtime.task.interface import interface
from ioc_runtime.task.logs import LogKeeper
from ioc_runtime.task.loop import Loop
from ioc_runtime.task.panel import Panel
from ioc_runtime.task.parts import CannotStart, Options
from ioc_runtime.task.plugin_watch import PluginWatch
from ioc_runtime.task.reload import Refusal, reload
from ioc_runtime.task.saying import Sayings
from ioc_runtime.task.work import TaskWork, pace, period

if TYPE_CHECKING:
    from ioc_runtime.epics.audit import Entry
    from ioc_runtime.epics.links import Links
    from ioc_runtime.epics.names.directory import Directory
    from ioc_runtime.epics.remote import Remote
    from ioc_runtime.job.job import Job
    from ioc_runtime.plugin.loader import Loaded
    from ioc_runtime.plugin.runner import PluginRunner
    from ioc_runtime.state import StateFile
    from ioc_runtime.task.apart.loaded import LoadedApart
    from ioc_runtime.task.apart.runner import ApartRunner
    from ioc_runtime.task.record_file import RecordFile

__all__ = ["CannotStart", "Options", "Task"]

PLUGIN_STOP: Final = 0.7
LOOP_STOP: Final = 0.1
LINKS_STOP: Final = 0.3
FILES_STOP: Final = 0.3
"""Seconds that each part may take when the task stops; all of them are below 2 s."""

log = logging.getLogger("ioc_runtime")


class Task:
    """One running IocTask."""

    job: Job | None = None
    """The run, in the process of an IocJob (`ioc_runtime.job.job_task`)."""

    def __init__(self, plan: Plan, options: Options, sayings: Sayings, logs: LogKeeper) -> None:
        self.plan, self.options, self.sayings, self.logs = plan, options, sayings, logs
        self.shape = plan_shape(plan)
        self.counters = Counters()
        self.writers: list[Post] = []
        self.rule_writers: list[Post] = []
        self.running = False
        self.records = 0
        """Number of names that are served."""
        self.exit_code = 0
        self.sample: Callable[[int, Any, int, int, int], None]
        """Input (index) got a sample: value, severity, status, ns. Set by `start`."""
        self.refused: Refusal | None = None
        """The plan that was offered last, if it was not taken over."""
        self.reset_seen = ""
        """The last request for a reset that did not come by PV (`requests.py`)."""
        self.last_error: tuple[str, str, float] | None = None
        """Reason, sentence and time (of `time.time`) of the plugin's last failure."""
        self.finished: Callable[[int], None] = lambda exit_code: None
        """Called when the task ends by itself (a plugin that gave up)."""
        self._began = time.monotonic()
        self._ended = False
        self._whole = threading.Event()
        """Set when every part is there that a put can reach."""
        self._commands = Commands(self)
        self._state: StateFile | None = None
        self._loaded: Loaded | LoadedApart | None = None
        self._record: RecordFile | None = None
        self._links: Links | None = None
        self._remote: Remote | None = None
        self._making = threading.Lock()
        """Around the making of `remote`."""
        self._directories: list[Directory] = []
        self._loop: Loop | None = None
        self.runner: PluginRunner | ApartRunner | None = None
        """Of the plugin, from its start on."""
        self.plugin = PluginWatch(self)
        """What is heard of the plugin."""
        self.cycles: Cycles | None = None
        """Of a task in triggered mode."""
        self._inputs = {signal.name: i for i, signal in enumerate(plan.inputs)}

    # --- life

    def start(self) -> None:
        """Start everything, up to and including the first evaluation.

        :raises CannotStart: with everything stopped again that had been started
        """
        try:
            self._start()
        except CannotStart:
            self._end_parts()
            raise
        except Exception as error:
            log.error("the task could not be started", exc_info=True)
            self._end_parts()
            what = f"the task could not be started: {type(error).__name__}: {error}"
            raise CannotStart("Exception", what, parts.EXIT_EXCEPTION) from None

    def _start(self) -> None:
        plan, options = self.plan, self.options
        restored = Restored()
        if options.state_directory is not None:
            directory = options.state_directory
            self._state, restored = parts.open_state(plan, directory, self._state_problem)
        self._loaded = parts.load_plugin(plan, options.fetched)
        functions = self._loaded.functions if self._loaded is not None else {}
        self.engine, self._record = parts.make_engine(plan, functions, restored, options.record)
        self.events = Events(self.engine, self, self.counters)
        self.sample = self.events.sample  # the hot path, without a step in between
        self._directories = parts.name_servers(self._missing)
        self._served, said = parts.serve(plan, options, self._put, self._audit)
        self.sayings.say("ports", **said)
        self.records = len(self._served.names)
        for line in interface(plan, self._served.records):
            log.info("%s", line)
        self.writers.extend(self._served.writers)
        self.rule_writers.extend(self._served.rule_writers)
        if self._served.together is not None:
            self.events.joint = (
                self._served.together,
                self._served.joint_writers,
                self._served.joint_rule_writers,
            )
        self.panel = Panel(self, self._served)
        self.panel.first(restored.lost)
        self._open_links()
        self._loop = Loop(TaskWork(self), period(plan), turn=pace(plan))
        self.events.on_timer = self._loop.kick
        self.events.do(self.engine.start)
        self.running = True
        self._start_plugin()
        self._whole.set()
        self.show_status()
        self._loop.start()

    def stop(self) -> None:
        """Stop in order; bounded, whatever hangs."""
        self.running = False
        if self.runner is not None:
            self.runner.stop(PLUGIN_STOP)
        if self.cycles is not None:
            with self.events.lock:
                self.cycles.stop()
        if not self.exit_code:
            self._ended = True
        self.show_status()
        with self.events.lock:
            self.keep()
        self.events.shut()
        self._end_parts()

    def _end_parts(self) -> None:
        """End what there is, the files last: what hangs is left to the end of the process."""
        if self._loop is not None:
            self._loop.stop(LOOP_STOP)
        if self._links is not None:
            self._links.close(LINKS_STOP)
        if self._remote is not None:
            self._remote.close(LINKS_STOP)
        for directory in self._directories:
            directory.close()
        if self._state is not None:
            if self._state.flush(FILES_STOP):
                self._state.close()
            else:
                log.error("the state file could not be written in time")
        if self._record is not None:
            self._record.close(FILES_STOP)
        if self._loaded is not None:
            self._loaded.close()

    def end(self, exit_code: int) -> None:
        """The task is over by its own account."""
        self.exit_code = exit_code
        self.finished(exit_code)

    def give_up(self, reason: str, sentence: str, exit_code: int) -> None:
        """End the process: somebody is to start it again. With the task's lock."""
        self.last_error = (reason, sentence, time.time())
        log.error("%s", sentence)
        self.panel.message(sentence, 2)
        self.sayings.say("error", reason=reason, text=sentence, exit=exit_code)
        self.end(exit_code)

    def reload(self, plan: Plan) -> float:
        """Go on with another plan of the same shape.

        Returns the seconds in which nothing else was evaluated.

        :raises Refusal: it cannot be taken over, and nothing has changed.
        """
        held = reload(self, plan, self._served)
        if self.runner is not None:
            self.runner.reload(plan)
        if self._loop is not None:
            self._loop.change(period(plan), pace(plan))
        if self.cycles is not None:
            with self.events.lock:
                self.cycles.change(plan.trigger)
        return held

    @property
    def config_hash(self) -> str:
        """Of the plan in force."""
        return self.plan.config_hash

    # --- the parts

    def _open_links(self) -> None:
        from ioc_runtime.epics.links import Links

        self._links = Links(self.plan, self)
        self._links.open()

    def _missing(self, scheme: str) -> Iterable[str]:
        return self._links.missing(scheme) if self._links is not None else ()

    def _start_plugin(self) -> None:
        if self._loaded is None:
            return
        runner = parts.make_runner(self.plan, self._loaded, TaskHost(self), self.plugin)
        self._commands.admit(runner)  # before it starts: it is to hear of every change
        if self._served.trigger is not None:
            self.cycles = Cycles(
                self.plan.trigger,
                self._served.trigger,
                self.panel,
                TaskCrew(self, runner),
                time.monotonic,
            )
        runner.start()

    # --- the sink of links (see `Links`)

    def alive(self, index: int) -> None:
        self.events.alive(index)

    def disconnected(self, index: int) -> None:
        self.events.disconnected(index)

    def output_connected(self, index: int, up: bool) -> None:
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

    def write(self, output: int, value: Any) -> None:
        self.links.write(output, value)

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

    def _state_problem(self, text: str | None) -> None:
        """The disk began to fail, or (None) works again; called from the state's thread."""
        if text:
            log.error("%s", text)
        else:
            log.info("the state file can be written again")
        if self._whole.is_set():
            with self.events.lock:
                self.panel.message(text or "the state file can be written again", 2 if text else 0)

    def refuse(self, index: int, value: Any) -> None:
        self._served.restore(index, value)

    def agree(self, index: int, value: Any) -> None:
        self._served.agree(index, value)

    def changed(self, index: int, value: Any, before: Any) -> None:
        if self.runner is not None:
            self.runner.changed(self.plan.inputs[index].name, value, before)

    # --- operators' PVs

    def _put(self, name: str, value: Any) -> None:
        """An operators' PV was written; called from the thread of puts, one after the other."""
        self._whole.wait()
        index = self._inputs.get(name)
        if index is not None:
            self.events.put(index, value)
        else:
            self._commands.do(name, value)

    def reset(self) -> None:
        """As one put of 1 to RESET."""
        self._commands.do("RESET", 1)

    def _audit(self, entry: Entry) -> None:
        """A client's put was accepted."""
        self.sayings.say(
            "audit", pv=entry.pv, user=entry.user, host=entry.host, old=entry.old, new=entry.new
        )

    # --- status

    @property
    def status(self) -> str:
        """STATUS, by name."""
        if self._ended:
            return "END"
        if self.exit_code:
            return "ERROR"
        if not self.engine.enabled:
            return "PAUSED"
        if self.plugin.failing:
            return "ERROR"
        return "RUN" if self.running else "INIT"

    def show_status(self) -> None:
        with self.events.lock:
            self.panel.status(STATUS_STATES.index(self.status))

    @property
    def plugin_state(self) -> str:
        """none, loaded, failed or ended."""
        return "none" if self._loaded is None else self.plugin.state

    def last_turn(self) -> float:
        """When the loop began its last turn, monotonic."""
        return self._loop.last_turn if self._loop is not None else time.monotonic()

    @property
    def uptime(self) -> int:
        return int(time.monotonic() - self._began)

    @property
    def remote(self) -> Remote:
        """PVs that the plugin reads and writes by name; made when it first does."""
        with self._making:
            if self._remote is None:
                from ioc_runtime.epics.remote import Remote

                self._remote = Remote()
            return self._remote

    @property
    def links(self) -> Links:
        if self._links is None:
            raise RuntimeError("the links are not open yet")
        return self._links
