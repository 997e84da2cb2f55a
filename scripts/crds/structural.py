"""A pydantic model's JSON schema as the structural schema an API server wants.

Types, bounds and patterns are carried over. Left out are the defaults of everything
below the top level of `spec`: the server would write them into every stored object (and
so into every status update), and a default that changes with a release would change
what a running task was configured with. The descriptions name them instead.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import BaseModel

from ioc_runtime.spec.base import NAME_PATTERN, PATTERNS
from ioc_runtime.spec.deprecated import MESSAGE
from ioc_runtime.spec.plugin import FILE_PATTERN
from scripts.crds.rules import RULES, Rule, merged, rule

Schema = dict[str, Any]

KEPT: Final = (
    "type",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "maximum",
)
ANY: Final = {"x-kubernetes-preserve-unknown-fields": True}
WORDS: Final = PATTERNS | {FILE_PATTERN: "relative paths of letters, digits and _ . - /"}
_OPEN: Final = ({NAME_PATTERN: {}}, {NAME_PATTERN: True})


def structural(model: type[BaseModel]) -> Schema:
    """The schema of a model, with everything inlined and in the server's own words."""
    whole = model.model_json_schema(by_alias=True)
    return _convert(whole, whole.get("$defs", {}), top=True)


def _convert(given: Schema, defs: dict[str, Schema], *, top: bool = False) -> Schema:
    given = _plain(given, defs)
    if not set(given) - {"description", "default", "title"}:
        return _described(given) | ANY
    made = _described(given, default=not given.get("properties"))
    made |= {name: given[name] for name in KEPT if name in given}
    titled = RULES.get(given.get("title", ""), ()) if "properties" in given else ()
    apart = [rule(*each) for each in titled]
    rules = apart if top or len(apart) < 2 else [merged(titled)]
    rules += _bounds(given, made)
    if "items" in given:
        made["items"] = _convert(given["items"], defs)
        made["x-kubernetes-list-type"] = "atomic"
    if "properties" in given:
        made["properties"] = {
            name: _top_default(_convert(each, defs), each) if top else _convert(each, defs)
            for name, each in given["properties"].items()
        }
        if "required" in given:
            made["required"] = given["required"]
    elif given.get("type") == "object":
        made["additionalProperties"] = _values(given, defs)
        made["x-kubernetes-map-type"] = "atomic"
        rules += _keys(given)
    if rules:
        made["x-kubernetes-validations"] = rules
    return made


def _plain(given: Schema, defs: dict[str, Schema]) -> Schema:
    """References followed, `T or nothing` as T: nothing is a field that is left out."""
    while True:
        if "$ref" in given:
            target = defs[given["$ref"].removeprefix("#/$defs/")]
        elif "anyOf" in given:
            (target,) = [each for each in given["anyOf"] if each.get("type") != "null"]
        else:
            return given
        rest = {name: each for name, each in given.items() if name not in ("$ref", "anyOf")}
        given = target | rest | {"title": target.get("title", rest.get("title", ""))}


def _described(given: Schema, *, default: bool = False) -> Schema:
    """The description; with the default, where that says something."""
    text = str(given.get("description", ""))
    value = given.get("default")
    if default and value not in (None, "", [], {}):
        text = f"{text.removesuffix('.')}. Default: {json.dumps(value)}."
    if instead := given.get(MESSAGE):
        text = f"{text} Deprecated: {instead}."
    return {"description": text} if text else {}


def _top_default(made: Schema, given: Schema) -> Schema:
    """Defaults of plain fields directly below `spec` are the server's too.

    Not of deprecated ones: everybody would be warned of what the server has filled in.
    """
    value = given.get("default")
    if MESSAGE in given:
        return made
    if isinstance(value, str | bool | int) and value != "" and not isinstance(value, float):
        made["default"] = value
    return made


def _bounds(given: Schema, made: Schema) -> list[Rule]:
    """Lower bounds; a fractional one is CEL's, since the server truncates it."""
    low, above = given.get("minimum"), given.get("exclusiveMinimum")
    if above is not None:
        made |= {"minimum": above, "exclusiveMinimum": True}
    elif low is not None and float(low).is_integer():
        made["minimum"] = int(low)
    elif low is not None:
        return [rule(f"self >= {low}", f"expected a number of at least {low}")]
    return []


def _values(given: Schema, defs: dict[str, Schema]) -> Schema:
    """Schema of a map's values."""
    if "patternProperties" in given:
        (values,) = given["patternProperties"].values()
        return _convert(values, defs)
    values = given.get("additionalProperties")
    return _convert(values, defs) if isinstance(values, dict) else dict(ANY)


def _keys(given: Schema) -> list[Rule]:
    """A rule for the names in a map; CEL cannot see into one whose values may be anything."""
    if given.get("patternProperties") in _OPEN or "propertyNames" not in given:
        return []
    longest = given["propertyNames"]["maxLength"]
    if "patternProperties" not in given:
        text = f"expected names of at most {longest} characters"
        return [rule(f"self.all(n, n.size() <= {longest})", text)]
    (pattern,) = given["patternProperties"]
    quoted = pattern.replace("\\", "\\\\")
    return [
        rule(
            f"self.all(n, n.size() <= {longest} && n.matches('{quoted}'))",
            f"expected as names: {WORDS[pattern]}; at most {longest} characters each",
        )
    ]
