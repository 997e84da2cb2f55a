"""How the plugin's thread waits: blocked, or in an event loop of its own.

The thread's body is one coroutine for both kinds of plugin. For a sync plugin it
never suspends, so no event loop is needed to run it and asyncio is not imported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio

Body = Callable[[], Coroutine[Any, Any, None]]
OnError = Callable[[str, BaseException], None]
"""Told of what no hook raised: (where, error)."""


class Waiting(Protocol):
    """The thread of a plugin, as the runner uses it."""

    def wake(self) -> None:
        """End the wait that is, or the next one. From any thread."""

    async def wait(self, seconds: float | None) -> None:
        """Wait for `wake`, at most so long. Only in the plugin's thread."""

    def run(self, body: Body, on_error: OnError) -> None:
        """Run the body to its end in this thread."""

    def cancel(self, may: Callable[[], bool]) -> None:
        """Cancel what the body awaits, if it can be and `may` says so. From any thread."""


class Blocking:
    """For plugins whose hooks are plain functions."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> None:
        """End the wait that is, or the next one."""
        self._event.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait for `wake`, at most so long."""
        self._event.wait(seconds)
        self._event.clear()

    def run(self, body: Body, on_error: OnError) -> None:
        """Run the body to its end in this thread."""
        try:
            body().send(None)
        except StopIteration:
            return
        raise RuntimeError("a plugin without async hooks has awaited something")

    def cancel(self, may: Callable[[], bool]) -> None:
        """A thread cannot be interrupted."""


class Looping:
    """For plugins with an `async def`: their tasks go on while the thread waits."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event
        self._body: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """End the wait that is, or the next one."""
        # nobody wakes what has not waited yet, so there is an event
        self._call(lambda: self._event.set())

    async def wait(self, seconds: float | None) -> None:
        """Wait for `wake`, at most so long."""
        import asyncio

        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()

    def run(self, body: Body, on_error: OnError) -> None:
        """Run the body to its end in this thread."""
        import asyncio  # only this kind of plugin pays for it

        def unhandled(_loop: Any, context: dict[str, Any]) -> None:
            error = context.get("exception") or RuntimeError(context.get("message", "?"))
            on_error("a background task", error)

        self._event = asyncio.Event()
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            loop = self._loop = runner.get_loop()
            loop.set_exception_handler(unhandled)
            task = self._body = loop.create_task(body())
            while not task.done():
                try:
                    loop.run_until_complete(task)
                except (SystemExit, KeyboardInterrupt) as error:
                    # out of a task that the plugin made: asyncio lets these two through
                    on_error("a background task", error)

    def cancel(self, may: Callable[[], bool]) -> None:
        """Cancel what the body awaits, if `may` says so."""

        def now() -> None:
            if self._body is not None and may():
                self._body.cancel()

        self._call(now)

    def _call(self, what: Callable[[], object]) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            pass  # the loop is closed: nothing waits there any more
