"""What is wrong, where, and what was expected: the table is tests/data/manifests/bad.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from unit.compile.support import problems, task

MARK = "# <--"
TABLE = Path(__file__).parents[2] / "data" / "manifests" / "bad.yaml"
BAD: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text())


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad["path"] or bad["expected"])
def test_a_mistake_is_reported_with_place_and_expectation(bad: dict[str, Any]):
    text = task(bad["spec"]) if "spec" in bad else bad["text"]
    found = problems(text)[0]
    assert (found.path, found.nearest) == (bad["path"], bad.get("near")), str(found)
    assert found.expected.startswith(bad["expected"]), str(found)
    marked = [n for n, line in enumerate(text.splitlines(), 1) if line.endswith(MARK)]
    if marked:
        assert [found.line] == marked, str(found)
    assert str(found).startswith(f"t.yaml:{found.line}: ")
    assert str(found).isprintable()


def test_the_table_has_no_entry_twice():
    texts = [bad.get("spec") or bad["text"] for bad in BAD]
    assert len(set(texts)) == len(texts)


def test_several_mistakes_are_reported_at_once_in_file_order():
    text = task(
        """
        rules:
        - {id: r, condition: nope > 1}
        inputs:
          status: {type: float}
          a: {type: float, value: x}
        aliases: {NOPE: x}
        """
    )
    assert [(p.line, p.path) for p in problems(text)] == [
        (6, "spec.rules[0].condition"),
        (8, "spec.inputs.status"),
        (9, "spec.inputs.a.value"),
        (10, "spec.aliases.NOPE"),
    ]


def test_mistakes_of_all_documents_are_reported_together():
    text = task("mode: x") + "---\n" + task("period: x") + "---\na: [\n"
    assert [(p.line, p.path) for p in problems(text)] == [
        (5, "spec.mode"),
        (11, "spec.period"),
        (14, ""),  # libyaml notices at the end
    ]


def test_a_hopeless_manifest_ends_after_fifty_problems():
    inputs = "\n".join(f"  s{i}: {{type: float, value: x}}" for i in range(200))
    assert len(problems(task("inputs:\n" + inputs))) == 50


def test_two_tasks_of_a_file_may_not_serve_the_same_names():
    found = problems(task("prefix: 'P:'") + "---\n" + task("prefix: 'P:'"))
    assert [(p.path, p.line) for p in found] == [("spec.prefix", 11)]
    assert found[0].expected.startswith("PVs of its own: t in this file serves P:")


def test_totals_are_bounded():
    arrays = ", ".join(f"a{i}: {{type: float, length: 100000}}" for i in range(11))
    assert (
        "arrays of at most 1000000 elements" in problems(task(f"inputs: {{{arrays}}}"))[0].expected
    )
    buffers = ", ".join(f"a{i}: {{type: float, buffer: 100000}}" for i in range(11))
    assert "buffers of at most 1000000" in problems(task(f"inputs: {{{buffers}}}"))[0].expected
    long = " + ".join(["a"] * 250)
    rules = "\n".join(f"- {{id: r{i}, condition: '{long}'}}" for i in range(150))
    assert (
        "characters of expressions"
        in problems(task(f"inputs: {{a: {{type: float}}}}\nrules:\n{rules}"))[0].expected
    )
    files = f"database: ['#{'x' * 60_000}', '#{'x' * 60_000}']\n"
    one = "x" * 170_000
    many = f"plugin: {{inline: {{files: {{a.py: '{one}', b.py: '{one}'}}}}}}\n"
    assert "at most 184320 bytes in all" in problems(task(files + many))[0].expected


def test_a_plan_that_no_config_map_could_hold_is_refused():
    text = f"database: [{', '.join([repr('#' + 'x' * 64_000)] * 12)}]\n"
    assert "a plan of at most 716800 bytes" in problems(task(text))[0].expected
