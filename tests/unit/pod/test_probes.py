"""The port of the probes, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from ioc_runtime.pod.probes import MOST_CLIENTS, CannotListen, Probes


@pytest.fixture
def probes() -> Iterator[Probes]:
    made = Probes(0, lambda path: (200, f"you asked for {path}"))
    yield made
    made.close()


def ask(port: int, request: bytes = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        said = b""
        while piece := connection.recv(4096):
            said += piece
        return said


def test_a_get_is_answered_with_what_is_known(probes: Probes):
    said = ask(probes.port)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"you asked for /ready\n")


def test_a_request_may_come_in_pieces(probes: Probes):
    with socket.create_connection(("127.0.0.1", probes.port), timeout=5) as connection:
        for piece in (b"GET /li", b"ve HTTP/1.1\r\n", b"\r\n"):
            connection.sendall(piece)
            time.sleep(0.02)
        assert b"/live" in connection.recv(4096)


@pytest.mark.parametrize(
    "request_bytes", [b"POST / HTTP/1.1\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"x" * 6000]
)
def test_what_is_no_get_is_refused(probes: Probes, request_bytes: bytes):
    assert ask(probes.port, request_bytes).startswith(b"HTTP/1.1 400")


def test_silent_clients_hold_up_nobody(probes: Probes):
    silent = [socket.create_connection(("127.0.0.1", probes.port)) for _ in range(MOST_CLIENTS * 2)]
    try:
        assert ask(probes.port).startswith(b"HTTP/1.1 200")
    finally:
        for each in silent:
            each.close()


def test_a_client_that_hangs_up_is_no_trouble(probes: Probes):
    for _ in range(20):
        socket.create_connection(("127.0.0.1", probes.port)).close()
    assert ask(probes.port).startswith(b"HTTP/1.1 200")


def test_an_answer_that_fails_is_a_failed_probe():
    def broken(path: str) -> tuple[int, str]:
        raise RuntimeError(path)

    probes = Probes(0, broken)
    try:
        assert ask(probes.port).startswith(b"HTTP/1.1 503")
    finally:
        probes.close()


def test_a_taken_port_is_named(probes: Probes):
    with pytest.raises(CannotListen, match=str(probes.port)):
        Probes(probes.port, lambda path: (200, ""))
