"""What users would lose by a newer definition is found before a release takes it from them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from scripts.crds.compatible import lost
from scripts.crds.definition import KINDS, definition

OLD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "period": {"type": "number", "minimum": 0, "maximum": 10},
        "names": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 9}},
        "inputs": {"additionalProperties": {"type": "object", "properties": {"link": {}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def crd(schema: dict[str, Any], name: str = "v1alpha1") -> dict[str, Any]:
    version = {"name": name, "served": True, "schema": {"openAPIV3Schema": schema}}
    return {"spec": {"versions": [version]}}


def changed(path: str, **new: Any) -> list[str]:
    """What is lost when the schema at `path` (None: of a value, to remove it) becomes this."""
    schema = deepcopy(OLD)
    place = schema
    for word in path.split("/") if path else ():
        place = place[word]
    for key, value in new.items():
        key = key.replace("X_", "x-kubernetes-").replace("_", "-")
        if value is None:
            del place[key]
        else:
            place[key] = value
    return lost(crd(OLD), crd(schema))


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_loses_nothing_against_itself(kind: str):
    assert lost(definition(kind), definition(kind)) == []


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("properties", {"more": {"type": "string"}}),
        ("properties/mode", {"enum": ["a", "b", "c"]}),
        ("properties/mode", {"enum": None}),
        ("properties/period", {"maximum": 20}),
        ("properties/period", {"minimum": None}),
        ("properties/names", {"maxItems": 6, "description": "other"}),
        ("properties/inputs/additionalProperties/properties", {"more": {}}),
    ],
)
def test_what_only_adds_loses_nothing(path: str, new: dict[str, Any]):
    assert changed(path, **new) == []


@pytest.mark.parametrize(
    ("path", "new", "sentence"),
    [
        ("properties", {"mode": None}, "mode is gone"),
        ("", {"required": ["mode"]}, "the object.mode is required"),
        ("properties/mode", {"enum": ["a"]}, "mode no longer takes 'b'"),
        ("properties/mode", {"default": "b"}, "mode has another default: 'b'"),
        ("properties/mode", {"pattern": "^a"}, "mode has another pattern"),
        ("properties/period", {"type": "integer"}, "period is integer, was number"),
        ("properties/period", {"enum": [1]}, "period takes [1] alone"),
        ("properties/period", {"minimum": 1}, "period: minimum is 1, was 0"),
        (
            "properties/period",
            {"exclusiveMinimum": True},
            "period has to be above 0, not just as much",
        ),
        ("properties/period", {"maximum": 9}, "period: maximum is 9, was 10"),
        ("properties/names/items", {"maxLength": 8}, "names[]: maxLength is 8, was 9"),
        ("properties/names", {"minItems": 1}, "names: minItems is 1, was none"),
        (
            "properties/inputs/additionalProperties/properties",
            {"link": None},
            "inputs{}.link is gone",
        ),
        (
            "properties/status",
            {"X_preserve_unknown_fields": None},
            "status no longer keeps what it does not know",
        ),
        (
            "properties/names",
            {"X_validations": [{"rule": "size(self) > 1", "message": "two"}]},
            "names has a new rule: two",
        ),
    ],
)
def test_what_users_lose_is_named(path: str, new: dict[str, Any], sentence: str):
    assert changed(path, **new) == [sentence]


def test_a_version_that_is_no_longer_served_is_named():
    assert lost(crd(OLD), crd(OLD, "v1beta1")) == ["v1alpha1 is no longer served"]
