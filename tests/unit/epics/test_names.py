"""What is said to and heard from name servers, and who is told what."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.epics.names.book import Asked, Book
from ioc_runtime.epics.names.ca_wire import CaWire
from ioc_runtime.epics.names.pva_wire import PvaWire
from ioc_runtime.epics.names.wire import Place, Question

GAUGE, PUMP = Place("10.1.2.3", 5064), Place("10.1.2.4", 5075, bytes(range(12)))
CLIENT = ("127.0.0.1", 40_000)


# --- Channel Access


def test_a_ca_search_is_read_name_by_name():
    datagram = bytes.fromhex("00000000 0000000d 00000000 00000000")
    datagram += bytes.fromhex("00060008 0005000d 00000007 00000007") + b"A:B\0\0\0\0\0"
    datagram += bytes.fromhex("00060008 0005000d 00000009 00000009") + b"LONGER:\0"
    assert CaWire().question(datagram) == Question({7: "A:B", 9: "LONGER:"})


def test_a_ca_answer_says_where_the_server_is():
    answer = CaWire().answer(Question({7: "A:B"}), 7, GAUGE)
    assert answer.hex(" ", 4) == "00060008 13c80000 0a010203 00000007 000d0000 00000000"


@pytest.mark.parametrize(
    ("host", "port", "place"),
    [
        ("ffffffff", "13c8", Place("10.9.9.9", 31_064)),  # through a port that is mapped
        ("0a010203", "13c8", GAUGE),
    ],
)
def test_a_ca_server_is_where_it_was_asked_or_where_it_says(host: str, port: str, place: Place):
    circuit = CaWire().circuit("10.9.9.9", 31_064)
    said = bytes.fromhex(f"00000000 0000000d 00000000 00000000 00060008 {port}0000 {host}")
    said += bytes.fromhex("00000005 000d0000 00000000")
    assert circuit.feed(said[:30]) == ({}, b"")
    assert circuit.feed(said[30:]) == ({5: place}, b"")


def test_a_ca_server_is_asked_as_it_is_by_clients():
    wire = CaWire()
    asked = wire.circuit("h", 1).ask({5: "A:B", 6: "C" * 8})
    assert wire.question(asked) == Question({5: "A:B", 6: "C" * 8})


# --- PV Access


def test_a_pva_search_is_read_in_both_byte_orders():
    for order, flags in ((">", 0x80), ("<", 0)):
        body = pack(order + "IB3x16sH", 99, 0x80, bytes(16), 4711) + b"\1\3tcp"
        body += pack(order + "HI", 2, 7) + b"\3A:B" + pack(order + "I", 9) + b"\1C"
        datagram = pack(order + "BBBBI", 0xCA, 2, flags, 3, len(body)) + body
        assert PvaWire().question(datagram) == Question({7: "A:B", 9: "C"}, 4711, 99)


def test_a_pva_answer_is_read_as_it_was_written():
    wire = PvaWire()
    answer = wire.answer(Question({7: "A:B"}, sequence=99), 7, PUMP)
    assert wire.circuit("10.9.9.9", 5075).feed(answer) == ({7: PUMP}, b"")
    elsewhere = answer.replace(bytes(10) + b"\xff\xff\x0a\1\2\4", bytes(16))
    found, _ = wire.circuit("10.9.9.9", 5075).feed(elsewhere)
    assert found == {7: PUMP._replace(host="10.9.9.9")}


@pytest.mark.parametrize(("order", "flag"), [(">", 0x80), ("<", 0)])
def test_a_pva_server_is_spoken_to_in_its_byte_order_and_asked_once_it_lets_us_in(
    order: str, flag: int
):
    wire = PvaWire()
    circuit = wire.circuit("10.9.9.9", 5075)
    assert circuit.opening() == b""
    hello = pack(order + "BBBBI", 0xCA, 2, 0x41 | flag, 2, 0xFFFFFFFF)
    offer = pack(order + "IH", 16384, 32767) + b"\2\x09anonymous\2ca"
    hello += pack(order + "BBBBI", 0xCA, 2, 0x40 | flag, 1, len(offer)) + offer
    found, back = circuit.feed(hello)
    assert (found, circuit.ready) == ({}, False)
    body = pack(order + "IHH", 16384, 32767, 0) + b"\x09anonymous\xff"
    assert back == pack(order + "BBBBI", 0xCA, 2, flag, 1, len(body)) + body
    circuit.feed(pack(order + "BBBBI", 0xCA, 2, 0x40 | flag, 9, 1) + b"\xff")
    assert circuit.ready
    assert wire.question(circuit.ask({5: "A:B"})) == Question({5: "A:B"}, 0, 0)


# --- whatever comes


@given(st.binary(max_size=80), st.booleans())
def test_garbage_is_refused_in_words_and_never_in_another_way(said: bytes, start: bool):
    for wire in (CaWire(), PvaWire()):
        prefix = (b"\xca\2\0\3" if start else b"") if wire.scheme == "pva" else b""
        for read in (wire.question, wire.circuit("h", 1).feed):
            try:
                read(prefix + said)
            except ValueError as error:
                assert str(error)


# --- the book


class Told:
    """What clients were told."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Place]] = []
        self.now = 100.0
        self.book = Book(self.tell, clock=lambda: self.now)

    def tell(self, asked: Asked, place: Place) -> None:
        self.answers.append((asked.number, place))

    def asks(self, names: Mapping[int, str]) -> None:
        self.book.ask(CLIENT, Question(names))

    def open(self) -> set[str]:
        return set(self.book.open().values())

    def found(self, name: str, place: Place) -> None:
        number = next(n for n, each in self.numbers.items() if each == name)
        self.book.found({number: place})

    def keep(self) -> None:
        self.numbers = dict(self.book.open())


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_client_is_told_whenever_the_answer_comes(told: Told):
    told.asks({1: "A", 2: "B"})
    told.keep()
    told.now += 5
    told.found("A", GAUGE)
    assert told.answers == [(1, GAUGE)]
    assert told.open() == {"B"}


def test_a_second_server_of_a_name_is_told_of_too_so_that_clients_can_warn(told: Told):
    told.asks({1: "A"})
    told.keep()
    told.found("A", GAUGE)
    told.found("A", PUMP)
    assert told.answers == [(1, GAUGE), (1, PUMP)]


def test_a_name_nobody_asks_for_any_more_is_given_up_unless_a_link_misses_it(told: Told):
    told.asks({1: "A", 2: "B"})
    for _ in range(20):
        told.now += 1
        told.book.review(["B"])
    assert told.open() == {"B"}


def test_a_link_that_is_lost_is_asked_for_anew_without_its_client(told: Told):
    told.asks({1: "A"})
    told.keep()
    told.found("A", GAUGE)
    told.now += 60
    told.book.review([])
    assert told.open() == set()
    told.book.review(["A", "never asked for"])
    assert told.open() == {"A"}
    told.found("A", PUMP)
    assert told.answers == [(1, GAUGE), (1, PUMP)]
    told.now += 1
    told.book.review(["A"])
    assert told.open() == set()  # its client may be connecting
    told.now += 1
    told.book.review(["A"])
    assert told.open() == {"A"}  # in vain


def test_new_channels_of_a_name_push_out_the_oldest(told: Told):
    for number in range(20):
        told.asks({number: "A"})
    told.keep()
    told.found("A", GAUGE)
    assert [number for number, _ in told.answers] == list(range(12, 20))


def test_an_answer_to_what_was_not_asked_is_dropped(told: Told):
    told.book.found({12: GAUGE})
    assert told.answers == []
