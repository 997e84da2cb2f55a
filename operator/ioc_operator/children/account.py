"""What the pods of a namespace report with: one account, bound to the shipped role."""

from __future__ import annotations

from typing import Any

from ioc_operator.children.stamp import stamp
from ioc_operator.names import LABEL_MANAGED_BY, LABEL_NAME, MANAGED_BY, RUNTIME
from ioc_operator.settings import Settings

Object = dict[str, Any]


def namespace_children(namespace: str, settings: Settings) -> list[Object]:
    """ServiceAccount and RoleBinding; nobody owns them, and they stay."""
    meta = {
        "name": RUNTIME,
        "namespace": namespace,
        "labels": {LABEL_NAME: RUNTIME, LABEL_MANAGED_BY: MANAGED_BY},
    }
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta,
        "automountServiceAccountToken": False,
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": settings.runtime_cluster_role,
        },
        "subjects": [{"kind": "ServiceAccount", "name": RUNTIME, "namespace": namespace}],
    }
    return [stamp(account), stamp(binding)]
