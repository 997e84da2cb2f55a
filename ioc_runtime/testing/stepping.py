"""A plugin's code in step with a clock of the test: no thread, and nothing races.

The runner's body is one coroutine that waits for work (`plugin.waiting`). Here it runs in the
thread of the test, until it waits and there is nothing to do; it goes on when something came
or its time has. A plugin with `async def` gets an event loop whose time is the test's, and
which returns as soon as all that is left in it is waiting.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Final

from ioc_runtime.plan import Plan
from ioc_runtime.plugin.host import Host
from ioc_runtime.plugin.loader import Loaded
from ioc_runtime.plugin.runner import PluginRunner
from ioc_runtime.plugin.waiting import Blocking, Body, Looping, OnError

ENDLESS: Final = 10_000
"""Calls of a plugin, while no time passes, after which it is said to run in circles."""

Clock = Callable[[], float]

log = logging.getLogger(__name__)


class RunsInCircles(AssertionError):
    """The plugin causes its own next call, without end."""


@coroutine
def _pause() -> Generator[None, None, None]:
    yield


class Stepped(Blocking):
    """How a plugin of plain functions waits, in step."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._body: Coroutine[Any, Any, None] | None = None
        self._woken = True
        self.until: float | None = None
        """When the body wants to go on at the latest; None: when something comes."""

    def wake(self) -> None:
        self._woken = True

    async def wait(self, seconds: float | None) -> None:
        self.until = None if seconds is None else self._clock() + seconds
        if not self._woken:
            await _pause()
        self._woken, self.until = False, None

    def begin(self, body: Body, on_error: OnError) -> None:
        """Take a body; nothing of it runs yet."""
        self._body = body()

    def step(self) -> bool:
        """Run until the body waits. False: it is over."""
        for _ in range(ENDLESS):
            due = self.until is not None and self._clock() >= self.until
            if self._body is None or not (self._woken or due):
                return self._body is not None
            try:
                self._body.send(None)
            except StopIteration:
                self._body = None
        raise RunsInCircles(f"the plugin did not come to rest in {ENDLESS} steps")

    def close(self) -> None:
        """Nothing runs any more."""
        if self._body is not None:
            self._body.close()
            self._body = None


