"""One request to the API server at a time, over the standard library's sockets.

http.client would do, but takes two megabytes that every pod would carry for one PATCH.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
TIMEOUT: Final = 10.0
LARGEST_ANSWER: Final = 64 * 1024


class NoAnswer(Exception):
    """The API server could not be asked; the text says why."""


@dataclass(frozen=True)
class Answer:
    """What it said."""

    status: int
    retry_after: float | None
    text: str
    """The beginning of the body."""


class Api:
    """The API server of this pod."""

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        """`token` and `ca.crt` of the account are read for each request: they are renewed.

        They are where Kubernetes has them, or in the directory IOC_ACCOUNT.
        """
        self._host = variables.get("KUBERNETES_SERVICE_HOST", "")
        self._port = int(variables.get("KUBERNETES_SERVICE_PORT_HTTPS") or 443)
        self._account = Path(variables.get("IOC_ACCOUNT") or ACCOUNT)

    def patch(self, path: str, content_type: str, body: bytes, timeout: float = TIMEOUT) -> Answer:
        """PATCH.

        :raises NoAnswer: no token, no connection, no answer in time, or none that is HTTP
        """
        if not self._host:
            raise NoAnswer("KUBERNETES_SERVICE_HOST is not set")
        try:
            token = (self._account / "token").read_text().strip()
            context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
        except OSError as error:
            raise NoAnswer(f"the pod has no usable account: {error}") from None
        host = f"[{self._host}]" if ":" in self._host else self._host
        head = (
            f"PATCH {path} HTTP/1.1\r\nHost: {host}:{self._port}\r\n"
            f"Authorization: Bearer {token}\r\nUser-Agent: ioc-runtime\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            "Accept: application/json\r\nConnection: close\r\n\r\n"
        )
        try:
            return self._talk(context, head.encode("latin-1") + body, timeout)
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout:g} s") from None
        except (OSError, ValueError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from None

    def _talk(self, context: ssl.SSLContext, request: bytes, timeout: float) -> Answer:
        with (
            socket.create_connection((self._host, self._port), timeout=timeout) as plain,
            context.wrap_socket(plain, server_hostname=self._host) as connection,
        ):
            connection.sendall(request)
            said = b""
            while len(said) < LARGEST_ANSWER:
                piece = connection.recv(16 * 1024)
                if not piece:
                    break
                said += piece
                if _whole(said):
                    break
        return _read(said)


def _whole(said: bytes) -> bool:
    """Whether a body of a known length is there; without one the end of the connection is."""
    head, end, body = said.partition(b"\r\n\r\n")
    length = _headers(head).get("content-length", "")
    return bool(end) and length.isdecimal() and len(body) >= int(length)


def _read(said: bytes) -> Answer:
    head, end, body = said.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if not end or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise NoAnswer("the answer was cut short, or is not HTTP")
    wait = _headers(head).get("retry-after", "")
    return Answer(
        int(words[1]),
        float(wait) if wait.isdecimal() else None,
        body[:2048].decode("utf-8", "replace"),
    )


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {
        name.strip().lower().decode("latin-1"): value.strip().decode("latin-1")
        for name, _, value in pairs
    }
