"""Values: what each type accepts, and how a foreign value maps to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.engine.values import BadValue, coerce, expectation, show
from ioc_runtime.plan import Signal

FLOAT, INT, STRING = Signal("f", "float"), Signal("i", "int"), Signal("s", "string")
BOOL, DOOR = Signal("b", "bool"), Signal("d", "bool", states=("OPEN", "SHUT"))
MODE = Signal("m", "enum", states=("Off", "Auto", "Manual"))
ARRAY, TEXTS = Signal("a", "float", length=3), Signal("t", "string", length=2)
MODES = Signal("e", "enum", length=2, states=("Off", "Auto"))


@pytest.mark.parametrize(
    ("signal", "value", "expected"),
    [
        (FLOAT, 1, 1.0),
        (FLOAT, True, 1.0),
        (FLOAT, " 1e-5 ", 1e-5),
        (FLOAT, [2], 2.0),
        (INT, 2.9, 2),
        (INT, -2.9, -2),
        (INT, "12", 12),
        (INT, 2**31 - 1, 2**31 - 1),
        (BOOL, 1, 1),
        (BOOL, 0.0, 0),
        (BOOL, "true", 1),
        (BOOL, "False", 0),
        (DOOR, "SHUT", 1),
        (DOOR, True, 1),
        (MODE, "Auto", 1),
        (MODE, 2, 2),
        (MODE, 2.0, 2),
        (MODE, "2", 2),
        (STRING, "ε", "ε"),
        (STRING, 1.5, "1.5"),
        (STRING, b"abc", "abc"),
        (ARRAY, [1, 2], [1.0, 2.0]),
        (ARRAY, (1,), [1.0]),
        (ARRAY, 5, [5.0]),
        (ARRAY, [], []),
        (TEXTS, ["a", "b"], ["a", "b"]),
        (MODES, ["Auto", 0], [1, 0]),
    ],
)
def test_a_value_becomes_what_its_signal_holds(signal: Signal, value: Any, expected: Any) -> None:
    result = coerce(signal, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("signal", "value"),
    [
        (FLOAT, "abc"),
        (FLOAT, None),
        (FLOAT, [1, 2]),
        (FLOAT, "1" * 65),
        (INT, 2**31),
        (INT, -(2**31) - 1),
        (INT, 2**40),
        (INT, float("nan")),
        (INT, float("inf")),
        (INT, "1.5"),
        (BOOL, 2),
        (BOOL, "yes"),
        (DOOR, "AJAR"),
        (MODE, "auto"),
        (MODE, 3),
        (MODE, -1),
        (MODE, 1.5),
        (MODE, True),
        (MODE, "99999999999999"),
        (STRING, "x" * 256),
        (STRING, "ε" * 128),
        (STRING, "a\0b"),
        (STRING, "\ud800"),
        (STRING, None),
        (STRING, object()),
        (ARRAY, [1, 2, 3, 4]),
        (ARRAY, "abc"),
        (ARRAY, [1, None]),
        (TEXTS, ["x" * 40]),
        (MODES, ["Manual"]),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(signal: Signal, value: Any) -> None:
    with pytest.raises(BadValue, match="expected"):
        coerce(signal, value)


@pytest.mark.parametrize("signal", [FLOAT, INT, BOOL, MODE, STRING], ids=lambda s: s.type)
def test_an_integer_of_thousands_of_digits_is_refused_by_every_type(signal: Signal) -> None:
    with pytest.raises(BadValue):
        coerce(signal, 10**5000)


@pytest.mark.parametrize(
    ("signal", "value", "names", "expected"),
    [
        (MODE, 0, ("Auto", "Off"), 1),
        (MODE, 1, ("Auto", "Off"), 0),
        (MODE, 1, (), 1),
        (MODE, 1, ("", ""), 1),
        (DOOR, 0, ("SHUT", "OPEN"), 1),
        (DOOR, 1, ("No", "Yes"), 1),
        (BOOL, 1, ("Low", "High"), 1),
        (STRING, 1, ("Low", "High"), "High"),
        (INT, 1, ("Low", "High"), 1),
    ],
)
def test_a_source_maps_by_name_where_it_has_names_else_by_index(
    signal: Signal, value: int, names: tuple[str, ...], expected: Any
) -> None:
    assert coerce(signal, value, names) == expected


@pytest.mark.parametrize("value", [1, 2, 7])
def test_a_name_of_the_source_that_is_none_of_ours_does_not_fit(value: int) -> None:
    with pytest.raises(BadValue):
        coerce(MODE, value, ("Off", "Standby"))


@given(
    st.sampled_from([FLOAT, INT, BOOL, DOOR, MODE, STRING, ARRAY, TEXTS, MODES]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=5,
    ),
)
def test_anything_either_fits_for_good_or_is_refused(signal: Signal, value: Any) -> None:
    try:
        once = coerce(signal, value)
    except BadValue as error:
        assert str(error).startswith("expected ")
        return
    assert repr(coerce(signal, once)) == repr(once)


def test_expectations_are_phrases() -> None:
    assert expectation(MODE) == "one of Off, Auto, Manual (0 to 2)"
    assert expectation(ARRAY) == "a list of at most 3, each a number"
    assert expectation(BOOL) == "0, 1, true, false or a state's name"


@pytest.mark.parametrize(
    ("signal", "value", "shown"),
    [
        (FLOAT, 1.23456, "1.235"),
        (FLOAT, 1.5e-9, "1.500e-09"),
        (FLOAT, 2e7, "2.000e+07"),
        (FLOAT, 0.0, "0.000"),
        (FLOAT, None, "-"),
        (MODE, 1, "Auto"),
        (MODE, 9, "9"),
        (STRING, "x", "x"),
        (ARRAY, [1.0, 2.0], "[1.000, 2.000]"),
        (Signal("l", "int", length=9), [1, 2, 3, 4, 5], "[1, 2, 3, 4, …]"),
    ],
)
def test_a_value_is_shown_as_a_person_reads_it(signal: Signal, value: Any, shown: str) -> None:
    assert show(signal, value) == shown


def test_an_enum_link_and_a_bool_by_name_in_an_expression() -> None:
    from unit.engine.bench import OK, Bench, driven, linked

    bench = Bench(
        inputs={"m": linked("enum", states=("Off", "Auto", "Manual"))},
        outputs={"o": driven("enum", default=0, states=("Idle", "Busy"))},
        rules=[("r", "m >= 'Auto'", {"o": 1})],
    )
    bench.feed(m=2)
    assert bench["o"] == (1, OK)
