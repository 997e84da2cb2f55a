"""The ConfigMap: the manifest, and the plan that was made from it."""

from __future__ import annotations

from typing import Any

from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Wanted
from ioc_operator.names import CONFIG, INPUT

Object = dict[str, Any]


def config_map(
    wanted: Wanted, plan_json: str, name: str, input_hash: str, *, immutable: bool = False
) -> Object:
    """What the pod reads; inline files of a plugin are in the plan."""
    made: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wanted, name, {INPUT: input_hash, CONFIG: wanted.config_hash}),
        "data": {"manifest.json": wanted.manifest_json, "plan.json": plan_json},
    }
    if immutable:
        made["immutable"] = True
    return stamp(made)
