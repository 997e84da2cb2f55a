"""Links whose PVs are found through name servers, as in a cluster: pods come in any order."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ioc_runtime.plan import to_json
from runtime.field import Field
from runtime.source import wait_until
from support.spawn import Spawn, Spawned

SOON = 3.0
"""Seconds after which a link is up once its server listens."""
DEAD = 200
OWN_HOSTS = """
import os, sys
hosts, plan = sys.argv[1:]
mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
run = [sys.executable, "-m", "ioc_runtime", plan]
os.execvp("unshare", ["unshare", "--mount", "sh", "-c", mount, hosts, *run])
"""


def manifest(dead: int = 0) -> str:
    """Inputs over both protocols, beside some whose PVs nobody has."""
    inputs = ["ca: {type: float, link: 'ca://@F'}", "pva: {type: float, link: 'pva://@F'}"]
    for number in range(dead):
        scheme = "pva" if number % 2 else "ca"
        inputs.append(f"n{number}: {{type: float, link: '{scheme}://@NOBODY{number}'}}")
    return f"inputs: {{{', '.join(inputs)}}}"


def only_servers(field: Field, host: str = "127.0.0.1") -> dict[str, str]:
    """No search goes anywhere but to the source's ports, over TCP."""
    place = field.env.places[1]
    return field.env.server(0) | {
        "EPICS_CA_ADDR_LIST": "",
        "EPICS_PVA_ADDR_LIST": "",
        "EPICS_CA_NAME_SERVERS": f"{host}:{place.ca}",
        "EPICS_PVA_NAME_SERVERS": f"{host}:{place.pva}",
    }


def follow(field: Field, dead: int = 0, **env: str) -> Spawned:
    """The task; it is ready before anything of its links is there."""
    return field.start(manifest(dead), env=only_servers(field) | env)


def connected(field: Field, since: float) -> dict[str, float]:
    """Seconds until the value of each protocol was there."""
    took: dict[str, float] = {}
    while len(took) < 2:
        for name in {"ca", "pva"} - took.keys():
            if field.ca.get(name)[:2] == (0.25, 0):
                took[name] = time.monotonic() - since
        assert time.monotonic() - since < 30, took
        time.sleep(0.02)
    print(took)
    return took


@contextmanager
def within(seconds: float, field: Field) -> Iterator[None]:
    """After the block the links are up in so many seconds."""
    yield
    took = connected(field, time.monotonic())
    assert max(took.values()) < seconds, took


@pytest.mark.parametrize("delay", [5.0, 20.0])
def test_a_server_that_refused_when_the_task_started_is_found_when_it_listens(
    field: Field, delay: float
):
    follow(field)
    time.sleep(delay)
    assert field.ca.get("ca")[1] == field.ca.get("pva")[1] == 3
    with within(SOON, field):
        field.source.start()


@pytest.mark.parametrize("delay", [3.0, 12.0])
def test_a_server_that_went_is_found_again_on_the_same_port(field: Field, delay: float):
    field.source.start()
    follow(field)
    connected(field, time.monotonic())
    field.source.kill()
    wait_until(lambda: field.ca.get("ca")[1] == field.ca.get("pva")[1] == 3)
    time.sleep(delay)
    with within(SOON, field):
        field.source.start()
    wait_until(lambda: field.value("SYS_CONN") == "OK")


def test_hundreds_of_dead_names_delay_nothing(field: Field):
    task = follow(field, DEAD)
    time.sleep(4)
    with within(SOON, field):
        field.source.start()
    field.source.kill()
    wait_until(lambda: field.ca.get("ca")[1] == 3)
    with within(SOON, field):
        field.source.start()
    assert task.popen.poll() is None


def test_an_output_is_written_through_a_name_server_that_comes_late(field: Field):
    field.start(
        """
        inputs: {level: {type: float, value: 3}}
        outputs: {twice: {type: float, link: "pva://@F"}}
        transforms: [{output: twice, expression: 2 * level}]
        """,
        env=only_servers(field),
    )
    time.sleep(3)
    field.source.start()
    wait_until(lambda: field.source.get("F") == 6.0, SOON)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for an /etc/hosts of its own")
def test_a_server_whose_name_is_known_to_nobody_at_first_is_found(
    field: Field, spawn: Spawn, tmp_path: Path
):
    """A Service that is made after the pod that reads from it."""
    hosts, plan = tmp_path / "hosts", tmp_path / "plan.json"
    hosts.write_text("127.0.0.1 localhost\n")
    plan.write_text(to_json(field.plan(manifest())))
    task = spawn("-c", OWN_HOSTS, hosts, plan, env=only_servers(field, "gauges.bl01"))
    task.wait_said("ready")
    field.source.start()
    time.sleep(3)
    assert field.ca.get("ca")[1] == field.ca.get("pva")[1] == 3
    with within(SOON, field):
        hosts.write_text("127.0.0.1 localhost gauges.bl01\n")
    assert "ca name server gauges.bl01" in task.output
    assert task.output.count("its address is not known") == 2  # once for each protocol


def test_servers_that_talk_nonsense_hang_or_are_no_servers_delay_no_other(field: Field):
    field.source.start()
    with ExitStack() as stack:
        strange = [stack.enter_context(stranger(what)) for what in (b"HTTP/1.1 400\r\n\r\n", b"")]
        places = " ".join(f"127.0.0.1:{port}" for port in strange)
        good = only_servers(field)
        env = {
            f"EPICS_{kind}_NAME_SERVERS": f"{places} host:port {good[f'EPICS_{kind}_NAME_SERVERS']}"
            for kind in ("CA", "PVA")
        }
        with within(SOON, field):
            task = follow(field, **env)
        wait_until(lambda: "is not PV Access" in task.output)
        assert "ca name server 'host:port': expected host or host:port" in task.output


@contextmanager
def stranger(says: bytes) -> Iterator[int]:
    """A TCP server that says something else, or nothing; its port."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        with ExitStack() as connections:
            while not over.is_set():
                try:
                    connection = connections.enter_context(server.accept()[0])
                except TimeoutError:
                    continue
                if says:
                    connection.sendall(says)

    server.settimeout(0.1)
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        thread.join()
        server.close()
