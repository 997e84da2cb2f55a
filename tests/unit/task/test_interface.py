"""The lines at the start that say what a task serves."""

from __future__ import annotations

from ioc_runtime.epics.declare import declare
from ioc_runtime.plan import Input, Link, Output, Plan, Rule
from ioc_runtime.standard import standard_names
from ioc_runtime.task.interface import WIDTH, interface

PLAN = Plan(
    "t",
    "",
    "BL01:",
    inputs=(
        Input("pressure", "float", link=Link("ca", "VAC:P")),
        Input("trace", "int", length=5, link=Link("pva", "VAC:T")),
        Input("mode", "enum", states=("Off", "On"), value=0),
    ),
    outputs=(Output("valve", "bool", link=Link("pva", "VAC:V")), Output("text", "string")),
    rules=(Rule("high", "pressure > 1"),),
    aliases={"ENABLE": "Enable"},
)


def lines(plan: Plan) -> list[str]:
    return list(interface(plan, [one for group in declare(plan) for one in group]))


def test_every_pv_is_there_once_with_its_type_and_link():
    first, inputs, outputs, others = lines(PLAN)
    assert first.endswith("PVs below BL01: (name type; * clients may write)")
    assert inputs == (
        "inputs: pressure float <- ca://VAC:P, trace int[5] <- pva://VAC:T, mode enum*"
    )
    assert outputs == "outputs: valve bool -> pva://VAC:V, text string"
    for name in standard_names(PLAN):
        assert others.count(f" {name}") >= 1
    assert "RULE:high enum" in others and "ENABLE bool* = Enable" in others


def test_thousands_of_pvs_are_lines_of_bounded_length():
    many = Plan("t", "", "X:", inputs=tuple(Input(f"n{i}", "float") for i in range(1000)))
    found = lines(many)
    assert max(map(len, found)) < WIDTH + 100
    assert len(found) < 30
    assert sum(line.count("float*") for line in found) == 1000
