"""A pod that serves a plan with the runtime image, made by hand: no operator in it."""

from __future__ import annotations

import json
from typing import Any

from cluster.rig import RUNTIME_IMAGE
from ioc_runtime.plan import Plan, to_json

CA_PORT, PVA_PORT = 5064, 5075

RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the restricted Pod Security Standard asks for, and a read-only root."""


def pod(name: str, args: list[str], **spec: Any) -> dict[str, Any]:
    """A pod of the runtime image under the restricted standard."""
    container = {
        "name": "main",
        "image": RUNTIME_IMAGE,
        "imagePullPolicy": "Never",
        "args": args,
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *spec.pop("mounts", [])],
    }
    volumes = [{"name": "tmp", "emptyDir": {}}, *spec.pop("volumes", [])]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [container],
            "volumes": volumes,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            **spec,
        },
    }


def task(name: str, plan: Plan) -> str:
    """ConfigMap, Service and pod that serve a plan, as one JSON list for kubectl."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"plan.json": to_json(plan)},
    }
    ports = [
        {"name": f"{kind}-{protocol.lower()}", "port": port, "protocol": protocol}
        for kind, port in (("ca", CA_PORT), ("pva", PVA_PORT))
        for protocol in ("TCP", "UDP")
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports, "publishNotReadyAddresses": True},
    }
    serving = pod(
        name,
        ["python", "-m", "ioc_runtime", "/etc/ioc/plan.json", "--state", "/var/lib/ioc"],
        mounts=[
            {"name": "config", "mountPath": "/etc/ioc"},
            {"name": "state", "mountPath": "/var/lib/ioc"},
        ],
        volumes=[
            {"name": "config", "configMap": {"name": name}},
            {"name": "state", "emptyDir": {}},
        ],
    )
    # A CA client that asks before somebody listens does not ask again for a long time.
    probe = {"tcpSocket": {"port": CA_PORT}, "periodSeconds": 1}
    serving["spec"]["containers"][0]["readinessProbe"] = probe
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [config, service, serving]})
