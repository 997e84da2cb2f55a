"""What the person who installs the operator decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """One field per flag; `app` reads flags and environment into it."""

    runtime_image: str = "ioc-runtime:dev"
    """Image of tasks and jobs that name none."""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """Of the default image; empty: the cluster's own rule."""
    runtime_cluster_role: str = "ioc-operator-runtime"
    """ClusterRole that every namespace's ServiceAccount of runtimes is bound to."""
    plugin_cache: str = ""
    """Where pods keep what plugins are made of, for all tasks of a namespace: `claim:NAME`
    of a PersistentVolumeClaim there, or `host:PATH` of a directory on each node."""
    plugin_index: str = "ioc-plugin-index"
    """ConfigMap and Secret of a task's namespace that say where packages come from; neither
    has to be there."""
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty: all of them."""
    label_selector: str = ""
    """Of the IocTasks and IocJobs to look after; empty: all of them."""
    workers: int = 10
    """Reconciles at the same time."""
    kubeconfig: str = ""
    """File; empty: the pod's own account, else KUBECONFIG, else ~/.kube/config."""
    context: str = ""
    """Context of the kubeconfig; empty: its current one."""
    leader_election: bool = True
    """False: this is the only operator, or the tests want two without a Lease."""
    lease_name: str = "ioc-operator"
    lease_namespace: str = ""
    """Empty: the operator's own namespace."""
    identity: str = ""
    """Name of this process in the Lease; empty: host name and something random."""
    lease_duration: float = 6.0
    """Seconds after which a silent leader is taken to be dead."""
    renew_deadline: float = 4.0
    """Seconds without a renewal after which a leader stops writing."""
    retry_period: float = 1.0
    """Seconds between two looks at the Lease."""
    sweep_period: float = 300.0
    """Seconds between two comparisons of everything known with the API server."""
    http_host: str = ""
    """Address of /healthz, /readyz and /metrics; empty: all."""
    http_port: int = 8080
    """Port of them; 0 picks a free one."""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
