"""The children of an IocTask."""

from __future__ import annotations

from typing import Any

from ioc_operator.children.config import config_map
from ioc_operator.children.network import service
from ioc_operator.children.pod import pod_template
from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Judged, Wanted, digest
from ioc_operator.names import (
    CLAIM,
    FETCHED,
    IMAGE,
    RESTARTED_AT,
    SHAPE,
    TEMPLATE,
    config_name,
    labels,
)
from ioc_operator.settings import Settings
from ioc_operator.source import made_of

Object = dict[str, Any]


def task_children(wanted: Wanted, judged: Judged, settings: Settings, default: str) -> list[Object]:
    """ConfigMap, Service (unless it is switched off) and StatefulSet, in this order.

    :param default: see `Wanted.default_image`
    :raises ValueError: for a manifest that was not found good
    """
    if judged.compiled is None:
        raise ValueError(f"{wanted.key} is not valid: nothing can be built from it")
    plan = judged.compiled.plan
    made = [
        config_map(
            wanted,
            judged.plan_json,
            config_name(wanted.key.name),
            wanted.input_hash(settings, default),
        )
    ]
    if wanted.has_service:
        made.append(service(wanted))
    made.append(_stateful_set(wanted, judged.shape, plan.prefix, settings, default))
    return made


def _stateful_set(
    wanted: Wanted, shape: str, prefix: str, settings: Settings, default: str
) -> Object:
    """Of one pod: it never has two at a time, and waits for the old one to be gone.

    OrderedReady would leave a mended template stuck behind a broken pod; Parallel
    replaces it at once.
    """
    key = wanted.key
    restart = {RESTARTED_AT: wanted.restarted} if wanted.restarted else {}
    template = pod_template(
        wanted,
        settings,
        wanted.image(default),
        config_name(key.name),
        {CLAIM: prefix, SHAPE: shape} | restart,
    )
    made_from = digest(template)
    template["metadata"]["annotations"][TEMPLATE] = made_from
    own = {CLAIM: prefix, IMAGE: default, TEMPLATE: made_from} | restart
    if made_of(wanted):
        own[FETCHED] = made_of(wanted)
    spec: Object = {
        "replicas": 0 if wanted.suspend else 1,
        "serviceName": key.name,
        "selector": {"matchLabels": labels(key.kind, key.name, wanted.uid)},
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "revisionHistoryLimit": 2,
        "template": template,
    }
    storage = wanted.spec.get("storage")
    if storage:
        spec["volumeClaimTemplates"] = [_claim(storage)]
        spec["persistentVolumeClaimRetentionPolicy"] = {
            "whenDeleted": "Delete",
            "whenScaled": "Retain",
        }
    return stamp(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata(wanted, key.name, own),
            "spec": spec,
        }
    )


def _claim(storage: Object) -> Object:
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.get("size", "100Mi")}},
    }
    if storage.get("storageClassName"):
        spec["storageClassName"] = storage["storageClassName"]
    return {"metadata": {"name": "state"}, "spec": spec}
