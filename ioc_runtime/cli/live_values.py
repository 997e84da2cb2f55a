"""Values of a task's PVs, read through its Service."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ioc_runtime.cli.condition_table import mapping, text
from ioc_runtime.cli.reading import Address, Protocol, Reading

PORTS: Final[Mapping[Protocol, int]] = {"ca": 5064, "pva": 5075}
ROUTE: Final = 1.5
"""Seconds for a connection to the server; who waits longer has no route to it."""
MOST: Final = 200
"""PVs of one task that are shown."""
OF_TASKS: Final = ("STATUS", "MESSAGE", "ENABLE")
OF_JOBS: Final = ("STATE", "STATUS", "PROGRESS", "MSG")


def pv_names(item: Mapping[str, Any]) -> list[str]:
    """The PVs of an object that a person wants to see first: state, inputs, outputs."""
    prefix = prefix_of(item)
    standard = OF_JOBS if item.get("kind") == "IocJob" else OF_TASKS
    return [prefix + name for name in (*standard, *signal_names(item))][:MOST]


def signal_names(item: Mapping[str, Any]) -> list[str]:
    """Inputs, then outputs, by their short names."""
    spec = mapping(item.get("spec"))
    return [*mapping(spec.get("inputs")), *mapping(spec.get("outputs"))]


def prefix_of(item: Mapping[str, Any]) -> str:
    """What the names of an object's PVs begin with: what it holds, else what it asks for."""
    spec, status = mapping(item.get("spec")), mapping(item.get("status"))
    prefix = text(mapping(status.get("claim")).get("prefix")) or text(spec.get("prefix"))
    if prefix:
        return prefix
    meta = mapping(item.get("metadata"))
    return _default_prefix(text(meta.get("namespace")), text(meta.get("name")))


def _default_prefix(namespace: str, name: str) -> str:
    from ioc_runtime.compile.names import default_prefix
    from ioc_runtime.spec.task import Metadata

    return default_prefix(Metadata.model_construct(name=name, namespace=namespace))


def server_of(service: Mapping[str, Any]) -> str | None:
    """The address in the cluster that a Service has; None where it has none."""
    address = mapping(service.get("spec")).get("clusterIP")
    return address if isinstance(address, str) and address not in ("", "None") else None


def split(address: str, protocol: Protocol) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.

    :raises ValueError: the port is no number that a port may have
    """
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        port = rest.removeprefix(":")
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    else:
        host, port = address, ""
    number = int(port) if port else PORTS[protocol]
    if not host or not 0 < number < 65536:
        raise ValueError(address)
    return host, number


def why_unreachable(host: str, port: int) -> str | None:
    """None when somebody answers there, else why not, in a few words."""
    try:
        socket.create_connection((host, port), ROUTE).close()
    except TimeoutError:
        return f"no answer within {ROUTE:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return None


def ask_only(servers: Sequence[str], protocol: Protocol) -> None:
    """Let this process look for PVs at these servers (host:port) and nowhere else.

    Before the protocol's library is loaded: it reads its environment when it starts.
    """
    kind = protocol.upper()
    os.environ[f"EPICS_{kind}_NAME_SERVERS"] = " ".join(servers)
    os.environ[f"EPICS_{kind}_ADDR_LIST"] = ""
    os.environ[f"EPICS_{kind}_AUTO_ADDR_LIST"] = "NO"


def read_values(
    host: str, port: int, names: Sequence[str], protocol: Protocol, timeout: float
) -> list[Reading]:
    """Read PVs from one server and nowhere else; each that does not answer carries an error.

    Call it once in a process: the EPICS libraries read their environment when they start.
    """
    from ioc_runtime.cli.pv import Clients

    ask_only([f"[{host}]:{port}" if ":" in host else f"{host}:{port}"], protocol)
    clients = Clients()
    readings = clients.get([Address(protocol, name, name) for name in names], timeout)
    clients.forget(protocol)  # a connection that breaks off is an error in the server's log
    return readings
