"""onInvalid drive, and what a link is told."""

from __future__ import annotations

from unit.engine.bench import INVALID, LINK, OK, Bench, computed, driven, guard, linked

# --- onInvalid: drive


def test_drive_writes_safe_value_while_the_result_is_uncertain() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.feed(g1=1.0, g2=1.0)
    bench.after(6)
    bench.drop("g1")
    assert bench["valve"] == (0, INVALID)
    bench.feed(g1=1.0)
    assert bench["valve"] == (1, OK)
    assert bench.writes("valve") == [1, 0, 1]


def test_drive_waits_for_five_seconds_after_the_start() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.after(4.9)
    assert bench.writes("valve") == []
    assert bench["valve"] == (None, INVALID)
    bench.after(0.1)
    assert bench.writes("valve") == [0]
    assert bench["valve"] == (0, INVALID)


def test_drive_is_not_needed_when_the_result_is_certain_in_time() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.feed(g1=1.0, g2=1.0)
    bench.after(10)
    assert bench.writes("valve") == [1]


def test_a_driven_safe_value_is_told_again_to_a_link_that_reconnects() -> None:
    bench = guard(on_invalid="drive", safe_value=0)
    bench.after(6)
    bench.link_up("valve")
    assert bench.writes("valve") == [0, 0]


def test_a_driven_safe_value_is_no_result_that_could_turn_valid() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=None, on_invalid="drive", safe_value=2)},
        rules=[("r", "x > 5", {"o": 2})],
    )
    bench.after(6)
    assert bench["o"] == (2, INVALID)
    bench.full_pass()
    assert bench["o"] == (2, INVALID)


def test_a_transform_can_drive_a_safe_value_too() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": computed(on_invalid="drive", safe_value=-1.0, link=LINK)},
        transforms={"o": "2 * x"},
    )
    bench.feed(x=3.0)
    bench.after(6)
    bench.drop("x")
    assert bench["o"] == (-1.0, INVALID)
    assert bench.writes("o") == [6.0, -1.0]


# --- links


def test_a_link_that_reconnects_is_told_the_present_value() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    bench.link_up("valve")
    assert bench.writes("valve") == [1, 1]


def test_a_link_that_reconnects_while_the_output_is_invalid_is_told_nothing_yet() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    bench.drop("g1")
    bench.link_up("valve")
    assert bench.writes("valve") == [1]
    bench.feed(g1=1.0)
    assert bench.writes("valve") == [1, 1], "its target may have restarted meanwhile"


def test_a_link_that_reconnects_during_a_pause_is_told_when_it_ends() -> None:
    bench = guard()
    bench.feed(g1=1.0, g2=1.0)
    bench.enable(False)
    bench.link_up("valve")
    assert bench.writes("valve") == [1]
    bench.enable(True)
    assert bench.writes("valve") == [1, 1]
