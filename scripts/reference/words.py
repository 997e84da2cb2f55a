"""Types, bounds and defaults of fields, in words, from their JSON schema."""

from __future__ import annotations

from typing import Any, Final

from pydantic.fields import FieldInfo

from ioc_runtime.spec.base import (
    LABEL_PATTERN,
    NAME_PATTERN,
    OBJECT_PATTERN,
    PATTERNS,
    PV_PATTERN,
    SIZE_PATTERN,
    VOTE_PATTERN,
)
from ioc_runtime.spec.plugin import FILE_PATTERN
from scripts.reference.markdown import code, link, table

TITLES: Final[dict[str, str]] = {
    "IocTask": "The file",
    "Metadata": "metadata",
    "TaskSpec": "spec of an IocTask",
    "Common": "spec of both kinds",
    "Signal": "Inputs and outputs",
    "Input": "Inputs",
    "Output": "Outputs",
    "Range": "Ranges",
    "Alarms": "Alarm limits",
    "Trigger": "The cycle of mode triggered",
    "Transform": "Transforms",
    "Rule": "Rules",
    "Plugin": "Plugin",
    "Inline": "Inline files",
    "ImageSource": "A directory",
    "Git": "Git",
    "SecretRef": "Secret for Git",
    "ConfigMapSource": "Files in a ConfigMap",
    "Permit": "Permits",
    "Requirement": "Conditions of a permit",
    "Bypass": "Bypass of a condition",
    "Test": "Tests",
    "Step": "Steps of a test",
    "Access": "Access",
    "Deploy": "How it runs in a cluster",
    "NamedRef": "Names of Secrets",
    "Network": "Network",
    "Service": "Service",
    "Storage": "Storage",
    "Report": "Report",
    "PodTemplate": "Pod overlay",
    "JobSpec": "spec of an IocJob",
    "Arguments": "Arguments",
    "Schedule": "Schedule",
    "OnAbort": "After an abort",
    "Exclusive": "Exclusive",
}
"""Model -> heading of its table, in the order of the page."""

_SHORT: Final = {
    NAME_PATTERN: "name",
    LABEL_PATTERN: "label",
    OBJECT_PATTERN: "Kubernetes name",
    PV_PATTERN: "PV name",
    VOTE_PATTERN: "vote",
    SIZE_PATTERN: "size",
    FILE_PATTERN: "path",
}
_LONG: Final = PATTERNS | {FILE_PATTERN: "a relative path of letters, digits and _ . - /"}


def legend() -> str:
    """What the short words for texts stand for."""
    used = (NAME_PATTERN, PV_PATTERN, OBJECT_PATTERN, FILE_PATTERN, SIZE_PATTERN, VOTE_PATTERN)
    rows = [(_SHORT[pattern], _LONG[pattern]) for pattern in used]
    return table(("In the tables", "is"), rows)


def kind(schema: dict[str, Any]) -> str:
    """Type and bounds of a value."""
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return " or ".join(map(kind, options))
    if "$ref" in schema:
        return link(TITLES[schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " ".join(map(code, schema["enum"]))
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer":
            return "whole number" + _bounds(schema)
        case "number":
            return "number" + _bounds(schema)
        case "boolean":
            return "`true` `false`"
        case "array":
            inner = kind(schema["items"])
            shown = f"({inner})" if "maxProperties" in schema["items"] else inner
            return f"list of {shown}{_at_most(schema.get('maxItems'))}"
        case "object":
            return _map(schema)
    return "any value"


def default(field: FieldInfo) -> str:
    """What counts where the field is left out."""
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "-"
    if value in ([], {}):
        return "empty"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, int | float):
        return code(f"{value:g}")
    if isinstance(value, list):
        return code(f"[{', '.join(map(str, value))}]")
    return code(value) if isinstance(value, str) else "its defaults"


def _text(schema: dict[str, Any]) -> str:
    word = _SHORT.get(schema.get("pattern", ""), "text")
    least = ", not empty" if schema.get("minLength") else ""
    longest = schema.get("maxLength")
    return word + least + (f", ≤ {longest} characters" if longest else "")


def _bounds(schema: dict[str, Any]) -> str:
    parts = [
        f"{sign} {schema[key]}"
        for sign, key in (
            ("≥", "minimum"),
            (">", "exclusiveMinimum"),
            ("≤", "maximum"),
            ("<", "exclusiveMaximum"),
        )
        if key in schema
    ]
    return f", {', '.join(parts)}" if parts else ""


def _at_most(count: int | None) -> str:
    return f", at most {count}" if count else ""


def _map(schema: dict[str, Any]) -> str:
    key, inner = "text", schema.get("additionalProperties")
    for pattern, value in schema.get("patternProperties", {}).items():
        key, inner = _SHORT[pattern], value
    value = kind(inner) if isinstance(inner, dict) and inner else "any value"
    return f"map of {key} to {value}" + _at_most(schema.get("maxProperties"))
