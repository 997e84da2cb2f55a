"""The choice of ports, with real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ioc_runtime.epics.ports import CA, PVA, PortError, Server, choose


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


LOOPBACK = {CA.interfaces: "127.0.0.1", PVA.interfaces: "127.0.0.1"}


def with_default(port: int) -> Server:
    return Server("CA", CA.variables, CA.interfaces, port, CA.actual)


def test_a_free_explicit_port_is_taken(free: int):
    environ = dict(LOOPBACK)
    assert choose(CA, free, environ) == ""
    assert environ["EPICS_CAS_SERVER_PORT"] == str(free)


def test_an_explicit_port_that_is_taken_is_an_error(taken: int):
    with pytest.raises(PortError, match=rf"--ca-port: CA port {taken} is taken"):
        choose(CA, taken, dict(LOOPBACK))


@pytest.mark.parametrize("variable", ["EPICS_PVAS_SERVER_PORT", "EPICS_PVA_SERVER_PORT"])
def test_a_port_of_the_environment_that_is_taken_is_an_error(taken: int, variable: str):
    with pytest.raises(PortError, match=rf"{variable}: PVA port {taken} is taken"):
        choose(PVA, None, LOOPBACK | {variable: str(taken)})


@pytest.mark.parametrize("text", ["none", "0", "70000", "-1", "9" * 30])
def test_a_port_of_the_environment_that_is_none_is_an_error(text: str):
    with pytest.raises(PortError, match="expected a port from 1 to 65535"):
        choose(CA, None, LOOPBACK | {"EPICS_CA_SERVER_PORT": text})


def test_a_default_that_is_taken_is_said_and_left_to_epics(taken: int):
    environ = dict(LOOPBACK)
    note = choose(with_default(taken), None, environ)
    assert note.startswith(f"CA port {taken} is taken")
    assert note.endswith("using a free one")
    assert environ == LOOPBACK


def test_a_default_that_is_free_needs_no_word(free: int):
    environ = dict(LOOPBACK)
    assert choose(with_default(free), None, environ) == ""
    assert environ == LOOPBACK


def test_an_explicit_port_wins_over_the_environment(free: int, taken: int):
    environ = LOOPBACK | {"EPICS_CAS_SERVER_PORT": str(taken)}
    assert choose(CA, free, environ) == ""
    assert environ["EPICS_CAS_SERVER_PORT"] == str(free)
