"""What was recorded of a real operator, what the scripts say of it, and what may go wrong."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.argocd.states import TASK
from cluster.invariants import Object
from scripts.argocd.__main__ import GROUP, SCRIPTS
from scripts.argocd.lua import merge_patch, run

TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def folder(kind: str) -> Path:
    return SCRIPTS / GROUP / kind


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def recorded(kind: str, name: str) -> Object:
    found: Object = read(folder(kind) / "testdata" / f"{name}.yaml")
    return found


def health(kind: str, obj: Object) -> Object:
    found: Object = run((folder(kind) / "health.lua").read_text(), obj)
    return found


def actions(kind: str) -> dict[str, str]:
    found = (folder(kind) / "actions").glob("*/action.lua")
    return {path.parent.name: path.read_text() for path in found}


def discovered(kind: str, obj: Object) -> dict[str, bool]:
    """Which actions a person can choose."""
    found = run((folder(kind) / "actions" / "discovery.lua").read_text(), obj)
    return {name: not action["disabled"] for name, action in found.items()}


def condition(obj: Object, kind: str) -> Object:
    found = (c for c in obj.get("status", {}).get("conditions", []) if c["type"] == kind)
    return next(found, {})


def spoilt() -> Iterator[tuple[str, Object]]:
    """A healthy task with one thing of it not known, or not so."""
    good = recorded(TASK, "running")
    for n, each in enumerate(good["status"]["conditions"]):
        for status in ("False", "Unknown"):
            one = copy.deepcopy(good)
            one["status"]["conditions"][n]["status"] = status
            yield f"{each['type']} {status}", one
    for kind in ("Stalled", "Reconciling", "Suspended"):
        one = copy.deepcopy(good)
        one["status"]["conditions"].append({"type": kind, "status": "True", "reason": "X"})
        yield kind, one
    for name, change in {
        "no status": lambda o: o.pop("status"),
        "an empty status": lambda o: o.update(status={}),
        "no conditions": lambda o: o["status"].pop("conditions"),
        "no condition": lambda o: o["status"].update(conditions=[]),
        "no generation": lambda o: o["status"].pop("observedGeneration"),
        "an older generation": lambda o: o["metadata"].update(generation=99),
        "only Serving": lambda o: o["status"].update(
            conditions=[c for c in o["status"]["conditions"] if c["type"] != "Ready"]
        ),
    }.items():
        one = copy.deepcopy(good)
        change(one)
        yield name, one


CHANGES: Final = {
    "suspend": {"spec": {"suspend": True}},
    "resume": {"spec": {"suspend": False}},
    "restart": {"metadata": {"annotations": {f"{GROUP}/restartedAt": "NOW"}}},
    "reset": {"metadata": {"annotations": {f"{GROUP}/resetAt": "NOW"}}},
}


def after(action: str, old: Object) -> Object:
    """The merge patch that an action has to be, with NOW for a time."""
    already = old["spec"].get("suspend", False) == (action == "suspend")
    return {} if already and action in ("suspend", "resume") else CHANGES[action]


def changed(old: Any, new: Any) -> Any:
    """The merge patch that an action is, with NOW for a time."""
    if isinstance(new, dict) and isinstance(old, dict):
        patch = merge_patch(old, new)
        return {key: changed(None, value) for key, value in patch.items()}
    if isinstance(new, dict):
        return {key: changed(None, value) for key, value in new.items()}
    return "NOW" if isinstance(new, str) and TIME.fullmatch(new) else new
