"""The thread that runs a plugin: `PluginRunner`.

The task tells the runner what happens and never waits for it. Whatever the plugin
does (raises, blocks, exits, starts threads) stays in here: errors come out as
sentences, and a plugin that does not return is left behind at the end.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ioc_runtime.plan import Plan
from ioc_runtime.plugin.api import HOOKS
from ioc_runtime.plugin.binding import Binding
from ioc_runtime.plugin.callbacks import Table, marked
from ioc_runtime.plugin.errors import TOO_MANY_FAILURES
from ioc_runtime.plugin.failures import Failures, tell
from ioc_runtime.plugin.host import Host
from ioc_runtime.plugin.loader import Loaded
from ioc_runtime.plugin.mailbox import STOP, Mailbox
from ioc_runtime.plugin.trace import where_is
from ioc_runtime.plugin.verdict import EXCEPTION, Verdict, raised, returned
from ioc_runtime.plugin.waiting import Blocking, Looping, Waiting

_log = logging.getLogger(__name__)


class PluginRunner:
    """Runs a loaded plugin of a task in a daemon thread of its own.

    `failed(sentence, traceback)` is called for failures (the same one at most once a
    second), `recovered()` when what had failed works again, `ended(exit_code, sentence)`
    when the plugin failed `maxFailures` times in a row, `cycled(verdict)` at the end of
    each `triggered()`. All are called from the plugin's thread, without any lock of the
    runner.
    """

    def __init__(
        self,
        plan: Plan,
        loaded: Loaded,
        host: Host,
        *,
        failed: Callable[[str, str], None],
        recovered: Callable[[], None] = lambda: None,
        ended: Callable[[int, str], None] = lambda code, sentence: None,
        cycled: Callable[[Verdict], None] = lambda verdict: None,
        depth: int = 1000,
        retry: tuple[float, float] = (1.0, 30.0),
        clock: Callable[[], float] = time.monotonic,
        waiting: Waiting | None = None,
    ) -> None:
        self._plan = plan
        self._loaded = loaded
        self._host = host
        self._failed, self._ended = failed, ended
        self._cycled = cycled
        self._failures = Failures(
            loaded.describe,
            plan.plugin.max_failures if plan.plugin else None,
            clock,
            failed=failed,
            recovered=recovered,
            ended=ended,
        )
        self._retry = retry
        self._clock = clock
        self._heard = {w for _, marks in marked(loaded.cls) for k, w in marks if k == "on"}
        """Inputs that a callback of the plugin's own hears of."""
        self._was_paused = False
        self._hooks = {hook for hook in HOOKS if loaded.overrides(hook)}
        self._waiting: Waiting = waiting or (Looping() if loaded.asynchronous else Blocking())
        self._mailbox = Mailbox(depth, self._waiting.wake)
        self._thread = threading.Thread(target=self._run, name="plugin", daemon=True)
        self._binding: Binding | None = None
        self._instance: Any = None
        self._busy: tuple[str, float] | None = None
        self.initialized = False
        self.unready = ""
        """Why no cycle can begin: `initialize` has failed. While it runs, one may wait."""

    # what the task tells; none of these waits

    def start(self) -> None:
        """Start the thread: construct the plugin and initialize it."""
        if self._needs_thread:
            self._thread.start()
        else:
            self.initialized = True

    def changed(self, key: str, value: Any, old: Any) -> None:
        """An input has a new value."""
        if "on_input_changed" in self._hooks or key in self._heard:
            self._mailbox.change(key, value, old)

    def execute(self) -> bool:
        """The grid is due. False: left out, because the last one still runs (an overrun)."""
        return "execute" not in self._hooks or self._mailbox.execute()

    def trigger(self) -> bool:
        """Run `triggered` once, after the changes that wait; `cycled` is called at its end.

        False: it will not run, because the plugin is paused, stops, or has one waiting.
        """
        return not self.unready and self._mailbox.trigger()

    def pause(self) -> bool:
        """Start no hook from now on; of the changes the newest per input is kept.

        True: a trigger waited; its cycle will not run.
        """
        return self._mailbox.pause()

    def resume(self) -> None:
        """Call hooks again, with what has come meanwhile."""
        self._mailbox.resume()

    def reload(self, plan: Plan) -> None:
        """Go on with a plan of the same shape: parameters, limits and units may differ."""
        self._plan = plan
        binding = self._binding
        if binding is not None:
            binding.reload(plan)

    def stop(self, timeout: float) -> bool:
        """Stop: `cleanup` is run after what runs now. Waits at most `timeout` seconds.

        An `async` hook that still runs after half of it is cancelled. False: the plugin
        did not return; its thread is left behind and cannot write any more.
        """
        self._mailbox.stop()
        if not self._thread.is_alive() or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout / 2)
        if self._thread.is_alive():
            self._waiting.cancel(lambda: self._busy is not None and self._busy[0] != "cleanup")
            self._thread.join(timeout / 2)
        if not self._thread.is_alive():
            return True
        self._end_binding("the plugin did not stop in time and was given up")
        _log.warning("the plugin did not stop within %g s%s", timeout, self.where())
        return False

    # what the task may ask

    @property
    def alive(self) -> bool:
        """Whether the plugin's thread runs."""
        return self._thread.is_alive()

    @property
    def idle(self) -> bool:
        """Whether the plugin has done all there was to do, and waits."""
        return not self._thread.is_alive() or self._mailbox.idle

    @property
    def failures(self) -> int:
        """Failures so far, the ones that were not reported included."""
        return self._failures.count

    @property
    def coalesced(self) -> int:
        """Changes left out because a newer one of the same input came."""
        return self._mailbox.coalesced

    @property
    def overruns(self) -> int:
        """Executes left out because the last one still ran."""
        return self._mailbox.overruns

    @property
    def busy(self) -> tuple[str, float] | None:
        """(hook, seconds it has run for), or None."""
        busy = self._busy
        return (busy[0], self._clock() - busy[1]) if busy else None

    def where(self) -> str:
        """` at guard.py:12`: the line that the plugin's thread is at, or ""."""
        return where_is(self._thread.ident, self._loaded.root)

    # the plugin's thread

    @property
    def _needs_thread(self) -> bool:
        own_init = self._loaded.cls.__init__ is not object.__init__  # type: ignore[misc]
        return bool(self._hooks) or own_init or any(marked(self._loaded.cls))

    def _run(self) -> None:
        try:
            self._waiting.run(self._body, self._background)
        except BaseException as error:  # a fault of ours, or one thrown into the thread
            sentence, trace = self._loaded.describe(error)
            _log.exception("the plugin's thread broke")
            tell(self._failed, sentence, trace)
            if not self._mailbox.stopping:
                tell(self._ended, TOO_MANY_FAILURES, f"the plugin's thread broke: {sentence}")
        finally:
            self._end_binding("the plugin has stopped")

    async def _body(self) -> None:
        await self._initialize()
        while self.initialized and not self._failures.gave_up:
            await self._timer()
            work = self._mailbox.take()
            if work is None:
                await self._waiting.wait(self._until_timer())
            elif work is STOP:
                break
            else:
                await self._work(*work)
        if self.initialized:
            await self._call("cleanup", ())

    async def _work(self, hook: str, args: tuple[Any, ...]) -> None:
        """What came in the mailbox."""
        if hook == "triggered":
            await self._cycle()
        elif hook in self._hooks:
            await self._call(hook, args)
        if hook == "execute":
            self._mailbox.executed()
        elif hook == "on_input_changed" and self._binding is not None:
            key, value, old = args
            for listener in self._binding.table.listeners(key):
                await self._call(f"on({key})", (value, old), function=listener.function)

    async def _timer(self) -> None:
        """Call what is due, one at most: what comes in the mailbox has its turn too."""
        if self._binding is None or self._mailbox.stopping:
            return
        if self._mailbox.paused:
            self._was_paused = True
            return
        timers = self._binding.table.timers
        if self._was_paused:
            self._was_paused = False
            timers.skip()
        timer = timers.take()
        if timer is not None:
            name = getattr(timer.function, "__name__", "a function")
            await self._call(f"every({timer.seconds:g}) {name}", (), function=timer.function)

    def _until_timer(self) -> float | None:
        if self._binding is None or self._mailbox.paused:
            return None
        return self._binding.table.timers.wait()

    async def _initialize(self) -> None:
        """Until it works, on a new instance each time, unless the task stops before."""
        delay, longest = self._retry
        while not self._mailbox.stopping and not self._failures.gave_up:
            if self._mailbox.paused:
                await self._sleep(None)
                continue
            self._end_binding("initialize failed, and another instance took its place")
            binding = self._binding = self._bind()
            self._binding.reload(self._plan)  # another plan may just have come
            if await self._call("initialize", (), construct=True):
                binding.table.add_marked(self._instance)
                self.initialized = True
                self.unready = ""
                return
            self.unready = "the plugin is not initialized: initialize failed"
            if self._mailbox.withdraw():
                tell(self._cycled, Verdict(EXCEPTION, self.unready))
            await self._sleep(delay)
            delay = min(delay * 2, longest)

    def _bind(self) -> Binding:
        binding = Binding(self._plan, self._host)
        binding.table = Table(
            lambda: binding.inputs_by_name,
            self._clock,
            asynchronous=self._loaded.asynchronous,
            heard=self._heard.add,
            wake=self._waiting.wake,
        )
        return binding

    async def _sleep(self, seconds: float | None) -> None:
        """For so long, or (None) until something comes; ends early when the task stops."""
        until = None if seconds is None else self._clock() + seconds
        while self._mailbox.doze():
            left = None if until is None else until - self._clock()
            if left is not None and left <= 0:
                return
            await self._waiting.wait(left)
            if left is None:
                return

    async def _call(
        self,
        hook: str,
        args: tuple[Any, ...],
        construct: bool = False,
        function: Callable[..., Any] | None = None,
    ) -> bool:
        """Call a hook, or a callback that the plugin has registered; whether it worked."""
        label = f"{hook}({args[0]})" if args and function is None else hook
        try:
            await self._invoke(hook, args, construct, function)
        except BaseException as error:  # SystemExit and KeyboardInterrupt, too
            self._report(label, error)
            return False
        self._failures.worked(label)
        return True

    async def _invoke(
        self,
        hook: str,
        args: tuple[Any, ...],
        construct: bool = False,
        function: Callable[..., Any] | None = None,
    ) -> Any:
        self._busy = (hook, self._clock())
        try:
            if construct:
                self._instance = self._construct()
            result = (function or getattr(self._instance, hook))(*args)
            return await self._await(result) if inspect.iscoroutine(result) else result
        finally:
            self._busy = None

    async def _cycle(self) -> None:
        """`triggered`, and what came of it. Only an exception counts as a failure of the plugin."""
        failure: BaseException | None = None
        try:
            verdict = returned(await self._invoke("triggered", ()))
        except BaseException as error:
            failure = error
            verdict = raised(error, self._loaded.describe(error)[0])
        if failure is not None and verdict.status == EXCEPTION:
            self._report("triggered", failure)
            if self._mailbox.stopping:
                return  # cut short, and the task says so
        else:
            self._failures.worked("triggered")
        tell(self._cycled, verdict)

    def _construct(self) -> Any:
        cls: Any = self._loaded.cls
        instance = cls.__new__(cls)
        instance._binding = self._binding  # noqa: SLF001 - bound before __init__ may use it
        instance.__init__(**instance._construction())  # noqa: SLF001
        return instance

    async def _await(self, coroutine: Any) -> Any:
        if isinstance(self._waiting, Blocking):
            coroutine.close()
            raise TypeError("a coroutine was returned: expected `async def` in the class itself")
        return await coroutine

    def _report(self, label: str, error: BaseException) -> None:
        if self._mailbox.stopping and type(error).__name__ == "CancelledError":
            return
        self._failures.report(label, error)

    def _background(self, label: str, error: BaseException) -> None:
        """A failure that no hook raised."""
        self._failures.background(label, error)

    def _end_binding(self, why: str) -> None:
        if self._binding is not None:
            self._binding.end(why)
