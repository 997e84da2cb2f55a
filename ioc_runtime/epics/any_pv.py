"""Any PV by its name, for plugins written for iocmng: get, put and follow.

Separate from the links: what a plugin asks for delays none of them. Calls wait in the
thread of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ioc_runtime.epics.libraries import without_setuptools

Ends = Callable[[], None]


class AnyPv(Protocol):
    """A client of one protocol."""

    def get(self, name: str, timeout: float) -> Any:
        """The value.

        :raises TimeoutError: no answer in time
        """

    def put(self, name: str, value: Any, timeout: float) -> None:
        """Write, and wait until the server has taken it.

        :raises TimeoutError: no answer in time
        :raises OSError: refused
        """

    def monitor(
        self,
        name: str,
        callback: Callable[[Any], None],
        connected: Callable[[bool], None] | None,
    ) -> Ends:
        """Follow a PV; call what is returned to end it."""

    def close(self) -> None:
        """End all connections."""


def any_pv(scheme: str) -> AnyPv:
    """A client for `pva` or `ca`."""
    without_setuptools()
    return PvaClient() if scheme == "pva" else CaClient()


class PvaClient:
    """PV Access."""

    def __init__(self) -> None:
        from p4p.client.thread import Context

        self._context = Context("pva")

    def get(self, name: str, timeout: float) -> Any:
        return self._context.get(name, timeout=timeout)

    def put(self, name: str, value: Any, timeout: float) -> None:
        from p4p.client.thread import RemoteError

        try:
            self._context.put(name, value, timeout=timeout)
        except RemoteError as error:
            raise OSError(f"{name}: {error}") from None

    def monitor(
        self,
        name: str,
        callback: Callable[[Any], None],
        connected: Callable[[bool], None] | None,
    ) -> Ends:
        def take(value: Any) -> None:
            if isinstance(value, Exception):
                if connected is not None:
                    connected(False)
                return
            if connected is not None:
                connected(True)
            callback(value)

        subscription = self._context.monitor(name, take, notify_disconnect=connected is not None)
        end: Ends = subscription.close
        return end

    def close(self) -> None:
        self._context.close()


class CaClient:
    """Channel Access."""

    def __init__(self) -> None:
        # pyepics gets the libca of epicscorelibs: two of them in one process do not get on.
        import epicscorelibs.path.pyepics  # noqa: F401, I001
        import epics

        self._all = epics
        epics.ca.initialize_libca()

    @property
    def _epics(self) -> Any:
        """pyepics, with the calling thread among those that may use it."""
        self._all.ca.use_initial_context()
        return self._all

    def get(self, name: str, timeout: float) -> Any:
        value = self._epics.caget(name, timeout=timeout)
        if value is None:
            raise TimeoutError(f"{name}: no answer within {timeout:g} s")
        return value

    def put(self, name: str, value: Any, timeout: float) -> None:
        if not self._epics.caput(name, value, wait=True, timeout=timeout):
            raise TimeoutError(f"{name}: no answer within {timeout:g} s")

    def monitor(
        self,
        name: str,
        callback: Callable[[Any], None],
        connected: Callable[[bool], None] | None,
    ) -> Ends:
        def take(value: Any = None, **_: Any) -> None:
            if value is not None:
                callback(value)

        pv = self._epics.PV(name, auto_monitor=True)
        if connected is not None:
            pv.connection_callbacks.append(lambda conn=None, **_: connected(bool(conn)))
        pv.add_callback(take)

        def end() -> None:
            pv.clear_callbacks()
            pv.disconnect()

        return end

    def close(self) -> None:
        """Its connections end with the process."""
