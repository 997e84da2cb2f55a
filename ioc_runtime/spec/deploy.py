"""How a task or job runs in a cluster, and who may write its PVs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ioc_runtime.spec.base import (
    SIZE_PATTERN,
    AnyMap,
    Entry,
    Label,
    Line,
    Model,
    ObjectName,
    Word,
)

Address = Annotated[str, Field(min_length=1, max_length=253)]


class NamedRef(Model):
    """An object of the same namespace."""

    name: ObjectName = Field(description="Its name.")


class Access(Model):
    """Who may write operators' PVs; everyone by default, and every put is audited."""

    operators: list[Word] = Field(
        default_factory=list,
        max_length=200,
        description="`host`, `user@host` or `user@*`, as Channel Access reports them.",
    )
    config_map: ObjectName | None = Field(
        None, description="ConfigMap with an access security file that replaces ours."
    )


class Service(Model):
    """The Service in front of the pod."""

    enabled: bool = Field(True, description="Whether there is one.")
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        "ClusterIP", description="Type of the Service."
    )
    annotations: dict[Label, Line] = Field(
        default_factory=dict, max_length=100, description="Its annotations."
    )


class Network(Model):
    """How clients find the PVs, and how the runtime finds others."""

    host_network: bool = Field(False, description="Whether the pod uses the node's network.")
    service: Service = Field(default_factory=Service, description="The Service.")
    name_servers: list[Address] = Field(
        default_factory=list, max_length=50, description="Name servers, as host or host:port."
    )
    address_list: list[Address] = Field(
        default_factory=list, max_length=50, description="Addresses to search for PVs."
    )


class Storage(Model):
    """A volume for the state file; without one state lives in status."""

    size: str = Field(
        "100Mi", max_length=20, pattern=SIZE_PATTERN, description="Size of the volume."
    )
    storage_class_name: ObjectName | None = Field(None, description="Class of the volume.")


class Report(Model):
    """What the runtime writes to the object's status."""

    enabled: bool = Field(True, description="False: no token in the pod, probes alone tell.")


class PodTemplate(Model):
    """An overlay over the pod that the operator makes; the overlay wins."""

    metadata: AnyMap = Field(
        default_factory=dict, max_length=20, description="Labels and annotations to add."
    )
    spec: AnyMap = Field(
        default_factory=dict, max_length=100, description="Part of a pod's spec, merged in."
    )


class Deploy(Model):
    """Fields that a cluster needs; `iocctl run` heeds `access` alone."""

    image: Word | None = Field(None, description="Image of the runtime.")
    image_policy: Literal["Pinned", "Follow"] = Field(
        "Pinned",
        description="Whether the default image stays as first resolved, or follows the operator.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When the image is pulled."
    )
    image_pull_secrets: list[NamedRef] = Field(
        default_factory=list, max_length=20, description="Secrets for the registry."
    )
    resources: AnyMap = Field(
        default_factory=dict, max_length=10, description="Requests and limits of the container."
    )
    env: list[Entry] = Field(
        default_factory=list, max_length=200, description="Environment variables."
    )
    env_from: list[Entry] = Field(
        default_factory=list, max_length=50, description="ConfigMaps and Secrets as environment."
    )
    node_selector: dict[Label, Line] = Field(
        default_factory=dict, max_length=50, description="Labels a node must have."
    )
    tolerations: list[Entry] = Field(
        default_factory=list, max_length=50, description="Taints of nodes to put up with."
    )
    affinity: AnyMap = Field(
        default_factory=dict, max_length=10, description="Rules for the choice of a node."
    )
    priority_class_name: ObjectName | None = Field(None, description="Priority of the pod.")
    service_account_name: ObjectName | None = Field(
        None, description="ServiceAccount of the pod instead of ours."
    )
    pod_template: PodTemplate | None = Field(
        None,
        description="Labels, annotations and pod fields that are merged over ours.",
    )
    suspend: bool = Field(False, description="Whether the pod is taken away for now.")
    termination_grace_period_seconds: int = Field(
        10, ge=0, le=3600, description="Seconds between SIGTERM and SIGKILL."
    )
    access: Access = Field(default_factory=Access, description="Who may write operators' PVs.")
    network: Network = Field(
        default_factory=Network,
        description="The Service in front of the pod, and where the PVs of links are looked for.",
    )
    storage: Storage | None = Field(
        None, description="A volume that keeps latches and set-points; without it the status does."
    )
    report: Report = Field(
        default_factory=Report, description="Whether the pod writes to the status what it sees."
    )
