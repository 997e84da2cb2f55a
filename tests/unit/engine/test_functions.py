"""The functions of expressions: the same results as ever on the same data.

The expected numbers are by hand or by the standard library's statistics.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.engine.functions import BITS, FUNCTIONS, arity, power

DATA = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
KINDS = pytest.mark.parametrize("kind", [list, tuple, deque], ids=lambda k: k.__name__)


def call(name: str, *args: Any, **more: Any) -> Any:
    return FUNCTIONS[name](*args, **more)


@KINDS
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", 31 / 8),
        ("std", statistics.pstdev(DATA)),
        ("variance", statistics.pvariance(DATA)),
        ("median", 3.5),
        ("rms", math.sqrt(173 / 8)),
        ("min", 1.0),
        ("max", 9.0),
        ("length", 8),
        ("sum_of", 31.0),
        ("diff", [-2.0, 3.0, -3.0, 4.0, 4.0, -7.0, 4.0]),
        ("derivative", [-2.0, 3.0, -3.0, 4.0, 4.0, -7.0, 4.0]),
        ("last", 6.0),
        ("moving_avg", 31 / 8),
    ],
)
def test_functions_of_arrays_and_buffers(name: str, expected: Any, kind: Any) -> None:
    assert call(name, kind(DATA)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("abs", (-2.5,), 2.5),
        ("round", (2.567, 2), 2.57),
        ("round", (2.5,), 2),
        ("sqrt", (2.25,), 1.5),
        ("log", (math.e**2,), 2.0),
        ("log", (8, 2), 3.0),
        ("exp", (0,), 1.0),
        ("pow", (2, 10), 1024),
        ("pow", (2, -1), 0.5),
        ("pow", (2.0, 0.5), math.sqrt(2)),
        ("floor", (-2.5,), -3),
        ("ceil", (2.1,), 3),
        ("clamp", (5, 0, 3), 3),
        ("clamp", (-5, 0, 3), 0),
        ("clamp", (2, 0, 3), 2),
        ("min", (3, 1, 2), 1),
        ("max", (3, 1, 2), 3),
        ("any_of", (0, 0, 2), True),
        ("any_of", (0, 0), False),
        ("all_of", (1, 2), True),
        ("all_of", (1, 0), False),
        ("count_true", (1, 0, 2, False, True), 3),
        ("last", (DATA, 3), [9.0, 2.0, 6.0]),
        ("last", (DATA, 99), DATA),
        ("moving_avg", (DATA, 2), 4.0),
        ("moving_avg", (DATA, 99), 31 / 8),
        # a scalar counts as an array of one
        ("mean", (4,), 4.0),
        ("std", (4,), 0.0),
        ("variance", (4,), 0.0),
        ("median", (4,), 4),
        ("rms", (-4,), 4.0),
        ("length", (4,), 1),
        ("length", ("text",), 1),
        ("sum_of", (4,), 4),
        ("diff", (4,), []),
        ("last", (4,), 4),
        ("last", ("text",), "text"),
        ("moving_avg", (4,), 4.0),
        ("median", ([3, 1, 2],), 2),
    ],
)
def test_functions_of_values(name: str, args: tuple[Any, ...], expected: Any) -> None:
    result = call(name, *args)
    assert result == pytest.approx(expected) if isinstance(expected, float) else result == expected


@pytest.mark.parametrize(
    "name", ["mean", "std", "variance", "median", "rms", "min", "max", "last", "moving_avg"]
)
def test_an_empty_buffer_has_no_answer_rather_than_0(name: str) -> None:
    with pytest.raises(ValueError, match="no samples yet"):
        call(name, deque())


def test_an_empty_buffer_has_a_length_a_sum_and_no_differences() -> None:
    assert [call(n, deque()) for n in ("length", "sum_of", "diff")] == [0, 0, []]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("sqrt", (-1,)),
        ("log", (0,)),
        ("exp", (1000,)),
        ("pow", (9, 10**9)),
        ("pow", (-8.0, 0.5)),
        ("pow", ("a", 2)),
        ("pow", (0, -1)),
        ("round", (1.5, 301)),
        ("last", (DATA, 0)),
        ("last", (DATA, float("nan"))),
        ("last", (DATA, float("inf"))),
        ("moving_avg", (DATA, -1)),
    ],
)
def test_what_has_no_answer_raises(name: str, args: tuple[Any, ...]) -> None:
    with pytest.raises((ArithmeticError, ValueError, TypeError)):
        call(name, *args)


@given(st.integers(-(2**70), 2**70), st.integers(-(2**20), 2**70))
def test_a_power_is_right_or_refused_and_never_larger_than_a_doubles_range(
    base: int, exponent: int
) -> None:
    try:
        result = power(base, exponent)
    except (OverflowError, ZeroDivisionError):
        return
    assert isinstance(result, float) or abs(result).bit_length() <= BITS
    if 0 <= exponent <= 1024:
        assert result == base**exponent


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_statistics_agree_with_the_standard_library(values: list[float]) -> None:
    assert call("mean", values) == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert call("median", values) == pytest.approx(statistics.median(values))
    assert call("std", values) == pytest.approx(statistics.pstdev(values), abs=1e-3)


def test_the_catalogue_is_the_one_of_the_documentation() -> None:
    wanted = (
        "abs round sqrt log exp pow floor ceil clamp min max mean std variance median rms any_of "
        "all_of count_true length sum_of diff last moving_avg derivative"
    )
    assert list(FUNCTIONS) == wanted.split()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clamp", (3, 3, ("value", "low", "high"))),
        ("round", (1, 2, ("value", "ndigits"))),
        ("max", (1, None, ())),
        ("log", (1, 2, ())),
        ("abs", (1, 1, ())),
    ],
)
def test_the_arity_of_a_function_is_known(name: str, expected: Any) -> None:
    assert arity(FUNCTIONS[name], name) == expected


def test_the_arity_of_a_function_that_shows_none_is_open() -> None:
    assert arity(dict.fromkeys, "x")[0] >= 0
    assert arity(type, "x") == (0, None, ())
