"""What happens in the demonstration, and what has to come of it.

Each step does something to the station or to the task, as an operator or a fault
would, and then waits for what must follow; PVs are read over Channel Access and PV
Access both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ioc_runtime.cli.demo.process import StationProcess
from ioc_runtime.cli.pv import Clients
from ioc_runtime.cli.reading import Address, Protocol, Reading

GUARD = "GUARD:"
"""Prefix of the task's PVs, after the demonstration's."""
NO_LEAK = 1e-7
"""Pressure below which the station is tight, in mbar."""


@dataclass(frozen=True)
class Expected:
    """One thing that must be true of one PV."""

    name: str
    test: Callable[[Reading], bool]
    wanted: str


@dataclass(frozen=True)
class Step:
    """Something that is done, and what must follow within `within` seconds."""

    title: str
    do: Callable[[], None]
    follow: Sequence[Expected]
    within: float = 5.0
    holds: float = 0.0
    """Seconds that it must stay so."""


@dataclass(frozen=True)
class Verdict:
    """How a step went; no `missing` means that all came as it should."""

    title: str
    seconds: float
    missing: tuple[str, ...] = ()


def state(name: str, value: str, severity: str = "NO_ALARM", status: str = "") -> Expected:
    """A PV with a state of that name, of that severity."""

    def test(reading: Reading) -> bool:
        index = reading.value
        named = isinstance(index, int) and 0 <= index < len(reading.choices)
        return (
            named
            and reading.choices[index] == value
            and reading.severity == severity
            and (not status or reading.status == status)
        )

    return Expected(name, test, f"{value} {severity}")


def severity(name: str, *wanted: str) -> Expected:
    """A PV whose severity is one of these."""
    return Expected(name, lambda reading: reading.severity in wanted, " or ".join(wanted))


def below(name: str, limit: float) -> Expected:
    """A number that is valid and below a limit."""
    return Expected(
        name,
        lambda reading: reading.severity != "INVALID" and 0 < reading.value < limit,
        f"a valid value below {limit:g}",
    )


def text(name: str, part: str) -> Expected:
    """A text with a part in it."""
    return Expected(name, lambda reading: part in str(reading.value), f"a text with '{part}'")


class Script:
    """The steps, played against a running station and task."""

    def __init__(
        self,
        prefix: str,
        station: StationProcess,
        clients: Clients,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stopped` says that nobody waits for the rest any more."""
        self._prefix = prefix
        self._station = station
        self._clients = clients
        self._stopped = stopped

    def play(self, deadline: float, pause: float = 0.0) -> Iterator[Verdict]:
        """Do the steps one after the other; what is not done by `deadline` has failed.

        :param deadline: on the monotonic clock
        :param pause: seconds between two steps, for people to see
        """
        for step in self.steps():
            yield self._play(step, deadline)
            time.sleep(min(pause, max(0.0, deadline - time.monotonic())))

    def steps(self) -> list[Step]:
        """Everything that happens, in order."""
        return [self._well(), *self._leak(), *self._lost(), self._clear(), *self._frozen()]

    def _well(self) -> Step:
        return Step(
            "all is well: the valve is open",
            lambda: None,
            [
                below("GAUGE1:P", NO_LEAK),
                state(GUARD + "alarm", "OK"),
                state(GUARD + "valve", "Open"),
                state(GUARD + "pumping", "Yes"),
                state(GUARD + "RULE:high", "OK"),
                below(GUARD + "mean", NO_LEAK),
                severity(GUARD + "trend", "NO_ALARM"),
                state("VALVE:STS", "Open"),
            ],
            within=8.0,
        )

    def _leak(self) -> list[Step]:
        return [
            Step(
                "a leak: alarm after 0.5 s, valve closes, beam line recovers",
                lambda: self._put("LEAK", "1"),
                [
                    state(GUARD + "alarm", "HIGH", "MAJOR"),
                    state(GUARD + "valve", "Closed"),
                    severity(GUARD + "pressure", "MAJOR"),
                    text(GUARD + "MESSAGE", "valve closed"),
                    state("VALVE:STS", "Closed"),
                    below("GAUGE2:P", 1e-6),
                ],
            ),
            Step(
                "CLEAR too early: the latch holds while the leak is there",
                lambda: self._put(GUARD + "CLEAR", "1"),
                [
                    state(GUARD + "alarm", "HIGH", "MAJOR"),
                    state(GUARD + "valve", "Closed"),
                    state("VALVE:STS", "Closed"),
                ],
                holds=0.7,
            ),
        ]

    def _lost(self) -> list[Step]:
        return [
            Step(
                "station dies (kill -9): pressure INVALID, valve stays closed",
                self._station.kill,
                [
                    severity(GUARD + "pressure", "INVALID"),
                    severity(GUARD + "mean", "INVALID"),
                    severity(GUARD + "trend", "INVALID"),
                    Expected(GUARD + "valve", lambda r: r.value == 0, "Closed"),
                    Expected(GUARD + "alarm", lambda r: r.value == 1, "HIGH"),
                ],
                holds=0.7,
            ),
            Step(
                "station back, no leak: valve closed again, alarm still latched",
                self._station.start,
                [
                    below(GUARD + "pressure", NO_LEAK),
                    state(GUARD + "alarm", "HIGH", "MAJOR"),
                    state(GUARD + "valve", "Closed"),
                    state("VALVE:STS", "Closed"),
                ],
                within=10.0,
            ),
        ]

    def _clear(self) -> Step:
        return Step(
            "CLEAR, cause gone: alarm goes, valve opens and reads back",
            lambda: self._put(GUARD + "CLEAR", "1"),
            [
                state(GUARD + "alarm", "OK"),
                state(GUARD + "valve", "Open"),
                state("VALVE:STS", "Open"),
            ],
        )

    def _frozen(self) -> list[Step]:
        return [
            Step(
                "station freezes: stale after 1 s, so INVALID, no command",
                lambda: self._station.freeze(2.5),
                [
                    severity(GUARD + "pressure", "INVALID"),
                    Expected(
                        GUARD + "valve",
                        lambda r: r.value == 1 and r.severity == "INVALID",
                        "Open INVALID, not driven anywhere",
                    ),
                ],
            ),
            Step(
                "station thaws: valid again by itself",
                lambda: None,
                [
                    below(GUARD + "pressure", NO_LEAK),
                    state(GUARD + "alarm", "OK"),
                    state(GUARD + "valve", "Open"),
                    state("VALVE:STS", "Open"),
                ],
                within=6.0,
            ),
        ]

    def _put(self, name: str, word: str) -> None:
        address = self._address(name, "ca")
        failed = self._clients.of(address).put(address, [word], 2.0)
        if failed is not None:
            raise OSError(f"{name} was not written: {failed}")

    def _play(self, step: Step, deadline: float) -> Verdict:
        start = time.monotonic()
        until = min(start + step.within, deadline)
        try:
            step.do()
        except OSError as error:
            return Verdict(step.title, time.monotonic() - start, (str(error),))
        missing = self._missing(step)
        while missing and time.monotonic() < until and not self._stopped():
            time.sleep(0.05)
            missing = self._missing(step)
        took = time.monotonic() - start
        end = min(time.monotonic() + step.holds, deadline)
        while not missing and time.monotonic() < end and not self._stopped():
            time.sleep(0.1)
            missing = self._missing(step)
        return Verdict(step.title, took, tuple(missing))

    def _missing(self, step: Step) -> list[str]:
        """What is not as expected, over either protocol."""
        protocols: tuple[Protocol, ...] = ("ca", "pva")
        addresses = [self._address(e.name, p) for e in step.follow for p in protocols]
        wanted = [e for e in step.follow for _ in protocols]
        readings = self._clients.get(addresses, 1.0)
        if any(reading.error for reading in readings):
            self._clients.forget("pva")
        return [
            f"{reading.address.given}: expected {one.wanted}, got {_found(reading)}"
            for one, reading in zip(wanted, readings, strict=True)
            if reading.error is not None or not one.test(reading)
        ]

    def _address(self, name: str, protocol: Protocol) -> Address:
        full = self._prefix + name
        return Address(protocol, full, f"{protocol}://{full}")


def _found(reading: Reading) -> str:
    if reading.error is not None:
        return reading.error
    return f"{reading.text()} {reading.severity}"
