"""Where one demonstration lives: ports, names and addresses of its own, on loopback."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

PREFIX = "DEMO:"
"""Prefix in the files of the demonstration; replaced for each run."""
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody uses now, for TCP as well as for UDP."""
    for _ in range(1000):
        port = random.randrange(20000, 32000)  # noqa: S311  below what systems hand out
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((LOOPBACK, port))
        except OSError:
            continue
        return port
    raise OSError("no free port between 20000 and 32000")


@dataclass(frozen=True)
class Ports:
    """Of one IOC."""

    ca: int = field(default_factory=free_port)
    pva: int = field(default_factory=free_port)
    pva_search: int = field(default_factory=free_port)

    def environment(self) -> dict[str, str]:
        """What makes an IOC take them."""
        return {
            "EPICS_CAS_SERVER_PORT": str(self.ca),
            "EPICS_PVAS_SERVER_PORT": str(self.pva),
            "EPICS_PVAS_BROADCAST_PORT": str(self.pva_search),
        }


@dataclass(frozen=True)
class Place:
    """Two IOCs, the station and the task, that only find each other."""

    prefix: str = field(default_factory=lambda: f"D{random.randrange(16**5):05X}:")  # noqa: S311
    station: Ports = field(default_factory=Ports)
    task: Ports = field(default_factory=Ports)
    repeater: int = field(default_factory=free_port)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The environment of this process and of those it starts, for a while."""
        before = {name: value for name, value in os.environ.items() if _is_epics(name)}
        # A taken port looks like a repeater that runs: without one, every process with
        # a Channel Access client would fork to start it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as repeater:
            repeater.bind((LOOPBACK, self.repeater))
            _replace(self.environment())
            try:
                yield
            finally:
                _replace(before)

    def environment(self) -> dict[str, str]:
        """What both IOCs and their clients have in common."""
        both = (self.station, self.task)
        return {
            "EPICS_CA_ADDR_LIST": " ".join(f"{LOOPBACK}:{p.ca}" for p in both),
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_REPEATER_PORT": str(self.repeater),
            "EPICS_CAS_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_BEACON_ADDR_LIST": LOOPBACK,
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_PVA_ADDR_LIST": " ".join(f"{LOOPBACK}:{p.pva_search}" for p in both),
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVAS_INTF_ADDR_LIST": LOOPBACK,
            "EPICS_PVAS_BEACON_ADDR_LIST": " ".join(f"{LOOPBACK}:{p.pva_search}" for p in both),
            "EPICS_PVAS_BROADCAST_PORT": str(self.task.pva_search),
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
        }


def _is_epics(name: str) -> bool:
    return name.startswith("EPICS_")


def _replace(values: Mapping[str, str]) -> None:
    for name in filter(_is_epics, list(os.environ)):
        del os.environ[name]
    os.environ.update(values)
