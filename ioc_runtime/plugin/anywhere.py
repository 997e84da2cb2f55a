"""Reading and writing of any PV by name, for one plugin instance: `Anywhere`.

What is asked for may be an input or output of the task (by its name), or a PV of
anybody (`ca://X`, `pva://X`, a bare name, `{prefix}X`). The first costs a lock, the
others go out all at once, and the whole call takes one time at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.address import BadLink, expand, parse_link, template_key
from ioc_runtime.plan import Link, Output
from ioc_runtime.plugin.batch import Batch
from ioc_runtime.plugin.errors import BadValue, TaskError, UnknownName, nearest
from ioc_runtime.plugin.functions import refuse_inside_evaluation
from ioc_runtime.plugin.results import PvReading, PvWrite, Results, sentence

if TYPE_CHECKING:
    from ioc_runtime.plugin.binding import Binding
    from ioc_runtime.plugin.host import Asked

MOST: Final = 10_000
"""PVs of one call."""
LINE: Final = 50
"""PVs in one line of the log."""
LONGEST: Final = 3600.0
"""Seconds that a call may take."""

Cast = Callable[[Any], Any]
Place = Link | str | None
"""A PV of others; the name of a signal of ours; None: no address at all."""

_short = Repr()
_short.maxstring = _short.maxother = 60
_short.maxlist = _short.maxtuple = 4


class Reads:
    """One call of `read`, begun when it is made: wait for it with one of its two methods."""

    def __init__(self, access: Anywhere, wanted: Mapping[int, tuple[str, Cast | None]]) -> None:
        self._access, self._wanted = access, wanted

    def start(self, places: Sequence[tuple[Place, str]], timeout: float) -> Reads:
        """Ask for all of them."""
        self._timeout, self.until = timeout, time.monotonic() + timeout
        self._places = places
        links = {i: place for i, (place, _) in enumerate(places) if isinstance(place, Link)}
        self._positions = list(links)
        self.batch = Batch(len(links))
        host = self._access.task.host
        self._asked: Sequence[Asked] = ()
        if links:
            takers = [self.batch.place(n) for n in range(len(links))]
            self._asked = host.fetch(list(links.values()), self.until, takers)
        return self

    def results(self, answers: Sequence[Any]) -> Results[PvReading]:
        """In the order of the call."""
        found: dict[int, PvReading] = {}
        for n, i in enumerate(self._positions):
            name, cast = self._wanted[i]
            answer = answers[n]
            if answer is None:
                late = self._asked[n].late(self._timeout) + self._access.hint(name)
                found[i] = PvReading(name, error=late)
            else:
                found[i] = self._access.reading(name, cast, answer)
        for i, (place, error) in enumerate(self._places):
            name, cast = self._wanted[i]
            if place is None:
                found[i] = PvReading(name, error=error)
            elif isinstance(place, str):
                found[i] = self._access.own(name, cast)
        results = [found[i] for i in range(len(self._places))]
        return Results(results)


class Writes:
    """One call of `write`."""

    def __init__(self, access: Anywhere, values: Sequence[tuple[str, Any]]) -> None:
        self._access, self._values = access, values

    def start(self, places: Sequence[tuple[Place, str]], timeout: float) -> Writes:
        """Send all of them."""
        self._timeout, self.until = timeout, time.monotonic() + timeout
        self._errors: dict[int, str] = {}
        self._positions: list[int] = []
        sent: list[tuple[Link, Any]] = []
        for i, ((place, error), (name, value)) in enumerate(zip(places, self._values, strict=True)):
            if isinstance(place, str):
                error = self._access.write_own(name, value)
            elif place is not None:
                error = self._access.taken(place)
                if not error:
                    self._positions.append(i)
                    sent.append((place, _plain(value, place)))
            self._errors[i] = error
        self.batch = Batch(len(sent))
        self._asked: Sequence[Asked] = ()
        if sent:
            takers = [self.batch.place(n) for n in range(len(sent))]
            access = self._access
            self._asked = access.task.host.send(sent, self.until, takers, access.task.refusal)
        return self

    def results(self, answers: Sequence[Any]) -> Results[PvWrite]:
        """In the order of the call; each is in the log."""
        for n, i in enumerate(self._positions):
            error = answers[n]
            if error is None:
                asked = self._asked[n]
                error = asked.late(self._timeout)
                error += "; it may have been written" if asked.sent else "; it is not written"
                error += self._access.hint(self._values[i][0])
            self._errors[i] = error
        results = [
            PvWrite(name, value, self._errors[i]) for i, (name, value) in enumerate(self._values)
        ]
        self._access.audit(results)
        return Results(results)


class Anywhere:
    """The reads and writes of one plugin instance. Safe from any thread."""

    def __init__(self, task: Binding) -> None:
        self.task = task
        self._audit = logging.getLogger(f"{task.logger.name}.write")
        self._warned: set[tuple[str, str]] = set()

    def begin_read(self, names: Iterable[str] | Mapping[str, Cast | None], timeout: float) -> Reads:
        """Check a call and ask for everything.

        :raises UnknownName: a prefix is not there; all of them are named.
        :raises BadValue: the call cannot be meant.
        """
        refuse_inside_evaluation()
        casts = names if isinstance(names, Mapping) else {}
        listed = _listed(names, "read")
        _seconds(timeout, "read")
        places = self._places(listed)
        wanted = {i: (name, casts.get(name)) for i, name in enumerate(listed)}
        return Reads(self, wanted).start(places, timeout)

    def begin_write(self, values: Mapping[str, Any], timeout: float) -> Writes:
        """Check a call and send everything.

        :raises Paused: ENABLE is 0.
        :raises Ended: the plugin has been stopped.
        """
        if not isinstance(values, Mapping):
            raise BadValue(f"write: expected a dict of values by PV, got {_short.repr(values)}")
        listed = _listed(values, "write")
        _seconds(timeout, "write")
        places = self._places(listed)
        self.task.allowed(f"{listed[0]} and others" if len(listed) > 1 else "".join(listed))
        return Writes(self, list(values.items())).start(places, timeout)

    # addresses

    def _places(self, names: Sequence[str]) -> list[tuple[Place, str]]:
        prefixes = self.task.prefixes
        keys = dict.fromkeys(key for name in names if (key := template_key(name)))
        missing = [repr(key) for key in keys if key not in prefixes]
        if missing:
            there = f"there are: {', '.join(prefixes)}" if prefixes else "there is none"
            word = "prefix" if len(missing) == 1 else "prefixes"
            raise UnknownName(f"no {word} {', '.join(missing)} in spec.prefixes; {there}")
        return [self._place(name, prefixes) for name in names]

    def _place(self, name: str, prefixes: Mapping[str, str]) -> tuple[Place, str]:
        if name in self.task.signals:
            return name, ""
        try:
            return parse_link(expand(name, prefixes), self.task.protocol), ""
        except BadLink as error:
            return None, f"expected {error}, got {name!r:.80}"

    def hint(self, name: str) -> str:
        """Of a bare name that nobody answers to: what it may have been meant to be."""
        if not name.isidentifier():
            return ""
        return f"; the task has no input or output {name!r}{nearest(name, self.task.signals)}"

    # one result

    def reading(self, name: str, cast: Cast | None, found: Any) -> PvReading:
        """What a PV answered, as a reading."""
        stamp = found.ns / 1e9
        if found.error:
            self._warn(name, found.error)
            up = bool(found.ns or found.states)
            return PvReading(name, None, found.severity, stamp, up, found.states, found.error)
        return self._cast(
            PvReading(name, found.value, found.severity, stamp, True, found.states), cast
        )

    def own(self, name: str, cast: Cast | None) -> PvReading:
        """An input or output of the task."""
        signal = self.task.signals[name]
        now = self.task.host.read(name)
        value = list(now.value) if isinstance(now.value, list | tuple) else now.value
        stamp = now.ns / 1e9
        if value is None or not now.connected:
            link = getattr(signal, "link", None)
            up = now.connected or link is None or isinstance(signal, Output)
            error = "no value yet" if up else f"{link} is not connected"
            if value is None or not up:
                states = signal.states
                return PvReading(name, None, now.severity, stamp, now.connected, states, error)
        reading = PvReading(name, value, now.severity, stamp, now.connected, signal.states)
        return self._cast(reading, cast)

    def _cast(self, reading: PvReading, cast: Cast | None) -> PvReading:
        if cast is None:
            return reading
        value = reading.value
        if cast is str:
            value = reading.state or _text(value)
        try:
            made = cast(value)
        except Exception as error:
            text = f"expected {_wanted(cast)}, got {_short.repr(value)}"
            if not isinstance(error, TypeError | ValueError):
                text += f" ({type(error).__name__}: {error})"
            self._warn(reading.name, text)
            made, why = None, text
        else:
            why = "" if made is not None else f"{_wanted(cast)} made None of {_short.repr(value)}"
        return PvReading(
            reading.name,
            made,
            reading.severity,
            reading.timestamp,
            reading.connected,
            reading.states,
            why,
        )

    def _warn(self, name: str, text: str) -> None:
        """A value that cannot be used is in the log, the same one once."""
        if (name, text) not in self._warned and len(self._warned) < MOST:
            self._warned.add((name, text))
            self.task.logger.warning("%s: %s", name, text)

    def write_own(self, name: str, value: Any) -> str:
        """Write an output of the plugin's, or a set-point; why not, or ""."""
        try:
            self.task.write(name, value)
        except TaskError as error:
            return str(error)
        return ""

    def taken(self, link: Link) -> str:
        """Whose PV it is, where an output that is not the plugin's is linked to it, or ""."""
        for signal in self.task.signals.values():
            if isinstance(signal, Output) and signal.link is not None:
                if (signal.link.scheme, signal.link.name) == (link.scheme, link.name):
                    try:
                        self.task.owned(signal)
                    except TaskError as error:
                        return f"{link} is the link of an output: {error}"
        return ""

    def audit(self, results: Sequence[PvWrite]) -> None:
        """A call is in the log: a line for what is written, another for what is not."""
        good = [f"{one.name} {_short.repr(one.value)}" for one in results if one.ok]
        bad = [f"{_short.repr(one.value)} to {sentence(one)}" for one in results if not one.ok]
        for start in range(0, len(good), LINE):
            self._audit.info("written: %s", ", ".join(good[start : start + LINE]))
        for start in range(0, len(bad), LINE):
            self._audit.warning("not written: %s", "; ".join(bad[start : start + LINE]))


