"""Runs a plugin that is in a process of its own: `ApartRunner`, as `plugin.runner` has it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from ioc_runtime.plan import Plan, to_json
from ioc_runtime.plugin.errors import TOO_MANY_FAILURES, PluginError, TaskError
from ioc_runtime.plugin.host import Host
from ioc_runtime.plugin.mailbox import STOP, Mailbox
from ioc_runtime.task.apart.loaded import LoadedApart, Process, log
from ioc_runtime.task.apart.wire import Gone

RETRY: Final = (1.0, 30.0)
"""Seconds until a process that ended is started anew: at first, at most."""
GOOD: Final = 60.0
"""Seconds after which a process that ends has not failed in a row with the last one."""
KILLING: Final = 0.1
"""Of the time for a stop, what is kept for one that does not."""

_log = logging.getLogger(__name__)


class ApartRunner:
    """Tells the plugin's process what happens, and carries out what it asks for.

    None of its methods waits for that process: what it does not take is kept as the
    mailbox keeps it. `lost()` is called when it has ended by itself, `back()` when another
    one has been loaded in its place; the other callbacks are those of `PluginRunner`.
    """

    unready = ""

    def __init__(
        self,
        plan: Plan,
        loaded: LoadedApart,
        host: Host,
        *,
        failed: Callable[[str, str], None],
        recovered: Callable[[], None],
        ended: Callable[[int, str], None],
        lost: Callable[[], None],
        back: Callable[[], None],
        retry: tuple[float, float] = RETRY,
    ) -> None:
        self._plan, self._loaded, self._host = plan, loaded, host
        self._failed, self._recovered, self._ended = failed, recovered, ended
        self._lost, self._back, self._retry = lost, back, retry
        self._event = threading.Event()
        self._mailbox = Mailbox(1000, self._event.set)
        self._control: deque[tuple[Any, ...]] = deque()
        self._process: Process | None = loaded.process
        self._state: dict[str, Any] = {}
        self._sent = 0
        self._before = 0
        """Failures of processes that have ended, and their ends."""
        self._deaths = 0
        """Processes that ended in a row."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="plugin", daemon=True)

    # what the task tells; none of these waits

    def start(self) -> None:
        """Construct the plugin over there, and initialize it."""
        self._thread.start()

    def changed(self, key: str, value: Any, old: Any) -> None:
        """An input has a new value."""
        if "on_input_changed" in self._hooks or key in self._state.get("heard", ()):
            self._mailbox.change(key, value, old)

    def execute(self) -> bool:
        """The grid is due. False: left out, because the last one still runs (an overrun)."""
        return "execute" not in self._hooks or self._mailbox.execute()

    def trigger(self) -> bool:
        """No cycles: mode triggered is refused with a process of its own."""
        return False

    def pause(self) -> bool:
        """Start no hook from now on."""
        self._tell("pause")
        return self._mailbox.pause()

    def resume(self) -> None:
        """Call hooks again."""
        self._tell("resume")
        self._mailbox.resume()

    def reload(self, plan: Plan) -> None:
        """Go on with a plan of the same shape."""
        self._plan = plan
        self._tell("reload", to_json(plan))

    def stop(self, timeout: float) -> bool:
        """Let `cleanup` run, at most `timeout` seconds; then the process is killed.

        False: it had to be.
        """
        self._over.set()
        process, self._mailbox.stopping = self._process, True
        self._tell("stop", timeout * (1 - KILLING))
        if process is None:
            return True
        ended = process.end(timeout)
        self._thread.join(1.0)
        if not ended:
            _log.warning("the plugin did not stop within %g s%s", timeout, self.where())
        return ended

    # what the task may ask

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def idle(self) -> bool:
        """Whether the plugin has done all there was to do, and waits."""
        state = self._state
        told = not self._control and state.get("seen") == self._sent
        return told and self._mailbox.idle and bool(state.get("idle"))

    @property
    def coalesced(self) -> int:
        """Changes left out because a newer one of the same input came."""
        return self._mailbox.coalesced + int(self._state.get("coalesced", 0))

    @property
    def overruns(self) -> int:
        """Executes left out because the last one still ran."""
        return self._mailbox.overruns

    @property
    def initialized(self) -> bool:
        """Whether `initialize` has worked."""
        return bool(self._state.get("initialized"))

    @property
    def failures(self) -> int:
        """Failures so far, ends of its process included."""
        return self._before + int(self._state.get("failures", 0))

    def where(self) -> str:
        """` at guard.py:12`: the line that a long hook was last seen at, or ""."""
        return str(self._state.get("where", ""))

    @property
    def _hooks(self) -> frozenset[str]:
        process = self._process
        return process.hooks if process is not None else frozenset()

    def _tell(self, *message: Any) -> None:
        self._control.append(message)
        self._event.set()

    # the thread that looks after the process

    def _live(self) -> None:
        delay, longest = self._retry
        process = self._process
        while process is not None and not self._over.is_set():
            began = time.monotonic()
            self._attend(process)
            if self._over.is_set():
                return
            process.end(1.0)
            if time.monotonic() - began > GOOD:
                delay, self._deaths = self._retry[0], 0
            process = self._process = None
            self._died(f"its process {self._loaded.process.how_it_ended()}")
            while process is None and not self._over.wait(delay):
                delay = min(2 * delay, longest)
                process = self._again()

    def _again(self) -> Process | None:
        try:
            process = self._loaded.again(self._plan)
        except PluginError as error:
            self._died(str(error), error.traceback)
            return None
        self._control.clear()  # it begins with what is so now
        self._mailbox.executed()
        self._state, self._sent = {}, 0
        self._process = process
        if self._over.is_set():
            process.end(0.0)
            return None
        self._call(self._back)
        return process

    def _died(self, what: str, trace: str = "") -> None:
        self._before += int(self._state.get("failures", 0)) + 1
        self._state = {}
        self._deaths += 1
        sentence = f"plugin: {what}{self.where()}"
        self._call(self._lost)
        plugin = self._plan.plugin
        most = plugin.max_failures if plugin is not None else None
        if most is not None and self._deaths >= most:
            text = f"{sentence} ({self._deaths} in a row: maxFailures)"
            self._over.set()
            self._call(self._ended, TOO_MANY_FAILURES, text)
            return
        self._call(self._failed, sentence, trace)

    def _attend(self, process: Process) -> None:
        """Until it has ended."""
        gone = threading.Event()
        sender = threading.Thread(target=self._send, args=(process, gone), name="plugin out")
        sender.daemon = True
        sender.start()
        recovers = self._deaths > 0
        try:
            while True:
                word, *given = process.wire.receive()
                if word == "state":
                    (self._state,) = given
                    if recovers and self.initialized:
                        recovers = False
                        self._call(self._recovered)
                else:
                    self._heard(process, word, given)
        except Gone:
            process.wire.close()
            gone.set()
            self._event.set()
            sender.join(1.0)

    def _heard(self, process: Process, word: str, given: list[Any]) -> None:
        if word == "call":
            if given[1] == "put_link":  # waits for a server
                threading.Thread(target=self._answer, args=(process, *given), daemon=True).start()
            else:
                self._answer(process, *given)
        elif word == "executed":
            self._mailbox.executed()
        elif word == "log":
            log(*given)
        elif word == "failed":
            self._call(self._failed, *given)
        elif word == "recovered":
            self._call(self._recovered)
        elif word == "ended":
            self._call(self._ended, *given)

    def _answer(self, process: Process, number: int, method: str, arguments: list[Any]) -> None:
        try:
            found = getattr(self._host, method)
            value = found(*arguments) if callable(found) else found
            answer = ("", value)
        except TaskError as error:
            answer = (type(error).__name__, str(error))
        except Exception as error:
            _log.exception("a call of the plugin failed")
            answer = ("TaskError", f"{type(error).__name__}: {error}")
        try:
            process.wire.send("answer", number, *answer)
        except Gone:  # nobody waits for it any more
            return

    def _send(self, process: Process, gone: threading.Event) -> None:
        """All that there is to tell, as fast as it is taken."""
        try:
            process.wire.send("start", self._host.enabled)
            while not gone.is_set():
                self._event.clear()
                while self._control:
                    process.wire.send(*self._control.popleft())
                work = self._mailbox.take()
                if work is None or work is STOP:
                    self._event.wait()
                    continue
                self._sent += 1
                hook, arguments = work
                process.wire.send("changed" if arguments else hook, *arguments)
        except Gone:
            return

    def _call(self, callback: Callable[..., None], *given: Any) -> None:
        try:
            callback(*given)
        except Exception:
            _log.exception("a callback of the plugin's runner failed")
