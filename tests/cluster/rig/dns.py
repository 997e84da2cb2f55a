"""Ask the cluster's DNS from outside the cluster, which knows its names nowhere else."""

from __future__ import annotations

import secrets
import socket
import struct
from typing import Final

PORT: Final = 53
A, IN = 1, 1
RECURSE: Final = 0x0100
NO_SUCH_NAME: Final = 3


def resolve(server: str, name: str, timeout: float = 2.0) -> list[str]:
    """The IPv4 addresses of a name; none when there is no such name.

    OSError when the server does not answer in time, or answers that it cannot tell.
    """
    number = secrets.randbits(16)
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split("."))
    question = labels + b"\0" + struct.pack(">HH", A, IN)
    query = struct.pack(">HHHHHH", number, RECURSE, 1, 0, 0, 0) + question
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect((server, PORT))
        client.send(query)
        answer = client.recv(4096)
    got, flags, _, count = struct.unpack_from(">HHHH", answer)
    code = flags & 0xF
    if got != number or code not in (0, NO_SUCH_NAME):
        raise OSError(f"DNS answered {name} with code {code}")
    return _addresses(answer, len(query), count)


def _addresses(answer: bytes, at: int, count: int) -> list[str]:
    found = []
    for _ in range(count):
        at = _after_name(answer, at)
        kind, _, _, length = struct.unpack_from(">HHIH", answer, at)
        at += 10
        if kind == A:
            found.append(socket.inet_ntoa(answer[at : at + length]))
        at += length
    return found


def _after_name(answer: bytes, at: int) -> int:
    """Where a name ends: at its empty label, or behind a pointer to another name."""
    while answer[at]:
        if answer[at] & 0xC0:
            return at + 2
        at += 1 + answer[at]
    return at + 1
