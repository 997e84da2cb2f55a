"""One read over Channel Access by a TCP connection of its own, in a few messages.

libca waits longer and longer after a refused connection, so a client that was there
before the server measures libca. This one asks again every time, as a new client does.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

HEADER: Final = struct.Struct(">HHHHII")
"""Command, size of the payload, type, count, and two parameters."""
VERSION: Final = 0
READ_NOTIFY: Final = 15
CREATE_CHAN: Final = 18
DOUBLE: Final = 6


def read(address: str, name: str, timeout: float = 0.5, port: int = 5064) -> float:
    """Value of a scalar PV.

    :raises OSError: nobody listens, or no whole answer within `timeout` seconds
    """
    with socket.create_connection((address, port), timeout=timeout) as connection:
        text = name.encode() + b"\0"
        text += bytes(-len(text) % 8)
        connection.sendall(
            HEADER.pack(VERSION, 0, 0, 13, 0, 0)
            + HEADER.pack(CREATE_CHAN, len(text), 0, 0, 1, 13)
            + text
        )
        sid = _until(connection, CREATE_CHAN)[1]
        connection.sendall(HEADER.pack(READ_NOTIFY, 0, DOUBLE, 1, sid, 1))
        return float(struct.unpack_from(">d", _until(connection, READ_NOTIFY)[2])[0])


def _until(connection: socket.socket, wanted: int) -> tuple[int, int, bytes]:
    """Parameters and payload of the next message of a kind."""
    while True:
        command, size, _, _, first, second = HEADER.unpack(_exactly(connection, HEADER.size))
        payload = _exactly(connection, size)
        if command == wanted:
            return first, second, payload


def _exactly(connection: socket.socket, size: int) -> bytes:
    said = b""
    while len(said) < size:
        piece = connection.recv(size - len(said))
        if not piece:
            raise ConnectionError("the server hung up")
        said += piece
    return said
