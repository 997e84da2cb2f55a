"""A stand-in for name servers: clients ask it on loopback, it asks the servers.

libca and pvxs look for names at intervals that grow to a minute, wait 5 or 10 s before
they try a server again that refused, and drop for ever one that the DNS does not know
when they start. In a cluster every link goes through a name server, and pods come in
any order. Both clients take an answer at any time; so this one remembers what they
asked and answers when it knows. They see one server that always listens, by UDP.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Final

from ioc_runtime.epics.names.asker import Asker
from ioc_runtime.epics.names.book import Asked, Book
from ioc_runtime.epics.names.ca_wire import CaWire
from ioc_runtime.epics.names.pva_wire import PvaWire
from ioc_runtime.epics.names.wire import Place, Wire

_log = logging.getLogger(__name__)

_REVIEW: Final = 1.0
"""Seconds between two looks at what links still miss."""

Missing = Callable[[str], Iterable[str]]
"""The names that links of a scheme (`ca` or `pva`) are not connected to."""


class Directory:
    """Answers the searches of one protocol's clients in this process."""

    def __init__(self, wire: Wire, servers: Iterable[str], missing: Missing) -> None:
        """Listen on loopback; `missing` is asked once a second.

        :raises OSError: when there is no socket to be had.
        """
        self._wire, self._missing = wire, missing
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", 0))
            self._socket.settimeout(_REVIEW)
        except BaseException:
            self._socket.close()
            raise
        self.book = Book(self._answer)
        self._askers: list[Asker] = []
        for server in servers:
            try:
                self._askers.append(Asker(wire, server, self.book))
            except ValueError:
                _log.error("%s name server %r: expected host or host:port", wire.scheme, server)
        self._closed = False
        name = f"{wire.scheme} names"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def address(self) -> str:
        """host:port for EPICS_CA_ADDR_LIST or EPICS_PVA_ADDR_LIST."""
        return "{}:{}".format(*self._socket.getsockname())

    def start(self) -> None:
        """Begin to listen and to ask."""
        self._thread.start()
        for asker in self._askers:
            asker.start()

    def close(self) -> None:
        """Answer no more."""
        self._closed = True
        self.book.close()
        for asker in self._askers:
            asker.close()

    def _run(self) -> None:
        with self._socket as listening:
            while not self._closed:
                try:
                    self._hear(*listening.recvfrom(65536))
                except TimeoutError:
                    pass
                except (OSError, ValueError) as error:
                    _log.debug("a search was not understood: %s", error)
                self.book.review(self._missing(self._wire.scheme))

    def _hear(self, datagram: bytes, sender: tuple[str, int]) -> None:
        question = self._wire.question(datagram)
        if question.names:
            self.book.ask((sender[0], question.port or sender[1]), question)

    def _answer(self, asked: Asked, place: Place) -> None:
        datagram = self._wire.answer(asked.question, asked.number, place)
        try:
            self._socket.sendto(datagram, asked.address)
        except OSError as error:
            _log.debug("an answer was not sent: %s", error)


def stand_in(missing: Missing) -> list[Directory]:
    """Take the place of the name servers that the environment names, if it names any.

    To be called before any client of EPICS reads the environment, and by one task of a
    process alone.

    :raises OSError: when there is no socket to be had.
    """
    made = []
    for wire in (CaWire, PvaWire):
        kind = f"EPICS_{wire.scheme.upper()}"
        servers = os.environ.get(f"{kind}_NAME_SERVERS", "").split()
        if servers:
            directory = Directory(wire(), servers, missing)
            directory.start()
            os.environ[f"{kind}_NAME_SERVERS"] = ""
            others = os.environ.get(f"{kind}_ADDR_LIST", "")
            os.environ[f"{kind}_ADDR_LIST"] = f"{others} {directory.address}".strip()
            made.append(directory)
    return made
