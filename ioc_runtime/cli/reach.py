"""PVs of tasks in a cluster, reached through the API server.

A kubeconfig is all it takes: a port of the pod is forwarded to this machine, and the EPICS
libraries look for PVs there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ioc_runtime.cli.cluster import KINDS, Cluster, Object
from ioc_runtime.cli.condition_table import mapping, row, text
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.forward import Forward
from ioc_runtime.cli.known_names import is_absent, no_such
from ioc_runtime.cli.live_values import PORTS, ask_only, prefix_of, pv_names
from ioc_runtime.cli.reading import Address, Protocol, Reading, parse_address
from ioc_runtime.cli.witness import Witness, why_no_pod
from ioc_runtime.plugin.errors import nearest

_VARIABLES: Final[Mapping[Protocol, tuple[str, str]]] = {
    "ca": ("EPICS_CAS_SERVER_PORT", "EPICS_CA_SERVER_PORT"),
    "pva": ("EPICS_PVAS_SERVER_PORT", "EPICS_PVA_SERVER_PORT"),
}
"""What a container's environment may say of the port, the stronger one first."""


@dataclass(frozen=True)
class Target:
    """A task or job, and PVs of it."""

    item: Object
    names: tuple[str, ...]
    """In full."""


@dataclass
class Reached:
    """PVs that can be talked to now."""

    addresses: list[Address] = field(default_factory=list)
    items: list[Object] = field(default_factory=list)
    """The tasks and jobs that they belong to."""
    forwards: list[Forward] = field(default_factory=list)
    absent: list[Reading] = field(default_factory=list)
    """Errors in the place of PVs that are surely not there; nobody asks for them."""

    @property
    def trouble(self) -> str:
        """Why a pod may not have answered; "" where nothing is known."""
        return next((one.trouble for one in self.forwards if one.trouble), "")


def all_items(cluster: Cluster, namespace: str) -> list[Object]:
    """The tasks and jobs of a namespace."""
    return [item for kind in KINDS for item in cluster.owners(kind, namespace)[0]]


def resolve(word: str, items: Sequence[Object], namespace: str) -> Target:
    """What TASK, TASK/NAME or the full name of a PV stands for.

    :raises Failure: there is nothing of that name
    """
    head, slash, name = word.partition("/")
    for item in items:
        if item["metadata"]["name"] == head:
            if slash and not name:
                raise Failure(f"{word}: expected TASK/NAME, as {head}/STATUS", Exit.USAGE)
            names = [prefix_of(item) + name] if slash else pv_names(item)
            return Target(item, tuple(names))
    owning = [item for item in items if word.startswith(prefix_of(item))]
    if owning:  # prefixes may lie in one another: the longest is the nearest
        return Target(max(owning, key=lambda item: len(prefix_of(item))), (word,))
    known = [str(item["metadata"]["name"]) for item in items]
    what = "PV of a task" if ":" in head else "task or job"
    raise Failure(f"there is no {what} {head!r} in namespace {namespace}{nearest(head, known)}")


def reach(cluster: Cluster, namespace: str, words: Sequence[str], protocol: Protocol) -> Reached:
    """Forward the ports of the pods that serve what is asked for.

    Once in a process, and before the protocol's library is loaded.

    :raises Failure: no such task, its pod does not run, or there is no way to it
    """
    items = all_items(cluster, namespace)
    targets = [resolve(word, items, namespace) for word in words]
    found = Reached()
    names: dict[str, Object] = {}
    for target in targets:
        for name in target.names:
            if is_absent(target.item, name):
                why = no_such(target.item, name)
                found.absent.append(Reading(parse_address(name, protocol), error=why))
            else:
                names[name] = target.item
    found.items = list({_key(item): item for item in names.values()}.values())
    for item in found.items:
        pod = running_pod(cluster, item, namespace)
        name, port = pod["metadata"]["name"], port_of(pod, protocol)
        found.forwards.append(Forward(partial(cluster.dial, namespace, name, port), protocol))
    ask_only([f"127.0.0.1:{one.port}" for one in found.forwards], protocol)
    found.addresses = [parse_address(name, protocol) for name in names]
    return found


def _key(item: Object) -> tuple[str, str]:
    return str(item["kind"]), str(item["metadata"]["name"])


def running_pod(cluster: Cluster, item: Object, namespace: str) -> Object:
    """The pod that serves a task or runs a job.

    :raises Failure: there is none that runs
    """
    name = item["metadata"]["name"]
    pods = cluster.pods(item["kind"], namespace, name)
    running = [pod for pod in pods if _runs(pod)]
    if running:
        return running[-1]
    witness = Witness(cluster, namespace)
    witness.look([item])
    why = why_no_pod(item, pods, witness.at_work(namespace))
    raise Failure(f"{row(item).kind} {name} has no pod that runs{why}")


def _runs(pod: Mapping[str, Any]) -> bool:
    phase = mapping(pod.get("status")).get("phase")
    return phase == "Running" and not mapping(pod.get("metadata")).get("deletionTimestamp")


def port_of(pod: Mapping[str, Any], protocol: Protocol) -> int:
    """The port that a pod serves at, as far as its containers say."""
    said: dict[str, str] = {}
    for container in mapping(pod.get("spec")).get("containers") or ():
        for variable in mapping(container).get("env") or ():
            said[text(mapping(variable).get("name"))] = text(mapping(variable).get("value"))
    for name in _VARIABLES[protocol]:
        if (given := said.get(name, "")).isdigit() and 0 < int(given) < 65536:
            return int(given)
    return PORTS[protocol]


def hints(found: Reached, silent: Collection[Address]) -> list[str]:
    """For PVs that have not answered: names that may have been meant."""
    told = []
    for address in found.addresses:
        owning = [item for item in found.items if address.name.startswith(prefix_of(item))]
        if owning and address in silent:
            item = max(owning, key=lambda one: len(prefix_of(one)))
            told.append(no_such(item, address.name))
    return [words for words in told if words]
