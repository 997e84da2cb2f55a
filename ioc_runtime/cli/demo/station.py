"""A small vacuum station, simulated: an IOC of its own for the demonstration.

    python -m ioc_runtime.cli.demo.station [PREFIX]

Two volumes with a gate valve between them: the chamber, which can spring a leak
(`LEAK`), and the beam line, which the valve protects. The valve takes 0.3 s to
move; the pump keeps pumping. Time runs fast: a leak is felt within a second.
"""

from __future__ import annotations

import math
import os
import random
import sys
import threading
import time

from ioc_runtime.cli import libraries

libraries.prepare()
from softioc import asyncio_dispatcher, builder, softioc  # noqa: E402

BASE = 2.0e-8
"""Pressure without a leak, in mbar."""
LEAKING = 4.0e-5
"""Pressure of the chamber with the leak open, in mbar."""
STEP = 0.1
"""Seconds between updates."""
TRAVEL = 0.3
"""Seconds the valve needs."""


class Station:
    """The PVs, and what they do."""

    def __init__(self, prefix: str) -> None:
        builder.SetDeviceName(prefix.removesuffix(":"))
        self.chamber = _gauge("GAUGE1:P", "chamber pressure")
        self.line = _gauge("GAUGE2:P", "beam line pressure")
        self.temperature = builder.aIn("TEMP", initial_value=24.0, EGU="degC", PREC=1)
        self.speed = builder.aIn("PUMP:SPEED", initial_value=1000.0, EGU="Hz", PREC=0)
        self.pump = builder.mbbIn("PUMP:STATE", "Off", "Starting", "Normal", initial_value=2)
        self.spectrum = builder.WaveformIn("RGA:SPECTRUM", initial_value=_spectrum(0.0))
        self.command = builder.boolOut("VALVE:CMD", "Closed", "Open", initial_value=1)
        self.status = builder.boolIn("VALVE:STS", "Closed", "Open", initial_value=1)
        self.leak = builder.boolOut("LEAK", "Tight", "Leaking", initial_value=0)
        self.pump_on = builder.boolOut("PUMP:CMD", "Off", "On", initial_value=1)
        self._pressures = [BASE, BASE]
        self._moving_since: float | None = None

    def serve(self) -> None:
        """Make the PVs visible."""
        builder.LoadDatabase()
        softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher())

    def step(self, now: float) -> None:
        """Advance the simulation by one step."""
        pumping = self.pump_on.get() == 1
        goal = LEAKING if self.leak.get() else BASE if pumping else 1e-6
        noise = random.uniform(0.97, 1.03)  # noqa: S311  a simulation
        chamber = _approach(self._pressures[0], goal, 0.25)
        is_open = self.status.get() == 1
        line = _approach(self._pressures[1], chamber if is_open else BASE, 0.15)
        self._pressures = [chamber, line]
        self.chamber.set(chamber * noise)
        self.line.set(line * noise)
        self.temperature.set(24.0 + 0.3 * math.sin(now / 5))
        self.speed.set(_approach(self.speed.get(), 1000.0 if pumping else 0.0, 0.1))
        self.pump.set(2 if self.speed.get() > 800 else 1 if pumping else 0)
        self.spectrum.set(_spectrum(math.log10(chamber / BASE)))
        self._move_valve(now)

    def _move_valve(self, now: float) -> None:
        wanted = self.command.get()
        if wanted == self.status.get():
            self._moving_since = None
        elif self._moving_since is None:
            self._moving_since = now
        elif now - self._moving_since >= TRAVEL:
            self.status.set(wanted)


def _gauge(name: str, description: str) -> builder.aIn:
    return builder.aIn(
        name,
        initial_value=BASE,
        EGU="mbar",
        PREC=9,
        DESC=description,
        HIGH=1e-6,
        HSV="MINOR",
        HIHI=1e-5,
        HHSV="MAJOR",
    )


def _approach(value: float, goal: float, part: float) -> float:
    return value + (goal - value) * part


def _spectrum(decades: float) -> list[float]:
    """Partial pressures by mass; a leak shows at nitrogen (28) and oxygen (32)."""
    spectrum = [1.0] * 50
    spectrum[2], spectrum[18] = 40.0, 20.0
    spectrum[28], spectrum[32] = 5.0 * 10**decades, 10**decades
    return spectrum


def _end_with_parent() -> None:
    """Leave when standard input ends: whoever started us is gone."""
    # os.read: a thread inside sys.stdin would make Python abort at its end.
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> None:
    """Serve the station until the process is ended."""
    arguments = [a for a in sys.argv[1:] if a != "--with-parent"]
    station = Station(arguments[0] if arguments else "DEMO:")
    station.serve()
    if "--with-parent" in sys.argv:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    grid = time.monotonic()
    while True:
        station.step(time.monotonic())
        grid += STEP
        # After a freeze the grid is far behind: start anew instead of catching up.
        grid = max(grid, time.monotonic())
        time.sleep(max(0.0, grid - time.monotonic()))


if __name__ == "__main__":
    main()
