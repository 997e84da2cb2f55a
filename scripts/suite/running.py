"""One pytest process of several, and what came of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO

from scripts.suite.counts import FILE
from scripts.suite.parts import ROOT, Part

CRASHED = 3
"""pytest's own code for an internal error; here also: it ended without a word."""


class Running:
    """The pytest of a part. It is in a process group of its own: Ctrl-C reaches it by us,
    once, and its fixtures end what they have started.
    """

    def __init__(self, part: Part, directory: Path, *, shown: bool) -> None:
        """With `shown` its output goes where ours goes; else it is kept."""
        self.name, self.shown = part.name, shown
        self._counts = directory / f"{part.name}.json"
        self._output: IO[bytes] | None = None
        if not shown:
            self._output = (directory / f"{part.name}.txt").open("w+b")
        self._began, self._took = time.monotonic(), 0.0
        self._popen = subprocess.Popen(
            [sys.executable, "-um", "pytest", "-p", "scripts.suite.counts", *part.arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=None if shown else subprocess.STDOUT,
            env={**os.environ, FILE: str(self._counts)},
            cwd=ROOT,
            process_group=0,
        )

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        ended = self._popen.poll() is not None
        if ended and not self._took:
            self._took = time.monotonic() - self._began
        return ended

    @property
    def seconds(self) -> float:
        """That it has run so far, or did."""
        return self._took or time.monotonic() - self._began

    def interrupt(self) -> None:
        """As Ctrl-C does: pytest ends the test that runs, and says what came of the others."""
        if not self.over:
            self._popen.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """With all in its process group that is still there."""
        if not self.over:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()

    @property
    def code(self) -> int:
        """Its exit code, once it is over; that of a crash if a signal has ended it."""
        code = self._popen.returncode
        return CRASHED if code < 0 else code

    @property
    def kept(self) -> bytes:
        """What it has printed so far, where that is kept."""
        if self._output is None:
            return b""
        return os.pread(self._output.fileno(), os.fstat(self._output.fileno()).st_size, 0)

    def close(self) -> None:
        """Forget what was kept."""
        if self._output is not None:
            self._output.close()
            self._output = None

    @property
    def percent(self) -> int:
        """How far it is, by what it prints."""
        found = re.findall(rb"\[ *(\d+)%\]", self.kept)
        return int(found[-1]) if found else 0

    def result(self) -> tuple[Counter[str], list[str]]:
        """How many tests passed, failed, ...; and the names of those that are no success."""
        try:
            found = json.loads(self._counts.read_text())
        except (OSError, ValueError):
            return Counter(error=1), [f"ERROR {self.name}: pytest ended without a result"]
        return Counter(found["counts"]), found["bad"]
