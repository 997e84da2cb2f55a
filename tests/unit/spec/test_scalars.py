"""Plain scalars by kubectl's rules: the table was taken from kubectl 1.32 itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.spec.scalars import disagreement, resolve

AS_KUBECTL_READS = {
    "y": True,
    "n": False,
    "Y": True,
    "on": True,
    "Off": False,
    "yes": True,
    "NO": False,
    "true": True,
    "True": True,
    "oN": "oN",
    "~": None,
    "null": None,
    "": None,
    "1e-5": 1e-5,
    "1:30": "1:30",
    "010": 8,
    "0o10": 8,
    "0x1F": 31,
    "1_000": 1000,
    "+1": 1,
    ".5": 0.5,
    "5.": 5,
    "1e5": 100_000,
    "-0": 0,
    "0b101": 5,
    "08": 8,
    "0_8": 8,
    "99999999999999999999": 1e20,
    "9223372036854775807": 2**63 - 1,
    "9223372036854775808": 2.0**63,
    "1e400": "1e400",
    "-0x10": -16,
    "1__0": 10,
    "2020-01-01": "2020-01-01",
    "1_0.5": 10.5,
    "0x1p4": "0x1p4",
    "+.5": 0.5,
    "1.0e-6": 1e-6,
    "-.5e3": -500,
    "-": "-",
    "+12e03": 12_000,
    "1e": "1e",
    "e5": "e5",
    "0B1": 1,
    "0X1f": 31,
    "0O7": 7,
    "=": "=",
    "190:20:30": "190:20:30",
    "012.5": 12.5,
    "1.e3": 1000,
    ".inf": math.inf,
    "-.Inf": -math.inf,
    "nan": "nan",
    "_1": "_1",
    ".": ".",
}


@pytest.mark.parametrize(("text", "value"), AS_KUBECTL_READS.items())
def test_a_plain_scalar_is_what_kubectl_makes_of_it(text: str, value: object):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_not_a_number_is_read_as_one():
    assert math.isnan(resolve(".nan"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Off", "kubectl reads a boolean, others a text"),
        ("y", "kubectl reads a boolean, others a text"),
        ("1e-5", "kubectl reads a number, others a text"),
        ("1:30", "kubectl reads a text, others a number to the base of 60"),
        ("010", "kubectl reads 8, others 10"),
        ("0o10", "kubectl reads a number, others a text"),
        ("1_000", "kubectl reads a number, others a text"),
        ("2020-01-01", "kubectl reads a text, others a date"),
        ("1e400", "kubectl reads a text, others a number"),
    ],
)
def test_readers_that_disagree_are_told_apart(text: str, words: str):
    assert disagreement(text, resolve(text)) == words


@pytest.mark.parametrize("text", ["1", "-2.5", "1.0e-6", "true", "text", "0x1F", "Auto", "", "0"])
def test_nothing_is_said_where_all_readers_agree(text: str):
    assert disagreement(text, resolve(text)) is None


@given(st.text(max_size=40))
def test_any_text_is_read_as_something_json_has_or_as_infinity(text: str):
    value = resolve(text)
    assert value is None or isinstance(value, str | bool | int | float)
    if isinstance(value, int) and not isinstance(value, bool):
        assert -(2**63) <= value < 2**63


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_of_64_bits_is_itself(number: int):
    assert resolve(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_python_writes_it_is_itself(number: float):
    assert resolve(repr(number)) == number
