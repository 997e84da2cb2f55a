"""Messages between the serving process and the plugin's: JSON lists, each after its length."""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any, Final

LARGEST: Final = 256 * 2**20
"""Bytes of a message; a longer one is a broken stream."""
_LENGTH: Final = struct.Struct("!I")


class Gone(Exception):
    """The other process does not listen any more."""


class Wire:
    """One end of a socket: `send` from any thread, `receive` from one."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lock = threading.Lock()

    def send(self, *message: Any) -> None:
        """Hand a message over; waits while the other one does not read.

        :raises Gone: nobody reads any more
        """
        data = json.dumps(message, default=_plain, separators=(",", ":")).encode()
        try:
            with self._lock:
                self._socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise Gone(str(error)) from None

    def receive(self) -> list[Any]:
        """The next message.

        :raises Gone: there will be none
        """
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > LARGEST:
            raise Gone(f"a message of {length} bytes")
        try:
            message = json.loads(self._exactly(length))
        except ValueError:
            raise Gone("a message that is no JSON") from None
        if not isinstance(message, list):
            raise Gone("a message that is no list")
        return message

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            try:
                part = self._socket.recv(min(length - len(data), 2**20))
            except OSError as error:
                raise Gone(str(error)) from None
            if not part:
                raise Gone("closed")
            data += part
        return bytes(data)

    def close(self) -> None:
        """End it, for whoever waits in it, too."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other one was first
            pass
        self._socket.close()


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, and whatever else knows its plain form."""
    tolist = getattr(value, "tolist", None)
    if tolist is not None:
        return tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent")
