"""Who on the network serves a name already: asked before a task serves its own.

The search has clients of its own and ends them. A client that once looked for a name
in vain waits ever longer before it asks again, so links that follow our own PVs must
not share it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

_log = logging.getLogger(__name__)

PVA_SERVER = "a PVA server"
"""PV Access does not tell the address of a server."""
CLOSING = 0.5
"""Seconds that closing may take. libca itself waits for EPICS_CA_CONN_TMO (30 s) when a
server of EPICS_CA_NAME_SERVERS is not there; its thread then ends later by itself."""


class Search:
    """A search that goes on until it is closed; `found` may be read at any time."""

    def __init__(self, names: Iterable[str], protocols: Sequence[str] = ("ca", "pva")) -> None:
        """Start to look for full PV names.

        :raises OSError, ImportError: when a client does not start.
        """
        self.found: dict[str, str] = {}
        """Name -> "host:port" (CA) or PVA_SERVER."""
        self._names = list(dict.fromkeys(names))
        self._all_found = threading.Event()
        self._searches: list[_CaSearch | _PvaSearch] = []
        try:
            for protocol in protocols:
                kind = _CaSearch if protocol == "ca" else _PvaSearch
                self._searches.append(kind(self._names, self._note))
        except BaseException:
            self.close()
            raise

    def wait(self, timeout: float) -> dict[str, str]:
        """What is found after `timeout` seconds, or as soon as all is found."""
        if self._names:
            self._all_found.wait(timeout)
        return dict(self.found)

    def close(self) -> None:
        """Forget the names and end the clients."""
        for search in self._searches:
            search.close()
        self._searches = []

    def __enter__(self) -> Search:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _note(self, name: str, server: str) -> None:
        if server != PVA_SERVER or name not in self.found:
            self.found[name] = server
        if len(self.found) == len(self._names):
            self._all_found.set()


def who_serves(
    names: Iterable[str], protocols: Sequence[str] = ("ca", "pva"), timeout: float = 0.5
) -> dict[str, str]:
    """Names that somebody serves, with "host:port" (CA) or "a PVA server".

    :param timeout: seconds; the search returns earlier only when every name is found.
    """
    with Search(names, protocols) as search:
        return search.wait(timeout)


class _CaSearch:
    """libca's context belongs to a thread, so the search has one."""

    def __init__(self, names: Sequence[str], note: Any) -> None:
        self._names, self._note = names, note
        self._begun, self._over = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)
        self._thread.start()
        self._begun.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        self._over.set()
        self._thread.join(CLOSING)

    def _run(self) -> None:
        try:
            from ioc_runtime.epics.cabi import ca

            context = ca.Context()
        except BaseException as error:
            self._failure = error
            self._begun.set()
            return
        channels: dict[str, Any] = {}

        def connection(name: str, up: bool) -> None:
            if up:
                self._note(name, channels[name].host)

        try:
            for name in self._names:
                channels[name] = ca.Channel(name, partial(connection, name))
                channels[name].open()
            context.flush()
        except OSError as error:
            self._failure = error
        self._begun.set()
        self._over.wait()
        context.close()


class _PvaSearch:
    def __init__(self, names: Sequence[str], note: Any) -> None:
        from ioc_runtime.epics.libraries import without_setuptools

        without_setuptools()
        from p4p.client.raw import Cancelled, Context

        def answered(name: str, result: Any) -> None:
            if not isinstance(result, Cancelled):
                note(name, PVA_SERVER)

        self._context = Context("pva", useenv=True, nt=False)
        started = time.monotonic()
        self._gets = [
            self._context.get(name, partial(answered, name), request="field()") for name in names
        ]
        _log.debug("asked for %d names in %.3f s", len(names), time.monotonic() - started)

    def close(self) -> None:
        for get in self._gets:
            get.close()
        self._context.close()
