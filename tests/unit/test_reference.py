"""The pages of the reference are what the code says, and what they say is so."""

from __future__ import annotations

import re

import pytest

from ioc_operator.conditions import REASONS
from ioc_runtime.engine.functions import FUNCTIONS
from ioc_runtime.engine.grammar import FORMS, ExpressionError, Scope, parse
from ioc_runtime.engine.terms import INPUT_ATTRIBUTES
from ioc_runtime.plan import Input
from ioc_runtime.standard import STANDARD, TRIGGERED
from scripts.reference.__main__ import DOCS
from scripts.reference.expressions import EXAMPLES
from scripts.reference.page import pages
from scripts.reference.remedies import REMEDIES

PAGES = pages()
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
    text = "\n".join(PAGES.values())
    block = text.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `([^`]+)`(?:, `[^`]+`)* \|", block, re.MULTILINE)


def test_the_pages_are_what_the_code_says():
    there = {str(path.relative_to(DOCS)) for path in (DOCS / "reference").glob("*.md")}
    assert there == {*PAGES} - {"reference.md"}, "make reference"
    differ = [name for name, text in PAGES.items() if (DOCS / name).read_text() != text]
    assert differ == [], "make reference"


def test_every_reason_says_what_to_do_about_it():
    assert [*REMEDIES] == [*REASONS], "one line for each in scripts/reference/remedies.py"
    assert all(text == "-" or text.endswith((".", "?")) for text in REMEDIES.values())


def test_the_index_lists_every_page():
    listed = re.findall(r"^\| \[.*\]\((.*)\) \|", PAGES["reference.md"], re.MULTILINE)
    assert {*listed} == {*PAGES} - {"reference.md"}


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
