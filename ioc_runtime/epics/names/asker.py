"""Asks one name server for what is open, in a thread of its own that may wait.

A server that refuses, hangs, is not in the DNS yet or goes away is tried again once a
second for as long as a name is open: connected is the moment at which its PVs come.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ioc_runtime.epics.names.book import Book
from ioc_runtime.epics.names.wire import Circuit, Wire

_log = logging.getLogger(__name__)

RETRY: Final = 1.0
"""Seconds between two tries to connect."""
_CONNECT: Final = 2.0
_SILENCE: Final = 3.0
"""Seconds without an answer after which a server counts as gone."""
_TURN: Final = 0.25
"""Seconds between two looks for names that are newly open."""
_IDLE: Final = 10.0
"""Seconds without an open name after which the connection is given back."""
_SLOWEST: Final = 10.0
"""Seconds between two searches for a name that a server does not have."""
_AT_ONCE: Final = 500
"""Names in one search."""


class Asker:
    """One server of EPICS_CA_NAME_SERVERS or EPICS_PVA_NAME_SERVERS."""

    def __init__(self, wire: Wire, server: str, book: Book) -> None:
        """Take a server as `host` or `host:port`.

        :raises ValueError: when the port is not a number.
        """
        host, colon, port = server.rpartition(":")
        self._host, self._port = (host, int(port)) if colon else (server, wire.port)
        self._wire, self._book = wire, book
        self._closed = threading.Event()
        self._said = ""
        name = f"{wire.scheme} names of {server}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more. Does not wait: a thread may hang in the DNS."""
        self._closed.set()

    def _run(self) -> None:
        while self._book.wait():
            try:
                self._visit()
            except (OSError, ValueError) as error:
                self._say(_cause(error))
            if self._closed.wait(RETRY):
                return

    def _visit(self) -> None:
        """One connection, for as long as there is something to ask.

        :raises OSError, ValueError: when the server cannot be reached or talked to.
        """
        kind = (socket.AF_INET, socket.SOCK_STREAM)
        address = socket.getaddrinfo(self._host, self._port, *kind)[0][4]
        with socket.create_connection(address[:2], _CONNECT) as connection:  # type: ignore[misc]
            connection.settimeout(_TURN)
            circuit = self._wire.circuit(str(address[0]), int(address[1]))
            connection.sendall(circuit.opening())
            _Visit(connection, circuit, self._book, self._say).run(self._closed)

    def _say(self, problem: str) -> None:
        """Log it once, not at every try."""
        if problem != self._said:
            self._said = problem
            server = f"{self._wire.scheme} name server {self._host}:{self._port}"
            if problem:
                _log.warning("%s: %s; it is asked again every second", server, problem)
            else:
                _log.info("%s answers", server)


class _Visit:
    """A connection to a server."""

    def __init__(
        self,
        connection: socket.socket,
        circuit: Circuit,
        book: Book,
        say: Callable[[str], None],
    ) -> None:
        self._connection, self._circuit, self._book, self._say = connection, circuit, book, say
        self._due: dict[int, tuple[float, float]] = {}
        """Of each number that was asked: when it is next, and seconds to wait after that."""
        self._expects: float | None = None
        """Since when something has to come."""

    def run(self, closed: threading.Event) -> None:
        """Until nothing is open for a while.

        :raises OSError, ValueError: when the server goes, hangs or talks nonsense.
        """
        needed = self._expects = time.monotonic()
        while not closed.is_set():
            now = time.monotonic()
            names = self._book.open()
            if names:
                needed = now
            elif now - needed > _IDLE:
                return
            if self._circuit.ready:
                self._ask(names, now)
            self._hear()
            if self._expects is not None and time.monotonic() - self._expects > _SILENCE:
                raise OSError(f"does not answer within {_SILENCE:g} s")

    def _ask(self, names: Mapping[int, str], now: float) -> None:
        for number in self._due.keys() - names.keys():
            del self._due[number]
        due = {n: name for n, name in names.items() if self._due.get(n, (0.0, 0.0))[0] <= now}
        for part in _parts(due):
            self._connection.sendall(self._circuit.ask(part))
        for number in due:
            wait = min(2 * self._due.get(number, (0.0, RETRY / 2))[1], _SLOWEST)
            self._due[number] = now + wait, wait
        if due:
            self._connection.sendall(self._circuit.probe())
            self._expects = self._expects or now

    def _hear(self) -> None:
        try:
            data = self._connection.recv(65536)
        except TimeoutError:
            return
        if not data:
            raise OSError("closes the connection")
        found, back = self._circuit.feed(data)
        if self._circuit.ready:
            self._expects = None
            self._say("")
        if back:
            self._connection.sendall(back)
        if found:
            self._book.found(found)


def _parts(names: Mapping[int, str]) -> Iterator[dict[int, str]]:
    pairs = list(names.items())
    for start in range(0, len(pairs), _AT_ONCE):
        yield dict(pairs[start : start + _AT_ONCE])


def _cause(error: OSError | ValueError) -> str:
    if isinstance(error, socket.gaierror):
        return f"its address is not known ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return str(getattr(error, "strerror", None) or error)
