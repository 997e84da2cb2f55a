"""The network block: how the runtime finds others, and how others find it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Wanted
from ioc_operator.names import CA_PORT, PVA_PORT, PVA_SEARCH_PORT, labels

Object = dict[str, Any]

PORTS: Final = {"ca": CA_PORT, "pva": PVA_PORT}
USUAL: Final = {str(port): protocol for protocol, port in PORTS.items()}


def epics_environment(wanted: Wanted) -> dict[str, str]:
    """EPICS variables of both protocols.

    A name server without a port is asked by both protocols, one with the usual port of a
    protocol by that, one with another port by the task's own (`protocol`). Where any
    address is given, nothing is broadcast: in a pod that reaches the neighbours on the
    same node and nobody else. Whoever needs more says it in `env`, which wins.
    """
    network = wanted.spec.get("network")
    network = network if isinstance(network, Mapping) else {}
    servers = [str(server) for server in network.get("nameServers") or []]
    addresses = [str(address) for address in network.get("addressList") or []]
    made: dict[str, str] = {}
    if servers:
        mine = str(wanted.spec.get("protocol") or "ca")
        made["EPICS_CA_NAME_SERVERS"] = _asked_by("ca", servers, mine)
        made["EPICS_PVA_NAME_SERVERS"] = _asked_by("pva", servers, mine)
    if addresses:
        made["EPICS_CA_ADDR_LIST"] = made["EPICS_PVA_ADDR_LIST"] = " ".join(addresses)
    if addresses or (servers and not wanted.host_network):
        made["EPICS_CA_AUTO_ADDR_LIST"] = made["EPICS_PVA_AUTO_ADDR_LIST"] = "NO"
    return {name: value for name, value in made.items() if value}


def _asked_by(protocol: str, servers: list[str], mine: str) -> str:
    """The name servers of a protocol, each with a port."""
    asked = []
    for server in servers:
        host, colon, port = server.rpartition(":")
        if not colon:
            asked.append(f"{server}:{PORTS[protocol]}")
        elif USUAL.get(port, mine) == protocol:
            asked.append(f"{host}:{port}")
    return " ".join(asked)


def service(wanted: Wanted) -> Object:
    """The Service. Port and container's port are the same: PVA tells clients its own.

    It answers from the moment the pod has an address: whether a PV is good is said by
    its severity, and waiting for readiness costs clients two seconds.
    """
    key = wanted.key
    network = wanted.spec.get("network")
    given = (network.get("service") or {}) if isinstance(network, Mapping) else {}
    annotations = dict(given.get("annotations") or {})
    return stamp(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(wanted, key.name, annotations),
            "spec": {
                "type": given.get("type") or "ClusterIP",
                "selector": labels(key.kind, key.name, wanted.uid),
                "publishNotReadyAddresses": True,
                "ports": [
                    _port("ca", CA_PORT, "TCP"),
                    _port("ca-udp", CA_PORT, "UDP"),
                    _port("pva", PVA_PORT, "TCP"),
                    _port("pva-udp", PVA_SEARCH_PORT, "UDP"),
                ],
            },
        }
    )


def _port(name: str, port: int, protocol: str) -> Object:
    return {"name": name, "port": port, "targetPort": port, "protocol": protocol}
