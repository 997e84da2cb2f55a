"""The thread that runs a job's code, once: `Code`.

Nobody has to wait for it. Whatever the code does (raises, blocks, exits, starts
threads) stays in here; code that never returns is left behind and cannot write any more.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ioc_runtime.plan import Job, Plan
from ioc_runtime.plugin.binding import Binding
from ioc_runtime.plugin.callbacks import Table
from ioc_runtime.plugin.host import Host, Run
from ioc_runtime.plugin.loader import Loaded
from ioc_runtime.plugin.pump import Pump
from ioc_runtime.plugin.trace import where_is
from ioc_runtime.plugin.waiting import Blocking, Looping, Waiting

_log = logging.getLogger(__name__)


class Failure(Exception):
    """A method of the job raised.

    :ivar error: what it raised
    :ivar sentence: where, and what
    :ivar traceback: the frames of the plugin's own files
    """

    def __init__(self, error: BaseException, sentence: str, traceback: str) -> None:
        super().__init__(sentence)
        self.error, self.sentence, self.traceback = error, sentence, traceback


class Code:
    """Runs `initialize`, `execute`, if need be `abort`, and `cleanup` of a loaded job.

    `executing()` is called from the job's thread right before `execute`.
    """

    def __init__(
        self,
        plan: Plan,
        loaded: Loaded,
        host: Host,
        run: Run,
        *,
        executing: Callable[[], None],
        aborts: frozenset[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`aborts`: the reasons to stop after which `abort` is called."""
        self._loaded, self._run, self._executing, self._aborts = loaded, run, executing, aborts
        self._job = plan.job or Job()
        self._binding = binding = Binding(plan, host)
        self._waiting: Waiting = Looping() if loaded.asynchronous else Blocking()
        self._pump = Pump(run, self._pump_failed, clock)
        binding.table = Table(
            lambda: binding.inputs_by_name,
            clock,
            asynchronous=loaded.asynchronous,
            heard=self._pump.heard.add,
            wake=self._pump.wake,
        )
        self._pump.table = binding.table
        self._thread = threading.Thread(target=self._main, name="plugin", daemon=True)
        self._instance: Any = None
        self.busy = ""
        """The method that runs now, or ran last."""
        self._abort = threading.Lock()
        """Taken once, by the thread that calls `abort`."""
        self.value: Any = None
        """What `execute` returned."""
        self.failure: Failure | None = None
        """The first failure."""
        self.abort_failure: Failure | None = None
        self.worked = threading.Event()
        """`execute` is over, or will never start."""
        self.done = threading.Event()
        """So is everything else."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def changed(self, key: str, value: Any, old: Any) -> None:
        """An input has a new value. Never waits."""
        self._pump.changed(key, value, old)

    def interrupt(self) -> None:
        """The run is to end: cancel what an `async` job awaits."""
        self._waiting.cancel(lambda: self.busy in ("initialize", "execute"))

    def abort_beside(self) -> threading.Event:
        """Call `abort` in a thread of its own, since `execute` does not return.

        Set when that is over.
        """
        over = threading.Event()

        def work() -> None:
            try:
                waiting: Waiting = Looping() if self._loaded.asynchronous else Blocking()
                waiting.run(self._aborting, self._background)
            finally:
                over.set()

        threading.Thread(target=work, name="plugin abort", daemon=True).start()
        return over

    def shut(self, why: str) -> None:
        """Refuse every later write."""
        self._binding.end(why)

    def where(self) -> str:
        """` at scan.py:12`: the line that the job's thread is at, or ""."""
        return where_is(self._thread.ident, self._loaded.root)

    # the job's thread

    def _main(self) -> None:
        try:
            self._waiting.run(self._body, self._background)
        except BaseException as error:  # a fault of ours, or one thrown into the thread
            self._failed("the run", error)
            _log.exception("the thread of the job broke")
        finally:
            self.worked.set()
            self.done.set()

    async def _body(self) -> None:
        try:
            self._instance = self._construct()
            self._pump.begin(asynchronous=self._loaded.asynchronous)
            self._binding.table.add_marked(self._instance)
            await self._call("initialize", self._job.init_args.args, self._job.init_args.kwargs)
            if not self._run.stop_reason:
                self._executing()
                run_args = self._job.run_args
                self.value = await self._call("execute", run_args.args, run_args.kwargs)
        except BaseException as error:  # SystemExit and KeyboardInterrupt, too
            self._failed(self.busy or "the constructor", error)
        self._pump.end()
        self.worked.set()
        if self._run.stop_reason in self._aborts:
            await self._aborting()
        await self._cleaning()
        self.done.set()

    async def _aborting(self) -> None:
        if self._instance is None or not self._abort.acquire(blocking=False):
            return
        try:
            await self._call("abort")
        except BaseException as error:
            self.abort_failure = self._described("abort", error)

    async def _cleaning(self) -> None:
        if self._instance is None:
            return
        try:
            await self._call("cleanup")
        except BaseException as error:
            self._failed("cleanup", error)

    async def _call(self, hook: str, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        self.busy = hook
        result = getattr(self._instance, hook)(*args, **(kwargs or {}))
        if inspect.iscoroutine(result):
            if not self._loaded.asynchronous:
                result.close()
                raise TypeError(
                    f"{hook} returned a coroutine: expected `async def` in the class itself"
                )
            result = await result
        return result

    def _construct(self) -> Any:
        cls: Any = self._loaded.cls
        instance = cls.__new__(cls)
        instance._binding = self._binding  # noqa: SLF001 - bound before __init__ may use it
        instance._control = self._pump  # noqa: SLF001
        instance.__init__(**instance._construction())  # noqa: SLF001
        return instance

    # failures

    def _pump_failed(self, error: BaseException) -> None:
        self._failed("a callback", error)

    def _failed(self, hook: str, error: BaseException) -> None:
        failure = self._described(hook, error)
        if self.failure is None:
            self.failure = failure
        else:
            _log.error("%s\n%s", failure.sentence, failure.traceback)

    def _described(self, hook: str, error: BaseException) -> Failure:
        what, trace = self._loaded.describe(error)
        return Failure(error, f"{hook} failed: {what}", trace)

    def _background(self, label: str, error: BaseException) -> None:
        """A failure that no method raised."""
        failure = self._described(label, error)
        _log.error("%s\n%s", failure.sentence, failure.traceback)
