"""docs/reference.md is what the code says, and what it says is so."""

from __future__ import annotations

import re
from functools import cache

import pytest

from ioc_runtime.engine.functions import FUNCTIONS
from ioc_runtime.engine.grammar import FORMS, ExpressionError, Scope, parse
from ioc_runtime.engine.terms import INPUT_ATTRIBUTES
from ioc_runtime.plan import Input
from ioc_runtime.standard import STANDARD, TRIGGERED
from scripts.reference.__main__ import PAGE
from scripts.reference.expressions import EXAMPLES
from scripts.reference.page import page as made

page = cache(made)
"""Made once for all tests."""

SCOPE = Scope(
    signals={
        "x": Input("x", "float", buffer=10),
        "b": Input("b", "bool"),
        "mode": Input("mode", "enum", states=("Off", "Auto", "Manual")),
    },
    parameters={"limit": 5.0},
    rules=("high",),
)
ARGUMENTS = {
    "input": "x",
    "condition": "b",
    "seconds": "1",
    "values": "x_buf",
    "n": "2",
    "a": "b",
    "exponent": "2",
}
"""What stands for the names of arguments; any other is x."""


def column(head: str) -> list[str]:
    """The code in the first cells of a table."""
    block = page().split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `([^`]+)`(?:, `[^`]+`)* \|", block, re.MULTILINE)


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text() == page(), "make reference"


def test_a_link_of_the_page_leads_to_a_heading():
    headings = re.findall(r"^#+ (.*)$", page(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    assert len(anchors) == len(headings)
    links = re.findall(r"\]\(#([^)]+)\)", page())
    assert len(links) > 30
    assert [link for link in links if link not in anchors] == []


@pytest.mark.parametrize("example", [example for _, example, _ in EXAMPLES])
def test_an_example_of_the_grammar_is_an_expression(example: str):
    assert parse(example, SCOPE).source == example


def test_an_attribute_that_is_listed_can_be_read_and_no_other():
    assert [name.removeprefix("x.") for name in column("Of an input")] == [*INPUT_ATTRIBUTES]
    for name in column("Of an input"):
        parse(name, SCOPE)
    with pytest.raises(ExpressionError):
        parse("x.value", SCOPE)


@pytest.mark.parametrize("call", [*column("Form"), *column("Function")])
def test_a_function_takes_the_arguments_that_are_listed(call: str):
    name, rest = call.rstrip(")").split("(")
    needed, optional = re.match(r"([^[]*)(?:\[, (\w+)\])?$", rest).groups()
    words = [ARGUMENTS.get(word, "x") for word in needed.split(", ") if word != "…"]
    parse(f"{name}({', '.join(words or ['x', 'x'])})", SCOPE)
    if optional:
        parse(f"{name}({', '.join([*words, '2'])})", SCOPE)
    elif "…" not in rest:
        with pytest.raises(ExpressionError):
            parse(f"{name}({', '.join([*words, 'x'])})", SCOPE)


def test_every_function_form_and_standard_pv_is_listed():
    assert {call.partition("(")[0] for call in column("Function")} == {*FUNCTIONS}
    assert {call.partition("(")[0] for call in column("Form")} == {*FORMS}
    assert column("PV")[:-2] == [pv.name for pv in STANDARD]
    assert column("PV of mode triggered") == [pv.name for pv in TRIGGERED]
