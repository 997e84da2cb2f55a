"""The shape of a plan: what a running process cannot change, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.epics.declare import declare
from ioc_runtime.epics.edits import CHANGEABLE
from ioc_runtime.plan import (
    Access,
    Alarms,
    Input,
    Link,
    Output,
    Plan,
    Plugin,
    Range,
    Rule,
    Transform,
    Trigger,
    from_json,
    to_json,
)
from ioc_runtime.shape import LIVE, difference, plan_shape

PLAN = Plan(
    name="guard",
    namespace="bl01",
    prefix="BL01:",
    parameters={"limit": 1.0},
    inputs=(
        Input("x", "float", link=Link("ca", "A:X")),
        Input("mode", "enum", states=("Off", "On"), value=1),
        Input("level", "float", value=3.0),
    ),
    outputs=(
        Output("alarm", "bool", states=("OK", "BAD"), owner="rules", default=0),
        Output("mean", "float", owner="transform", link=Link("pva", "B:M")),
    ),
    transforms=(Transform("mean", "x + 1"),),
    rules=(Rule("high", "x > limit", {"alarm": 1}), Rule("low", "x < 0", {"alarm": 1})),
)

EDITS: dict[type, dict[str, Any]] = {
    # a value for each field that differs from what PLAN has
    Plan: {
        "period": 2.0,
        "parameters": {"limit": 2.0, "more": "text"},
        "config_hash": "f" * 64,
        "format": 7,
    },
    Input: {
        "severities": (0, 2),
        "unit": "mbar",
        "precision": 5,
        "description": "a text",
        "display": Range(0.0, 1.0),
        "alarms": Alarms(high=1.0),
        "buffer": 10,
        "tags": ("slow",),
        "value": 1.5,
        "drive": Range(0.0, 10.0),
        "max_age": 3.0,
        "invalid_hold": 1.0,
        "persist": False,
    },
    Output: {
        "severities": (0, 2),
        "unit": "mbar",
        "precision": 5,
        "description": "a text",
        "display": Range(0.0, 1.0),
        "alarms": Alarms(high=1.0),
        "buffer": 10,
        "tags": ("slow",),
        "tolerance": 0.5,
        "timeout": 5.0,
        "retries": 9,
        "default": 1,
        "latch": "rise",
        "on_invalid": "drive",
        "safe_value": 1,
        "max_age": 3.0,
        "persist": False,
        "value": 1,
        "repeat": True,
    },
    Rule: {"condition": "x > 7", "outputs": {}, "hold": 2.0, "message": "hello"},
    Transform: {"expression": "x + 2"},
    Trigger: {"period": 2.0, "stall_limit": 5.0, "kill_after": 1.0},
}


def edited(plan: Plan, cls: type, which: int, **change: Any) -> Plan:
    """The plan with one element of a class changed."""
    if cls is Plan:
        return replace(plan, **change)
    if cls is Trigger:
        return replace(plan, trigger=replace(plan.trigger, **change))
    place = {Input: "inputs", Output: "outputs", Rule: "rules", Transform: "transforms"}[cls]
    items = list(getattr(plan, place))
    which %= len(items)
    items[which] = replace(items[which], **change)
    return replace(plan, **{place: tuple(items)})


LIVE_EDITS = [(cls, name) for cls, names in EDITS.items() for name in names]
FIXED_EDITS: list[tuple[type, dict[str, Any]]] = [
    (Plan, {"prefix": "BL02:"}),
    (Plan, {"mode": "periodic"}),
    (Plan, {"aliases": {"ENABLE": "Enable"}}),
    (Plan, {"access": Access(hosts=("opi1",))}),
    (Plan, {"plugin": Plugin(files={"a.py": "pass"})}),
    (Plan, {"ioc_stats": True}),
    (Plan, {"prefixes": {"main": "BL03:"}}),
    (Plan, {"protocol": "pva"}),
    (Plan, {"database": ('record(ai, "X") {}',)}),
    (Plan, {"inputs": PLAN.inputs[:2]}),
    (Plan, {"inputs": (*PLAN.inputs, Input("new", "float"))}),
    (Plan, {"inputs": PLAN.inputs[::-1]}),
    (Plan, {"outputs": PLAN.outputs[::-1]}),
    (Plan, {"rules": PLAN.rules[:1]}),
    (Plan, {"rules": (*PLAN.rules, Rule("new", "x"))}),
    (Input, {"name": "other"}),
    (Input, {"type": "int"}),
    (Input, {"length": 5}),
    (Input, {"states": ("Off", "On", "Auto")}),
    (Input, {"link": Link("pva", "A:X")}),
    (Input, {"link": Link("ca", "A:Y")}),
    (Input, {"link": Link("ca", "A:X", 1.0)}),
    (Output, {"owner": "plugin"}),
    (Output, {"otherwise": "plugin"}),
    (Output, {"link": Link("ca", "A:X")}),
    (Output, {"readback": Link("ca", "A:X")}),
    (Rule, {"id": "other"}),
    (Transform, {"output": "other"}),
    (Trigger, {"waiting": 2}),
]


def test_each_field_that_is_live_is_tried_here():
    assert {cls: set(names) for cls, names in EDITS.items()} == LIVE
    for cls, names in LIVE.items():
        assert names <= {field.name for field in fields(cls)}


@pytest.mark.parametrize(("cls", "name"), LIVE_EDITS)
def test_what_changes_live_is_not_part_of_the_shape(cls: type, name: str):
    new = edited(PLAN, cls, 0, **{name: EDITS[cls][name]})
    assert new != PLAN
    assert plan_shape(new) == plan_shape(PLAN)
    assert difference(PLAN, new) == ""


@pytest.mark.parametrize(("cls", "change"), FIXED_EDITS)
def test_what_a_process_cannot_change_is_part_of_the_shape(cls: type, change: dict[str, Any]):
    new = edited(PLAN, cls, 0, **change)
    assert plan_shape(new) != plan_shape(PLAN)
    assert difference(PLAN, new) and difference(new, PLAN)


def test_the_order_of_rules_and_transforms_is_not_part_of_the_shape():
    new = replace(PLAN, rules=PLAN.rules[::-1], transforms=PLAN.transforms[::-1])
    assert plan_shape(new) == plan_shape(PLAN)


def test_the_shape_survives_the_way_through_json():
    assert plan_shape(from_json(to_json(PLAN))) == plan_shape(PLAN)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": PLAN.inputs[1:]}, "inputs.x is gone"),
        ({"rules": (*PLAN.rules, Rule("late", "x"))}, "rules.late is new"),
        ({"inputs": PLAN.inputs[::-1]}, "inputs has another order or length"),
        ({"prefix": "BL02:"}, "prefix is BL02:, it was BL01:"),
        ({"mode": "periodic"}, "mode is periodic, it had its default"),
        (
            {"inputs": (replace(PLAN.inputs[0], link=Link("ca", "A:Y")), *PLAN.inputs[1:])},
            "inputs.x.link.name is A:Y, it was A:X",
        ),
        (
            {"inputs": (replace(PLAN.inputs[0], link=None), *PLAN.inputs[1:])},
            "inputs.x.link has its default, it was another",
        ),
    ],
)
def test_the_difference_is_named(change: dict[str, Any], said: str):
    assert difference(PLAN, replace(PLAN, **change)) == said


@given(st.lists(st.tuples(st.sampled_from(LIVE_EDITS), st.integers(0, 2)), max_size=12))
def test_records_of_plans_of_one_shape_differ_in_fields_that_change_live_alone(
    edits: list[tuple[tuple[type, str], int]],
):
    new = PLAN
    for (cls, name), which in edits:
        new = edited(new, cls, which, **{name: EDITS[cls][name]})
    assert plan_shape(new) == plan_shape(PLAN)
    for before, after in zip(declare(PLAN), declare(new), strict=True):
        for one, other in zip(before, after, strict=True):
            assert replace(one, fields={}) == replace(other, fields={})
            differing = {
                name
                for name in one.fields.keys() | other.fields.keys()
                if one.fields.get(name) != other.fields.get(name)
            }
            assert differing <= CHANGEABLE.keys(), one.name
