"""crds/ is what the models say, bounded, described, and fit for what is written into it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from cluster.bad_objects import BAD, EDITS, Bad
from ioc_operator.run import MEANT
from ioc_operator.status import JobView, View, job_status, task_status
from ioc_runtime.compile import ManifestError, compile_document
from ioc_runtime.spec.base import Model
from ioc_runtime.spec.job import IocJob
from ioc_runtime.spec.task import IocTask
from scripts.crds.__main__ import ROOT, TEMPLATE, template, texts
from scripts.crds.definition import KINDS
from scripts.crds.definition import definition as made
from scripts.crds.rules import RULES
from support.examples import examples
from unit.operator.test_status_job import BEFORE, JOB_VIEWS
from unit.operator.test_status_properties import PREVIOUS, VIEWS

Schema = dict[str, Any]
definition = cache(made)
"""Each is made once for all tests; none changes it."""
MODELS: dict[str, type[Model]] = {"IocTask": IocTask, "IocJob": IocJob}
ANNOTATION = 256 * 1024
"""Bytes of an annotation: client-side apply keeps the whole object in one."""
EACH = pytest.mark.parametrize("kind", KINDS)


def schema(kind: str) -> Schema:
    (version,) = definition(kind)["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def below(where: str, node: Schema) -> Iterator[tuple[str, Schema]]:
    """Every schema inside a schema, with its path."""
    yield where, node
    for name, inner in node.get("properties", {}).items():
        yield from below(f"{where}.{name}".removeprefix("."), inner)
    if "items" in node:
        yield from below(f"{where}[]", node["items"])
    if isinstance(node.get("additionalProperties"), dict):
        yield from below(f"{where}{{}}", node["additionalProperties"])


def nodes(kind: str) -> list[tuple[str, Schema]]:
    return [
        (path, node)
        for part in ("spec", "status")
        for path, node in below(part, schema(kind)["properties"][part])
    ]


def test_the_files_are_what_the_models_say():
    for path, text in texts().items():
        assert path.read_text() == text, f"{path.name}: make crds"


@EACH
def test_the_chart_has_the_same_definition(kind: str):
    name = f"ioc-operator.dev_{kind.lower()}s.yaml"
    plain = (ROOT / "crds" / name).read_text()
    chart = (ROOT / "helm" / "ioc-operator" / "templates" / "crds" / name).read_text()
    body = re.sub(r"^\{\{-.*\}\}\n", "", chart, flags=re.MULTILINE)
    assert body.replace(TEMPLATE, "metadata:\n  name: ") == plain
    assert yaml.safe_load(plain) == definition(kind)


def test_a_text_that_helm_would_take_for_its_own_is_no_template():
    with pytest.raises(ValueError, match="Helm"):
        template("metadata:\n  name: x\ndescription: '{{ .Values }}'\n")


@EACH
def test_a_definition_fits_into_the_annotation_of_a_client_side_apply(kind: str):
    assert len(json.dumps(definition(kind))) < ANNOTATION


@EACH
def test_every_field_of_the_models_is_there_and_no_other(kind: str):
    spec = MODELS[kind].model_fields["spec"].annotation
    assert isinstance(spec, type) and issubclass(spec, Model)
    wanted = {field.alias or name for name, field in spec.model_fields.items()}
    assert {*schema(kind)["properties"]["spec"]["properties"]} == wanted


@EACH
def test_every_field_says_what_it_is(kind: str):
    named = [(p, n) for p, n in nodes(kind) if not p.endswith(("[]", "{}"))]
    assert len(named) > 150
    assert [path for path, node in named if not node.get("description")] == []
    # "Limit of it.", "`ok`: all is well.", "0 shows all."; not "the limit", not "Limit"
    sentence = re.compile(r"[A-Z`0-9].*[.)]", re.DOTALL)
    assert [p for p, node in named if not sentence.fullmatch(node["description"])] == []


@EACH
def test_every_text_list_and_map_is_bounded(kind: str):
    for path, node in nodes(kind):
        known = {"enum", "format"} & node.keys()
        match node.get("type"):
            case "string":
                assert known or "maxLength" in node, path
            case "array":
                assert "maxItems" in node, path
                assert node["x-kubernetes-list-type"] == "atomic", path
            case "object" if "properties" not in node:
                assert "maxProperties" in node, path
                is_open = "x-kubernetes-preserve-unknown-fields" in node
                assert is_open or node["x-kubernetes-map-type"] == "atomic", path


@EACH
def test_nothing_is_in_it_that_a_server_refuses(kind: str):
    bad = {"$ref", "$defs", "anyOf", "title", "const", "uniqueItems", "propertyNames", "nullable"}
    for path, node in nodes(kind):
        assert not bad & node.keys(), path
        assert "additionalProperties" not in node or "properties" not in node, path
        assert "type" in node or node["x-kubernetes-preserve-unknown-fields"], path
        low = node.get("minimum", 0)
        assert low == int(low), f"{path}: a fraction is cut off"


@EACH
def test_the_server_fills_in_defaults_right_below_spec_alone(kind: str):
    """Elsewhere the presence of a field means something, and stored objects would grow."""
    at = [path for path, node in nodes(kind) if "default" in node]
    assert "spec.protocol" in at and "spec.suspend" in at
    assert {path.rpartition(".")[0] for path in at} == {"spec", ""}
    assert schema(kind)["properties"]["status"]["default"] == {"observedGeneration": -1}
    assert "spec.period" not in at, "a period that is given says something about the mode"


@pytest.mark.parametrize("field", MEANT)
def test_an_upgrade_fills_nothing_in_that_would_ask_for_another_run(field: str):
    node = schema("IocJob")["properties"]["spec"]["properties"][field]
    assert [path for path, each in below(field, node) if "default" in each] == []


@EACH
def test_a_newer_runtime_may_report_more(kind: str):
    runtime = schema(kind)["properties"]["status"]["properties"]["runtime"]
    for path, node in below("runtime", runtime):
        if node.get("type") == "object":
            assert node["x-kubernetes-preserve-unknown-fields"], path


def test_every_rule_belongs_to_a_model():
    known = {name for model in MODELS.values() for name in model.model_json_schema()["$defs"]}
    assert RULES.keys() <= known


def messages(kind: str) -> set[str]:
    """Every sentence that a rule of a definition can say."""
    whole = [("", schema(kind)), *nodes(kind)]
    rules = [r for _, node in whole for r in node.get("x-kubernetes-validations", ())]
    assert len(rules) > 30
    alone = {rule["message"] for rule in rules if "message" in rule}
    merged = [re.findall(r'"(?:[^"\\]|\\.)*"', r.get("messageExpression", "")) for r in rules]
    return alone | {json.loads(text) for texts in merged for text in texts}


@EACH
def test_every_rule_has_an_object_that_breaks_it(kind: str):
    said = [each.says for each in (*BAD, *EDITS)]
    untried = [text for text in messages(kind) if not any(part in text for part in said)]
    assert untried == []


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_iocctl_refuses_what_the_server_refuses(bad: Bad):
    with pytest.raises(ManifestError):
        compile_document(bad.object())


# What the operator writes fits into the schema of the status


def misfits(node: Schema, value: Any, path: str = "status") -> Iterator[str]:
    """What the server would refuse of a value; enough of a validator for a status."""
    is_open = node.get("x-kubernetes-preserve-unknown-fields", False)
    kinds = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
    wanted = kinds.get(node.get("type", ""))
    if wanted and (not isinstance(value, wanted) or wanted is int and isinstance(value, bool)):
        yield f"{path} is no {node['type']}: {value!r}"
    elif isinstance(value, str):
        if len(value) > node.get("maxLength", len(value)):
            yield f"{path} is too long"
        if value not in node.get("enum", [value]):
            yield f"{path} is {value!r}"
        if node.get("format") == "date-time":
            datetime.fromisoformat(value)
    elif isinstance(value, list):
        if len(value) > node.get("maxItems", len(value)):
            yield f"{path} has too many entries"
        for item in value if "items" in node else ():
            yield from misfits(node["items"], item, f"{path}[]")
    elif isinstance(value, dict):
        fields = node.get("properties", {})
        for missing in {*node.get("required", ())} - value.keys():
            yield f"{path}.{missing} is missing"
        for name, inner in value.items():
            if name in fields:
                yield from misfits(fields[name], inner, f"{path}.{name}")
            elif not is_open:
                yield f"{path}.{name} is not known"


STATUS = {kind: schema(kind)["properties"]["status"] for kind in KINDS}


@settings(max_examples=examples(200), deadline=None)
@given(VIEWS, PREVIOUS)
def test_every_status_of_a_task_fits(known: View, previous: Any):
    assert [*misfits(STATUS["IocTask"], task_status(known, previous))] == []


@settings(max_examples=examples(200), deadline=None)
@given(JOB_VIEWS, BEFORE)
def test_every_status_of_a_job_fits(known: JobView, previous: Any):
    assert [*misfits(STATUS["IocJob"], job_status(known, previous))] == []


def test_a_status_that_does_not_fit_is_noticed():
    status = {"phase": "x" * 300, "pod": {"restarts": "1"}, "novel": 1, "conditions": [{}]}
    assert len([*misfits(STATUS["IocTask"], status)]) == 5
