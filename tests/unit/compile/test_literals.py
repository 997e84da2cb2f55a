"""Strict values: what passes is what the engine would hold."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.compile.literals import literal, looks_like_number
from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.plan import Signal

SIGNALS = [
    Signal("f", "float"),
    Signal("i", "int"),
    Signal("b", "bool"),
    Signal("bs", "bool", states=("OK", "HIGH")),
    Signal("e", "enum", states=("Off", "Auto", "Manual")),
    Signal("s", "string"),
    Signal("fa", "float", length=3),
    Signal("ia", "int", length=3),
    Signal("ea", "enum", length=3, states=("Off", "Auto")),
    Signal("sa", "string", length=3),
]
ONE = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.sampled_from(["Off", "Auto", "OK", "HIGH", "1", "true", ""])
    | st.text(max_size=300)
)
VALUES = ONE | st.lists(ONE, max_size=4) | st.dictionaries(st.text(max_size=2), ONE, max_size=1)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda s: s.name)
@given(value=VALUES)
def test_a_literal_that_passes_is_what_a_sample_would_become(signal: Signal, value: Any):
    try:
        found = literal(signal, value)
    except BadValue as error:
        assert str(error)
        assert not str(error).startswith("expected")
    else:
        assert found == coerce(signal, value)
        assert coerce(signal, found) == found
        for item in found if isinstance(found, list) else [found]:
            assert not isinstance(item, float) or math.isfinite(item)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", 2.7), ("int", True), ("int", "2"), ("float", False), ("float", "2.5"), ("string", 2)],
)
def test_a_literal_of_another_type_is_refused_where_a_sample_is_converted(kind: Any, value: Any):
    signal = Signal("x", kind)
    coerce(signal, value)
    with pytest.raises(BadValue):
        literal(signal, value)


@pytest.mark.parametrize(
    "text", ["1", "-2.5", "1e5", "0x1F", "NaN", "inf", "1_0", " 3 ", "+1", "0b1"]
)
def test_numbers_are_recognised_in_the_names_of_states(text: str):
    assert looks_like_number(text)


@pytest.mark.parametrize("text", ["Off", "e5", "1st", "A1", "Step 2", "-", ""])
def test_words_are_no_numbers(text: str):
    assert not looks_like_number(text)


def test_an_element_of_an_array_of_texts_that_is_too_long_is_said_in_plain_words():
    with pytest.raises(BadValue, match=r"^at most 39 bytes of UTF-8, got 40$"):
        literal(Signal("sa", "string", length=3), ["x" * 40])
