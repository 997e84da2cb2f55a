"""The ConfigMap: the manifest, and the plan that was made from it."""

from __future__ import annotations

import json
from typing import Any

from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Wanted
from ioc_operator.names import CONFIG, INPUT, RESET_AT, SOURCE

Object = dict[str, Any]


def config_map(
    wanted: Wanted, plan_json: str, name: str, input_hash: str, *, immutable: bool = False
) -> Object:
    """What the pod reads; inline files of a plugin are in the plan.

    `source.json` names the commit that a plugin from Git stays at, `requests.json` what the
    running task is asked to do once. A run of a job is asked nothing.
    """
    notes = {INPUT: input_hash, CONFIG: wanted.config_hash}
    data = {"manifest.json": wanted.manifest_json, "plan.json": plan_json}
    if wanted.kept:
        data["source.json"] = notes[SOURCE] = json.dumps(dict(wanted.kept), sort_keys=True)
    if wanted.reset_at and not immutable:
        notes[RESET_AT] = wanted.reset_at
        data["requests.json"] = json.dumps({"resetAt": wanted.reset_at})
    made: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(wanted, name, notes),
        "data": data,
    }
    if immutable:
        made["immutable"] = True
    return stamp(made)
