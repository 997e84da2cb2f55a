"""Searches in Channel Access, as the protocol specification 4.13 has them."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Final

from ioc_runtime.epics.names.wire import Place, Question

_HEAD: Final = Struct(">HHHHII")
"""Command, size of the payload, data type, data count, two parameters."""
_LARGE: Final = Struct(">II")
"""Size and count of a message above 64 KiB."""
_VERSION, _SEARCH, _CLIENT, _HOST, _ECHO = 0, 6, 20, 21, 23
_MINOR: Final = 13
_DO_NOT_REPLY: Final = 5
_OWN_ADDRESS: Final = 0xFFFF_FFFF
_LONGEST: Final = 1 << 20


class CaWire:
    """Channel Access."""

    scheme = "ca"

    def __init__(self) -> None:
        self.port = int(os.environ.get("EPICS_CA_SERVER_PORT") or 5064)

    def circuit(self, host: str, port: int) -> CaCircuit:
        return CaCircuit(host, port)

    def question(self, datagram: bytes) -> Question:
        names: dict[int, str] = {}
        for command, _, _, number, _, payload in _messages(bytearray(datagram)):
            if command == _SEARCH:
                names[number] = payload.split(b"\0", 1)[0].decode("utf-8")
        return Question(names)

    def answer(self, question: Question, number: int, place: Place) -> bytes:
        (host,) = Struct(">I").unpack(socket.inet_aton(place.host))
        minor = _MINOR.to_bytes(2, "big")
        return _HEAD.pack(_SEARCH, 8, place.port, 0, host, number) + minor.ljust(8, b"\0")


class CaCircuit:
    """A TCP connection to a CA server that is asked for names."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._buffer = bytearray()
        self.ready = True

    def opening(self) -> bytes:
        version = _HEAD.pack(_VERSION, 0, 0, _MINOR, 0, 0)
        return version + _text(_CLIENT, _user()) + _text(_HOST, socket.gethostname())

    def feed(self, data: bytes) -> tuple[Mapping[int, Place], bytes]:
        self._buffer += data
        found: dict[int, Place] = {}
        for command, kind, _, host, number, _ in _messages(self._buffer):
            if command == _SEARCH and host == _OWN_ADDRESS:
                # As libca takes it: the server is where it was asked, whatever it calls that.
                found[number] = Place(self._host, self._port)
            elif command == _SEARCH:
                found[number] = Place(socket.inet_ntoa(host.to_bytes(4, "big")), kind)
        return found, b""

    def ask(self, names: Mapping[int, str]) -> bytes:
        return b"".join(
            _text(_SEARCH, name, _DO_NOT_REPLY, _MINOR, number) for number, name in names.items()
        )

    def probe(self) -> bytes:
        return _HEAD.pack(_ECHO, 0, 0, 0, 0, 0)


def _text(command: int, text: str, kind: int = 0, count: int = 0, number: int = 0) -> bytes:
    payload = text.encode() + b"\0"
    payload = payload.ljust(-(-len(payload) // 8) * 8, b"\0")
    return _HEAD.pack(command, len(payload), kind, count, number, number) + payload


def _messages(buffer: bytearray) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """Whole messages at the start of the buffer, which are taken out of it."""
    while len(buffer) >= _HEAD.size:
        command, size, kind, count, first, second = _HEAD.unpack_from(buffer)
        start = _HEAD.size
        if size == 0xFFFF and count == 0:
            if len(buffer) < start + _LARGE.size:
                return
            size, count = _LARGE.unpack_from(buffer, start)
            start += _LARGE.size
        if command > 40 or size > _LONGEST:
            raise ValueError("what it says is not Channel Access")
        if len(buffer) < start + size:
            return
        payload = bytes(buffer[start : start + size])
        del buffer[: start + size]
        yield command, kind, count, first, second, payload


def _user() -> str:
    """As libca: the name of the user, whose number alone a container may know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
