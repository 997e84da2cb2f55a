"""Rules, transforms and the owners of outputs in a config of iocmng."""

from __future__ import annotations

import pytest

from ioc_runtime.migrate.code import Code
from unit.migrate.support import CODE, WRITER, made, notes, problems, spec

IO = """
arguments:
  inputs:
    x: {type: float, link: X, link_mode: monitor}
    s: {type: float, value: 3}
  outputs:
    o: {type: int, value: 4}
    t: {type: float}
    m: {type: string, value: fine}
    w: {type: bool, value: 1, link: W}
"""
RULES = IO + "transforms: [{output: t, expression: x * 2}]\n"


def rules(text: str, more: str = "", code: Code | None = None) -> dict:
    return spec(f"{RULES}rules: [{text}]\n{more}", code)


def test_rules_and_their_defaults():
    found = rules("{id: r, condition: x > 1, outputs: {o: 2}}", "rule_defaults: {o: 0}")
    assert found["rules"] == [{"id": "r", "condition": "x > 1", "outputs": {"o": 2}}]
    assert found["ruleDefaults"] == {"o": 0}
    assert found["outputs"]["o"] == {"type": "int"}


def test_without_a_default_an_output_holds_its_first_value_until_a_rule_fires():
    found = rules("{id: r, condition: x > 1, outputs: {o: 2}}")
    assert found["outputs"]["o"] == {"type": "int", "value": 4}


def test_a_latch_without_a_default_gets_the_first_value_so_that_clear_has_an_effect():
    config = IO.replace("{type: int, value: 4}", "{type: int, value: 4, latch: true}")
    config += "rules: [{id: r, condition: x > 1, outputs: {o: 9}}]\n"
    assert spec(config)["ruleDefaults"] == {"o": 4}
    assert "CLEAR puts it back to its first value, 4" in notes(config)


def test_values_are_made_to_fit_as_a_record_of_iocmng_would():
    found = rules("{id: r, condition: x > 1, outputs: {o: true, m: 5}}")
    assert found["rules"][0]["outputs"] == {"o": 1, "m": "5"}


def test_a_message_pv_says_the_message_while_the_rule_is_active():
    found = rules(
        "{id: r, condition: x > 1, message: 'too {hot}', message_pv: m}", "rule_defaults: {m: fine}"
    )
    assert found["rules"][0]["outputs"] == {"m": "too {hot}"}
    assert found["rules"][0]["message"] == "too {{hot}}"
    assert found["ruleDefaults"] == {"m": "fine"}


@pytest.mark.parametrize("name", ["o", "s", "nowhere"])
def test_a_message_pv_has_to_be_an_output_of_type_string(name):
    (found,) = problems(
        f"{RULES}rules: [{{id: r, condition: x > 1, message: hot, message_pv: {name}}}]"
    )
    assert "rules[0].message_pv" in found and "an output of type string" in found


def test_an_actuator_is_an_output_on_the_same_pv_that_is_told_again():
    found = rules("{id: r, condition: x > 1, actuators: {x: 0}}")
    assert found["outputs"]["x_act"] == {"type": "float", "link": "X", "repeat": True}
    assert found["rules"][0]["outputs"] == {"x_act": 0.0}
    assert "x_act" not in found.get("ruleDefaults", {})


def test_an_actuator_on_an_output_drives_that_output():
    found = rules("{id: r, condition: x > 1, actuators: {w: 0}}")
    assert found["rules"][0]["outputs"] == {"w": 0}
    assert found["outputs"]["w"]["repeat"] is True


def test_an_actuator_without_a_link_is_a_problem():
    (found,) = problems(f"{RULES}rules: [{{id: r, condition: x > 1, actuators: {{s: 0}}}}]")
    assert "rules[0].actuators.s" in found and "with a link" in found


def test_expressions_read_what_came_back_of_a_linked_output():
    config = RULES + "rules: [{id: r, condition: 'w == 0 and x > 1', outputs: {w: 1}}]"
    found = spec(config)
    assert found["rules"][0]["condition"] == "w_rb == 0 and x > 1"
    assert found["inputs"]["w_rb"]["link"] == "W"
    assert "a new PV: what came back for w" in notes(config)


def test_a_later_transform_sees_the_result_of_an_earlier_one_and_not_what_came_back():
    config = IO + "transforms: [{output: w, expression: x > 1}, {output: t, expression: w * 2}]"
    assert [t["expression"] for t in spec(config)["transforms"][:2]] == ["x > 1", "w * 2"]


