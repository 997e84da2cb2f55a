"""maxAge and invalidHold: when an input counts no more, and for how long it is held."""

from __future__ import annotations

import pytest

from unit.engine.bench import INVALID, MINOR, OK, Bench, driven, linked

# --- maxAge


def stale() -> Bench:
    return Bench(
        inputs={"x": linked(max_age=5.0)},
        outputs={"o": driven("bool")},
        rules=[("r", "x > 5", {"o": 1})],
    )


def test_an_input_without_a_sign_of_life_for_max_age_is_invalid() -> None:
    bench = stale()
    bench.feed(x=9.0)
    bench.after(4.99)
    assert bench["x"] == (9.0, OK)
    bench.after(0.01)
    assert (bench["x"], bench["o"]) == ((9.0, INVALID), (1, INVALID))
    assert bench.records["x"].status == 10
    assert bench.records["x"].ns == bench.clock.wall


def test_a_steady_healthy_pv_is_never_stale() -> None:
    bench = stale()
    bench.feed(x=9.0)
    for _ in range(10):
        bench.after(2.5)
        bench.alive("x")
    assert bench["x"] == (9.0, OK)
    assert bench.records["x"].posts == 1


def test_a_stale_input_is_good_again_with_the_next_sign_of_life() -> None:
    bench = stale()
    bench.feed(MINOR, status=4, x=9.0)
    bench.after(6.0)
    bench.alive("x")
    assert (bench["x"], bench["o"]) == ((9.0, MINOR), (1, OK))
    assert bench.records["x"].status == 4
    bench.after(5.0)
    assert bench["x"][1] == INVALID
    bench.feed(x=9.0)
    assert bench["x"] == (9.0, OK)
    bench.after(5.0)
    assert bench["x"][1] == INVALID


def test_a_sign_of_life_does_not_make_a_bad_sample_good() -> None:
    bench = stale()
    bench.feed(INVALID, x=9.0)
    bench.after(6.0)
    bench.alive("x")
    assert bench["x"][1] == INVALID


def test_a_disconnected_input_gets_no_older() -> None:
    bench = stale()
    bench.feed(x=9.0)
    bench.drop("x")
    bench.after(10.0)
    assert bench.records["x"].status == 14
    bench.feed(x=9.0)
    assert bench["x"] == (9.0, OK)


# --- invalidHold


def holding(**more: object) -> Bench:
    return Bench(
        inputs={"x": linked(invalid_hold=2.0, **more)},
        outputs={"o": driven("bool"), "c": driven("bool")},
        rules=[("r", "x > 5", {"o": 1}), ("s", "x.connected", {"c": 1})],
    )


@pytest.mark.parametrize("how", ["INVALID", "disconnected", "NaN"])
def test_an_invalid_input_keeps_its_last_good_value_for_invalid_hold(how: str) -> None:
    bench = holding()
    bench.feed(x=9.0)
    if how == "disconnected":
        bench.drop("x")
    else:
        bench.feed(INVALID if how == "INVALID" else OK, x=1.0 if how == "INVALID" else float("nan"))
    assert bench["x"] == (9.0, MINOR)
    assert bench["o"] == (1, OK)
    bench.after(1.99)
    assert bench["o"] == (1, OK)
    bench.after(0.01)
    assert (bench["x"][1], bench["o"]) == (INVALID, (1, INVALID))
    assert bench.records["x"].ns == bench.clock.wall


def test_a_good_sample_ends_the_hold() -> None:
    bench = holding()
    bench.feed(x=9.0)
    bench.drop("x")
    bench.feed(x=8.0)
    bench.after(10.0)
    assert (bench["x"], bench["o"]) == ((8.0, OK), (1, OK))


def test_a_held_input_that_reconnects_with_the_same_value_is_connected_again() -> None:
    bench = holding()
    bench.feed(x=9.0)
    bench.drop("x")
    assert bench["c"] == (0, OK)
    bench.feed(x=9.0)
    assert bench["c"] == (1, OK)


def test_a_stale_input_is_held_and_a_sample_ends_that() -> None:
    bench = holding(max_age=5.0)
    bench.feed(x=9.0)
    bench.after(5.0)
    assert bench["x"] == (9.0, MINOR)
    bench.feed(x=9.0)
    bench.after(4.0)
    assert bench["x"] == (9.0, OK)
    bench.after(1.0)
    bench.after(2.0)
    assert bench["x"][1] == INVALID


def test_further_bad_samples_do_not_prolong_the_hold() -> None:
    bench = holding()
    bench.feed(x=9.0)
    for _ in range(4):
        bench.feed(INVALID, x=1.0)
        bench.after(0.5)
    assert bench["x"][1] == INVALID


def test_an_input_that_was_never_good_has_nothing_to_hold() -> None:
    bench = holding()
    bench.feed(INVALID, x=9.0)
    assert bench["x"][1] == INVALID
