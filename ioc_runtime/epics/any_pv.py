"""Follows any PV by its name, for plugins written for iocmng (`pv_client.monitor`).

Separate from the links, and from the single reads and writes of `epics.remote`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ioc_runtime.epics.libraries import without_setuptools

Ends = Callable[[], None]


class AnyPv(Protocol):
    """A client of one protocol."""

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

    def monitor(
        self,
        name: str,
        callback: Callable[[Any], None],
        connected: Callable[[bool], None] | None,
    ) -> Ends:
        def take(value: Any = None, **_: Any) -> None:
            if value is not None:
                callback(value)

        callbacks = {}
        if connected is not None:
            callbacks["connection_callback"] = lambda conn=None, **_: connected(bool(conn))
        pv = self._epics.PV(name, callback=take, auto_monitor=True, **callbacks)

        def end() -> None:
            pv.clear_callbacks()
            self._epics  # noqa: B018 - this thread may be another one
            pv.disconnect()

        return end

    def close(self) -> None:
        """Its connections end with the process."""
