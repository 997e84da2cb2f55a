"""Counters, gauges and histograms in Prometheus' text format.

A small exact writer of our own: the operator has a dozen series, and the usual library
would be one more dependency to lock and to audit for them. Everything here is used from
one thread, that of the event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations."""

Labels = tuple[str, ...]


class Family(Protocol):
    """One metric with all its labels."""

    name: str
    help: str
    kind: str

    def samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Suffix of the name, labels, value."""
        ...


class Counter:
    """Only goes up. `labels` are the names of its labels.

    `known` are values of them that are shown from the start: to Prometheus it is no increase
    when a series comes with its first 1.
    """

    kind = "counter"

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), known: Iterable[Labels] = ()
    ):
        self.name, self.help, self.labels = name, help, tuple(labels)
        self._values = dict.fromkeys(known if labels else [()], 0.0)

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count, for these values of the labels."""
        self._values[labels] = self._values.get(labels, 0.0) + by

    def value(self, *labels: str) -> float:
        """As it stands."""
        return self._values.get(labels, 0.0)

    def samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        for labels, value in sorted(self._values.items()):
            yield "", dict(zip(self.labels, labels, strict=True)), value


class Gauge:
    """A value that is read when asked: `read` gives it for each set of label values."""

    kind = "gauge"

    def __init__(
        self,
        name: str,
        help: str,
        read: Callable[[], float | Mapping[Labels, float]],
        labels: Sequence[str] = (),
    ):
        self.name, self.help, self.labels, self._read = name, help, tuple(labels), read

    def samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        now = self._read()
        if not isinstance(now, Mapping):
            now = {(): now}
        for labels, value in sorted(now.items()):
            yield "", dict(zip(self.labels, labels, strict=True)), value


class Histogram:
    """How often a value fell below each bound."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help: str,
        labels: Sequence[str] = (),
        bounds: Sequence[float] = SECONDS,
    ):
        self.name, self.help = name, help
        self.labels, self.bounds = tuple(labels), tuple(bounds)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        """One more value."""
        counts = self._counts.setdefault(labels, [0] * (len(self.bounds) + 1))
        counts[bisect_left(self.bounds, value)] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + value

    def samples(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        for labels, counts in sorted(self._counts.items()):
            base = dict(zip(self.labels, labels, strict=True))
            total = 0
            for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
                total += count
                yield "_bucket", base | {"le": number(bound)}, total
            yield "_sum", base, self._sums[labels]
            yield "_count", base, total


def render(families: Iterable[Family]) -> str:
    """The page that Prometheus reads."""
    lines = []
    for family in families:
        lines.append(f"# HELP {family.name} {escape(family.help, quotes=False)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for suffix, labels, value in family.samples():
            inner = ",".join(f'{name}="{escape(text)}"' for name, text in labels.items())
            where = f"{{{inner}}}" if inner else ""
            lines.append(f"{family.name}{suffix}{where} {number(value)}")
    return "\n".join(lines) + "\n"


def escape(text: str, *, quotes: bool = True) -> str:
    r"""Backslash and newline escaped, and in a label's value the quote too."""
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def number(value: float) -> str:
    """A number as the format writes it: whole ones without a point, infinity `+Inf`."""
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
