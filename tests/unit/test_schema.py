"""docs/schema/ is what the models say, and judges manifests as `iocctl validate` does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.compile import check_text
from ioc_runtime.engine.grammar import Scope, parse
from ioc_runtime.plan import Input
from ioc_runtime.spec.document import read_documents
from ioc_runtime.spec.json_schema import EXAMPLES, KINDS
from ioc_runtime.spec.json_schema import json_schema as made
from scripts.schema.__main__ import ROOT, texts

json_schema = cache(made)
"""Each is made once for all tests; none changes it."""

GOOD = sorted(
    path for path in (ROOT / "examples").rglob("*.yaml") if "kind: Ioc" in path.read_text()
)
TASK = """\
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {name: guard, labels: {a: b}}
spec:
  inputs: {level: {type: float, value: 3}}
  outputs: {alarm: {type: bool}}
  ruleDefaults: {alarm: 0}
  rules: [{id: high, condition: level > 1, outputs: {alarm: 1}}]
"""
BAD = (
    ("type: float", "type: flaot"),
    ("type: float", "tpye: float"),
    ("value: 3", "value: {}"),
    ("value: 3", "maxAge: 0"),
    ("level:", "1evel:"),
    ("metadata: {name: guard, labels: {a: b}}\n", ""),
    ("  ruleDefaults:", "  plugin: {builtin: x, image: {path: y}}\n  ruleDefaults:"),
    ("  ruleDefaults:", "  plugin: {class: Guard}\n  ruleDefaults:"),
    ("  ruleDefaults:", "  mode: sometimes\n  ruleDefaults:"),
    ("kind: IocTask", "kind: IocTsak"),
    ("v1alpha1", "v1"),
)


def wrong(schema: Any, data: Any, root: dict[str, Any]) -> Iterator[str]:
    """What draft 7 says against some data, as far as our schemas go."""
    if schema is True:
        return
    for name, rule in schema.items():
        checker = CHECKERS.get(name)
        if checker is not None:
            yield from checker(rule, data, root, schema)
        else:
            assert name in SAID, f"the test does not know {name}"


SAID = {"$schema", "title", "description", "default", "examples", "definitions", "then", "else"}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "number": (int, float),
    "integer": int,
}


def _type(rule: Any, data: Any, *_: Any) -> Iterator[str]:
    names = rule if isinstance(rule, list) else [rule]
    fits = [n for n in names if isinstance(data, TYPES[n])]
    if not fits or isinstance(data, bool) and "boolean" not in fits:
        yield f"{data!r} is no {rule}"


def _properties(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
    for name, inner in rule.items():
        if isinstance(data, dict) and name in data:
            yield from wrong(inner, data[name], root)


def _patterns(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
    for pattern, inner in rule.items():
        for name in data if isinstance(data, dict) else ():
            if re.search(pattern, name):
                yield from wrong(inner, data[name], root)


def _others(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
    for name in data if isinstance(data, dict) else ():
        known = name in schema.get("properties", {}) or any(
            re.search(p, name) for p in schema.get("patternProperties", {})
        )
        if not known and rule is False:
            yield f"{name} is unknown"
        elif not known:
            yield from wrong(rule, data[name], root)


def _if(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
    branch = "else" if list(wrong(rule, data, root)) else "then"
    yield from wrong(schema[branch], data, root)


def _one_of(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
    if sum(not list(wrong(each, data, root)) for each in rule) != 1:
        yield "not exactly one"


def _check(test: Any) -> Any:
    def check(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
        try:
            if not test(rule, data):
                yield f"{data!r:.60} against {rule!r}"
        except TypeError:
            pass  # the rule is about another type

    return check


def _each(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
    for item in data if isinstance(data, list) else ():
        yield from wrong(rule, item, root)


def _names(rule: Any, data: Any, root: Any, schema: Any) -> Iterator[str]:
    for name in data if isinstance(data, dict) else ():
        yield from wrong(rule, name, root)


CHECKERS: dict[str, Any] = {
    "type": _type,
    "$ref": lambda rule, data, root, _: wrong(
        root["definitions"][rule.removeprefix("#/definitions/")], data, root
    ),
    "allOf": lambda rule, data, root, _: (w for each in rule for w in wrong(each, data, root)),
    "oneOf": _one_of,
    "if": _if,
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _others,
    "propertyNames": _names,
    "items": _each,
    "enum": _check(lambda rule, data: data in rule),
    "const": _check(lambda rule, data: data == rule),
    "required": _check(lambda rule, data: not isinstance(data, dict) or {*rule} <= {*data}),
    "pattern": _check(lambda rule, data: re.search(rule, data)),
    "minLength": _check(lambda rule, data: not isinstance(data, str) or len(data) >= rule),
    "maxLength": _check(lambda rule, data: not isinstance(data, str) or len(data) <= rule),
    "minItems": _check(lambda rule, data: not isinstance(data, list) or len(data) >= rule),
    "maxItems": _check(lambda rule, data: not isinstance(data, list) or len(data) <= rule),
    "minProperties": _check(lambda rule, data: not isinstance(data, dict) or len(data) >= rule),
    "maxProperties": _check(lambda rule, data: not isinstance(data, dict) or len(data) <= rule),
    "minimum": _check(lambda rule, data: data >= rule),
    "maximum": _check(lambda rule, data: data <= rule),
    "exclusiveMinimum": _check(lambda rule, data: data > rule),
}


def judged(text: str, kind: str | None = None) -> list[str]:
    schema = json_schema(kind)
    found = []
    for document in read_documents(text):
        found += list(wrong(schema, document.data, schema))
    return found


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from objects(each)
    elif isinstance(node, list):
        for each in node:
            yield from objects(each)


def test_the_files_are_what_the_models_say():
    for path, text in texts().items():
        assert path.read_text() == text, "make schema"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_the_examples_are_good(path: Path):
    assert judged(path.read_text()) == []


def test_there_are_examples_of_both_kinds():
    text = "".join(path.read_text() for path in GOOD)
    assert all(f"kind: {kind}" in text for kind in KINDS)


@pytest.mark.parametrize(("good", "bad"), BAD)
def test_what_is_wrong_is_wrong_for_both(good: str, bad: str):
    assert judged(TASK) == []
    assert check_text(TASK).problems == []
    text = TASK.replace(good, bad, 1)
    assert text != TASK
    assert judged(text) != []
    assert check_text(text).problems != []


def test_every_field_has_a_description_and_no_map_is_open_by_mistake():
    for kind in KINDS:
        schema = json_schema(kind)
        for name, model in (*schema["definitions"].items(), (kind, schema)):
            fields = model.get("properties", {})
            assert [f for f, each in fields.items() if not each.get("description")] == [], name
            if fields:
                assert model["additionalProperties"] is (name == "Metadata")


def test_an_example_is_of_a_field_and_fits_it():
    seen = set()
    for kind in KINDS:
        schema = json_schema(kind)
        for name, model in (*schema["definitions"].items(), (kind, schema)):
            for field, each in model.get("properties", {}).items():
                for example in each.get("examples", ()):
                    seen.add((name, field))
                    assert list(wrong(each, example, schema)) == [], (name, field)
    assert seen == set(EXAMPLES)


def test_examples_of_expressions_are_expressions():
    numbers = ("pressure", "limit", "level", "a", "b", "c")
    signals: dict[str, Any] = {name: Input(name, "float", buffer=5) for name in numbers}
    signals["mode"] = Input("mode", "enum", states=("Off", "Auto"))
    scope = Scope(signals=signals, parameters={}, rules=())
    for field in (("Rule", "condition"), ("Transform", "expression")):
        for text in EXAMPLES[field]:
            assert parse(text, scope).source == text


def test_only_draft_7_is_used_and_nothing_may_be_null():
    for path in texts():
        schema = json.loads(path.read_text())
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
        for node in objects(schema):
            assert not {"$defs", "anyOf", "prefixItems"} & set(node)
            assert node.get("type") != "null"
