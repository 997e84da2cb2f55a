"""The life of a run, from Pending to its end: `Job`.

A thread of its own waits for what comes first: the end of the code, a client's STOP or
ABORT, the end of the process, or the time limit. It alone decides the outcome, shows it
and ends the process with its exit code.

Order at the end: writes under way, outputs, the other PVs, STATE and STATUS last. Who
sees STATE change can read everything else.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime import plan
from ioc_runtime.job import outcome
from ioc_runtime.job.code import Code, Failure
from ioc_runtime.job.control import Control
from ioc_runtime.job.outcome import Outcome
from ioc_runtime.job.panel import JobPanel
from ioc_runtime.plugin.errors import Ended, Stopped

if TYPE_CHECKING:
    from ioc_runtime.plugin.host import Host
    from ioc_runtime.plugin.loader import Loaded
    from ioc_runtime.task.task import Task

TURN: Final = 0.1
"""Seconds between two looks at what the run says of its progress."""
INPUTS: Final = 5.0
"""Seconds that linked inputs may take to get their first valid value."""
EXECUTE: Final = 2.0
"""Seconds that `execute` may take to return when the run is to end."""
HOOKS: Final = 10.0
"""Seconds that `abort` and `cleanup` may take then, each."""
HURRY: Final = 0.7
"""Seconds for all of these when the process is to end."""
LINGER: Final = 0.3
"""Seconds that the last values are served."""
ABORTING: Final = frozenset({outcome.ABORT, outcome.TIMEOUT})
"""Reasons to end a run that call for `abort`."""

log = logging.getLogger("ioc_runtime")


class Job:
    """The run of one plan in a process of its own."""

    def __init__(self, the_plan: plan.Plan) -> None:
        self.plan = the_plan
        self.job = the_plan.job or plan.Job()
        self.control = Control()
        self.state = "Pending"
        """One of `JOB_STATES`."""
        self.outcome: Outcome | None = None
        """Once the run is over."""
        self._task: Task
        self._panel: JobPanel
        self._code: Code
        self._unwritten: dict[int, str] = {}
        """Output -> why its last value did not reach its link."""
        self._stuck = ""
        """Which method never returned, and where it is."""
        self._abort_hangs = False
        self._deadline = self._last_moment = math.inf
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)

    # --- what the process does with it

    def prepare(self, task: Task, host: Host, loaded: Loaded) -> None:
        """Everything is there but the run; nothing of it happens before `begin`."""
        self._task, self._panel = task, JobPanel(task, self.job)
        self._host = host
        self._code = Code(
            self.plan, loaded, host, self.control, executing=self._executing, aborts=ABORTING
        )
        with task.events.lock:
            self._panel.first(self.state)

    def begin(self) -> None:
        """Start the run."""
        self._thread.start()

    def stop(self) -> None:
        """The process is to end, and so the run: within a second, whatever it does."""
        self._last_moment = time.monotonic() + HURRY
        self.control.stop(outcome.SIGTERM)
        if self._thread.ident is None:
            self._thread.start()  # it was to end before it began
        if self._thread is not threading.current_thread():
            self._thread.join(HURRY + 2 * LINGER)
        if self.outcome is None:
            self._task.exit_code = outcome.EXIT_STOPPED
            log.error("the end of the run could not be shown in time")

    def command(self, name: str) -> None:
        """A client wrote 1 to CMD:START, CMD:STOP or CMD:ABORT."""
        what = name.removeprefix("CMD:")
        if what == "START":
            self._say(f"{name} is refused: it starts a Prepared run, and this one is {self.state}")
        elif not self.control.stop(what):
            self._say(f"{name} is refused: the run is {self.state}")

    def changed(self, name: str, value: Any, before: Any) -> None:
        """An input has a new value. Never waits."""
        code: Code | None = getattr(self, "_code", None)
        if code is not None:  # it is made after the records
            code.changed(name, value, before)

    def written(self, output: int, error: str | None) -> None:
        """The newest value of a linked output reached its target, or (a sentence) did not."""
        if error is None:
            self._unwritten.pop(output, None)
        else:
            self._unwritten[output] = error

    # --- what others may ask

    @property
    def result(self) -> dict[str, Any] | None:
        """`success`, `message`, `data`; None while the run goes on."""
        return None if self.outcome is None else self.outcome.as_dict()

    @property
    def exit_code(self) -> int | None:
        """None while the run goes on."""
        return None if self.outcome is None else self.outcome.exit_code

    def snapshot(self) -> dict[str, Any]:
        """For the report: `state` and `progress`, `run` if it has a number; at the end
        `result` and `exitCode` too.

        Progress is in whole tens of per cent: each change is written to the API server.
        """
        over = self.outcome
        found: dict[str, Any] = {} if self.job.run is None else {"run": self.job.run}
        found["state"] = self.state if over is None else over.state
        found["progress"] = int(self.control.fraction * 10 + 1e-9) * 10
        if over is not None:
            found |= {"result": over.as_dict(), "exitCode": over.exit_code}
        return found

    def shown(self) -> dict[str, Any]:
        """For a terminal: as `snapshot`, but the progress as it is, and MSG."""
        control = self.control
        return self.snapshot() | {
            "progress": round(control.fraction * 100, 1),
            "message": control.message,
            "seconds": self._panel.seconds,
        }

    # --- the job's thread

    def _run(self) -> None:
        found = outcome.BROKEN
        try:
            found = self._supervise()
        except Exception:
            log.exception("the run broke")
            self.control.settle()
        try:
            self._conclude(found)
        except Exception:
            log.exception("the end of the run could not be shown")
        finally:
            self._task.end(found.exit_code)

    def _supervise(self) -> Outcome:
        """From the beginning to the end of the code; what came of it."""
        control, code = self.control, self._code
        if self.job.run_timeout is not None:
            self._deadline = time.monotonic() + self.job.run_timeout
        if not control.stop_reason:
            self._enter("Preparing")
            self._wait_for_inputs()
        if control.stop_reason:
            return outcome.ended(control.settle(), "before it began")
        code.start()
        for _ in self._turns():
            if code.done.wait(TURN):
                break
        self._end_code(control.stop_reason)
        why = control.settle()
        return self._ended(why) if why else self._came_of(code)

    def _turns(self) -> Iterator[None]:
        """Until the run is to end: shows its progress, keeps its time limit."""
        while not self.control.stop_reason:
            yield
            self._panel.progress(self.control)
            if time.monotonic() >= self._deadline:
                self.control.stop(outcome.TIMEOUT)

    def _wait_for_inputs(self) -> None:
        """Until each linked input is valid, but not for ever."""
        until = time.monotonic() + INPUTS
        linked = [signal.name for signal in self.plan.inputs if signal.link is not None]
        for _ in self._turns():
            linked = [name for name in linked if not self._valid(name)]
            if not linked or time.monotonic() >= until:
                break
            time.sleep(TURN / 5)
        if linked and not self.control.stop_reason:
            self._say(f"begins without a valid value of {', '.join(linked[:8])}", 1)

    def _valid(self, name: str) -> bool:
        reading = self._host.read(name)
        return reading.value is not None and reading.connected and reading.severity < 3

    def _executing(self) -> None:
        if not self.control.stop_reason:
            self._enter("Running")

    def _end_code(self, why: str) -> None:
        """Bring code that is to end to its end, or leave it behind."""
        if not why:
            return
        code = self._code
        self._enter("Aborting" if why in ABORTING else "Stopping")
        code.interrupt()
        if self._wait(code.worked, EXECUTE):
            if not self._wait(code.done, 2 * HOOKS):
                self._stuck = f"{code.busy} did not return{code.where()}"
                self._abort_hangs = code.busy == "abort"
        else:
            self._stuck = f"{code.busy} did not return{code.where()}"
            if why in ABORTING and not self._wait(code.abort_beside(), HOOKS):
                self._stuck += ", nor did abort"
                self._abort_hangs = True
        if self._stuck:
            log.warning("%s: left behind", self._stuck)

    def _wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for an event, but never beyond the last moment of the process."""
        until = time.monotonic() + seconds
        while not event.is_set():
            left = min(until, self._last_moment) - time.monotonic()
            if left <= 0:
                return False
            event.wait(min(left, TURN))
        return True

    # --- the end

    def _came_of(self, code: Code) -> Outcome:
        """The outcome of code that came to its own end."""
        if code.failure is not None:
            self._log(code.failure)
            return outcome.raised(code.failure.error, code.failure.sentence)
        found = outcome.returned(code.value)
        if found.lost:
            log.warning("%s", found.lost)
        self._wait_for_writes()
        if found.success and self._unwritten:
            return outcome.not_written("; ".join(self._unwritten.values()))
        return found

    def _ended(self, why: str) -> Outcome:
        """The outcome of a run that was ended from outside."""
        code = self._code
        more = [self._stuck] if self._stuck else []
        for failure in (code.failure, code.abort_failure):
            if failure is not None and not _follows_from_stop(failure):
                self._log(failure)
                more.append(failure.sentence)
        self._wait_for_writes()
        failed = code.abort_failure is not None or self._abort_hangs
        return outcome.ended(why, "; ".join(more), abort_failed=failed)

    def _wait_for_writes(self) -> None:
        """What was written to links last is part of the work: wait until it is there."""
        longest = [o.timeout * (o.retries + 1) + 1 for o in self.plan.outputs if o.link]
        until = min(time.monotonic() + max(longest, default=0), self._last_moment)
        while self._task.links.writing() and time.monotonic() < until:
            time.sleep(TURN / 10)

    def _conclude(self, found: Outcome) -> None:
        """Show the outcome, say it, and end the process with it."""
        task = self._task
        self._code.shut("the run is over")
        if not found.success:
            task.events.do(task.engine.plugin_ended)
        elif self.control.fraction < 1:
            self.control.progress(1.0, None)
        self.outcome, self.state = found, found.state
        if not found.success:
            task.last_error = (found.reason, found.text, time.time())
        with task.events.lock:
            self._panel.end(found, self.control)
        seconds = self._panel.seconds
        self._say_result(found, seconds)
        hurried = self._last_moment < math.inf
        time.sleep(LINGER / 3 if hurried else LINGER)

    def _say_result(self, found: Outcome, seconds: float) -> None:
        say = self._task.sayings.say
        say("state", state=found.state, message=found.text)
        say(
            "result",
            run=self.job.run,
            state=found.state,
            reason=found.reason,
            exit=found.exit_code,
            seconds=seconds,
            **found.as_dict(),
        )
        if not found.success:
            say("error", reason=found.reason, text=found.text, exit=found.exit_code)

    # --- what is shown

    def _enter(self, state: str) -> None:
        self.state = state
        with self._task.events.lock:
            self._panel.state(state)
        self._task.sayings.say("state", state=state, message=self._task.panel.text)

    def _say(self, text: str, severity: int = 1) -> None:
        log.warning("%s", text)
        with self._task.events.lock:
            self._task.panel.message(text, severity)

    def _log(self, failure: Failure) -> None:
        log.error("%s\n%s", failure.sentence, failure.traceback)


def _follows_from_stop(failure: Failure) -> bool:
    """Whether a failure is only how the code learned that it is to end."""
    name = type(failure.error).__name__
    return isinstance(failure.error, Stopped | Ended) or name == "CancelledError"