class SteppedLoop(Looping):
    """How a plugin with `async def` waits, in step."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._fake = _FakeTimeLoop(clock)
        self._runner = asyncio.Runner(loop_factory=lambda: self._fake)
        self._loop = self._runner.get_loop()
        self._on_error: OnError = lambda where, error: None

    @property
    def until(self) -> float | None:
        """When the earliest of what waits wants to go on."""
        return self._fake.until

    def run(self, body: Body, on_error: OnError) -> None:
        """Run a body to its end, with a clock that runs by `until` (the code of a job)."""
        self.begin(body, on_error)
        while self.step():
            if self.until is None:
                raise RunsInCircles("the code waits for something that nothing will bring")
            self.skip(self.until)

    skip: Callable[[float], None]
    """Moves the clock for `run`."""

    def begin(self, body: Body, on_error: OnError) -> None:
        """Take a body; nothing of it runs yet."""

        def unhandled(_loop: Any, context: dict[str, Any]) -> None:
            error = context.get("exception") or RuntimeError(context.get("message", "?"))
            on_error("a background task", error)

        self._on_error = on_error
        self._event = asyncio.Event()
        self._fake.set_exception_handler(unhandled)
        self._body = self._fake.create_task(body())

    def step(self) -> bool:
        """Run until all that is left is waiting. False: the body is over."""
        if self._fake.is_closed() or self._body is None:
            return False
        for _ in range(ENDLESS):
            try:
                self._fake.run_until_idle()
            except (SystemExit, KeyboardInterrupt) as error:
                self._on_error("a background task", error)
                continue
            if not self._body.done():
                return True
            self._body.result()
            return False
        raise RunsInCircles(f"the plugin did not come to rest in {ENDLESS} steps")

    def close(self) -> None:
        """Cancel what is left."""
        self._fake.stepping = False
        self._runner.close()


class _FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with another clock, which stops when nothing can go on by itself."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock
        self._elsewhere = 0
        self.until: float | None = None
        self.stepping = True
        super().__init__(_Idle(self))

    def time(self) -> float:
        return self._now()

    def run_until_idle(self) -> None:
        """Run what can run at this time."""
        self.until = None
        self.run_forever()

    def run_in_executor(self, *args: Any) -> Any:
        """As ever; what runs in another thread is waited for."""
        self._elsewhere += 1
        future = super().run_in_executor(*args)
        future.add_done_callback(self._back)
        return future

    def _back(self, _future: Any) -> None:
        self._elsewhere -= 1

    def idle(self, timeout: float | None) -> float:
        """Asked when nothing is to do before `timeout`: for how long to look for more."""
        if self._elsewhere or not self.stepping:
            return 0.05
        self.until = None if timeout is None else self.time() + timeout
        self.stop()
        return 0.0


class _Idle(selectors.DefaultSelector):
    """Never waits for time to pass."""

    def __init__(self, loop: _FakeTimeLoop) -> None:
        super().__init__()
        self._owner = loop

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if found or timeout == 0:
            return found
        wait = self._owner.idle(timeout)
        return super().select(wait) if wait else found


class SteppedRunner(PluginRunner):
    """The runner of the serving process, in the thread of the test.

    `raised` is told of every failure, with the exception itself.
    """

    def __init__(
        self,
        plan: Plan,
        loaded: Loaded,
        host: Host,
        *,
        clock: Clock,
        raised: Callable[[str, BaseException], None],
        **callbacks: Any,
    ) -> None:
        stepped = SteppedLoop(clock) if loaded.asynchronous else Stepped(clock)
        super().__init__(plan, loaded, host, clock=clock, waiting=stepped, **callbacks)
        self._raised, self._stepped = raised, stepped
        self._live = False
        self._inside = False
        self._called = 0

    @property
    def alive(self) -> bool:
        return self._live

    @property
    def until(self) -> float | None:
        """When it wants to go on by itself, at the latest."""
        return self._stepped.until if self._live else None

    def start(self) -> None:
        if not self._needs_thread:
            self.initialized = True
            return
        self._live = True
        self._stepped.begin(self._body, self._background)
        self.step()

    def step(self) -> None:
        """Let it do all that there is to do now."""
        if not self._live or self._inside:
            return
        self._inside, self._called = True, 0
        try:
            self._live = self._stepped.step()
        except RunsInCircles:
            self._live = False
            raise
        except BaseException as error:  # a fault of ours: as in `_run`
            self._live = False
            self._raised("the plugin's thread", error)
        finally:
            self._inside = False
        if not self._live:
            self._end_binding("the plugin has stopped")

    def stop(self, timeout: float) -> bool:
        """`cleanup` runs, in step; `timeout` is the thread's, which there is not."""
        self._mailbox.stop()
        self.step()
        if self._live:  # an async hook that awaits what nobody will bring
            self._stepped.cancel(lambda: self._busy is not None and self._busy[0] != "cleanup")
            self.step()
        ended = not self._live
        self._live = False
        self._stepped.close()
        self._end_binding("the plugin has stopped")
        return ended

    async def _call(
        self,
        hook: str,
        args: tuple[Any, ...],
        construct: bool = False,
        function: Callable[..., Any] | None = None,
    ) -> bool:
        self._called += 1
        if self._called > ENDLESS:
            raise RunsInCircles(f"{hook} was called {ENDLESS} times, and no time has passed")
        return await super()._call(hook, args, construct, function)

    def _report(self, label: str, error: BaseException) -> None:
        before = self.failures
        super()._report(label, error)
        if self.failures > before:
            self._raised(label, error)

    def _background(self, label: str, error: BaseException) -> None:
        super()._background(label, error)
        self._raised(label, error)
