"""Which names are asked for, by whom, and which of them nobody has answered yet."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from ioc_runtime.epics.names.wire import Place, Question

_WANTED: Final = 10.0
"""Seconds that a name stays open after a client has asked, unless a link waits for it."""
_AGAIN: Final = 2.0
"""Seconds for a client to connect before a name it still misses is asked for again."""
_CLIENTS: Final = 8
"""Numbers that are remembered for a name: clients give new ones to new channels."""
_NAMES: Final = 100_000

Address = tuple[str, int]


class Asked(NamedTuple):
    """One client's wish for one name."""

    address: Address
    number: int
    question: Question


class Book:
    """Shared by the thread that hears clients and those that ask servers."""

    def __init__(
        self,
        answer: Callable[[Asked, Place], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`answer` tells a client where a name is; it does not wait."""
        self._answer, self._clock = answer, clock
        self._changed = threading.Condition()
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._count = itertools.count(1)
        self._asked: dict[str, dict[tuple[Address, int], Asked]] = {}
        self._wanted: dict[str, float] = {}
        """Open names, and until when."""
        self._answered: dict[str, float] = {}
        self._closed = False

    def ask(self, address: Address, question: Question) -> None:
        """A client looks for names."""
        now = self._clock()
        with self._changed:
            for number, name in question.names.items():
                if name not in self._asked and len(self._asked) >= _NAMES:
                    continue
                if name not in self._numbers:
                    self._numbers[name] = next(self._count)
                    self._names[self._numbers[name]] = name
                asked = self._asked.setdefault(name, {})
                asked.pop((address, number), None)
                asked[address, number] = Asked(address, number, question)
                while len(asked) > _CLIENTS:
                    del asked[next(iter(asked))]
                self._wanted[name] = now + _WANTED
            self._changed.notify_all()

    def review(self, missing: Iterable[str]) -> None:
        """Links wait for these names; open those that were given up or answered in vain."""
        now = self._clock()
        with self._changed:
            for name in missing:
                if name in self._asked and now - self._answered.get(name, -_AGAIN) >= _AGAIN:
                    self._wanted[name] = now + _WANTED
            for name in [name for name, until in self._wanted.items() if until < now]:
                del self._wanted[name]
            if self._wanted:
                self._changed.notify_all()

    def open(self) -> Mapping[int, str]:
        """What servers are to be asked for, by numbers that stay."""
        with self._changed:
            return {self._numbers[name]: name for name in self._wanted}

    def wait(self) -> bool:
        """Until a name is open; False when it is closed instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._closed)
            return not self._closed

    def found(self, places: Mapping[int, Place]) -> None:
        """A server has names. Every answer goes on: clients warn of a name served twice."""
        now = self._clock()
        with self._changed:
            names = [(self._names[n], place) for n, place in places.items() if n in self._names]
            asked = [(one, place) for name, place in names for one in self._asked[name].values()]
            for name, _ in names:
                self._wanted.pop(name, None)
                self._answered[name] = now
        for one, place in asked:
            self._answer(one, place)

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
