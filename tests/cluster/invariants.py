"""What must hold in every namespace at the end of every test, whatever happened in it.

One function looks at what the API server has; it knows nothing of the operator's code
but the names that docs/operator.md fixes. A breach may be on its way out (garbage
collection, a pod that is ending), so it is a finding only when it is still there after
a while; two pods that run at the same time are a finding at once.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ioc_runtime.compile import ManifestError, compile_document

MANAGED: Final = "app.kubernetes.io/managed-by=ioc-operator"
KIND: Final = "ioc-operator.dev/kind"
OWNER_UID: Final = "ioc-operator.dev/owner-uid"
OWNERS: Final = "ioctasks.ioc-operator.dev,iocjobs.ioc-operator.dev"
CHILDREN: Final = "statefulsets,services,configmaps,jobs,pods"

Object = dict[str, Any]
Kubectl = Callable[..., str]


@dataclass(frozen=True)
class Seen:
    """What a namespace holds."""

    owners: dict[str, Object]
    """IocTasks and IocJobs, by uid."""
    children: list[Object]

    @property
    def pods(self) -> list[Object]:
        """Those that serve, or are to: the try of a plugin (`ioc-check`) does not."""
        name = "app.kubernetes.io/name"
        found = [child for child in self.children if child["kind"] == "Pod"]
        return [pod for pod in found if pod["metadata"]["labels"].get(name) != "ioc-check"]


def look(kubectl: Kubectl, namespace: str) -> Seen:
    """Read a namespace: children first, so that a child's owner is not missed."""
    children = json.loads(kubectl("get", CHILDREN, "-n", namespace, "-l", MANAGED, "-o", "json"))
    owners = json.loads(kubectl("get", OWNERS, "-n", namespace, "-o", "json"))
    return Seen({o["metadata"]["uid"]: o for o in owners["items"]}, children["items"])


def check(kubectl: Kubectl, namespace: str, patience: float = 20.0) -> None:
    """Fail with every breach that is there now and does not go away in `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        seen = look(kubectl, namespace)
        at_once = list(two_pods(seen)) + list(names_served_twice(seen))
        found = at_once + list(lasting(seen))
        if not found or at_once or time.monotonic() > until:
            break
        time.sleep(0.3)
    assert not found, f"namespace {namespace}:\n  " + "\n  ".join(found)


def lasting(seen: Seen) -> Iterator[str]:
    """Breaches that may be there for a moment."""
    yield from orphans(seen)
    yield from generations(seen)
    yield from unfounded_ready(seen)


def two_pods(seen: Seen) -> Iterator[str]:
    """At most one pod of a task has a container that runs."""
    running = defaultdict(list)
    for pod in seen.pods:
        if pod["metadata"]["labels"].get(KIND) == "IocTask" and runs(pod):
            running[pod["metadata"]["labels"]["app.kubernetes.io/instance"]].append(pod)
    for name, pods in running.items():
        if len(pods) > 1:
            yield f"task {name} has {len(pods)} pods: {[p['metadata']['name'] for p in pods]}"


def names_served_twice(seen: Seen) -> Iterator[str]:
    """One owner per PV name, among the tasks that have a pod which runs."""
    served: dict[str, str] = {}
    for pod in seen.pods:
        owner = seen.owners.get(pod["metadata"]["labels"].get(OWNER_UID, ""))
        if owner is None or not runs(pod):
            continue
        who = f"{owner['kind']} {owner['metadata']['name']}"
        claimed = pod["metadata"].get("annotations", {}).get("ioc-operator.dev/claim")
        for name in names(owner, claimed):
            if served.setdefault(name, who) != who:
                yield f"{name} is served by {served[name]} and by {who}"


def names(owner: Object, claimed: str | None) -> Iterator[str]:
    """The names that a pod serves: of its manifest, or at least what its claim says."""
    try:
        compiled = compile_document(bare(owner))
    except ManifestError:
        compiled = None
    if compiled is not None and claimed in (None, compiled.plan.prefix):
        yield from compiled.names
    elif claimed:
        yield claimed + "ENABLE"


def bare(owner: Object) -> Object:
    """The custom resource as its author wrote it."""
    metadata = {key: owner["metadata"][key] for key in ("name", "namespace")}
    return {k: owner[k] for k in ("apiVersion", "kind", "spec")} | {"metadata": metadata}


def orphans(seen: Seen) -> Iterator[str]:
    """Every child's owner is there."""
    for child in seen.children:
        metadata = child["metadata"]
        if metadata["labels"].get(OWNER_UID) not in seen.owners:
            yield f"{child['kind']} {metadata['name']} is left over: its owner is gone"


def generations(seen: Seen) -> Iterator[str]:
    """No status is ahead of its object."""
    for owner in seen.owners.values():
        status, generation = owner.get("status", {}), owner["metadata"]["generation"]
        observed = [status.get("observedGeneration", -1)]
        observed += [c.get("observedGeneration", -1) for c in status.get("conditions", [])]
        if max(observed) > generation:
            yield f"{owner['metadata']['name']}: observed {max(observed)} of {generation}"


def unfounded_ready(seen: Seen) -> Iterator[str]:
    """Ready stands on a pod that lives, is ready, and is the one that reported."""
    pods = {pod["metadata"]["uid"]: pod for pod in seen.pods}
    for owner in seen.owners.values():
        if owner["kind"] != "IocTask" or condition(owner, "Ready") != "True":
            continue
        name, status = owner["metadata"]["name"], owner["status"]
        reports = owner["spec"].get("report", {}).get("enabled", True)
        uid = (status.get("runtime") if reports else status.get("pod"), "podUID", "uid")
        pod = pods.get((uid[0] or {}).get(uid[1 if reports else 2], ""))
        if pod is None:
            yield f"{name} is Ready, and its pod is not there"
        elif pod["metadata"].get("deletionTimestamp") or condition(pod, "Ready") != "True":
            yield f"{name} is Ready, and its pod is not"


def condition(thing: Object, kind: str) -> str | None:
    """Status of a condition of an object."""
    for each in thing.get("status", {}).get("conditions", []):
        if each["type"] == kind:
            return str(each["status"])
    return None


def runs(pod: Object) -> bool:
    """Whether a container of it is running."""
    return any("running" in c["state"] for c in pod["status"].get("containerStatuses", []))
