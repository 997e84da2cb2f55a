"""The simulated station as a process that can be frozen, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from ioc_runtime.cli.demo.place import Place


class StationProcess:
    """`station.py` in a process of its own; it leaves when its parent does."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._waker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its PVs are there about a second later."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ioc_runtime.cli.demo.station"),
                *(self._place.prefix, "--with-parent"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            env=os.environ | self._place.station.environment(),
        )

    def kill(self) -> None:
        """End it without a word, as a power cut does."""
        if self._waker is not None:
            if self._waker.poll() is None:
                os.killpg(self._waker.pid, signal.SIGKILL)
            self._waker.wait()
            self._waker = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None

    def freeze(self, seconds: float) -> None:
        """Stop it in its tracks for so long; its connections stay open.

        A shell of its own wakes it up again, whatever becomes of us meanwhile.
        """
        if self._process is not None:
            pid = self._process.pid
            self._waker = subprocess.Popen(
                ["/bin/sh", "-c", f"kill -STOP {pid}; sleep {seconds}; kill -CONT {pid}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
