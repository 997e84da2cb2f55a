"""The cable between this machine and a rig: a pair of virtual interfaces, and routes."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .host import RigError, run

if TYPE_CHECKING:
    from .slots import Slot

INSIDE: Final = "eth0"
"""The rig's end."""


def routes() -> list[IPv4Network]:
    """Every network that this machine has a route to, but for the default route."""
    listed = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    found = []
    for route in listed:
        if route["dst"] != "default":
            found.append(IPv4Network(route["dst"]))
    return found


def connect(slot: Slot, pid: int) -> None:
    """Lay the cable into the network namespace of a process, and route through it.

    Pods and ClusterIPs are then reached from this machine as from a node.
    """
    outside = slot.interface
    run(["ip", "link", "add", outside, "type", "veth", "peer", "name", INSIDE, "netns", str(pid)])
    run(["ip", "addr", "add", f"{slot.host_address}/{slot.link.prefixlen}", "dev", outside])
    run(["ip", "link", "set", outside, "up"])
    inside = ["nsenter", "--target", str(pid), "--net", "ip"]
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "addr", "add", f"{slot.address}/{slot.link.prefixlen}", "dev", INSIDE])
    run([*inside, "link", "set", INSIDE, "up"])
    run([*inside, "route", "add", "default", "via", slot.host_address])
    for network in (slot.services, slot.pods):
        run(["ip", "route", "add", str(network), "via", slot.address, "dev", outside])


def remove(interface: str) -> None:
    """Pull the cable; without it there are no routes either."""
    try:
        run(["ip", "link", "delete", interface])
    except RigError:
        # The kernel takes it away too, some time after the rig's last process.
        if (Path("/sys/class/net") / interface).exists():
            raise
