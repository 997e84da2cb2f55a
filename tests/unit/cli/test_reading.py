"""What `iocctl pv` makes of a value: text for people, JSON for programs."""

from __future__ import annotations

import json
import math

import pytest

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.reading import (
    Address,
    Reading,
    number,
    parse_address,
    sensible_time,
    state_index,
)

HERE = Address("ca", "BL01:X", "BL01:X")


@pytest.mark.parametrize(
    ("text", "protocol", "name"),
    [
        ("BL01:X", "pva", "BL01:X"),
        ("ca://BL01:X", "ca", "BL01:X"),
        ("pva://BL01:X.VAL", "pva", "BL01:X.VAL"),
    ],
)
def test_a_scheme_wins_over_the_default_protocol(text: str, protocol: str, name: str):
    address = parse_address(text, "pva")
    assert (address.protocol, address.name, address.given) == (protocol, name, text)


@pytest.mark.parametrize("text", ["http://BL01:X", "", "ca://", "two words", "://X"])
def test_what_names_no_pv_is_a_usage_error_that_quotes_it(text: str):
    with pytest.raises(Failure, match="expected") as caught:
        parse_address(text, "ca")
    assert caught.value.code == Exit.USAGE


def test_a_state_is_shown_with_its_name_and_its_index():
    reading = Reading(HERE, 1, ("Off", "Auto"), "NO_ALARM", "NO_ALARM")
    assert reading.text() == "Auto (1)"
    assert json.loads(reading.as_json())["text"] == "Auto"


def test_an_index_without_a_name_is_shown_all_the_same():
    reading = Reading(HERE, 7, ("Off", "Auto"), "INVALID", "STATE")
    assert reading.text() == "? (7)"
    assert json.loads(reading.as_json())["text"] is None


def test_a_long_array_is_cut_for_people_and_whole_for_programs():
    reading = Reading(HERE, list(range(100)))
    assert reading.text(3) == "[0, 1, 2, … 97 more]"
    assert reading.text(0).endswith("98, 99]")
    assert json.loads(reading.as_json())["value"] == list(range(100))


def test_what_is_no_number_stays_valid_json():
    reading = Reading(HERE, [math.nan, math.inf, -math.inf, 1.5])

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found = json.loads(reading.as_json(), parse_constant=refuse)
    assert found["value"] == ["NaN", "Infinity", "-Infinity", 1.5]


def test_a_text_cannot_steer_the_terminal():
    reading = Reading(HERE, "\x1b[2Jgone\n")
    assert reading.text() == "\\x1b[2Jgone\\n"


def test_bytes_become_the_text_they_hold():
    assert Reading(HERE, [104, 105, 0, 120]).as_string().value == "hi"
    assert Reading(HERE, [-61, -87]).as_string().value == "é"
    assert Reading(HERE, [1.5]).as_string().value == [1.5]


def test_the_time_is_given_in_utc_and_missing_where_nobody_set_it():
    assert sensible_time(631152000.0) is None
    assert sensible_time(0.0) is None
    reading = Reading(HERE, 1, time=sensible_time(1_700_000_000.25))
    assert json.loads(reading.as_json())["time"] == "2023-11-14T22:13:20.250000Z"
    assert Reading(HERE, 1).when() == "no time"
    assert json.loads(Reading(HERE, 1).as_json())["time"] is None


def test_an_error_takes_the_place_of_the_value():
    found = json.loads(Reading(HERE, error="no answer").as_json())
    assert found == {"name": "BL01:X", "protocol": "ca", "error": "no answer"}


def test_numbers_are_read_as_people_write_them():
    assert number(int, "0x1f") == 31
    assert number(float, "1e-6") == 1e-6
    with pytest.raises(ValueError, match="expected a whole number, got '1.5'"):
        number(int, "1.5")


def test_a_state_is_found_by_name_or_index_and_nothing_else():
    states = ("Off", "Auto", "Manual")
    assert state_index("Auto", states) == 1
    assert state_index("2", states) == 2
    for word in ("3", "auto", "-1", ""):
        with pytest.raises(ValueError, match="expected one of Off, Auto, Manual"):
            state_index(word, states)