def test_what_iocmng_could_not_see_is_said():
    text = notes(RULES + "rules: [{id: r, condition: x > s or t > 1, outputs: {o: 1}}]")
    assert "iocmng does not see s here, a set-point" in text
    assert "iocmng does not see t here, an output" in text


def test_an_output_of_rules_and_a_transform_has_the_transforms_value_otherwise():
    found = rules("{id: r, condition: x > 1, outputs: {t: 9}}")
    assert found["outputs"]["t"] == {"type": "float", "otherwise": "transform"}


def test_an_output_of_rules_and_the_plugin_has_the_plugins_value_otherwise():
    found = rules("{id: r, condition: x > 1, outputs: {o: 9}}", "rule_defaults: {o: 0}", WRITER)
    assert found["outputs"]["o"] == {"type": "int", "otherwise": "plugin"}
    assert found["ruleDefaults"] == {"o": 0}
    found = rules("{id: r, condition: x > 1, outputs: {o: 9}}", "", CODE)
    assert found["outputs"]["o"] == {"type": "int", "value": 4}


@pytest.mark.parametrize(
    ("more", "code", "place", "expected"),
    [
        ("rule_defaults: {t: 1}", None, "rule_defaults.t", "no default of an output that a trans"),
        ("rule_defaults: {o: 1}", WRITER, "rule_defaults.o", "a rule that drives it"),
        ("rule_defaults: {oo: 1}", None, "rule_defaults.oo", "the name of an output"),
        (
            "",
            Code("Mine", "IocTask", frozenset({"execute"}), writes=frozenset({"t"})),
            "arguments.outputs.t",
            "by a transform or by the plugin",
        ),
    ],
)
def test_two_owners_that_cannot_both_be_are_a_problem(more, code, place, expected):
    found = problems(
        f"{RULES}rules: [{{id: r, condition: x > 1, outputs: {{m: hot}}}}]\n{more}", code
    )
    assert place in found[0] and expected in found[0]


def test_an_output_that_nobody_drives_shows_its_first_value():
    found = spec(IO)
    expressions = {t["output"]: t["expression"] for t in found["transforms"]}
    assert expressions == {"o": "4", "t": "0.0", "m": "'fine'", "w": "1"}
    assert "link" not in found["outputs"]["w"]


def test_with_code_what_nobody_else_drives_is_the_plugins():
    compiled = made(IO, CODE).compiled.plan
    assert {output.name: output.owner for output in compiled.outputs} == dict.fromkeys(
        ("o", "t", "m", "w"), "plugin"
    )


def test_ids_become_names_that_are_there_once():
    text = (
        "{condition: x > 1}, {id: OVER-TEMP, condition: x > 2}, {id: over_temp, condition: x > 3}"
    )
    config = f"{RULES}rules: [{text}]"
    assert [rule["id"] for rule in spec(config)["rules"]] == ["rule_1", "OVER_TEMP", "over_temp_2"]
    assert "'OVER-TEMP' is OVER_TEMP here" in notes(config)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("{id: r, conditon: x > 1}", "rules[0].conditon", "a key that iocmng reads"),
        ("{id: r, outputs: {o: 1}}", "rules[0].condition", "a condition"),
        ("nonsense", "rules[0]", "a map"),
        ("{id: r, condition: y > 1}", "rules[0].condition", "the name of an input"),
        ("{id: r, condition: x >}", "rules[0].condition", "an expression"),
        ("{id: r, condition: x > 1, outputs: {oo: 1}}", "rules[0].outputs.oo", "of an output"),
        ("{id: r, condition: x > 1, outputs: {s: 1}}", "rules[0].outputs.s", "s is an input"),
        (
            "{id: r, condition: x > 1, outputs: {o: much}}",
            "rules[0].outputs.o",
            "fits the type int",
        ),
        ("{id: r, condition: o > 1, outputs: {o: 1}}", "rules[0].condition", "no cycle"),
    ],
)
def test_a_rule_that_never_worked_is_a_problem(text, place, expected):
    found = problems(f"{RULES}rules: [{text}]")
    assert any(f"config.yaml: {place}" in each and expected in each for each in found), found


def test_two_transforms_of_one_output_are_a_problem():
    (found,) = problems(
        IO + "transforms: [{output: t, expression: x}, {output: t, expression: x + 1}]"
    )
    assert "transforms[1].output" in found


def test_a_time_limit_of_puts_is_that_of_linked_outputs():
    found = rules("{id: r, condition: x > 1, outputs: {w: 0}}", "parameters: {timeout: 3}")
    assert found["outputs"]["w"]["timeout"] == 3
