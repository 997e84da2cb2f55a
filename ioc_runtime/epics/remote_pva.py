"""Any PV over PV Access, for a plugin: gets and waited puts.

pvxs drops a channel that no operation holds, so the last get of a PV is kept: its next
one finds the connection open.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

from ioc_runtime.engine.values import BadValue
from ioc_runtime.epics.cabi.threads import keep_thread_state
from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.libraries import without_setuptools
from ioc_runtime.epics.remote import Found, Reads, Request
from ioc_runtime.epics.written import signal_of
from ioc_runtime.plan import Link

without_setuptools()
from p4p.client.raw import Cancelled, Context, Disconnected  # noqa: E402

from ioc_runtime.epics.pva_any import decode, fill_any  # noqa: E402

_GET = "field(value,alarm,timeStamp,dimension,codec)"


class PvaPvs:
    """The pva:// PVs of a plugin. Made, used and closed in the client thread."""

    def __init__(self, thread: ClientThread) -> None:
        self.thread = thread
        self.context = Context("pva", useenv=True, nt=False)

    def pv(self, link: Link) -> PvaPv:
        """A PV; it is looked for with its first get or put."""
        return PvaPv(self, link.name)

    def close(self) -> None:
        """End all connections; nothing is called any more."""
        self.context.close()


class PvaPv:
    """One PV."""

    def __init__(self, pvs: PvaPvs, name: str) -> None:
        self._pvs, self._name = pvs, name
        self._reads = Reads(self._ask)
        self._get: Any = None
        self._tokens = count(1)
        self._asked = 0
        """Token of the get under way, or of the last one."""
        self._puts: dict[int, tuple[Any, Request]] = {}
        self._closed = False

    @property
    def busy(self) -> bool:
        return self._reads.busy or bool(self._puts)

    def read(self, request: Request) -> None:
        self._reads.add(request)

    def write(self, request: Request) -> None:
        token = next(self._tokens)
        value = request.value
        try:
            if not hasattr(value, "ndim"):
                signal_of(value)
        except BadValue as error:
            request.done(str(error))
            return
        scalar = not hasattr(value, "ndim") and not isinstance(value, list | tuple)
        put = self._pvs.context.put(
            self._name,
            partial(self._written, token, request),
            builder=partial(self._build, request),
            request=f"{'field(value)' if scalar else 'field()'}record[block=true]",
            get=scalar,  # an enum's states come with it
        )
        self._puts[token] = (put, request)
        self._pvs.thread.at(request.until, self._give_up, token)

    def close(self) -> None:
        self._closed = True
        for put, _ in self._puts.values():
            put.close()
        self._puts.clear()
        if self._get is not None:
            self._get.close()

    # reads

    def _ask(self) -> bool:
        if self._closed:
            return False
        self._asked = next(self._tokens)
        before = self._get
        self._get = self._pvs.context.get(
            self._name, partial(self._answered, self._asked), request=_GET
        )
        del before  # not sooner: it holds the channel
        return True

    def _answered(self, token: int, value: Any) -> None:
        """In p4p's worker."""
        keep_thread_state()
        found: Found | None = None
        if isinstance(value, Disconnected):
            pass
        elif isinstance(value, Exception):
            found = Found(None, error=f"its server says: {value}")
        else:
            try:
                found = decode(value, text=self._name.endswith("$"))
            except Exception as error:
                found = Found(None, error=f"{type(error).__name__}: {error}")
        self._pvs.thread.post(self._landed, token, found)

    def _landed(self, token: int, found: Found | None) -> None:
        if token != self._asked or self._closed:
            return
        if found is not None:
            self._reads.answer(found)
        else:
            self._reads.lost()
            self._reads.go()

    # writes

    def _build(self, request: Request, target: Any) -> None:
        """Fill in the value; in p4p's worker, once the PV is connected."""
        if request.over:
            raise BadValue("it was too late to write it")
        if refused := request.allowed():
            raise BadValue(refused)
        request.sent = True
        fill_any(target, request.value)

    def _written(self, token: int, request: Request, result: Any) -> None:
        """In p4p's worker."""
        keep_thread_state()
        self._pvs.thread.post(self._forget, token)
        if isinstance(result, Cancelled):
            return  # by us, since it is too late: who waits for it says so
        if isinstance(result, BadValue):
            request.done(str(result))
        elif isinstance(result, Disconnected):
            request.done("the connection was lost meanwhile")
        elif isinstance(result, Exception):
            request.done(f"its server says: {result}")
        else:
            request.done("")

    def _forget(self, token: int) -> None:
        self._puts.pop(token, None)

    def _give_up(self, token: int) -> None:
        """What is not sent by now is never sent."""
        put = self._puts.pop(token, None)
        if put is not None:
            put[0].close()
