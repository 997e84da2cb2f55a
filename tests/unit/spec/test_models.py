"""The models as the source of schemas: every field bounded, described, structural."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from ioc_runtime.spec.base import PATTERNS, Model
from ioc_runtime.spec.job import IocJob
from ioc_runtime.spec.task import IocTask


def models(start: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    seen.add(start)
    for field in start.model_fields.values():
        for part in parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
                models(part, seen)
    return seen


def parts(annotation: Any) -> list[Any]:
    inner = [part for argument in get_args(annotation) for part in parts(argument)]
    return [annotation, *inner]


ALL = sorted(models(IocTask, set()) | models(IocJob, set()), key=lambda m: m.__name__)
FIELDS = [(model, name) for model in ALL for name in model.model_fields]


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda x: getattr(x, "__name__", x))
def test_every_field_is_described_in_a_sentence(model: type[BaseModel], name: str):
    text = model.model_fields[name].description
    assert text and text.endswith((".", "`.", ")")), text


@pytest.mark.parametrize("model", ALL, ids=lambda m: m.__name__)
def test_every_model_is_strict_closed_and_frozen(model: type[BaseModel]):
    config = model.model_config
    assert issubclass(model, Model)
    assert config["strict"] and config["frozen"]
    assert config["extra"] == ("ignore" if model.__name__ == "Metadata" else "forbid")
    assert model.__doc__ and model.__doc__.rstrip().endswith(".")


def bounded(schema: dict[str, Any]) -> bool:
    match schema.get("type"):
        case "string":
            return "maxLength" in schema or "enum" in schema or "const" in schema
        case "array":
            return "maxItems" in schema
        case "object":
            return "properties" in schema or "maxProperties" in schema
        case _:
            return True


def walk(schema: Any, path: str, found: list[tuple[str, dict[str, Any]]]) -> None:
    if isinstance(schema, dict):
        if "type" in schema and isinstance(schema["type"], str):
            found.append((path, schema))
        for key, value in schema.items():
            walk(value, f"{path}.{key}", found)
    elif isinstance(schema, list):
        for i, value in enumerate(schema):
            walk(value, f"{path}[{i}]", found)


FREE = ("args", "kwargs", "env", "envFrom", "tolerations")
"""Lists whose items have any shape: the document as a whole is bounded."""


@pytest.mark.parametrize("model", [IocTask, IocJob], ids=lambda m: m.__name__)
def test_every_list_map_and_text_has_a_bound(model: type[BaseModel]):
    found: list[tuple[str, dict[str, Any]]] = []
    walk(model.model_json_schema(by_alias=True), "", found)
    loose = [path for path, schema in found if not bounded(schema)]
    assert [p for p in loose if p.split(".")[-2:][0].strip("[]0123456789") not in FREE] == []


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda x: getattr(x, "__name__", x))
def test_no_field_is_a_union_of_two_things(model: type[BaseModel], name: str):
    for part in parts(model.model_fields[name].annotation):
        if get_origin(part) in (Union, types.UnionType):
            assert len([a for a in get_args(part) if a is not types.NoneType]) == 1
        if get_origin(part) is Literal:
            assert all(isinstance(choice, str) for choice in get_args(part))


def test_every_pattern_has_words_for_people_and_no_look_around():
    for pattern, words in PATTERNS.items():
        assert words
        assert "(?" not in pattern  # RE2, which an API server uses, has no look-around
        assert pattern.startswith("^") and pattern.endswith("$")


NAMED_IN_THE_DESIGN = """
spec.prefix spec.protocol spec.mode spec.period spec.parameters spec.aliases spec.database
spec.iocStats spec.suspend spec.image spec.imagePolicy spec.imagePullPolicy spec.imagePullSecrets
spec.resources spec.env spec.envFrom spec.nodeSelector spec.tolerations spec.affinity
spec.priorityClassName spec.serviceAccountName spec.podTemplate spec.terminationGracePeriodSeconds
spec.access.operators spec.access.configMap spec.network.hostNetwork spec.network.service.type
spec.network.nameServers spec.network.addressList spec.storage.size spec.storage.storageClassName
spec.report.enabled spec.inputs.*.link spec.inputs.*.poll spec.inputs.*.maxAge
spec.inputs.*.invalidHold spec.inputs.*.drive spec.inputs.*.value spec.inputs.*.persist
spec.inputs.*.display.low spec.inputs.*.alarms.hysteresis spec.inputs.*.alarms.hihiSeverity
spec.outputs.*.onInvalid spec.outputs.*.safeValue spec.outputs.*.latch spec.outputs.*.readback
spec.outputs.*.tolerance spec.outputs.*.timeout spec.outputs.*.retries spec.outputs.*.severity
spec.rules.*.for spec.rules.*.message spec.ruleDefaults spec.transforms.*.expression
spec.permits.*.target spec.permits.*.requires.*.tripDelay spec.permits.*.requires.*.restoreDelay
spec.permits.*.requires.*.latch spec.permits.*.requires.*.bypass.maxDuration
spec.permits.*.requires.*.vote spec.permits.*.requires.*.trip spec.permits.*.requires.*.reset
spec.permits.*.persist spec.tests.*.steps.*.set spec.tests.*.steps.*.after
spec.tests.*.steps.*.expect spec.plugin.git.secretRef.name spec.plugin.inline.files
spec.plugin.configMap.name spec.plugin.image.path spec.plugin.builtin spec.plugin.class
spec.plugin.requirements spec.plugin.functions spec.plugin.maxFailures spec.plugin.isolation
spec.plugin.updatePolicy spec.plugin.requirementsFrom
""".split()

JOB_FIELDS = """
spec.prefix spec.inputs spec.outputs spec.parameters spec.aliases spec.plugin spec.initArgs
spec.runArgs spec.function spec.run spec.runId spec.retries spec.runTimeoutSeconds
spec.schedule.cron spec.schedule.timeZone spec.schedule.concurrencyPolicy spec.onAbort
spec.exclusive spec.historyLimit spec.ttlSecondsAfterFinished spec.scan
""".split()


def has(model: Any, path: list[str]) -> bool:
    if not path:
        return True
    inner = [p for p in parts(model) if isinstance(p, type) and issubclass(p, BaseModel)]
    if path[0] == "*":
        return has(inner[0], path[1:])
    fields = {f.alias or n: f.annotation for n, f in inner[0].model_fields.items()}
    return path[0] in fields and has(fields[path[0]], path[1:])


@pytest.mark.parametrize("path", NAMED_IN_THE_DESIGN)
def test_a_task_has_every_field_the_design_names(path: str):
    assert has(IocTask, path.split("."))


@pytest.mark.parametrize("path", JOB_FIELDS)
def test_a_job_has_every_field_the_design_names(path: str):
    assert has(IocJob, path.split("."))


def test_a_job_has_no_rules_transforms_permits_or_mode():
    spec = IocJob.model_fields["spec"].annotation
    assert not {"rules", "transforms", "permits", "mode"} & spec.model_fields.keys()


def test_a_model_does_not_change_after_it_was_read():
    task = IocTask.model_validate(
        {
            "apiVersion": "ioc-operator.dev/v1alpha1",
            "kind": "IocTask",
            "metadata": {"name": "x", "labels": {"a": "b"}},
            "spec": {},
        }
    )
    with pytest.raises(ValidationError):
        task.spec.mode = "periodic"  # type: ignore[misc]
