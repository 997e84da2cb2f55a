"""Any PV over Channel Access, for a plugin: gets and waited puts on channels kept open."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

from ioc_runtime.engine.values import BadValue
from ioc_runtime.epics import dbr
from ioc_runtime.epics.ca import CaClient
from ioc_runtime.epics.ca_target import CaTarget
from ioc_runtime.epics.cabi import ca
from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.remote import Found, Reads, Request, beyond
from ioc_runtime.epics.written import signal_of
from ioc_runtime.plan import Link


class CaPvs:
    """The ca:// PVs of a plugin. Made, used and closed in the client thread."""

    def __init__(self, thread: ClientThread) -> None:
        self.client = CaClient(thread)
        self._tokens = count(1)
        self._asked: dict[int, CaPv] = {}
        # One for all gets: it lives as long as libca may call it.
        self._callback = ca.timed_reply(self._replied)

    def pv(self, link: Link) -> CaPv:
        """Look for a PV from now on."""
        return CaPv(self, link)

    def ask(self, pv: CaPv, channel: ca.Channel) -> int:
        """Ask for the value with its alarm and time; a token, or 0 when libca refuses."""
        token, one = next(self._tokens), channel.count == 1
        self._asked[token] = pv
        status = channel.get(channel.native + dbr.TIME, 1 if one else 0, self._callback, token)
        self.client.flush_later()
        if status != ca.NORMAL:
            del self._asked[token]
            return 0
        return token

    def forget(self, token: int) -> None:
        """An answer is of no interest any more."""
        self._asked.pop(token, None)

    def close(self) -> None:
        """End all circuits; nothing is called any more."""
        self.client.close()

    def _replied(self, status: int, token: int, native: int, elements: int, data: bytes) -> None:
        self.client.thread.post(self._pass_on, status, token, native, elements, data)

    def _pass_on(self, status: int, token: int, native: int, elements: int, data: bytes) -> None:
        pv = self._asked.pop(token, None)
        if pv is not None:
            pv.replied(status, native, elements, data)


class CaPv(CaTarget):
    """One PV. The connection, the names of its states and the puts are a target's."""

    def __init__(self, pvs: CaPvs, link: Link) -> None:
        self._pvs = pvs
        self._closed = False
        self._asked = 0
        """Token of the get under way, or of the last one."""
        self._reads = Reads(self._ask)
        self._unsent: deque[Request] = deque()
        self._putting: list[Request] = []
        super().__init__(pvs.client, link, signal_of(0.0), self._changed)

    @property
    def busy(self) -> bool:
        puts = (*self._unsent, *self._putting)
        return self._reads.busy or any(not request.over for request in puts)

    def read(self, request: Request) -> None:
        self._reads.add(request)

    def write(self, request: Request) -> None:
        while self._unsent and self._unsent[0].over:
            self._unsent.popleft()
        self._unsent.append(request)
        self._send()

    def close(self) -> None:
        self._closed = True
        self._ready = False
        self._pvs.forget(self._asked)
        self._channel.close()

    # what the connection does

    def _ask(self) -> bool:
        if self._closed or not self._ready or self._channel.native < 0:
            return False
        if not self._channel.readable:
            self._client.thread.post(self._refused)
            return True
        if self._channel.native == dbr.ENUM:  # states may have been renamed; answered first
            self._channel.get(dbr.GR_ENUM, 1, self._names_done)
        self._asked = self._pvs.ask(self, self._channel)
        return self._asked != 0

    def _refused(self) -> None:
        self._reads.answer(Found(None, error="its server does not let this host and user read"))

    def replied(self, status: int, native: int, elements: int, data: bytes) -> None:
        """The answer to a get, in the client thread."""
        if status == ca.DISCONNECTED:
            self._reads.lost()
        elif status != ca.NORMAL:
            self._reads.answer(Found(None, error=f"its server says: {ca.message(status)}"))
        else:
            text = self._link.name.endswith("$")
            one = self._channel.count == 1
            self._reads.answer(decode(native, elements, data, self._names, one=one, text=text))

    def _changed(self, up: bool) -> None:
        if self._closed:
            return
        if up:
            self._send()
            self._reads.go()
        else:
            self._pvs.forget(self._asked)
            self._reads.lost()

    def _send(self) -> None:
        while self._unsent and self._ready:
            request = self._unsent.popleft()
            if request.over:
                continue
            if refused := request.allowed():
                request.done(refused)
                continue
            request.sent = True
            self._putting = [one for one in self._putting if not one.over]
            self._putting.append(request)
            try:
                self._signal = signal_of(request.value)
            except BadValue as error:
                request.done(str(error))
                continue
            self.put(request.value, True, partial(_tell, request))

    # jobs that were posted before it was closed

    def _arrived(self) -> None:
        if not self._closed:
            super()._arrived()

    def _lost(self, channel: ca.Channel) -> None:
        if not self._closed:
            super()._lost(channel)

    def _with_names(self, status: int, data: bytes) -> None:
        if not self._closed:
            super()._with_names(status, data)

    def _allowed(self, write: bool) -> None:
        if not self._closed:
            super()._allowed(write)

    def _still_lost(self, channel: ca.Channel, turn: int) -> None:
        if not self._closed:
            super()._still_lost(channel, turn)


def _tell(request: Request, cause: str | BadValue | None) -> None:
    request.done("" if cause is None else str(cause))


def decode(
    native: int, elements: int, data: bytes, names: Sequence[str], *, one: bool, text: bool
) -> Found:
    """What a reply of a TIME type holds.

    :param one: the channel has one element, so the value is no list
    :param text: characters are a text
    """
    _, severity, seconds, nanoseconds = dbr.HEAD.unpack_from(data)
    ns = seconds * 1_000_000_000 + nanoseconds
    ns = ns and ns + ca.EPOCH
    payload = data[dbr.OFFSET[native] :]
    value: Any
    if native == dbr.CHAR and text:
        value = dbr.text(payload, elements)
    else:
        value = (dbr.strings if native == dbr.STRING else dbr.numbers(native))(payload, elements)
        if one:
            value = value[0]
    if native == dbr.ENUM and one and names and value >= len(names):
        return Found(None, severity, ns, tuple(names), beyond(value, names))
    return Found(value, severity, ns, tuple(names))
