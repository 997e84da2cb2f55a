"""JSON schema of the manifests, for editors: completion, descriptions, red lines.

Made from the models, so it cannot say anything else than `iocctl validate` and the custom
resource definitions do. Stricter than these: what an API server prunes or may not have in
its schema (unknown fields, a null, two sources of a plugin) is a mistake here. What no
schema can say (expressions, names in them) is left to `iocctl validate`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from ioc_runtime.spec.job import IocJob
from ioc_runtime.spec.plugin import SOURCES
from ioc_runtime.spec.task import IocTask

Schema = dict[str, Any]

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The newest one that the YAML support of all common editors has."""

KINDS: Final[Mapping[str, type[BaseModel]]] = {"IocTask": IocTask, "IocJob": IocJob}

ANY_VALUE: Final[Schema] = {"type": ["number", "string", "boolean", "array"]}
"""A value of a signal; which of them fits, the signal's type says."""
_VALUES: Final = frozenset({("Input", "value"), ("Output", "safeValue")})

_SOURCES: Final = tuple(to_camel(name) for name in SOURCES)

EXAMPLES: Final[Mapping[tuple[str, str], tuple[Any, ...]]] = {
    ("IocTask", "apiVersion"): ("ioc-operator.dev/v1alpha1",),
    ("IocJob", "apiVersion"): ("ioc-operator.dev/v1alpha1",),
    ("Metadata", "name"): ("vacuum-guard",),
    ("Metadata", "namespace"): ("bl01",),
    ("TaskSpec", "prefix"): ("BL01:VAC:",),
    ("JobSpec", "prefix"): ("BL01:RAMP:",),
    ("TaskSpec", "period"): (1.0, 0.1),
    ("TaskSpec", "parameters"): ({"limit": 1e-6},),
    ("TaskSpec", "aliases"): ({"TRIGGER": "Trigger"},),
    ("TaskSpec", "ruleDefaults"): ({"alarm": "OK"},),
    ("JobSpec", "function"): ("main",),
    ("JobSpec", "runTimeoutSeconds"): (60,),
    ("Input", "link"): ("ca://VAC:GAUGE1:P", "pva://VAC:PROFILE"),
    ("Input", "value"): (3, "Auto"),
    ("Input", "poll"): (1.0,),
    ("Input", "states"): (["Off", "Auto", "Manual"],),
    ("Input", "buffer"): (100,),
    ("Input", "maxAge"): (5,),
    ("Input", "unit"): ("mbar",),
    ("Output", "link"): ("pva://VAC:VALVE:CMD", "ca://LLRF:PERMIT"),
    ("Output", "readback"): ("pva://VAC:VALVE:STS",),
    ("Output", "states"): (["OK", "HIGH"],),
    ("Output", "severity"): ({"HIGH": "MAJOR"},),
    ("Output", "unit"): ("mbar",),
    ("Output", "safeValue"): (0,),
    ("Rule", "id"): ("high",),
    ("Rule", "condition"): (
        "pressure > limit and mode != 'Off'",
        "votes(2, a > 5, b > 5, c > 5)",
    ),
    ("Rule", "for"): (0.5,),
    ("Rule", "outputs"): ({"alarm": "HIGH", "valve": 0},),
    ("Rule", "message"): ("pressure {pressure:.2e} mbar above {limit:.1e}",),
    ("Transform", "output"): ("mean",),
    ("Transform", "expression"): ("mean(pressure_buf)", "2 * level"),
    ("Git", "url"): ("https://git.example.org/vacuum/guard.git",),
    ("Git", "ref"): ("main", "v1.2"),
    ("Git", "path"): ("tasks/guard",),
    ("ImageSource", "path"): (".", "guard"),
    ("Plugin", "class"): ("Guard",),
    ("Plugin", "requirements"): (["numpy==2.4.6"],),
    ("Plugin", "functions"): (["torr"],),
}
"""Examples of fields, by model and name: editors offer them."""


def json_schema(kind: str | None = None) -> Schema:
    """The schema of one kind; without one, of a document of either.

    :raises KeyError: there is no such kind
    """
    if kind is not None:
        head: Schema = {"$schema": DIALECT, "title": f"{kind} of ioc-operator.dev/v1alpha1"}
        return head | _of_kind(kind)
    definitions: Schema = {}
    for name in KINDS:
        whole = _of_kind(name)
        definitions |= whole.pop("definitions")
        definitions[name] = whole
    first, second = KINDS
    return {
        "$schema": DIALECT,
        "title": "IocTask or IocJob of ioc-operator.dev/v1alpha1",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {"kind": {"enum": [*KINDS], "description": "IocTask or IocJob."}},
        # not oneOf: an editor then complains about the kind that was meant, and only of it
        "if": {"properties": {"kind": {"const": second}}, "required": ["kind"]},
        "then": {"$ref": f"#/definitions/{second}"},
        "else": {"$ref": f"#/definitions/{first}"},
        "definitions": dict(sorted(definitions.items())),
    }


def schema_text(kind: str | None = None) -> str:
    """The schema as a file has it."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


def _of_kind(kind: str) -> Schema:
    whole = KINDS[kind].model_json_schema(by_alias=True)
    inner = whole.pop("$defs", {})
    made = _closed(whole, kind)
    made["definitions"] = {name: _closed(inner[name], name) for name in sorted(inner)}
    return made


def _closed(given: Schema, model: str) -> Schema:
    """One model, with what editors need and pydantic does not say."""
    made: Schema = _plain(given)
    made.pop("title", None)
    if model == "Metadata":
        made["additionalProperties"] = True  # labels, annotations and the rest are Kubernetes'
    for name, field in made.get("properties", {}).items():
        field.pop("title", None)
        if (model, name) in _VALUES:
            field |= ANY_VALUE
        found = EXAMPLES.get((model, name))
        if found is not None:
            field["examples"] = list(found)
    if model == "Plugin":
        made["oneOf"] = [{"required": [source]} for source in _SOURCES]
    return made


def _plain(given: Any) -> Any:
    """The same in draft 7, without nulls: a field is left out, never null."""
    if isinstance(given, list):
        return [_plain(item) for item in given]
    if not isinstance(given, dict):
        return given
    if "anyOf" in given:
        (only,) = [each for each in given["anyOf"] if each.get("type") != "null"]
        rest = {name: each for name, each in given.items() if name != "anyOf"}
        return _plain(rest | only)
    made: Schema = {}
    for name, each in given.items():
        if name == "$ref":
            # in a list, since draft 7 ignores what stands beside a reference
            made["allOf"] = [{"$ref": each.replace("#/$defs/", "#/definitions/")}]
        elif name in ("properties", "patternProperties"):
            made[name] = {key: _plain(value) for key, value in each.items()}
        elif name == "const":
            made["enum"] = [each]  # editors complete an enum
        elif not (name == "default" and each in (None, "", [], {})):
            made[name] = each if name == "default" else _plain(each)
    if "patternProperties" in made:
        made.setdefault("additionalProperties", False)
    if set(made) == {"allOf"}:
        made = made["allOf"][0]
    return made
