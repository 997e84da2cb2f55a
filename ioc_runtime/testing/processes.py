"""Processes that a test talks to by lines of JSON, on loopback, with ports of their own."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ioc_runtime.cli.demo.place import LOOPBACK, Ports, free_port

START: Final = 30.0
"""Seconds that a process may take to come up, on a loaded machine."""
END: Final = 5.0


class NoAnswer(AssertionError):
    """A process did not do what it had to, in time; the text has its last words."""


class Network:
    """Loopback, and the ports of one task and of the PVs that its links name."""

    def __init__(self, sources: int) -> None:
        self.task = Ports()
        self.sources = [Ports() for _ in range(sources)]
        # A taken port looks like a repeater that runs: without one, every process with a
        # Channel Access client would fork to start it.
        self._repeater = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._repeater.bind((LOOPBACK, free_port()))

    def environment(self, ports: Ports | None = None) -> dict[str, str]:
        """For a process that serves at these ports, or is a client of all."""
        every = (self.task, *self.sources)
        mine = ports or Ports()
        beacons = " ".join(f"{LOOPBACK}:{each.pva_search}" for each in every)
        clean = {name: value for name, value in os.environ.items() if name[:6] != "EPICS_"}
        return clean | {
            "PYTHONUNBUFFERED": "1",
            "EPICS_CA_ADDR_LIST": " ".join(f"{LOOPBACK}:{each.ca}" for each in every),
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_REPEATER_PORT": str(self._repeater.getsockname()[1]),
            "EPICS_CA_MAX_SEARCH_PERIOD": "1",
            "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_BEACON_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_SERVER_PORT": str(mine.ca),
            "EPICS_PVA_ADDR_LIST": beacons,
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_PVAS_BEACON_ADDR_LIST": beacons,
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_PVAS_SERVER_PORT": str(mine.pva),
            "EPICS_PVAS_BROADCAST_PORT": str(mine.pva_search),
        }

    def close(self) -> None:
        """Give the port of the repeater back."""
        self._repeater.close()


class Talking:
    """A Python process; `heard` is called for each line of JSON, from another thread."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        heard: Callable[[dict[str, Any]], None] = lambda line: None,
    ) -> None:
        self._heard = heard
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._last: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            env=environment,
            text=True,
        )
        self.name = " ".join(arguments)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def tell(self, **command: Any) -> None:
        """Say something to it."""
        try:
            print(json.dumps(command), file=self._process.stdin, flush=True)
        except (BrokenPipeError, ValueError):
            raise NoAnswer(self.report("has ended")) from None

    def answer(self, wanted: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
        """The next line that is wanted.

        :raises NoAnswer: there was none in time
        """
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise NoAnswer(self.report(f"did not answer within {seconds:g} s")) from None
            if line is None:
                raise NoAnswer(self.report("has ended"))
            if wanted(line):
                return line

    def stop(self) -> int:
        """SIGTERM, SIGKILL if need be; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        return self._gone(END)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._gone(END)

    def wait(self, seconds: float) -> int:
        """Its exit code, when it has ended by itself."""
        return self._gone(seconds)

    def report(self, what: str) -> str:
        """A sentence, and what it said last."""
        return f"{self.name} {what}\n" + "\n".join(self._last[-20:])

    def _gone(self, seconds: float) -> int:
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(END)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # what stood in it goes nowhere any more
        return code

    def _read(self) -> None:
        stream: Any = self._process.stdout
        for text in stream:
            self._last = [*self._last[-50:], text.rstrip()]
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                self._heard(line)
                self._answers.put(line)
        self._answers.put(None)
