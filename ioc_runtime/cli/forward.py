"""A port on loopback that leads to a server of PVs somewhere else.

Clients are told of it as a name server. A CA server's answer over TCP says "where you asked",
so any port will do. A PVA server names the port it listens on: its answers are changed on
their way to name ours.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

from ioc_runtime.cli.failure import Failure
from ioc_runtime.cli.reading import Protocol

CHUNK: Final = 1 << 16
_HEAD: Final = 8
_MAGIC: Final = 0xCA
_CONTROL, _BIG, _FOUND = 0x01, 0x80, 4
_ADDRESS: Final = _HEAD + 12 + 4
"""Where the address stands in an answer to a search: after GUID and sequence number."""
_PORT: Final = _ADDRESS + 16


class Forward:
    """Passes on every connection to its port, each by one that `dial` makes."""

    def __init__(self, dial: Callable[[], socket.socket], protocol: Protocol) -> None:
        """:raises Failure: there is no way there"""
        self._dial, self._protocol = dial, protocol
        self._dialling = threading.Lock()
        self._spare: socket.socket | None = dial()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.trouble = ""
        """Why the last connection that ended was of no use; "" if it was."""
        threading.Thread(target=self._accept, name="forward", daemon=True).start()

    def close(self) -> None:
        """Take no more connections; those that are there end with their ends."""
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listening.close()
        with self._dialling:
            if self._spare is not None:
                self._spare.close()
                self._spare = None

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            with self._dialling:
                far, self._spare = self._spare or self._dial(), None
        except Failure as failure:
            self.trouble = str(failure)
            near.close()
            return
        back: Callable[[bytes], bytes] = bytes
        if self._protocol == "pva":
            back = PvaAnswers(self.port).passed
        threading.Thread(target=_pump, args=(near, far, bytes), daemon=True).start()
        said = _pump(far, near, back)
        self.trouble = "" if said else "the pod's port takes no connections; it may be another one"


def _pump(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> int:
    """Pass on what comes until one of the two ends; then both are closed. Bytes that came."""
    count = 0
    try:
        while data := source.recv(CHUNK):
            count += len(data)
            sink.sendall(change(data))
    except OSError:
        pass
    for each in (source, sink):
        try:
            each.shutdown(socket.SHUT_RDWR)  # wakes the thread that passes on the other way
        except OSError:
            pass
        each.close()
    return count


class PvaAnswers:
    """What a PVA server sends, with our port in its answers to searches."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._held = bytearray()
        self._left = 0
        """Bytes of the present message that are not looked at."""

    def passed(self, data: bytes) -> bytes:
        """What there is to pass on now; a beginning of a message may be held back."""
        self._held += data
        out = bytearray()
        while self._held:
            if self._left:
                out += self._take(self._left)
                continue
            if len(self._held) < _HEAD:
                break
            size, answers = self._look()
            if answers and len(self._held) < _PORT + 2:
                break
            if answers:
                order = ">" if self._held[2] & _BIG else "<"
                self._held[_ADDRESS:_PORT] = bytes(16)  # where the client has asked
                struct.pack_into(order + "H", self._held, _PORT, self._port)
            self._left = size
        return bytes(out)

    def _take(self, most: int) -> bytes:
        taken = bytes(self._held[:most])
        del self._held[:most]
        self._left -= len(taken)
        return taken

    def _look(self) -> tuple[int, bool]:
        """Size of the message that begins here, and whether it is an answer to a search."""
        magic, _, flags, command = self._held[:4]
        if magic != _MAGIC:  # no PVA: none of our business
            return len(self._held), False
        if flags & _CONTROL:
            return _HEAD, False
        (size,) = struct.unpack_from((">" if flags & _BIG else "<") + "I", self._held, 4)
        return _HEAD + size, command == _FOUND and size >= _PORT + 2 - _HEAD
