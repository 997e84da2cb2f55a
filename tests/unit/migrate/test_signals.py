"""Inputs and outputs of a config of iocmng."""

from __future__ import annotations

import pytest

from unit.migrate.support import CODE, notes, problems, spec


def one(group: str, text: str, **more: str) -> dict:
    extra = "".join(f"{key}: {value}\n" for key, value in more.items())
    return spec(f"arguments: {{{group}: {{a: {text}}}}}\n{extra}", CODE)[group]["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {"type": "float", "value": 0.0}),
        ("{type: float, value: '2.5'}", {"type": "float", "value": 2.5}),
        ("{type: INT, value: 7.9}", {"type": "int", "value": 7}),
        ("{type: string}", {"type": "string", "value": "0"}),
        ("{type: bool, value: true}", {"type": "bool", "states": ["Off", "On"], "value": 1}),
        (
            "{type: float, unit: V, prec: 2, low: 0, high: 50}",
            {
                "type": "float",
                "value": 0.0,
                "unit": "V",
                "precision": 2,
                "display": {"low": 0, "high": 50},
            },
        ),
        ("{buffer_size: 5}", {"type": "float", "value": 0.0, "buffer": 5}),
        ("{buffer_size: -1}", {"type": "float", "value": 0.0}),
    ],
)
def test_an_input_without_link_is_a_set_point(text, expected):
    assert one("inputs", text) == expected


@pytest.mark.parametrize(
    ("text", "poll"),
    [
        ("{link: X}", 0.5),
        ("{link: X, link_mode: monitor}", None),
        ("{link: X, mode: Monitor}", None),
        ("{link: X, poll_rate: 2}", 2),
        ("{link: X, poll_rate: 0.1}", 0.5),
    ],
)
def test_a_linked_input_is_read_as_often_as_by_iocmng(text, poll):
    made = one("inputs", text, parameters="{interval: 0.5}")
    assert made == {"type": "float", "link": "X"} | ({} if poll is None else {"poll": poll})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{type: bool, znam: OK, onam: BAD, alarm_on: MAJOR}",
            {"type": "bool", "states": ["OK", "BAD"], "severity": {"BAD": "MAJOR"}},
        ),
        (
            "{type: float, high: 5, alarm_on: minor}",
            {
                "type": "float",
                "display": {"low": 0, "high": 5},
                "alarms": {"high": 5, "highSeverity": "MINOR"},
            },
        ),
        (
            "{type: int, alarm_on: MAJOR}",
            {"type": "int", "alarms": {"high": 100, "highSeverity": "MAJOR"}},
        ),
        ("{type: int, latch: true}", {"type": "int", "latch": "rise"}),
        ("{type: int, latch: 1, latch_dir: '1->0'}", {"type": "int", "latch": "fall"}),
    ],
)
def test_what_an_output_says_of_itself(text, expected):
    assert one("outputs", text) == expected


def test_the_older_pvs_are_read_and_arguments_replace_them():
    found = spec(
        "pvs: {inputs: {a: {value: 1}, b: {value: 2}}}\narguments: {inputs: {a: {value: 3}}}"
    )
    assert {name: made["value"] for name, made in found["inputs"].items()} == {"a": 3.0, "b": 2.0}


def test_names_of_the_control_pvs_are_left_out_as_by_iocmng_but_with_a_word():
    config = "arguments: {outputs: {STATUS: {type: int}, SYS_CONN: {type: string}}}"
    assert "outputs" not in spec(config)
    assert notes(config).count("is a PV of every task") == 2


def test_names_of_states_that_cannot_be_are_left_out_with_a_word():
    config = "arguments: {inputs: {a: {type: bool, znam: '0', onam: '1'}}}"
    assert "states" not in spec(config)["inputs"]["a"]
    assert "names have to differ and be no numbers" in notes(config)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("{type: flaot}", "type", "float, int, string or bool (did you mean float?)"),
        ("{type: float, value: high}", "value", "a value that fits the type float"),
        ("{type: bool, value: 2}", "value", "0 or 1"),
        ("{type: float, valeu: 2}", "valeu", "a key that iocmng reads (did you mean value?)"),
        ("{type: float, link: X, link_mode: subscribe}", "link_mode", "poll or monitor"),
        ("{type: float, link: X, poll_rate: fast}", "poll_rate", "a number of at least 0"),
        ("{type: float, link: X, trigger: 'false'}", "trigger", "true or false"),
        ("{type: float, link: [X]}", "link", "the name of a PV"),
        ("{type: float, alarm_on: HIGH}", "alarm_on", "MAJOR or MINOR"),
        ("12", "", "a map with the type of the PV"),
        ("{type: float, unit: a unit that is far too long}", "unit", "at most 15 char"),
        ("{type: float, prec: 99}", "prec", "at most 15"),
    ],
)
def test_a_word_that_iocmng_takes_for_another_is_a_problem(text, place, expected):
    (found,) = problems(f"arguments: {{inputs: {{a: {text}}}}}")
    assert found.startswith(f"config.yaml: arguments.inputs.a{'.' * bool(place)}{place}: ")
    assert expected in found


@pytest.mark.parametrize(
    "text", ["{type: int, latch: 'false'}", "{type: int, latch: true, latch_dir: up}"]
)
def test_a_latch_is_true_or_false_and_has_a_direction(text):
    assert len(problems(f"arguments: {{outputs: {{a: {text}}}}}", CODE)) == 1


def test_a_name_that_cannot_be_is_told_by_its_place_in_the_config():
    (found,) = problems("arguments: {inputs: {'MOTOR:X': {}}}")
    assert "arguments.inputs" in found and "a name of letters, digits and _" in found
    (found,) = problems("arguments: {inputs: {HEARTBEAT: {}}}")
    assert "arguments.inputs.HEARTBEAT: " in found and "standard PV" in found


def test_a_key_that_means_nothing_to_iocmng_either_is_left_out_with_a_word():
    assert "colour: left out" in notes("arguments: {inputs: {a: {colour: red}}}")


def test_all_problems_are_told_at_once():
    assert len(problems("arguments: {inputs: {a: {type: x}, b: {value: y}, c: 3}}")) == 3
