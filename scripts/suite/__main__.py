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
from scripts.suite.parts import Part, parts
from scripts.suite.running import Running

NEWS: Final = 60.0
"""Seconds between two lines about what is not shown yet."""
PATIENCE: Final = 60.0
"""Seconds that an interrupted pytest has to end what it has started: pods, say."""
INTERRUPTED: Final = 2
"""pytest's exit code for it."""
ORDER: Final = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings")


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all passed; else the highest of pytest's codes."""
    parser = argparse.ArgumentParser(prog="python -m scripts.suite", description=package.__doc__)
    parser.add_argument("--in-turn", action="store_true", help="one part after the other")
    in_turn = parser.parse_args(arguments).in_turn or (os.cpu_count() or 1) == 1
    return suite(parts(), in_turn=in_turn)


def suite(parts: Sequence[Part], *, in_turn: bool = False) -> int:
    """Run all; print the output of each, one after the other, and one closing line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # nothing is left behind
    began = time.monotonic()
    running: list[Running] = []
    code = 0
    with tempfile.TemporaryDirectory(prefix="suite-") as name:
        try:
            for part in parts:
                shown = in_turn or not running
                running.append(Running(part, Path(name), shown=shown))
                if in_turn:
                    _wait(running[-1:], until=running[-1])
            for each in running:
                _wait(running, until=each)
                _show(each)
        except KeyboardInterrupt:
            code = INTERRUPTED
            _end(running)
            for each in running:
                _show(each)
        return max(code, _close(running, time.monotonic() - began))


def _wait(running: Sequence[Running], *, until: Running) -> None:
    """Wait for one of them; say now and then how far those are that nobody sees."""
    news = time.monotonic() + NEWS
    while not until.over:
        time.sleep(0.05)
        if time.monotonic() > news and not until.shown:
            news = time.monotonic() + NEWS
            far = ", ".join(f"{each.name} {each.percent} %" for each in running if not each.over)
            print(f"{far} after {_time(until.seconds)}", flush=True)


def _show(part: Running) -> None:
    """What was kept of its output."""
    if text := part.kept:
        print(f"\n--- {part.name}\n", flush=True)
        sys.stdout.buffer.write(text)
        sys.stdout.flush()
    part.close()


def _end(running: Sequence[Running]) -> None:
    """Interrupt all; whoever insists ends them at once."""
    try:
        for part in running:
            part.interrupt()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not all(part.over for part in running):
            time.sleep(0.05)
    except KeyboardInterrupt:
        pass
    for part in running:
        part.kill()


def _close(running: Sequence[Running], seconds: float) -> int:
    """What failed, the time of each part, and the closing line as pytest writes it."""
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
        print(f"{part.name}: exit code {part.code} after {_time(part.seconds)}")
    said = [f"{counts[kind]} {kind}" for kind in ORDER if counts[kind]]
    if errors := counts["error"]:
        said.append(f"{errors} error{'s' * (errors > 1)}")
    line = f" {', '.join(said)} in {seconds:.2f}s ({_time(seconds)}) "
    print(line.center(shutil.get_terminal_size().columns, "="), flush=True)
    return max((part.code for part in running), default=INTERRUPTED)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


if __name__ == "__main__":
    sys.exit(main())
