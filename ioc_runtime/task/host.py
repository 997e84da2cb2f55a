"""The task as its plugin sees it (`plugin.host.Host`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ioc_runtime.engine.engine import EnginePaused
from ioc_runtime.plan import Link
from ioc_runtime.plugin.errors import BadValue, Paused, PutFailed
from ioc_runtime.plugin.host import Asked, Reading
from ioc_runtime.standard import STATUS_STATES

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task


class TaskHost:
    """Lets a plugin read and write a running task; every method from any thread."""

    def __init__(self, task: Task) -> None:
        self._task = task
        plan = task.plan
        self._inputs = {signal.name: i for i, signal in enumerate(plan.inputs)}
        self._outputs = {signal.name: i for i, signal in enumerate(plan.outputs)}

    @property
    def name(self) -> str:
        return self._task.plan.name

    @property
    def prefix(self) -> str:
        return self._task.plan.prefix

    @property
    def mode(self) -> str:
        return self._task.plan.mode

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self._task.plan.parameters

    @property
    def enabled(self) -> bool:
        return self._task.engine.enabled

    @property
    def running(self) -> bool:
        return self._task.running

    @property
    def cycle_count(self) -> int:
        return self._task.counters.cycles

    def read(self, name: str) -> Reading:
        task = self._task
        with task.events.lock:
            if name in self._inputs:
                state = task.engine.inputs[self._inputs[name]]
                severity = state.severity if state.known else 3
                return Reading(state.value, severity, state.ns, state.connected)
            output = task.engine.outputs[self._outputs[name]]
            severity = output.posted_severity if output.posted_severity >= 0 else 3
            return Reading(output.value, severity, output.ns, True)

    def write(self, name: str, value: Any) -> None:
        self._do(self._task.engine.write, self._outputs[name], value)

    def put(self, name: str, value: Any) -> None:
        self._do(self._task.engine.write_setpoint, self._inputs[name], value)

    def _do(self, event: Any, index: int, value: Any) -> None:
        try:
            self._task.events.do(event, index, value)
        except EnginePaused as error:
            raise Paused(str(error)) from None
        except ValueError as error:
            raise BadValue(str(error)) from None

    def put_link(self, name: str, value: Any, timeout: float) -> None:
        error = self._task.links.put_and_wait(name, value, timeout)
        if error is not None:
            raise PutFailed(error)

    def any_pv(self, scheme: str) -> Any:
        from ioc_runtime.epics.any_pv import any_pv

        return any_pv(scheme)

    def fetch(
        self, links: Sequence[Link], until: float, takers: Sequence[Callable[[Any], None]]
    ) -> Sequence[Asked]:
        return self._task.remote.read(links, until, takers)

    def send(
        self,
        writes: Sequence[tuple[Link, Any]],
        until: float,
        takers: Sequence[Callable[[str], None]],
        refusal: Callable[[], str],
    ) -> Sequence[Asked]:
        return self._task.remote.write(writes, until, takers, refusal)

    def message(self, text: str, severity: int = 0) -> None:
        with self._task.events.lock:
            self._task.panel.message(text, severity)

    def status(self, text: str) -> None:
        with self._task.events.lock:
            self._task.panel.status(STATUS_STATES.index(text))

    def step_cycle(self) -> None:
        with self._task.events.lock:
            self._task.counters.cycles += 1
