"""Answers of a PVA server on their way: our port in place of its own, whatever the pieces."""

from __future__ import annotations

import random
import struct

import pytest

from ioc_runtime.cli.forward import PvaAnswers

SERVER, CONTROL, BIG = 0x40, 0x01, 0x80


def message(command: int, body: bytes, order: str, flags: int = SERVER) -> bytes:
    flags |= BIG if order == ">" else 0
    size = struct.pack(order + "I", len(body))
    return bytes([0xCA, 2, flags, command]) + size + body


def answer(order: str, address: bytes, port: int) -> bytes:
    """To a search for two names."""
    body = b"GUIDGUIDGUID" + struct.pack(order + "I", 7) + address
    body += struct.pack(order + "H", port) + b"\x03tcp\x01" + struct.pack(order + "HII", 2, 1, 2)
    return message(4, body, order)


def conversation(order: str, address: bytes, port: int) -> bytes:
    """Search answers between messages that only look a little like them."""
    control = bytes([0xCA, 2, SERVER | CONTROL | (BIG if order == ">" else 0), 2, 0, 0, 0, 0])
    return (
        control
        + message(1, b"\xca\x02\x40\x04" * 20, order)
        + answer(order, address, port)
        + message(4, b"short", order)
        + message(13, b"", order)
        + answer(order, address, port)
        + message(13, random.Random(1).randbytes(500), order)
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pieces", [1, 3, 7, 41, 42, 10_000])
def test_only_address_and_port_of_answers_are_changed(order: str, pieces: int):
    theirs = conversation(order, bytes(10) + b"\xff\xff\x0a\x00\x00\x07", 5075)
    filtered = PvaAnswers(40123)
    passed = b"".join(
        filtered.passed(theirs[i : i + pieces]) for i in range(0, len(theirs), pieces)
    )
    assert passed == conversation(order, bytes(16), 40123)


def test_what_is_no_pva_goes_through_as_it_is():
    data = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    assert PvaAnswers(1).passed(data) == data
