"""The task as the plugin sees it from another process (`plugin.host.Host`)."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ioc_runtime.plan import Link, Plan
from ioc_runtime.plugin.errors import BadValue, Ended, Paused, PutFailed, TaskError
from ioc_runtime.plugin.host import Asked, Reading
from ioc_runtime.task.apart.wire import Gone, Wire

ERRORS: Final[Mapping[str, type[TaskError]]] = {
    each.__name__: each for each in (BadValue, Ended, Paused, PutFailed)
}
PATIENCE: Final = 10.0
"""Seconds for an answer beyond what was asked for: the task only has to get its lock."""


class RemoteHost:
    """Asks the serving process; every method from any thread.

    PVs of others are read and written from here, by clients of this process.
    """

    def __init__(self, wire: Wire, plan: Plan, enabled: bool) -> None:
        self._wire, self.plan = wire, plan
        self.enabled, self.running = enabled, True
        self._numbers = itertools.count()
        self._answers: dict[int, queue.SimpleQueue[tuple[str, Any]]] = {}
        self._making = threading.Lock()
        self._remote: Any = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def prefix(self) -> str:
        return self.plan.prefix

    @property
    def mode(self) -> str:
        return self.plan.mode

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.plan.parameters

    @property
    def cycle_count(self) -> int:
        return int(self._ask("cycle_count"))

    def read(self, name: str) -> Reading:
        return Reading(*self._ask("read", name))

    def write(self, name: str, value: Any) -> None:
        self._ask("write", name, value)

    def put(self, name: str, value: Any) -> None:
        self._ask("put", name, value)

    def put_link(self, name: str, value: Any, timeout: float) -> None:
        self._ask("put_link", name, value, timeout, patience=timeout + PATIENCE)

    def message(self, text: str, severity: int = 0) -> None:
        self._ask("message", text, severity)

    def status(self, text: str) -> None:
        self._ask("status", text)

    def step_cycle(self) -> None:
        self._ask("step_cycle")

    def any_pv(self, scheme: str) -> Any:
        from ioc_runtime.epics.any_pv import any_pv

        return any_pv(scheme)

    def fetch(
        self, links: Sequence[Link], until: float, takers: Sequence[Callable[[Any], None]]
    ) -> Sequence[Asked]:
        return self._clients().read(links, until, takers)

    def send(
        self,
        writes: Sequence[tuple[Link, Any]],
        until: float,
        takers: Sequence[Callable[[str], None]],
        refusal: Callable[[], str],
    ) -> Sequence[Asked]:
        return self._clients().write(writes, until, takers, refusal)

    def _clients(self) -> Any:
        with self._making:
            if self._remote is None:
                from ioc_runtime.epics.remote import Remote

                self._remote = Remote()
            return self._remote

    def answered(self, number: int, kind: str, value: Any) -> None:
        """The serving process has answered."""
        waiting = self._answers.pop(number, None)
        if waiting is not None:
            waiting.put((kind, value))

    def _ask(self, method: str, *arguments: Any, patience: float = PATIENCE) -> Any:
        number = next(self._numbers)
        waiting = self._answers[number] = queue.SimpleQueue()
        try:
            self._wire.send("call", number, method, arguments)
            kind, value = waiting.get(timeout=patience)
        except Gone:
            raise Ended("the task has ended") from None
        except queue.Empty:
            self._answers.pop(number, None)
            raise Ended(f"the task does not answer within {patience:g} s") from None
        if kind:
            raise ERRORS.get(kind, TaskError)(value)
        return value
