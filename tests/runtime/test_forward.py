"""A port that leads to an IOC elsewhere: real clients that know nothing but that port."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ioc_runtime.cli.failure import Failure
from ioc_runtime.cli.forward import Forward
from ioc_runtime.cli.reading import Protocol
from runtime.source import wait_until
from support.epics_env import EpicsEnv
from support.spawn import Spawn, Spawned

HERE = Path(__file__).parent
BOTH = pytest.mark.parametrize("protocol", ["ca", "pva"])


class Way:
    """To an IOC's port, counted, and cut when it is told to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.open = True
        self.made: list[socket.socket] = []

    def dial(self) -> socket.socket:
        if not self.open:
            raise Failure("no way to the pod")
        self.made.append(socket.create_connection(("127.0.0.1", self._port), 5))
        return self.made[-1]

    def cut(self) -> None:
        for one in self.made:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


Forwarded = Callable[[Protocol], tuple[Way, Forward]]


@pytest.fixture
def forwarded(spawn: Spawn, epics_env: EpicsEnv) -> Iterator[Forwarded]:
    """A forward to a source IOC, whose own port no client is told."""
    spawn(HERE / "cli_source.py", epics_env.prefix, env=epics_env.server(1), until="up")
    place = epics_env.places[1]
    threads = threading.active_count()
    with ExitStack() as stack:

        def make(protocol: Protocol) -> tuple[Way, Forward]:
            way = Way(place.ca if protocol == "ca" else place.pva)
            forward = stack.enter_context(closing(Forward(way.dial, protocol), way))
            assert forward.port not in (place.ca, place.pva)
            return way, forward

        yield make
    until = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < until:
        time.sleep(0.02)


@contextmanager
def closing(forward: Forward, way: Way) -> Iterator[Forward]:
    try:
        yield forward
    finally:
        forward.close()
        way.cut()


def start(spawn: Spawn, forward: Forward, protocol: str, *words: str) -> Spawned:
    kind = protocol.upper()
    only = {
        f"EPICS_{kind}_NAME_SERVERS": f"127.0.0.1:{forward.port}",
        f"EPICS_{kind}_ADDR_LIST": "",
        f"EPICS_{kind}_AUTO_ADDR_LIST": "NO",
    }
    return spawn("-m", "ioc_runtime.cli", "pv", *words, "-p", protocol, env=only)


@BOTH
def test_a_client_reads_and_writes_through_it(
    spawn: Spawn, epics_env: EpicsEnv, forwarded: Forwarded, protocol: Protocol
):
    way, forward = forwarded(protocol)
    name = f"{epics_env.prefix}F"
    put = start(spawn, forward, protocol, "put", name, "6.25")
    assert put.wait(40) == 0, put.report("did not write")
    get = start(spawn, forward, protocol, "get", "-o", "json", name)
    assert get.wait(40) == 0, get.report("did not read")
    assert json.loads(get.output)["value"] == 6.25
    assert way.made, "nothing went through it"


@BOTH
def test_a_monitor_is_back_after_a_cut(
    spawn: Spawn, epics_env: EpicsEnv, forwarded: Forwarded, protocol: Protocol
):
    way, forward = forwarded(protocol)
    name = f"{epics_env.prefix}F"
    monitor = start(spawn, forward, protocol, "monitor", "-o", "json", name)
    monitor.wait_for('"value"')
    way.cut()
    monitor.wait_for("disconnected")
    seen = monitor.output.count('"value"')
    until = time.monotonic() + 50
    while monitor.output.count('"value"') == seen:
        assert time.monotonic() < until, monitor.report("did not come back")
        time.sleep(0.05)


def test_where_there_is_no_way_it_says_so_at_once_and_later(epics_env: EpicsEnv):
    way = Way(1)
    way.open = False
    with pytest.raises(Failure, match="no way to the pod"):
        Forward(way.dial, "ca")
    with socket.create_server(("127.0.0.1", 0)) as server:
        way = Way(server.getsockname()[1])
        way.open = True
        with closing(Forward(way.dial, "ca"), way) as forward:
            way.open = False
            with socket.create_connection(("127.0.0.1", forward.port), 5) as client:
                way.cut()  # the connection that was there from the start
                client.settimeout(20)
                assert client.recv(1) == b""
            wait_until(lambda: forward.trouble.startswith("the pod's port takes no"), 20)
            with socket.create_connection(("127.0.0.1", forward.port), 5) as client:
                client.settimeout(20)
                assert client.recv(1) == b""
            wait_until(lambda: forward.trouble == "no way to the pod", 20)
