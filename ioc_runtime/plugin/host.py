"""What a task offers its plugin. The task implements it; the plugin API uses it.

Every method may be called from any thread, the plugin's own ones included. None
of them waits for anything but the task's lock, except `put_link`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ioc_runtime.plan import Link


class Reading(NamedTuple):
    """What a signal holds now."""

    value: Any
    """As the signal holds it (bool and enum: the index); None before the first one."""
    severity: int
    """0 NO_ALARM, 1 MINOR, 2 MAJOR, 3 INVALID."""
    ns: int
    """EPICS timestamp in nanoseconds since 1970; 0 when there is none."""
    connected: bool
    """Whether the link is up; always true for a signal without one."""


class Asked(Protocol):
    """A read or write of a PV of others that is under way."""

    sent: bool
    """Whether it went out to a server."""

    def late(self, timeout: float) -> str:
        """Why there is no answer after so many seconds."""
        ...


class Fetched(Protocol):
    """What a PV of others answered."""

    @property
    def value(self) -> Any:
        """Number, text, index of a state, a list or an array; None with an error."""
        ...

    @property
    def severity(self) -> int:
        """0 to 3."""
        ...

    @property
    def ns(self) -> int:
        """EPICS timestamp since 1970, or 0."""
        ...

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states of an enum."""
        ...

    @property
    def error(self) -> str:
        """Why there is no value, or ""."""
        ...


class Run(Protocol):
    """The run of a job, as its code may use it. From any thread."""

    @property
    def stop_reason(self) -> str:
        """Why the run is to end; "" while it goes on."""
        ...

    def progress(self, fraction: float, message: str | None) -> None:
        """Show how far it is; None leaves the message.

        :raises BadValue: the fraction is not a number from 0 to 1.
        """
        ...

    def sleep(self, seconds: float) -> None:
        """Wait so long.

        :raises Stopped: the run is to end.
        """
        ...


class Host(Protocol):
    """The task, as its plugin may use it."""

    @property
    def name(self) -> str:
        """Name of the IocTask or IocJob."""
        ...

    @property
    def prefix(self) -> str:
        """Prefix of all its PVs, verbatim."""
        ...

    @property
    def mode(self) -> str:
        """`reactive`, `periodic` or `triggered`."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """`spec.parameters`; a reload may replace the mapping."""
        ...

    @property
    def enabled(self) -> bool:
        """ENABLE."""
        ...

    @property
    def running(self) -> bool:
        """Between the start of serving and the start of stopping."""
        ...

    @property
    def cycle_count(self) -> int:
        """CYCLE_COUNT."""
        ...

    def read(self, name: str) -> Reading:
        """An input or output of the plan, by its name. The name is known."""
        ...

    def write(self, name: str, value: Any) -> None:
        """Write an output that the plugin owns. The value has been coerced.

        :raises Paused: ENABLE is 0 (looked at under the task's lock).
        """
        ...

    def put(self, name: str, value: Any) -> None:
        """Write a set-point, as an operator would. The value has been coerced.

        :raises Paused: ENABLE is 0.
        """
        ...

    def any_pv(self, scheme: str) -> Any:
        """A client for PVs that are no links (`epics.any_pv`), `ca` or `pva`."""
        ...

    def put_link(self, name: str, value: Any, timeout: float) -> None:
        """Put to the PV that an input or output is linked to, and wait for the answer.

        Called from the plugin's thread, with a value as the plugin gave it.

        :raises PutFailed: refused, no connection, or no answer within `timeout` seconds.
        """
        ...

    def fetch(
        self, links: Sequence[Link], until: float, takers: Sequence[Callable[[Fetched], None]]
    ) -> Sequence[Asked]:
        """Read PVs of others, all at once. Never waits.

        Each taker is called at most once, from any thread, and not long after `until`
        (monotonic) if it was not called by then.
        """
        ...

    def send(
        self,
        writes: Sequence[tuple[Link, Any]],
        until: float,
        takers: Sequence[Callable[[str], None]],
        refusal: Callable[[], str],
    ) -> Sequence[Asked]:
        """Write PVs of others, all at once. Never waits.

        A taker gets "" or the cause of a failure. What is unsent at `until` is never sent;
        nor is what `refusal` gives a reason against, right before it would be.
        """
        ...

    def message(self, text: str, severity: int = 0) -> None:
        """Show `text` in MESSAGE."""
        ...

    def status(self, text: str) -> None:
        """Set STATUS; one of INIT, RUN, PAUSED, END, ERROR."""
        ...

    def step_cycle(self) -> None:
        """Count one cycle in CYCLE_COUNT."""
        ...
