"""A serving process as a child of ours: started, shown, replaced, ended (`Session`).

What it says is shown in the thread that calls `Session.run`, in the order in which it was
said; any other thread may offer it another plan, or ask for a restart or for its end.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from ioc_runtime.cli.child import Child, Event
from ioc_runtime.cli.view import DEFAULT_PORTS, PORT_VARIABLES, View, ending
from ioc_runtime.plan import Plan, to_json

PATIENCE: Final = 10.0
"""Seconds a serving process may take to end before it is killed."""
HOLD: Final = 0.3
"""Seconds that a line on standard error waits: it may be the error said beside it."""


class Display(Protocol):
    """Where a running task is shown: a live table or plain lines."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Show the view after this event."""

    def say(self, text: str) -> None:
        """Show a line of the parent itself."""


@dataclass
class Restart:
    """A process that is to take the place of the present one."""

    plan: Plan
    why: str
    since: float
    made_ready: Sequence[str] = ()
    """Options that name what was fetched of the plugin."""
    asked: float = 0.0
    """When the present one was asked to end, monotonic."""


class Session:
    """A serving process, what is known of it, and where that is shown."""

    def __init__(
        self,
        view: View,
        display: Display,
        path: Path,
        options: Sequence[str] = (),
        made_ready: Sequence[str] = (),
    ) -> None:
        """Start the process; `path` is the plan's file.

        :param made_ready: options that name what was fetched of the plugin
        """
        self.view = view
        self._path, self._options, self._made_ready = path, list(options), made_ready
        self._offered: Plan | None = None
        self.display = display
        self.stopping: float | None = None
        """Monotonic time at which it was asked to end."""
        self._child = Child(path, [*self._options, *made_ready])
        self._next: Restart | None = None
        """What the process is to be started anew with."""
        self._begun: Restart | None = None
        """What it was started anew with, until it is ready."""
        self._waiting = False
        """Whether there is no process: what was started anew ended before it was ready."""
        self._ended: int | None = None
        self._held: deque[tuple[float, Event]] = deque()
        self._signals: deque[int] = deque()
        """Signals that came. Noted, no more, in their handler: it interrupts whatever is under
        way, and a display that writes cannot be written to once more from inside."""

    def run(self, seconds: float | None = None) -> int:
        """Show events until the process has ended; its exit code, negative for a signal.

        Call from the main thread: SIGINT, SIGTERM and SIGHUP are passed on as a
        SIGTERM; the second one kills.
        """
        first: float | None = None
        with _signals(self._signals.append), self.display:
            while self._ended is None:
                self._take(0.1)
                while self._signals:
                    self._signalled(self._signals.popleft())
                self._replace()
                first = first or self.view.since
                if seconds is not None and first is not None and self.stopping is None:
                    if time.monotonic() - first >= seconds:
                        self.stop()
                if self.stopping is not None and time.monotonic() - self.stopping > PATIENCE:
                    self.display.say(f"it did not end within {PATIENCE:.0f} s: killed")
                    self.stopping = float("inf")
                    self._child.kill()
        return self._ended

    def close(self) -> None:
        """Make sure that the process is gone."""
        self._child.close()

    @property
    def over(self) -> bool:
        """Whether the process has ended, or was asked to."""
        return self._ended is not None or self.stopping is not None

    def post(self, event: Event) -> None:
        """Have an event of the parent's own shown in its turn; from any thread."""
        self._child.events.put(event)

    def tell(self, level: str, text: str) -> None:
        """Show a line of the parent's own in its turn; from any thread."""
        self.post({"say": "log", "level": level, "logger": "iocctl", "text": text})

    def offer(self, plan: Plan) -> None:
        """Let the process take over another plan, if it follows its file; from any thread."""
        from ioc_runtime.cli.watch import exchange

        if self._waiting:
            self.restart(plan, "the manifest was edited", time.monotonic(), self._made_ready)
            return
        self._offered = plan
        exchange(self._path, plan)

    def restart(self, plan: Plan, why: str, since: float, made_ready: Sequence[str] = ()) -> None:
        """Start the process anew with another plan; from any thread.

        :param why: in words: what changed
        :param since: monotonic time at which that was seen
        """
        self._next = Restart(plan, why, since, made_ready)

    def stop(self) -> None:
        """Ask the process to end; from any thread."""
        self.stopping = time.monotonic()
        if self._waiting:
            self._ended = 0
        self._child.stop()

    def _replace(self) -> None:
        """Let the present process end, if another one is to take its place."""
        wanted = self._next
        if wanted is None or self.stopping is not None or self._ended is not None:
            return
        if self._waiting:
            self._begin_anew()
        elif not wanted.asked:
            wanted.asked = time.monotonic()
            self._child.stop()
        elif time.monotonic() - wanted.asked > PATIENCE:
            self._child.kill()

    def _begin_anew(self) -> None:
        """Start a process with the plan that waits, at the ports of the last one."""
        from ioc_runtime.cli.watch import exchange

        wanted, self._next = self._next, None
        if wanted is None:
            return
        exchange(self._path, wanted.plan)
        self._made_ready = wanted.made_ready
        options = [*self._options, *wanted.made_ready]
        for name, port in self.view.ports.items():
            if port != DEFAULT_PORTS[name] and name not in self.view.asked:
                options += [f"--{name.lower()}-port", str(port)]  # where clients have found it
        self._child.close()
        self.view.plan, self.view.state, self.view.message = wanted.plan, "STARTING", ""
        self.view.error = ""
        self.view.stderr.clear()
        self._begun, self._waiting, self._offered = wanted, False, None
        self._child = Child(self._path, options, self._child.events)

    def _take(self, timeout: float) -> None:
        self._release(time.monotonic() - HOLD)
        try:
            event = self._child.events.get(timeout=timeout)
        except queue.Empty:
            return
        if event["say"] == "stderr":
            self._held.append((time.monotonic(), event))
            return
        if event["say"] == "ended":
            self._release(float("inf"))
        self._show(event)

    def _release(self, before: float) -> None:
        """Show what stood on standard error, but for the error that we report at the end."""
        while self._held and self._held[0][0] <= before:
            event = self._held.popleft()[1]
            if event["text"] != self.view.error:
                self._show(event)

    def _show(self, event: Event) -> None:
        offered = self._offered
        if event["say"] == "reload" and offered is not None:
            if event.get("config_hash") == offered.config_hash:
                self.view.plan = offered
        if event["say"] == "ended" and self.stopping is None and self._goes_on(event):
            return
        self.view.take(event)
        if event["say"] == "ready" and self._begun is not None:
            took = time.monotonic() - self._begun.since
            self.display.say(f"restarted: {self._begun.why}, {took:.1f} s")
            self._begun = None
        self.display.show(event)
        if event["say"] == "ended":
            self._ended = event["code"]

    def _goes_on(self, event: Event) -> bool:
        """Whether another process takes, or can take, the place of the one that has ended."""
        if self._next is not None:
            self._begin_anew()
            return True
        if self._begun is None:
            return False
        text = ending(event["code"], self.view) or f"it ended with {event['code']}"
        self.display.say(f"{text}; waiting for the next edit")
        self._begun, self._waiting = None, True
        return True

    def _signalled(self, number: int) -> None:
        if self.stopping is None:
            if number == signal.SIGINT:
                self.display.say("stopping; Ctrl-C again kills it")
            self.stop()
        else:
            self._child.kill()


