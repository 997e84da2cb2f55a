"""EPICS on loopback only, with ports and names that no other run has.

One *place* is room for one server: a CA port, a PVA port and a PVA search port.
A session picks `PLACES` of them once, and every client of the session searches all
of them and nothing else. So a test may run several IOCs at a time, and clients in
the test process itself (whose libraries read the environment only once) meet all of
them.
"""

from __future__ import annotations

import os
import random
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

PLACES = 4
_PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections."""


@dataclass(frozen=True)
class Place:
    """Ports of one server."""

    ca: int
    pva: int
    pva_search: int


@dataclass(frozen=True)
class EpicsEnv:
    """Names and ports of one test. `environ` is for a process that serves."""

    prefix: str
    """Random, ends with a colon; nothing else on this machine serves below it."""
    places: tuple[Place, ...]
    repeater: int
    """Port of the CA repeater. It is taken, so libca never starts one of its own."""

    @property
    def environ(self) -> dict[str, str]:
        """Serve in the first place, find every place."""
        return self.server(0)

    @property
    def client(self) -> dict[str, str]:
        """Find every place. Enough for a process that serves nothing."""
        return {
            "EPICS_CA_ADDR_LIST": " ".join(f"127.0.0.1:{p.ca}" for p in self.places),
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_REPEATER_PORT": str(self.repeater),
            "EPICS_PVA_ADDR_LIST": " ".join(f"127.0.0.1:{p.pva_search}" for p in self.places),
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        }

    def server(self, place: int) -> dict[str, str]:
        """Serve in the place with this index (0 to PLACES - 1), find every place."""
        ports = self.places[place]
        return self.client | {
            "EPICS_CA_SERVER_PORT": str(ports.ca),
            "EPICS_CAS_SERVER_PORT": str(ports.ca),
            "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
            "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_PVA_SERVER_PORT": str(ports.pva),
            "EPICS_PVA_BROADCAST_PORT": str(ports.pva_search),
            "EPICS_PVAS_SERVER_PORT": str(ports.pva),
            "EPICS_PVAS_BROADCAST_PORT": str(ports.pva_search),
            "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
            "EPICS_PVAS_BEACON_ADDR_LIST": f"127.0.0.1:{ports.pva_search}",
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
        }


@pytest.fixture(scope="session", autouse=True)
def epics_session() -> Iterator[EpicsEnv]:
    """Pin the whole session to loopback and to its own ports, the test process too."""
    taken: set[int] = set()
    places = tuple(
        Place(_free_port(taken), _free_port(taken), _free_port(taken)) for _ in range(PLACES)
    )
    # Where no repeater answers, every process with a CA client forks to start one. A
    # taken port looks like a repeater that runs.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as repeater:
        repeater.bind(("", 0))
        env = EpicsEnv("", places, repeater.getsockname()[1])
        old = {name: value for name, value in os.environ.items() if name.startswith("EPICS_")}
        _replace_epics(env.client)
        yield env
        _replace_epics(old)


@pytest.fixture
def epics_env(epics_session: EpicsEnv) -> EpicsEnv:
    """A fresh random prefix, and the session's loopback ports.

    ```python
    def test_it(epics_env, spawn):
        ioc = spawn("ioc.py", epics_env.prefix, env=epics_env.server(1), until="ready")
        caget(epics_env.prefix + "X")      # a client in this process finds it
    ```
    """
    prefix = f"T{uuid.uuid4().hex[:8].upper()}:"
    return EpicsEnv(prefix, epics_session.places, epics_session.repeater)


def _replace_epics(values: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("EPICS_")]:
        del os.environ[name]
    os.environ.update(values)


def _free_port(taken: set[int]) -> int:
    """A port that is free for TCP and UDP on every interface, and not in `taken`."""
    chance = random.SystemRandom()  # a seed fixed by a test run would make runs meet
    for port in chance.sample(_PORTS, 200):
        if port in taken:
            continue
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("", port))
        except OSError:
            continue
        taken.add(port)
        return port
    raise RuntimeError("no free port found between 20000 and 32000")
