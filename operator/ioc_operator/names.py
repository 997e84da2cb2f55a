"""Names that more than one part of the operator has to agree on.

docs/operator.md lists them with their meaning.
"""

from __future__ import annotations

import zlib
from typing import Final, NamedTuple

GROUP: Final = "ioc-operator.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
TASK: Final = "IocTask"
JOB: Final = "IocJob"

MANAGED_BY: Final = "ioc-operator"
RUNTIME: Final = "ioc-runtime"
"""Name of the ServiceAccount and RoleBinding of a namespace, and of the application."""

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_KIND: Final = f"{GROUP}/kind"
LABEL_OWNER_UID: Final = f"{GROUP}/owner-uid"

APPLIED: Final = f"{GROUP}/applied"
INPUT: Final = f"{GROUP}/input"
CLAIM: Final = f"{GROUP}/claim"
SHAPE: Final = f"{GROUP}/shape"
TEMPLATE: Final = f"{GROUP}/template"
"""Of a StatefulSet and its pod: the hash of the template that the pod was made from."""
CONFIG: Final = f"{GROUP}/config"
TOLD_AGAIN: Final = f"{GROUP}/toldAgainAt"
"""Of a pod that has been told of a change and has not taken it over: a new value makes its
kubelet look once more."""
SOURCE: Final = f"{GROUP}/source"
"""Of a ConfigMap: url, ref and commit that its plugin was found at, as JSON."""
FETCHED: Final = f"{GROUP}/fetched"
"""Of a StatefulSet and of a check: the hash of what its plugin is made of."""
IMAGE: Final = f"{GROUP}/image"
NAMESPACES: Final = f"{GROUP}/namespaces"
"""Of the Lease: what the operator looks after, with commas; without it, all of them."""
RECONCILE: Final = f"{GROUP}/reconcile"
REQUESTED_AT: Final = f"{GROUP}/requestedAt"
RESTARTED_AT: Final = f"{GROUP}/restartedAt"
"""A new value replaces a task's pod, and begins another run of a job that is over."""
RESET_AT: Final = f"{GROUP}/resetAt"
"""A new value is one put of 1 to RESET, in the pod that runs. On a task, its ConfigMap, and
its pod, where it makes the kubelet look."""

CHECK: Final = "ioc-check"
"""Application name of pods that try a plugin: they serve nothing."""

CONTAINER: Final = "ioc"
"""The container that serves."""
PROBE_PORT: Final = 8081
CA_PORT: Final = 5064
PVA_PORT: Final = 5075
PVA_SEARCH_PORT: Final = 5076


LONGEST_START: Final = 30
"""Letters of a task's name in names that have more to say: 63 is all that a pod may have."""


class Key(NamedTuple):
    """One IocTask or IocJob."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def config_name(task: str) -> str:
    """ConfigMap of a task."""
    return f"{task}-config"


def pod_name(task: str) -> str:
    """Pod of a task."""
    return f"{task}-0"


def check_name(task: str, made_of: str) -> str:
    """Job, and ConfigMap, of the try of a plugin, after the hash of what is tried."""
    return f"{check_names(task)}{made_of[:8]}"


def check_names(task: str) -> str:
    """How all of those names begin; another task's never do."""
    if len(task) <= LONGEST_START:
        return f"{task}-check-"
    return f"{task[:LONGEST_START]}-{zlib.crc32(task.encode()):08x}-check-"


def run_name(job: str, number: int) -> str:
    """Job, and ConfigMap, of a run."""
    return f"{job}-{number}"


def probe_port(uid: str, host_network: bool) -> int:
    """Port of the probes: on a node's own network, one that others hardly have."""
    return 20_000 + zlib.crc32(uid.encode()) % 10_000 if host_network else PROBE_PORT


def labels(kind: str, name: str, uid: str) -> dict[str, str]:
    """Labels of every object that is made for a task or job, and of its pods."""
    return {
        LABEL_NAME: RUNTIME,
        LABEL_INSTANCE: name,
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_KIND: kind,
        LABEL_OWNER_UID: uid,
    }