@contextmanager
def serving(
    plan: Plan,
    options: list[str],
    display: Callable[[View], Display] | None = None,
    made_ready: Sequence[str] = (),
) -> Iterator[Session]:
    """A serving process for this plan; it is gone when the block is left.

    :param made_ready: options that name what was fetched of the plugin
    """
    view = View(plan, asked_ports(options))
    with tempfile.TemporaryDirectory(prefix="iocctl-") as directory:
        path = Path(directory, "plan.json")
        path.write_text(to_json(plan))
        session = Session(view, (display or choose_display)(view), path, options, made_ready)
        try:
            yield session
        finally:
            session.close()


def asked_ports(options: Sequence[str]) -> frozenset[str]:
    """Protocols whose port is a choice of the user's: a flag, or a variable."""
    return frozenset(
        name
        for name, variables in PORT_VARIABLES.items()
        if f"--{name.lower()}-port" in options or any(os.environ.get(v) for v in variables)
    )


def choose_display(view: View) -> Display:
    """A live table where a person looks, else plain lines."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from ioc_runtime.cli.live import LiveTable

        return LiveTable(view)
    from ioc_runtime.cli.plain import PlainLines

    return PlainLines(view)


@contextmanager
def _signals(handle: Callable[[int], None]) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, lambda number, _: handle(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
