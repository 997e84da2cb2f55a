"""The tests of a manifest: what a step does, what it finds, and what a failure says."""

from __future__ import annotations

import random
import textwrap
from typing import Any

import pytest

from ioc_runtime.compile import compile_document, proving
from ioc_runtime.compile.proofs import MOST_STEPS
from ioc_runtime.compile.proving import Failed, prove
from unit.compile.support import compiled, problems, task
from unit.fuzz.valid import valid

GUARD = """
parameters: {limit: 1.0e-6}
inputs:
  pressure: {type: float, link: "ca://X:P", maxAge: 5}
  mode: {type: enum, states: ['Off', Auto], value: Auto}
outputs:
  alarm: {type: bool, states: [OK, HIGH], latch: rise}
  valve: {type: bool, states: [Closed, Open], link: "ca://X:V"}
  twice: {type: float}
transforms: [{output: twice, expression: "2 * pressure"}]
ruleDefaults: {alarm: 0, valve: 1}
rules:
  - id: high
    condition: "pressure > limit and mode != 'Off'"
    for: 0.5
    outputs: {alarm: 1, valve: 0}
"""


def found(steps: str, spec: str = GUARD) -> list[Failed]:
    """What fails of one test with these steps."""
    text = spec + "tests:\n- name: it\n  steps:\n" + textwrap.indent(textwrap.dedent(steps), "  ")
    one = compiled(text)
    return prove(one.plan, one.proofs)


def test_a_whole_story_of_a_guard_passes():
    assert not found(
        """
        - {invalid: [valve, alarm]}
        - {set: {pressure: 1.0e-7}, expect: {valve: Open, alarm: OK, twice: 2.0e-7}}
        - {set: {pressure: 1.0e-3}, after: 0.4, expect: {valve: 1}, rules: {high: PENDING}}
        - {after: 0.1, expect: {valve: Closed, alarm: HIGH}, rules: {high: ACTIVE}}
        - {set: {pressure: 0}, expect: {valve: Open, alarm: HIGH}, rules: {high: LATCHED}}
        - {set: {CLEAR: 1}, expect: {alarm: OK}, rules: {high: OK}}
        - {set: {ENABLE: 0}, invalid: [valve], rules: {high: DISABLED}}
        - {set: {ENABLE: 1}, expect: {valve: Open}}
        - {disconnect: [pressure], invalid: [valve], expect: {valve: Open}, rules: {high: INVALID}}
        - {set: {mode: 'Off'}, invalid: [valve]}
        - {set: {pressure: 1}, after: 5, expect: {valve: Open}}
        """
    )


def test_a_failure_names_test_step_what_was_found_and_why():
    (one,) = found("- {set: {pressure: 1.0e-3}, after: 0.4, expect: {valve: Closed}}")
    assert (one.path, one.test, one.step) == ("spec.tests[0].steps[0]", "it", 0)
    assert str(one) == (
        "test 'it', step 1: expected valve Closed, got Open "
        "(rules: high PENDING; mode is Auto, pressure is 0.001)"
    )


def test_an_invalid_output_is_no_value_and_says_which_input_is_missing():
    (one,) = found("- {expect: {valve: Open}}")
    assert one.found == "INVALID"
    assert "rules: high INVALID; mode is Auto, pressure is INVALID" in one.why


def test_a_value_where_invalid_is_expected_fails():
    (one,) = found("- {set: {pressure: 0}, invalid: [valve]}")
    assert (one.expected, one.found) == ("valve INVALID", "Open")


def test_a_latch_that_holds_an_output_is_named():
    steps = """
    - {set: {pressure: 1}, after: 1}
    - {set: {pressure: 0}, expect: {alarm: OK}}
    """
    (one,) = found(steps)
    assert one.step == 1
    assert one.why.startswith("latched by high; rules: high LATCHED")


def test_a_rule_in_another_state_shows_its_condition():
    (one,) = found("- {set: {pressure: 1}, rules: {high: ACTIVE}}")
    assert (one.expected, one.found) == ("rule high ACTIVE", "PENDING")
    assert one.why.startswith("its condition: pressure > limit and mode != 'Off'; ")


def test_all_that_is_wrong_at_a_step_is_told_and_the_test_ends_there():
    steps = """
    - {set: {pressure: 0}, expect: {valve: Closed, alarm: HIGH}}
    - {expect: {valve: Closed}}
    """
    assert [(one.step, one.expected) for one in found(steps)] == [
        (0, "alarm HIGH"),
        (0, "valve Closed"),
    ]


def test_tenths_of_seconds_add_up():
    steps = "- {set: {pressure: 1}}\n" + "- {after: 0.1}\n" * 4
    assert not found(steps + "- {after: 0.1, expect: {valve: Closed}}")
    assert not found(steps + "- {after: 0.099, expect: {valve: Open}}")


def test_a_source_stays_alive_until_it_is_disconnected():
    assert not found(
        """
        - {set: {pressure: 0}, after: 86400, expect: {valve: Open}}
        - {disconnect: [pressure], after: 86400, invalid: [valve]}
        """
    )


def test_a_severity_counts_in_its_step_alone():
    assert not found(
        """
        - {set: {pressure: 0}, severity: {pressure: MAJOR}, expect: {valve: Open}}
        - {severity: {pressure: INVALID}, invalid: [valve]}
        - {set: {pressure: 0}, expect: {valve: Open}}
        """
    )


