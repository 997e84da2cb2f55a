"""What an expression may ask of an input besides its value; votes."""

from __future__ import annotations

import pytest

from ioc_runtime.testing.clock import START_NS
from unit.engine.bench import INVALID, MINOR, OK, Bench, computed, linked, transform


def test_severity_is_what_the_inputs_pv_shows_and_always_valid() -> None:
    bench = Bench(
        inputs={"x": linked(max_age=5.0, invalid_hold=1.0)},
        outputs={"t": computed()},
        transforms={"t": "x.severity"},
    )
    seen = [bench["t"]]
    for step in ("MINOR", "bad", "held out", "good", "stale", "held out", "alive", "gone"):
        if step == "MINOR":
            bench.feed(MINOR, x=1.0)
        elif step == "bad":
            bench.feed(INVALID, x=1.0)
        elif step == "held out":
            bench.after(1.0)
        elif step == "good":
            bench.feed(x=1.0)
        elif step == "stale":
            bench.after(5.0)
        elif step == "alive":
            bench.alive("x")
        else:
            bench.drop("x")
            bench.after(1.0)
        assert bench["t"] == (float(bench["x"][1]), OK), step
        seen.append(bench["t"])
    assert [int(value) for value, _ in seen] == [3, 1, 1, 3, 0, 1, 3, 0, 3]


def test_connected_is_always_valid() -> None:
    bench = transform("x.connected")
    seen = [bench["t"]]
    bench.feed(INVALID, x=0.0)
    seen.append(bench["t"])
    bench.drop("x")
    seen.append(bench["t"])
    assert seen == [(0.0, OK), (1.0, OK), (0.0, OK)]


@pytest.mark.parametrize("name", ["previous", "timestamp"])
def test_previous_and_timestamp_are_invalid_with_their_input(name: str) -> None:
    bench = transform(f"x.{name}", x=linked(max_age=5.0))
    bench.feed(x=1.0)
    bench.feed(x=2.0)
    assert bench["t"] == ({"previous": 1.0, "timestamp": START_NS / 1e9}[name], OK)
    bench.after(5.0)
    assert bench["t"][1] == INVALID
    bench.alive("x")
    assert bench["t"] == ({"previous": 1.0, "timestamp": START_NS / 1e9}[name], OK)
    bench.drop("x")
    assert bench["t"][1] == INVALID
    bench.feed(INVALID, x=7.0)
    assert bench["t"][1] == INVALID
    bench.feed(x=3.0)
    assert bench["t"][1] == OK


def test_isnan_reads_the_raw_sample() -> None:
    bench = transform("isnan(x)", x=linked(max_age=5.0))
    assert bench["t"][1] == INVALID
    bench.feed(x=1.0)
    assert bench["t"] == (0.0, OK)
    bench.feed(INVALID, x=float("nan"))
    assert bench["t"] == (1.0, OK)
    bench.after(5.0)
    assert bench["t"][1] == INVALID, "a stale sample tells nothing"
    bench.alive("x")
    assert bench["t"] == (1.0, OK)
    bench.feed(INVALID, x=None)
    assert bench["t"][1] == INVALID
    bench.feed(x=1.0)
    bench.drop("x")
    assert bench["t"][1] == INVALID


@pytest.mark.parametrize(
    ("good", "expected"),
    [
        ({}, None),
        ({"a": 9.0}, None),
        ({"a": 9.0, "b": 9.0}, 1.0),
        ({"a": 1.0, "b": 1.0}, 0.0),
        ({"a": 9.0, "b": 1.0}, None),
        ({"a": 9.0, "b": 1.0, "c": 9.0}, 1.0),
        ({"a": 1.0, "b": 9.0, "c": 1.0}, 0.0),
    ],
)
def test_votes_are_certain_where_what_is_not_known_cannot_change_them(
    good: dict[str, float], expected: float | None
) -> None:
    bench = transform(
        "votes(2, a > 5, b > 5, c > 5)", **{name: linked() for name in ("a", "b", "c")}
    )
    bench.feed(**good)
    assert bench["t"] == ((None, INVALID) if expected is None else (expected, OK))


def test_a_vote_within_a_vote_may_be_open() -> None:
    bench = transform("votes(1, votes(2, a, a), b)", a=linked(), b=linked())
    bench.feed(b=1.0)
    assert bench["t"] == (1.0, OK)
