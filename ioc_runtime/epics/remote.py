"""PVs that a plugin reads and writes by name: any PV, not only the links of the plan.

A thread and clients of its own, so that whatever a plugin asks for delays no link; they
start with the first call, each protocol with its first PV. A PV that was asked for stays
open, the `KEEP` used last. One that does not answer is looked for by EPICS' own search
and nothing else, however often it is asked for.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.plan import Link

KEEP: Final = 1000
"""PVs that stay open."""

_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """What a PV answered."""

    value: Any
    """Number, text, index of a state, list, or numpy array (NTNDArray); None with `error`."""
    severity: int = 3
    ns: int = 0
    """EPICS timestamp in nanoseconds since 1970; 0 when there is none."""
    states: tuple[str, ...] = ()
    error: str = ""
    """Why there is no value, as a clause; "" when there is one."""


def beyond(index: int, names: Sequence[str]) -> str:
    """What is wrong with an index that no state has."""
    return f"expected one of {', '.join(names)} (0 to {len(names) - 1}), got the index {index}"


LOST = Found(None, error="the connection was lost meanwhile")


class Request:
    """One read, or one write, of one PV; answered at most once, from any thread."""

    __slots__ = ("_answer", "allowed", "link", "sent", "until", "value")

    def __init__(
        self,
        link: Link,
        until: float,
        answer: Callable[[Any], None],
        value: Any = None,
        allowed: Callable[[], str] = str,
    ) -> None:
        """`until` (monotonic): when nobody waits any more; what is unsent then stays so.

        `allowed` is asked right before a write goes out: "", or why it must not.
        """
        self.link, self.until, self.value, self.allowed = link, until, value, allowed
        self.sent = False
        self._answer = answer

    @property
    def over(self) -> bool:
        """Whether nobody waits any more."""
        return time.monotonic() >= self.until

    def done(self, result: Any) -> None:
        """A `Found` for a read; for a write "" or the cause of its failure."""
        self._answer(result)

    def late(self, timeout: float) -> str:
        """Why there is no answer, once nobody waits any more."""
        if self.sent:
            return f"no answer within {timeout:g} s"
        return f"no connection within {timeout:g} s"


def reads(
    links: Sequence[Link], until: float, takers: Sequence[Callable[[Any], None]]
) -> list[Request]:
    """A request for each link, answered to its taker."""
    pairs = zip(links, takers, strict=True)
    return [Request(link, until, taker) for link, taker in pairs]


def writes(
    values: Sequence[tuple[Link, Any]],
    until: float,
    takers: Sequence[Callable[[str], None]],
    refusal: Callable[[], str],
) -> list[Request]:
    """A request to write each value, answered to its taker."""
    pairs = zip(values, takers, strict=True)
    return [Request(link, until, taker, value, refusal) for (link, value), taker in pairs]


class Pv(Protocol):
    """One PV of one protocol. Used in the client thread; answers may come from others."""

    @property
    def busy(self) -> bool:
        """Whether somebody waits for it."""

    def read(self, request: Request) -> None:
        """Ask for the value; at once if it is connected, else when it is."""

    def write(self, request: Request) -> None:
        """Write and wait until the server has processed it."""

    def close(self) -> None:
        """End the connection; nothing is answered any more."""


class Remote:
    """All PVs that a plugin has asked for."""

    def __init__(self, keep: int = KEEP) -> None:
        self._keep = keep
        self._thread = ClientThread()
        self._clients: dict[str, Any] = {}
        self._pvs: OrderedDict[tuple[str, str], Pv] = OrderedDict()
        self._closed: deque[Pv] = deque(maxlen=100)  # a client may still hold callbacks
        self._guard = threading.Lock()
        self._over = False
        atexit.register(self.close)
        self._thread.start()

    def read(
        self, links: Sequence[Link], until: float, takers: Sequence[Callable[[Any], None]]
    ) -> list[Request]:
        """Ask for all of them at once; each taker gets its `Found`. From any thread; never
        waits.

        :param until: when an answer is too late, on the monotonic clock
        """
        requests = reads(links, until, takers)
        self._thread.post(self._each, requests, False)
        return requests

    def write(
        self,
        values: Sequence[tuple[Link, Any]],
        until: float,
        takers: Sequence[Callable[[str], None]],
        refusal: Callable[[], str],
    ) -> list[Request]:
        """Write all of them at once; each taker gets what went wrong, or "". As `read`.

        :param refusal: asked right before each is sent: why it must not be, or ""
        """
        requests = writes(values, until, takers, refusal)
        self._thread.post(self._each, requests, True)
        return requests

    def open(self) -> list[str]:
        """The PVs that are kept open, the one used last at the end; for tests and people."""
        return [f"{scheme}://{name}" for scheme, name in list(self._pvs)]

    def close(self, timeout: float = 0.3) -> None:
        """End all connections; nothing is answered any more."""
        with self._guard:
            if self._over:
                return
            self._over = True
        atexit.unregister(self.close)
        self._thread.post(self._close)
        if not self._thread.stop(timeout):
            _log.warning("the plugin's PVs did not close within %g s", timeout)

    # the client thread

    def _each(self, requests: list[Request], write: bool) -> None:
        for request in requests:
            try:
                pv = self._pv(request.link)
                (pv.write if write else pv.read)(request)
            except Exception as error:  # one bad PV must not keep the others from theirs
                cause = f"{type(error).__name__}: {error}"
                request.done(cause if write else Found(None, error=cause))
        self._shrink()

    def _pv(self, link: Link) -> Pv:
        key = (link.scheme, link.name)
        pv = self._pvs.get(key)
        if pv is None:
            client = self._clients.get(link.scheme)
            if client is None:
                client = self._clients[link.scheme] = _start(link.scheme, self._thread)
            pv = self._pvs[key] = client.pv(link)
        else:
            self._pvs.move_to_end(key)
        return pv

    def _shrink(self) -> None:
        """Close what was not used for longest, but nothing that somebody waits for."""
        excess = len(self._pvs) - self._keep
        if excess <= 0:
            return
        for key in [key for key, pv in self._pvs.items() if not pv.busy][:excess]:
            pv = self._pvs.pop(key)
            pv.close()
            self._closed.append(pv)

    def _close(self) -> None:
        for client in self._clients.values():
            client.close()


def _start(scheme: str, thread: ClientThread) -> Any:
    if scheme == "ca":
        from ioc_runtime.epics.remote_ca import CaPvs

        return CaPvs(thread)
    from ioc_runtime.epics.remote_pva import PvaPvs

    return PvaPvs(thread)


class Reads:
    """The reads of one PV: one is under way at a time, all who wait share its answer.

    Who comes while one is under way gets the answer to the next, which was asked for
    after it came: a value that is read is never older than the question.
    """

    def __init__(self, ask: Callable[[], bool]) -> None:
        """`ask` asks the server, if it can be asked now; False: it cannot."""
        self._ask = ask
        self._flying: list[Request] = []
        self._waiting: list[Request] = []
        self._losses = 0

    @property
    def busy(self) -> bool:
        return any(not request.over for request in (*self._flying, *self._waiting))

    def add(self, request: Request) -> None:
        """Somebody wants the value."""
        if len(self._waiting) > 16:
            self._waiting = [one for one in self._waiting if not one.over]
        self._waiting.append(request)
        self.go()

    def go(self) -> None:
        """Ask, if somebody waits and nothing is under way."""
        if self._flying or not self._waiting:
            return
        self._flying, self._waiting = self._waiting, []
        if self._ask():
            for request in self._flying:
                request.sent = True
        else:
            self._flying, self._waiting = [], self._flying

    def answer(self, found: Found) -> None:
        """What was asked for is there."""
        flying, self._flying, self._losses = self._flying, [], 0
        for request in flying:
            request.done(found)
        self._waiting = [one for one in self._waiting if not one.over]
        self.go()

    def lost(self) -> None:
        """It will not be answered; who still waits, waits for the PV to come back."""
        if not self._flying:
            return
        self._waiting = [one for one in (*self._flying, *self._waiting) if not one.over]
        self._flying = []
        self._losses += 1
        if self._losses > 3:  # a server that hangs up on the question itself
            self._losses = 0
            waiting, self._waiting = self._waiting, []
            for request in waiting:
                request.done(LOST)
