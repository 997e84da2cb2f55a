"""The network block: how the runtime finds others, and how others find it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Wanted
from ioc_operator.names import CA_PORT, PVA_PORT, PVA_SEARCH_PORT, labels

Object = dict[str, Any]

PORTS: Final = {"ca": CA_PORT, "pva": PVA_PORT}
USUAL: Final = {str(CA_PORT): "ca", str(PVA_PORT): "pva", str(PVA_SEARCH_PORT): "pva"}


def epics_environment(wanted: Wanted) -> dict[str, str]:
    """EPICS variables of both protocols.

    A server or address without a port is asked by both protocols, one with the usual port
    of a protocol by that, one with another port by the task's own (`protocol`). Where any
    is given, nothing is broadcast: in a pod that reaches the neighbours on the same node
    and nobody else. Whoever needs more says it in `env`, which wins.
    """
    network = wanted.spec.get("network")
    network = network if isinstance(network, Mapping) else {}
    servers = [str(server) for server in network.get("nameServers") or []]
    addresses = [str(address) for address in network.get("addressList") or []]
    mine = str(wanted.spec.get("protocol") or "ca")
    made: dict[str, str] = {}
    for protocol, port in PORTS.items():
        name = protocol.upper()
        made[f"EPICS_{name}_NAME_SERVERS"] = _asked_by(protocol, servers, mine, f":{port}")
        made[f"EPICS_{name}_ADDR_LIST"] = _asked_by(protocol, addresses, mine)
        if addresses or (servers and not wanted.host_network):
            made[f"EPICS_{name}_AUTO_ADDR_LIST"] = "NO"
    return {name: value for name, value in made.items() if value}


def _asked_by(protocol: str, places: list[str], mine: str, port: str = "") -> str:
    """Those of the servers or addresses that a protocol asks; `port` for those without."""
    asked = []
    for place in places:
        _, colon, given = place.rpartition(":")
        if not colon:
            asked.append(place + port)
        elif USUAL.get(given, mine) == protocol:
            asked.append(place)
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