def _listed(names: Iterable[str], what: str) -> list[str]:
    try:
        listed = list(names)
    except TypeError:
        raise BadValue(f"{what}: expected names of PVs, got {_short.repr(names)}") from None
    if len(listed) > MOST:
        raise BadValue(f"{what}: expected at most {MOST} PVs in one call, got {len(listed)}")
    for name in listed:
        if not isinstance(name, str):
            raise BadValue(f"{what}: expected names of PVs, got {_short.repr(name)}")
    return listed


def _seconds(timeout: float, what: str) -> None:
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not number or not 0 < timeout <= LONGEST:
        expected = f"a timeout above 0 s, at most {LONGEST:g} s"
        raise BadValue(f"{what}: expected {expected}, got {_short.repr(timeout)}")


def _plain(value: Any, link: Link) -> Any:
    """Numpy's as Python's; an array for PV Access stays one: it may be an image."""
    if isinstance(value, Enum):
        value = value.value
    tolist = getattr(value, "tolist", None)
    if tolist is None or (link.scheme == "pva" and bool(getattr(value, "shape", None))):
        return value
    return tolist()


def _text(value: Any) -> Any:
    """An array of characters as the text that it holds."""
    if (
        isinstance(value, list)
        and value
        and all(type(item) is int and -128 <= item < 256 for item in value)
    ):
        return bytes(item & 0xFF for item in value).split(b"\0")[0].decode("utf-8", "replace")
    return value


def _wanted(cast: Cast) -> str:
    if isinstance(cast, type) and issubclass(cast, Enum):
        members = ", ".join(f"{member.name} ({member.value!r})" for member in cast)
        return f"one of {members}"
    return getattr(cast, "__name__", repr(cast))
