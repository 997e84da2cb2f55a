"""What both protocols say about names: who is asked what, and who is where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """Where a server serves."""

    host: str
    """IPv4 address, as text."""
    port: int
    guid: bytes = bytes(12)
    """What tells servers apart in PV Access."""


class Question(NamedTuple):
    """A client's search for names."""

    names: Mapping[int, str]
    """By the client's own number for each."""
    port: int = 0
    """UDP port that wants the answer; 0: the one it came from."""
    sequence: int = 0
    """What the client wants to see again."""


class Circuit(Protocol):
    """One TCP connection to a name server. Bytes in, bytes out; it never waits."""

    ready: bool
    """Whether names may be asked for."""

    def opening(self) -> bytes:
        """What is sent as soon as there is a connection."""

    def feed(self, data: bytes) -> tuple[Mapping[int, Place], bytes]:
        """What arrived: places found, by the numbers in `ask`, and what to send now.

        :raises ValueError: for what no such server would send.
        """

    def ask(self, names: Mapping[int, str]) -> bytes:
        """A search for names; whoever does not have one does not answer."""

    def probe(self) -> bytes:
        """Something that every living server answers."""


class Wire(Protocol):
    """How one protocol speaks."""

    scheme: str
    """`ca` or `pva`."""
    port: int
    """TCP port of a server that is given without."""

    def circuit(self, host: str, port: int) -> Circuit:
        """A connection to the server at this address."""

    def question(self, datagram: bytes) -> Question:
        """What a client asks. Empty when the datagram is something else.

        :raises ValueError: for what no client would send.
        """

    def answer(self, question: Question, number: int, place: Place) -> bytes:
        """The datagram that tells a client where one of its names is."""
