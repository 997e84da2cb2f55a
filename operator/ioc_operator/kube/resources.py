"""The kinds of objects that the operator reads and writes, and their places in the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from ioc_operator.names import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind: `group` is empty for the core API."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, sub: str = "") -> str:
        """Of a collection (in all namespaces without one), an object, or its subresource."""
        parts = [f"/apis/{self.group}" if self.group else "/api", self.version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if sub:
            parts.append(sub)
        return "/".join(parts)


TASKS: Final = Resource(GROUP, VERSION, "ioctasks", "IocTask")
JOBS_OF_OURS: Final = Resource(GROUP, VERSION, "iocjobs", "IocJob")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
SERVICES: Final = Resource("", "v1", "services", "Service")
PODS: Final = Resource("", "v1", "pods", "Pod")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
STATEFUL_SETS: Final = Resource("apps", "v1", "statefulsets", "StatefulSet")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")

OWNERS: Final = {each.kind: each for each in (TASKS, JOBS_OF_OURS)}
"""The custom resources, by kind."""
CHILDREN: Final = {
    each.kind: each
    for each in (SERVICE_ACCOUNTS, ROLE_BINDINGS, CONFIG_MAPS, SERVICES, STATEFUL_SETS, JOBS)
}
"""What is made for them, by kind."""
