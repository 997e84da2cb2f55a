"""What every child has: labels, an owner, and a hash of itself."""

from __future__ import annotations

from typing import Any

from ioc_operator.desired import Wanted, digest
from ioc_operator.names import API_VERSION, APPLIED, labels

Object = dict[str, Any]


def metadata(wanted: Wanted, name: str, annotations: dict[str, str] | None = None) -> Object:
    """Of a child: it goes when its owner goes."""
    key = wanted.key
    made: Object = {
        "name": name,
        "namespace": key.namespace,
        "labels": labels(key.kind, key.name, wanted.uid),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": key.kind,
                "name": key.name,
                "uid": wanted.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if annotations:
        made["annotations"] = annotations
    return made


def stamp(child: Object) -> Object:
    """The child with its hash; equal hashes mean that there is nothing to write."""
    annotations = child["metadata"].get("annotations", {}) | {APPLIED: digest(child)}
    return child | {"metadata": child["metadata"] | {"annotations": annotations}}
