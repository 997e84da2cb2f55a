"""Searches in PV Access, as the protocol specification has them (version 2, IPv4)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Final

from ioc_runtime.epics.names.wire import Place, Question

_MAGIC, _PROTOCOL = 0xCA, 2
_CONTROL, _SEGMENTED, _SERVER, _BIG = 0x01, 0x30, 0x40, 0x80
_ORDER: Final = 2
"""The control message that tells in which byte order a server is to be written to."""
_VALIDATION, _ECHO, _SEARCH, _FOUND, _VALIDATED = 1, 2, 3, 4, 9
_UNICAST: Final = 0x80
_MAPPED: Final = bytes(10) + b"\xff\xff"
"""Prefix of an IPv4 address among 16 bytes."""
_NOTHING: Final = 0xFF
"""The type of a value that is not there."""
_LONGEST: Final = 1 << 20


class PvaWire:
    """PV Access."""

    scheme = "pva"

    def __init__(self) -> None:
        self.port = int(os.environ.get("EPICS_PVA_SERVER_PORT") or 5075)

    def circuit(self, host: str, port: int) -> PvaCircuit:
        return PvaCircuit(host)

    def question(self, datagram: bytes) -> Question:
        names: dict[int, str] = {}
        port = sequence = 0
        for command, flags, body in _messages(bytearray(datagram)):
            if command == _SEARCH and not flags & _CONTROL:
                reader = _Reader(body, flags)
                (sequence,) = reader.take("I")
                reader.skip(1 + 3 + 16)
                (port,) = reader.take("H")
                protocols = [reader.text() for _ in range(reader.size())]
                (count,) = reader.take("H")
                asked = {reader.take("I")[0]: reader.text() for _ in range(count)}
                names |= asked if "tcp" in protocols else {}
        return Question(names, port, sequence)

    def answer(self, question: Question, number: int, place: Place) -> bytes:
        host = _MAPPED + socket.inet_aton(place.host)
        body = place.guid + struct.pack(">I16sH", question.sequence, host, place.port)
        body += _text("tcp") + struct.pack(">BHI", 1, 1, number)
        return _message(_FOUND, body, ">", _SERVER)


class PvaCircuit:
    """A TCP connection to a PVA server that is asked for names."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._buffer = bytearray()
        self._order = ">"
        self.ready = False

    def opening(self) -> bytes:
        return b""  # the server speaks first

    def feed(self, data: bytes) -> tuple[Mapping[int, Place], bytes]:
        self._buffer += data
        found: dict[int, Place] = {}
        back = b""
        for command, flags, body in _messages(self._buffer):
            if flags & _CONTROL:
                if command == _ORDER:
                    self._order = _order(flags)
            elif command == _VALIDATION:
                back += self._introduce(_Reader(body, flags))
            elif command == _VALIDATED:
                self.ready = True
            elif command == _FOUND:
                found |= self._found(_Reader(body, flags))
            elif command == _ECHO and not self.ready:
                raise ValueError("it answers before it has let us in")
        return found, back

    def ask(self, names: Mapping[int, str]) -> bytes:
        body = struct.pack(self._order + "IB3x16sH", 0, _UNICAST, bytes(16), 0)
        body += b"\1" + _text("tcp", self._order) + struct.pack(self._order + "H", len(names))
        for number, name in names.items():
            body += struct.pack(self._order + "I", number) + _text(name, self._order)
        return _message(_SEARCH, body, self._order)

    def probe(self) -> bytes:
        return _message(_ECHO, b"ioc", self._order)

    def _introduce(self, reader: _Reader) -> bytes:
        size, registry = reader.take("IH")
        body = struct.pack(self._order + "IHH", size, registry, 0)
        return _message(_VALIDATION, body + _text("anonymous") + bytes([_NOTHING]), self._order)

    def _found(self, reader: _Reader) -> Iterator[tuple[int, Place]]:
        guid = reader.skip(12)
        reader.skip(4)
        host, (port,) = reader.skip(16), reader.take("H")
        protocol, (found, count) = reader.text(), reader.take("BH")
        if found and protocol == "tcp":
            mapped = host.startswith(_MAPPED) and any(host[12:])
            place = Place(socket.inet_ntoa(host[12:]) if mapped else self._host, port, guid)
            yield from [(reader.take("I")[0], place) for _ in range(count)]


class _Reader:
    """Takes the parts of a message one after the other."""

    def __init__(self, data: bytes, flags: int) -> None:
        self._data, self._order, self._at = data, _order(flags), 0

    def take(self, form: str) -> tuple[int, ...]:
        packed = struct.Struct(self._order + form)
        try:
            found = packed.unpack_from(self._data, self._at)
        except struct.error:
            raise ValueError("a message ends too early") from None
        self._at += packed.size
        return found

    def skip(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) < count:
            raise ValueError("a message ends too early")
        self._at += count
        return found

    def size(self) -> int:
        (size,) = self.take("B")
        return size if size < 254 else self.take("I")[0]

    def text(self) -> str:
        return self.skip(self.size()).decode("utf-8")


def _order(flags: int) -> str:
    return ">" if flags & _BIG else "<"


def _text(text: str, order: str = ">") -> bytes:
    data = text.encode()
    size = bytes([len(data)]) if len(data) < 254 else b"\xfe" + struct.pack(order + "I", len(data))
    return size + data


def _message(command: int, body: bytes, order: str, flags: int = 0) -> bytes:
    flags |= _BIG if order == ">" else 0
    head = struct.pack(order + "BBBBI", _MAGIC, _PROTOCOL, flags, command, len(body))
    return head + body


def _messages(buffer: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Command, flags and body of whole messages at the start of the buffer, taken out of it."""
    while len(buffer) >= 8:
        magic, _, flags, command = buffer[:4]
        (size,) = struct.unpack_from(_order(flags) + "I", buffer, 4)
        size = 0 if flags & _CONTROL else size
        if magic != _MAGIC or size > _LONGEST:
            raise ValueError("what it says is not PV Access")
        if len(buffer) < 8 + size:
            return
        body = bytes(buffer[8 : 8 + size])
        del buffer[: 8 + size]
        if not flags & _SEGMENTED:
            yield command, flags, body
