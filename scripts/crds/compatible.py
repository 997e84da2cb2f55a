"""What users of an older definition lose with a newer one."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

LOWER: Final = ("minimum", "minLength", "minItems", "minProperties")
UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")


def lost(old: Schema, new: Schema) -> list[str]:
    """Sentences about what a custom resource definition no longer takes, or has.

    Rules in CEL are compared as text: one that is new or reads otherwise is named, as nobody
    but a person can tell whether it refuses more.
    """
    versions = {each["name"]: each for each in new["spec"]["versions"] if each["served"]}
    found = []
    for version in old["spec"]["versions"]:
        name = version["name"]
        if version["served"] and name not in versions:
            found.append(f"{name} is no longer served")
        elif version["served"]:
            before = version["schema"]["openAPIV3Schema"]
            found += _lost("", before, versions[name]["schema"]["openAPIV3Schema"])
    return found


def _lost(path: str, old: Schema, new: Schema) -> list[str]:
    found = _tighter(path or "the object", old, new)
    for name, before in old.get("properties", {}).items():
        inner = f"{path}.{name}".lstrip(".")
        after = new.get("properties", {}).get(name)
        found += [f"{inner} is gone"] if after is None else _lost(inner, before, after)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _lost(path + mark, before, after)
    return found


def _tighter(path: str, old: Schema, new: Schema) -> list[str]:
    found = []
    if old.get("type") != new.get("type"):
        found.append(f"{path} is {new.get('type', 'anything')}, was {old.get('type', 'anything')}")
    found += [f"{path}.{name} is required" for name in _new(old, new, "required")]
    if "enum" in new:
        gone = [each for each in old.get("enum", ()) if each not in new["enum"]]
        found += [f"{path} no longer takes {each!r}" for each in gone]
        if "enum" not in old:
            found.append(f"{path} takes {new['enum']} alone")
    for key in LOWER:
        if key in new and new[key] > old.get(key, float("-inf")):
            found.append(f"{path}: {key} is {new[key]}, was {old.get(key, 'none')}")
    for key in UPPER:
        if key in new and new[key] < old.get(key, float("inf")):
            found.append(f"{path}: {key} is {new[key]}, was {old.get(key, 'none')}")
    if new.get("exclusiveMinimum") and not old.get("exclusiveMinimum"):
        found.append(f"{path} has to be above {new.get('minimum')}, not just as much")
    if new.get("pattern") not in (None, old.get("pattern")):
        found.append(f"{path} has another pattern")
    if "default" in old and old["default"] != new.get("default"):
        found.append(f"{path} has another default: {new.get('default')!r}")
    if old.get("x-kubernetes-preserve-unknown-fields") and not new.get(
        "x-kubernetes-preserve-unknown-fields"
    ):
        found.append(f"{path} no longer keeps what it does not know")
    rules = [each["rule"] for each in old.get("x-kubernetes-validations", ())]
    for each in new.get("x-kubernetes-validations", ()):
        if each["rule"] not in rules:
            found.append(f"{path} has a new rule: {each.get('message', each['rule'])}")
    return found


def _new(old: Schema, new: Schema, key: str) -> list[str]:
    return [each for each in new.get(key, ()) if each not in old.get(key, ())]
