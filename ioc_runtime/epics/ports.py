"""Ports of the two servers: which is asked for, whether it is free, which it became.

EPICS itself takes another port without a word when the one it is told to use is taken.
For a default that is right (any number of IOCs share the port of the searches, and
clients learn the other one from the answer), but somebody who named a port, or a
Service that forwards one, needs that one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from ioc_runtime.epics.cabi import db


class PortError(Exception):
    """A port that was asked for cannot be had; one sentence says which and why."""


@dataclass(frozen=True)
class Server:
    """One of the two servers."""

    protocol: str
    variables: tuple[str, ...]
    """Environment variables that name the port, the first one wins."""
    interfaces: str
    """Environment variable that names the addresses to listen on."""
    default: int
    actual: str
    """Variable in which EPICS says what it took."""


CA: Final = Server(
    "CA",
    ("EPICS_CAS_SERVER_PORT", "EPICS_CA_SERVER_PORT"),
    "EPICS_CAS_INTF_ADDR_LIST",
    5064,
    "RSRV_SERVER_PORT",
)
PVA: Final = Server(
    "PVA",
    ("EPICS_PVAS_SERVER_PORT", "EPICS_PVA_SERVER_PORT"),
    "EPICS_PVAS_INTF_ADDR_LIST",
    5075,
    "PVAS_SERVER_PORT",
)


def choose(
    server: Server, explicit: int | None = None, environ: MutableMapping[str, str] = os.environ
) -> str:
    """Decide on the port of a server before it starts, in `environ`.

    An explicit port, or one from the environment, must be free. A default that is
    taken stays the port of the searches, and EPICS takes a free one for the rest: then
    the note that comes back says so, else it is empty.

    :raises PortError: a port that was asked for is taken or is no port.
    """
    named = f"--{server.protocol.lower()}-port"
    port = explicit
    if port is None:
        for variable in server.variables:
            if text := environ.get(variable, "").strip():
                named, port = variable, _number(variable, text)
                break
    elif not 1 <= port <= 65535:
        raise PortError(f"{named}: expected a port from 1 to 65535, got {port}")
    address = environ.get(server.interfaces, "").split()[:1]
    reason = _taken(address[0] if address else "", port or server.default)
    if port is None:
        if not reason:
            return ""
        return f"{server.protocol} port {server.default} is taken ({reason}); using a free one"
    if reason:
        raise PortError(f"{named}: {server.protocol} port {port} is taken ({reason})")
    environ[server.variables[0]] = str(port)
    return ""


def actual(server: Server) -> int | None:
    """The TCP port that a server took; None before it runs."""
    text = db.environment(server.actual)
    return int(text) if text else None


def _number(variable: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise PortError(f"{variable}: expected a port from 1 to 65535, got {text!r}")
    return int(text)


def _taken(address: str, port: int) -> str:
    """Why a TCP port cannot be listened on; empty when it can."""
    host = address.partition(":")[0] or "0.0.0.0"  # noqa: S104
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return (error.strerror or "it cannot be opened").lower()
    return ""
