"""Which rigs there are on this machine, and what of it each one has for itself.

A rig has a slot: a number that gives it its addresses, the name of its interface and
of its cgroup. Its supervisor holds the slot's file lock for as long as it lives, so a
dead rig cannot look alive, whatever killed it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from . import cgroups, network
from .cache import lock
from .host import RigError

ROOT: Final = Path(os.environ.get("IOC_RIG_RUN", "/run/ioc-operator-rig"))
"""One for the whole machine: routes and cgroups are shared by all who use it."""

SLOTS: Final = 16
END_TIMEOUT: Final = 30.0
"""Seconds that the processes of a killed rig have to be gone."""


@dataclass(frozen=True)
class Slot:
    """A number from 0 to 15 and what follows from it."""

    index: int

    @property
    def directory(self) -> Path:
        return ROOT / str(self.index)

    @property
    def lock_file(self) -> Path:
        return ROOT / f"{self.index}.lock"

    @property
    def control(self) -> Path:
        """The supervisor's socket."""
        return self.directory / "control"

    @property
    def interface(self) -> str:
        return f"iocrig{self.index}"

    @property
    def cgroup(self) -> str:
        return f"ioc-rig-{self.index}"

    @property
    def services(self) -> IPv4Network:
        return IPv4Network((f"10.{160 + self.index}.0.0", 16))

    @property
    def pods(self) -> IPv4Network:
        """Room for four nodes of 254 pods: one is real, tests invent others."""
        return IPv4Network((f"10.176.{4 * self.index}.0", 22))

    @property
    def link(self) -> IPv4Network:
        return IPv4Network((f"10.177.{self.index}.0", 30))

    @property
    def host_address(self) -> str:
        return str(self.link[1])

    @property
    def address(self) -> str:
        """Of the node, its API server and its DNS."""
        return str(self.link[2])


@dataclass(frozen=True)
class Record:
    """What is written down about a rig while it is there."""

    slot: Slot
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        return self.facts["name"]

    @property
    def data(self) -> Path:
        return Path(self.facts["data"])

    @property
    def pid(self) -> int:
        """Of the supervisor, as this machine counts; 0 while it is being started."""
        return self.facts.get("pid", 0)

    def write(self, **facts: Any) -> Record:
        """A record with other facts, on disk in one step."""
        new = Record(self.slot, self.facts | facts)
        half = self.slot.directory / "rig.json.half"
        half.write_text(json.dumps(new.facts))
        half.rename(self.slot.directory / "rig.json")
        return new

    def alive(self) -> bool:
        with self.slot.lock_file.open("a") as file:
            return not _locked(file.fileno())


def records() -> Iterator[Record]:
    """Every rig of this machine, dead ones that nobody cleaned up yet included."""
    for index in range(SLOTS):
        slot = Slot(index)
        try:
            yield Record(slot, json.loads((slot.directory / "rig.json").read_text()))
        except FileNotFoundError:
            continue


def machine_lock():  # type: ignore[no-untyped-def]
    """Hold while slots are taken or cleaned up."""
    ROOT.mkdir(parents=True, exist_ok=True)
    ROOT.chmod(0o700)
    return lock(ROOT / "lock")


def take(name: str, data: Path, **facts: Any) -> tuple[Record, int]:
    """Take a free slot; returns its record and the descriptor that holds its lock.

    Cleans up after dead rigs first. RigError when the name is taken or no slot is free.
    """
    with machine_lock():
        for record in records():
            if not record.alive():
                clean(record)
            elif record.name == name:
                raise RigError(f"there is a rig named {name} already: end it with `down`")
        routes = network.routes()
        for slot in map(Slot, range(SLOTS)):
            wanted = (slot.services, slot.pods, slot.link)
            if any(own.overlaps(route) for own in wanted for route in routes):
                continue
            descriptor = os.open(slot.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _locked(descriptor):
                os.close(descriptor)
                continue
            slot.directory.mkdir(exist_ok=True)
            facts = {"name": name, "data": str(data), "created": time.time(), **facts}
            return Record(slot, {}).write(**facts), descriptor
    raise RigError(
        f"none of the {SLOTS} address ranges for rigs (10.160-10.177) is free on this machine"
    )


def end(record: Record) -> None:
    """Kill a rig and remove what it leaves on the machine."""
    with machine_lock():
        if record.pid and record.alive():
            # The lock is held, so this pid is still the supervisor's and nobody else's.
            os.kill(record.pid, signal.SIGKILL)
        deadline = time.monotonic() + END_TIMEOUT
        while record.alive():
            if time.monotonic() > deadline:
                raise RigError(f"rig {record.name} (pid {record.pid}) does not end")
            time.sleep(0.02)
        clean(record)


def clean(record: Record) -> None:
    """Remove what a dead rig has left: interface, cgroups, files."""
    network.remove(record.slot.interface)
    cgroups.remove(record.slot.cgroup)
    shutil.rmtree(record.data, ignore_errors=True)
    shutil.rmtree(record.slot.directory, ignore_errors=True)


def _locked(descriptor: int) -> bool:
    """Try to take a slot's lock; False when a living rig holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
