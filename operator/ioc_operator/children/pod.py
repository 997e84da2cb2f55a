"""The pod: how the runtime is started, what it may, what it sees.

It satisfies the restricted Pod Security Standard as long as the overlay leaves it be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ioc_operator.children.network import epics_environment
from ioc_operator.children.overlay import merge
from ioc_operator.children.plugin import fetching
from ioc_operator.desired import Wanted
from ioc_operator.names import (
    CA_PORT,
    CONTAINER,
    GROUP,
    PVA_PORT,
    PVA_SEARCH_PORT,
    RUNTIME,
    labels,
)
from ioc_operator.settings import Settings

Object = dict[str, Any]

CONFIG_DIRECTORY: Final = "/etc/ioc"
STATE_DIRECTORY: Final = "/var/lib/ioc"
TOKEN_DIRECTORY: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105
USER: Final = 65532
TOKEN_SECONDS: Final = 3600
START_SECONDS: Final = 120
"""Seconds that a start may take: records, plugin, first evaluation."""

RESOURCES: Final = {"requests": {"cpu": "20m", "memory": "64Mi"}}
"""Unless the manifest says otherwise; a limit on memory is the user's to choose."""


def pod_template(
    wanted: Wanted,
    settings: Settings,
    image: str,
    config_map: str,
    annotations: Mapping[str, str],
    **more: Any,
) -> Object:
    """Template of a task's or job's pod, `podTemplate` merged in.

    :param more: further fields of the pod's spec (`restartPolicy` of a job)
    """
    spec = _pod(wanted, settings, image, config_map) | more
    overlay = wanted.spec.get("podTemplate")
    overlay = overlay if isinstance(overlay, Mapping) else {}
    own = {
        "labels": labels(wanted.key.kind, wanted.key.name, wanted.uid),
        "annotations": dict(annotations),
    }
    over = overlay.get("spec")
    return {
        "metadata": _metadata(overlay.get("metadata"), own),
        "spec": merge(spec, over) if isinstance(over, Mapping) else spec,
    }


def _metadata(over: Any, own: Mapping[str, Any]) -> Object:
    """The overlay's, but for names that are ours: we find the pod by them."""
    given = over if isinstance(over, Mapping) else {}
    return dict(given) | {
        field: {
            name: value
            for name, value in (given.get(field) or {}).items()
            if not name.startswith(f"{GROUP}/")
        }
        | entries
        for field, entries in own.items()
    }


def _pod(wanted: Wanted, settings: Settings, image: str, config_map: str) -> Object:
    spec = wanted.spec
    container = _container(wanted, settings, image)
    plugin = fetching(wanted, settings, container)
    container["args"] += plugin.arguments
    container["volumeMounts"] += plugin.mounts
    pod: Object = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "serviceAccountName": spec.get("serviceAccountName") or RUNTIME,
        "terminationGracePeriodSeconds": spec.get("terminationGracePeriodSeconds", 10),
        # A lost node is told, not worked around: two pods would serve the same names.
        "tolerations": [
            {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute"}
            for what in ("not-ready", "unreachable")
        ]
        + list(spec.get("tolerations") or []),
        "volumes": [*_volumes(wanted, config_map), *plugin.volumes],
    }
    if plugin.init:
        pod["initContainers"] = list(plugin.init)
    if wanted.host_network:
        pod |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    for field in ("imagePullSecrets", "nodeSelector", "affinity", "priorityClassName"):
        if spec.get(field):
            pod[field] = spec[field]
    return pod


def _container(wanted: Wanted, settings: Settings, image: str) -> Object:
    spec = wanted.spec
    container: Object = {
        "name": CONTAINER,
        "image": image,
        "args": [
            *("python", "-m", "ioc_runtime", f"{CONFIG_DIRECTORY}/plan.json"),
            *("--state", STATE_DIRECTORY, "--pod"),
        ],
        "env": _environment(wanted),
        "resources": spec.get("resources") or RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "startupProbe": _probe(wanted, "/ready", 1, START_SECONDS),
        "readinessProbe": _probe(wanted, "/ready", 1, 2),
        # Not every second: on a node that is short of CPU three late answers in a row are
        # soon had, and a restart would not help. A hang drops outputs long before this.
        "livenessProbe": _probe(wanted, "/live", 5, 3, timeout=3),
        "terminationMessagePolicy": "File",
        "volumeMounts": _mounts(wanted),
    }
    ports = [{"name": "probes", "containerPort": wanted.probe_port, "protocol": "TCP"}]
    if not wanted.host_network:  # there the runtime takes another port if it has to
        ports += [
            {"name": "ca", "containerPort": CA_PORT, "protocol": "TCP"},
            {"name": "ca-udp", "containerPort": CA_PORT, "protocol": "UDP"},
            {"name": "pva", "containerPort": PVA_PORT, "protocol": "TCP"},
            {"name": "pva-udp", "containerPort": PVA_SEARCH_PORT, "protocol": "UDP"},
        ]
    container["ports"] = ports
    policy = spec.get("imagePullPolicy") or (
        "" if spec.get("image") else settings.image_pull_policy
    )
    if policy:
        container["imagePullPolicy"] = policy
    if spec.get("envFrom"):
        container["envFrom"] = spec["envFrom"]
    return container


def _environment(wanted: Wanted) -> list[Object]:
    """Ours, then EPICS variables of the network block, then the user's.

    The user's win over those of the network block, and may use any of them as `$(NAME)`;
    ours are what the runtime knows its object by.
    """
    key = wanted.key
    fixed = {
        "IOC_KIND": key.kind,
        "IOC_NAME": key.name,
        "IOC_NAMESPACE": key.namespace,
        "IOC_PROBE_PORT": str(wanted.probe_port),
        "IOC_REPORT": "1" if wanted.reports else "0",
    }
    fields = {"IOC_POD_NAME": "metadata.name", "IOC_POD_UID": "metadata.uid"}
    ours: list[Object] = [{"name": name, "value": value} for name, value in fixed.items()]
    ours += [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in fields.items()
    ]
    rest: dict[str, Object] = {
        name: {"name": name, "value": value} for name, value in epics_environment(wanted).items()
    }
    for given in wanted.spec.get("env") or []:
        rest[str(given.get("name"))] = given
    return ours + [entry for name, entry in rest.items() if name not in fixed | fields]


def _probe(wanted: Wanted, path: str, period: int, failures: int, timeout: int = 1) -> Object:
    return {
        "httpGet": {"path": path, "port": wanted.probe_port},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _mounts(wanted: Wanted) -> list[Object]:
    # Whole directories, never by subPath: those are not brought up to date.
    mounts: list[Object] = [
        {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
        {"name": "state", "mountPath": STATE_DIRECTORY},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
    ]
    if wanted.reports:
        mounts.append({"name": "token", "mountPath": TOKEN_DIRECTORY, "readOnly": True})
    return mounts


def _volumes(wanted: Wanted, config_map: str) -> list[Object]:
    volumes: list[Object] = [
        {"name": "config", "configMap": {"name": config_map}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if not wanted.spec.get("storage"):  # else the claim template of the StatefulSet
        volumes.append({"name": "state", "emptyDir": {}})
    if wanted.reports:
        volumes.append({"name": "token", "projected": {"sources": _token()}})
    return volumes


def _token() -> list[Object]:
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