def test_what_is_set_together_arrives_together():
    spec = """
    inputs: {a: {type: int, link: "ca://A"}, b: {type: int, link: "ca://B"}}
    outputs: {odd: {type: bool, latch: rise}}
    ruleDefaults: {odd: 0}
    rules: [{id: differ, condition: "a != b", outputs: {odd: 1}}]
    """
    steps = """
    - {set: {a: 1, b: 1}, expect: {odd: 0}}
    - {set: {b: 2, a: 2}, expect: {odd: 0}}
    """
    assert not found(steps, textwrap.dedent(spec))


def test_an_output_of_the_plugin_is_what_was_set():
    spec = """
    plugin: {inline: {files: {a.py: "pass"}}, functions: [mine]}
    inputs: {x: {type: float, link: "ca://X"}}
    outputs: {score: {type: float, maxAge: 10}, bad: {type: bool}, odd: {type: bool}}
    rules:
    - {id: low, condition: "score < 1", outputs: {bad: 1}}
    - {id: odd, condition: "mine(x) > 0", outputs: {odd: 1}}
    ruleDefaults: {bad: 0, odd: 0}
    """
    steps = """
    - {invalid: [score, bad]}
    - {set: {score: 3, x: 1}, after: 9, expect: {score: 3, bad: 0}, rules: {odd: INVALID}}
    - {after: 1, invalid: [score, bad]}
    - {set: {score: 0}, expect: {bad: 1}}
    - {expect: {odd: 0}}
    """
    (one,) = found(steps, textwrap.dedent(spec))
    assert one.step == 4
    assert "a function of the plugin, which does not run in a test" in one.why


def test_a_test_begins_where_the_one_before_has_not_been():
    text = GUARD + (
        "tests:\n"
        "- {name: a, steps: [{set: {pressure: 1}, after: 1, expect: {alarm: HIGH}}]}\n"
        "- {name: b, steps: [{invalid: [alarm]}, {set: {pressure: 0}, expect: {alarm: OK}}]}\n"
        "- {name: c, steps: [{invalid: [valve]}]}\n"
    )
    one = compiled(text)
    assert not prove(one.plan, one.proofs)


def test_numbers_are_compared_to_a_part_in_a_million():
    assert not found("- {set: {pressure: 0.1}, expect: {twice: 0.20000001}}")
    (one,) = found("- {set: {pressure: 0.1}, expect: {twice: 0.2001}}")
    assert (one.expected, one.found) == ("twice 0.2001", "0.2")


def test_periodic_passes_and_what_ages_take_their_time():
    spec = """
    mode: periodic
    period: 0.5
    inputs: {x: {type: float, link: "ca://X"}}
    outputs: {old: {type: bool}}
    rules: [{id: old, condition: "x.age > 3", outputs: {old: 1}}]
    ruleDefaults: {old: 0}
    """
    steps = """
    - {set: {x: 1}, after: 2.9, expect: {old: 0}}
    - {after: 0.3, expect: {old: 1}}
    """
    assert not found(steps, textwrap.dedent(spec))


def test_too_much_work_is_a_failure_of_the_step_and_ends_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proving, "MOST_WORK", 100_000)
    spec = """
    inputs: {x: {type: float, link: "ca://X"}}
    outputs: {old: {type: bool}}
    rules: [{id: old, condition: "x.age > 3", outputs: {old: 1}}]
    ruleDefaults: {old: 0}
    """
    (one,) = found("- {set: {x: 1}}\n- {after: 31536000, expect: {old: 1}}", textwrap.dedent(spec))
    assert one.step == 1
    assert one.expected.startswith("tests that cost less work: let less time pass")
    assert one.found == "no end of it"


def test_whoever_runs_the_tests_can_end_them():
    one = compiled(GUARD + "tests: [{name: t, steps: [{invalid: [valve]}]}]")
    assert "less work" in prove(one.plan, one.proofs, stop=lambda: True)[0].expected


def test_more_steps_than_anybody_reads_are_refused():
    steps = ", ".join(["{invalid: [valve]}"] * 200)
    tests = "".join(f"- {{name: t{i}, steps: [{steps}]}}\n" for i in range(MOST_STEPS // 200 + 1))
    (one,) = problems(task(GUARD + "tests:\n" + tests))
    assert (one.path, one.expected) == ("spec.tests", f"at most {MOST_STEPS} steps in all tests")


@pytest.mark.parametrize("seed", range(40))
def test_no_good_manifest_makes_it_stumble(seed: int):
    rng = random.Random(seed)
    manifest = valid(rng)
    spec = manifest["spec"]
    rules = [rule["id"] for rule in spec.get("rules", ())]
    asked: dict[str, Any] = {"invalid": list(spec.get("outputs", ()))[:3]}
    if rules:
        asked["rules"] = {rules[0]: "ACTIVE"}
    if not asked["invalid"] and not rules:
        return
    linked = [name for name, one in spec.get("inputs", {}).items() if "link" in one]
    steps = [
        {"severity": dict.fromkeys(linked, "INVALID")},
        {"disconnect": linked, "after": rng.choice((0, 0.1, 60))},
        {"set": {"ENABLE": 0, "CLEAR": 1}},
        {"set": {"RESET": 1, "ENABLE": 1}, "after": 7, **asked},
    ]
    spec["tests"] = [{"name": "t", "steps": steps}]
    one = compile_document(manifest)
    first = prove(one.plan, one.proofs)
    assert first == prove(one.plan, one.proofs)
