"""`python -m scripts.suite`: the whole suite, and one closing line."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import scripts.suite as package
from scripts.suite.part import Part, Running

FIRST: Final = Part(
    "unit and runtime", ("tests/unit", "tests/runtime", "--cov", "--cov-report=term")
)
"""Shown as it goes."""
SECOND: Final = Part("cluster", ("tests/cluster", "-o", "cache_dir=.pytest_cache/cluster"))
"""Shown when it is over, so that the two do not mix."""

NEWS: Final = 60.0
"""Seconds between two lines about what is not shown yet."""
PATIENCE: Final = 60.0
"""Seconds that an interrupted pytest has to end what it has started: pods, say."""
INTERRUPTED: Final = 2
"""pytest's exit code for it."""
ORDER: Final = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings")


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all passed; else pytest's code of the part that fared worst."""
    parser = argparse.ArgumentParser(prog="python -m scripts.suite", description=package.__doc__)
    parser.add_argument("--in-turn", action="store_true", help="one half after the other")
    in_turn = parser.parse_args(arguments).in_turn or (os.cpu_count() or 1) == 1
    return suite(FIRST, SECOND, in_turn=in_turn)


def suite(first: Part, second: Part, *, in_turn: bool = False) -> int:
    """Run both parts; print the output of one, that of the other, and one closing line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # nothing is left behind
    began = time.monotonic()
    running: list[Running] = []
    code = 0
    with tempfile.TemporaryDirectory(prefix="suite-") as name, tempfile.TemporaryFile() as output:
        directory = Path(name)
        try:
            if not in_turn:
                running.append(Running(second, directory, output))
            running.insert(0, Running(first, directory, None))
            if in_turn:
                _until_over(running[0], quiet=True)
                running.append(Running(second, directory, None))
            _until_over(running[0], quiet=True)
            _until_over(running[1], quiet=in_turn)
        except KeyboardInterrupt:
            code = INTERRUPTED
            _end(running)
        for part in running:
            if part.said:
                print(f"\n--- {part.part.name}\n", flush=True)
                sys.stdout.buffer.write(part.said)
                sys.stdout.flush()
        return max(code, _close(running, time.monotonic() - began))


def _until_over(part: Running, *, quiet: bool) -> None:
    began = time.monotonic()
    while not part.wait(NEWS):
        if not quiet:
            minutes = (time.monotonic() - began) / 60
            print(f"{part.part.name}: {part.percent} %, {minutes:.0f} min more", flush=True)


def _end(running: Sequence[Running]) -> None:
    """Interrupt all; whoever insists ends them at once."""
    try:
        for part in running:
            part.interrupt()
        until = time.monotonic() + PATIENCE
        for part in running:
            part.wait(max(0.0, until - time.monotonic()))
    except KeyboardInterrupt:
        pass
    for part in running:
        part.kill()


def _close(running: Sequence[Running], seconds: float) -> int:
    """The closing line, as pytest writes it, and the exit code."""
    counts: Counter[str] = Counter()
    bad: list[str] = []
    for part in running:
        found, names = part.result()
        counts += found
        bad += names
    print()
    for name in bad:
        print(name)
    for part in running:
        if part.code:
            print(f"{part.part.name}: exit code {part.code}")
    said = ", ".join(f"{counts[kind]} {kind}" for kind in ORDER if counts[kind])
    errors = counts["error"]
    said += f", {errors} error{'s' * (errors > 1)}" if errors else ""
    took = time.strftime("%H:%M:%S", time.gmtime(seconds)).removeprefix("0")
    width = shutil.get_terminal_size().columns
    print(f" {said} in {seconds:.2f}s ({took}) ".center(width, "="), flush=True)
    return max((part.code for part in running), default=INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
