"""The wire between a task and the process of its plugin."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Iterator

import pytest

from ioc_runtime.task.apart.wire import LARGEST, Gone, Wire

Pair = tuple[Wire, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A wire, and the bare other end of it."""
    one, other = socket.socketpair()
    wire = Wire(one)
    yield wire, other
    wire.close()
    other.close()


def test_what_is_sent_arrives_as_it_was_also_numbers_that_are_none(pair: Pair):
    wire, other = pair
    sent = ["changed", 0.1 + 0.2, -math.inf, 2**63, "gauge\0ü", [None, True]]
    Wire(other).send(*sent)
    assert wire.receive() == sent
    Wire(other).send(math.nan)
    assert math.isnan(wire.receive()[0])


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0\0",
        struct.pack("!I", 10) + b"[1",
        struct.pack("!I", 4) + b"[1,,",
        struct.pack("!I", 2) + b"\xff\xfe",
        struct.pack("!I", 2) + b"17",
        struct.pack("!I", LARGEST + 1) + b"[",
    ],
    ids=["nothing", "part", "cut", "no JSON", "no text", "no list", "huge"],
)
def test_a_broken_stream_is_an_end_and_no_error_of_another_kind(pair: Pair, sent: bytes):
    wire, other = pair
    other.sendall(sent)
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(Gone):
        wire.receive()


def test_who_sends_to_a_process_that_has_ended_is_told(pair: Pair):
    wire, other = pair
    other.close()
    with pytest.raises(Gone):
        wire.send("start")
