"""The port of the probes: a few lines of HTTP, in one thread.

http.server would bring four megabytes of parsers for two fixed answers. A client that
sends nothing, or too much, costs one of a few places for a second and holds up nobody.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

MOST_CLIENTS: Final = 32
PATIENCE: Final = 1.0
"""Seconds that a client has for its request."""
LARGEST_REQUEST: Final = 4096

PHRASES: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}

log = logging.getLogger(__name__)


class CannotListen(Exception):
    """The port cannot be had; the text says why."""


class _Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.until = time.monotonic() + PATIENCE
        self.said = b""


class Probes:
    """Answers GET with what `answer(path)` says."""

    def __init__(self, port: int, answer: Callable[[str], tuple[int, str]]) -> None:
        """Listens at once.

        :param port: 0 takes any, see `port`
        :raises CannotListen: somebody else has it
        """
        self._answer = answer
        try:
            self._server = _listen(port)
        except OSError as error:
            raise CannotListen(
                f"port {port} of the probes cannot be had: {error.strerror}"
            ) from None
        self._server.setblocking(False)
        self.port: int = self._server.getsockname()[1]
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._closing = False
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 0.5) -> None:
        """Stop to answer."""
        self._closing = True
        self._wake.send(b".")
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    self._turn()
                except OSError as error:  # a client's fault, or too many open files
                    log.warning("probes: %s", error)
                    time.sleep(0.1)
        finally:
            for client in list(self._clients.values()):
                self._drop(client)
            self._selector.close()
            for each in (self._server, self._wake, self._woken):
                each.close()

    def _turn(self) -> None:
        now = time.monotonic()
        next_end = min((c.until for c in self._clients.values()), default=now + 60)
        for key, _ in self._selector.select(max(0.0, next_end - now)):
            if key.fileobj is self._server:
                self._accept()
            elif isinstance(key.data, _Client):
                self._hear(key.data)
        now = time.monotonic()
        for client in [c for c in self._clients.values() if c.until <= now]:
            self._drop(client)

    def _accept(self) -> None:
        connection, _ = self._server.accept()
        connection.setblocking(False)
        if len(self._clients) >= MOST_CLIENTS:  # the oldest has had its chance
            self._drop(min(self._clients.values(), key=lambda client: client.until))
        client = _Client(connection)
        self._clients[connection.fileno()] = client
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _hear(self, client: _Client) -> None:
        try:
            data = client.connection.recv(LARGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.said += data
        if not data:
            self._drop(client)
        elif b"\r\n\r\n" in client.said or b"\n\n" in client.said:
            self._reply(client, *self._judge(client.said))
        elif len(client.said) > LARGEST_REQUEST:
            self._reply(client, 400, "expected a request of at most 4096 bytes")

    def _judge(self, request: bytes) -> tuple[int, str]:
        words = request.split(b"\n", 1)[0].split()
        if len(words) < 2 or words[0] != b"GET":
            return 400, "expected GET"
        try:
            return self._answer(words[1].decode("ascii", "replace").partition("?")[0])
        except Exception:
            log.exception("a probe could not be answered")
            return 503, "the probe could not be answered"

    def _reply(self, client: _Client, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        head = (
            f"HTTP/1.1 {status} {PHRASES[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        try:
            client.connection.send(head.encode() + body)
            client.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._clients.pop(client.connection.fileno(), None)
        self._selector.unregister(client.connection)
        client.connection.close()


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("", port), family=socket.AF_INET6, backlog=64, dualstack_ipv6=True
            )
        except OSError as error:
            if error.errno not in (97, 99):  # no IPv6 here
                raise
    return socket.create_server(("", port), backlog=64)
