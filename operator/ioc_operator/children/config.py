"""The ConfigMap: the manifest, and the plan that was made from it."""

from __future__ import annotations

import json
from typing import Any

from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Wanted
from ioc_operator.names import CONFIG, INPUT
from ioc_runtime.plan import Plan, to_json

Object = dict[str, Any]


def config_map(
    wanted: Wanted, plan: Plan, name: str, input_hash: str, *, immutable: bool = False
) -> Object:
    """What the pod reads; inline files of a plugin are in the plan."""
    made: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wanted, name, {INPUT: input_hash, CONFIG: plan.config_hash}),
        "data": {
            "manifest.json": json.dumps(wanted.manifest, sort_keys=True, separators=(",", ":")),
            "plan.json": to_json(plan),
        },
    }
    if immutable:
        made["immutable"] = True
    return stamp(made)
