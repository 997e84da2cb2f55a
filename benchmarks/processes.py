"""Processes with an IOC in them: their ports, their environment, their end.

Everything stays on loopback, on ports that were free a moment ago, so that two
runs on one machine never meet. A process is ended by its own id only.
"""

from __future__ import annotations

import ctypes
import os
import queue
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
_libc = ctypes.CDLL(None)


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, neither by TCP nor by UDP.

    It lies below the range that the kernel hands out by itself, so that no client
    connection takes it before our server does.
    """
    for _ in range(200):
        port = random.randrange(20000, 32000)
        if port in _given:  # another IOC of this run, which may not listen yet
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                with suppress(OSError):
                    tcp.bind((LOOPBACK, port))
                    udp.bind((LOOPBACK, port))
                    _given.add(port)
                    return port
    raise RuntimeError("found no free port between 20000 and 32000")


# Where no CA repeater answers, every process with a CA client starts one and
# complains. This one only says yes: nobody here listens to beacons.
_repeater = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_repeater.bind((LOOPBACK, 0))


def _confirm() -> None:
    while True:
        _, client = _repeater.recvfrom(1024)
        with suppress(OSError):
            _repeater.sendto(struct.pack(">HHHH8s", 17, 0, 0, 0, b""), client)


threading.Thread(target=_confirm, daemon=True).start()


@dataclass(frozen=True)
class Ports:
    """Where one IOC listens."""

    ca: int = field(default_factory=free_port)
    pva: int = field(default_factory=free_port)
    pva_search: int = field(default_factory=free_port)


def server_environment(ports: Ports) -> dict[str, str]:
    """What makes an IOC listen on `ports` of loopback only."""
    return {
        "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
        "EPICS_CAS_SERVER_PORT": str(ports.ca),
        "EPICS_CAS_BEACON_ADDR_LIST": LOOPBACK,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_PORT": str(ports.ca),
        "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
        "EPICS_PVAS_SERVER_PORT": str(ports.pva),
        "EPICS_PVAS_BROADCAST_PORT": str(ports.pva_search),
        "EPICS_PVAS_BEACON_ADDR_LIST": LOOPBACK,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
    }


def client_environment(servers: Sequence[Ports]) -> dict[str, str]:
    """What makes a client search on `servers` and nowhere else."""
    return {
        "EPICS_CA_ADDR_LIST": " ".join(f"{LOOPBACK}:{p.ca}" for p in servers) or f"{LOOPBACK}:9",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_REPEATER_PORT": str(_repeater.getsockname()[1]),
        "EPICS_PVA_ADDR_LIST": " ".join(f"{LOOPBACK}:{p.pva_search}" for p in servers)
        or f"{LOOPBACK}:9",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": str(free_port()),
    }


class Process:
    """A child with lines on its standard output and commands on its standard input.

    :param command: what to start; the first word may be a Python interpreter.
    :param environment: added to a clean environment without any EPICS variable.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        directory: Path | None = None,
        log: Path | None = None,
    ) -> None:
        clean = {key: v for key, v in os.environ.items() if not key.startswith("EPICS_")}
        clean["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "operator")])
        clean["PYTHONUNBUFFERED"] = "1"
        self.started = time.monotonic()
        self._log = open(log, "wb") if log else None
        self._child = subprocess.Popen(
            list(command),
            env=clean | dict(environment),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log or subprocess.DEVNULL,
            text=True,
            preexec_fn=_without_memory_lock,
        )
        self._said = ""
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child has not ended."""
        return self._child.poll() is None

    def _read(self) -> None:
        assert self._child.stdout  # noqa: S101  (PIPE was asked for)
        for line in self._child.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def expect(self, text: str, timeout: float = 30.0) -> str:
        """The next line that contains `text`; the lines before it are dropped.

        :raises RuntimeError: when the child ends or is silent for too long.
        """
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            with suppress(queue.Empty):
                line = self._lines.get(timeout=left)
                if line is None:
                    raise RuntimeError(f"{self._name()} ended early: {self._last_words()}")
                self._said = line
                if text in line:
                    return line
        raise RuntimeError(f"{self._name()} did not say {text!r} within {timeout:g} s")

    def tell(self, line: str) -> None:
        """Send one command line."""
        assert self._child.stdin  # noqa: S101
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """End the child by its id: politely, then after 3 s for certain."""
        if self.running:
            self._child.send_signal(signum)
            try:
                self._child.wait(3)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(3)
        for stream in (self._child.stdin, self._log):
            if stream:
                with suppress(OSError):
                    stream.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _name(self) -> str:
        command, *arguments = (str(word) for word in self._child.args)  # type: ignore[union-attr]
        return " ".join([Path(command).name, *arguments[:2]])

    def _last_words(self) -> str:
        """The last thing it said, on either stream."""
        logged = Path(self._log.name).read_text("utf-8", "replace") if self._log else ""
        lines = [line for line in logged.splitlines() if line.strip()]
        return self._said or (lines[-1] if lines else "it said nothing")


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _without_memory_lock() -> None:
    """In the child: drop CAP_IPC_LOCK, as in a container without privileges.

    Run as root, every IOC calls mlockall by default and then counts four times its
    size, which says nothing about how it runs in a pod.
    """
    _libc.prctl(24, 14, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_IPC_LOCK
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
