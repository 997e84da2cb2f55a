"""Latches: what engages them, what releases them, what outlives the process."""

from __future__ import annotations

from typing import Any

import pytest

from ioc_runtime.engine.engine import Restored
from unit.engine.bench import INVALID, LINK, OK, Bench, computed, driven, linked, plugins


def interlock(latch: str = "rise", default: Any = 0, value: Any = 1, **more: Any) -> Bench:
    return Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", default=default, latch=latch, link=LINK)},
        rules=[("trip", "x > 5", {"o": value})],
        **more,
    )


@pytest.mark.parametrize(
    ("latch", "default", "value"), [("rise", 0, 1), ("fall", 1, 0), ("any", 0, 1), ("any", 1, 0)]
)
def test_a_latch_engages_on_its_transition_and_holds(latch: str, default: int, value: int) -> None:
    bench = interlock(latch, default, value)
    bench.feed(x=1.0)
    assert bench["o"] == (default, OK)
    bench.feed(x=9.0)
    assert bench.latched() == [("o", value, "trip")]
    bench.feed(x=1.0)
    assert bench["o"] == (value, OK)
    assert bench.rule("trip") == "LATCHED"
    assert bench.engine.latched() == {"o": (value, "trip")}


@pytest.mark.parametrize(("latch", "default", "value"), [("rise", 1, 0), ("fall", 0, 1)])
def test_a_latch_does_not_engage_on_the_other_transition(
    latch: str, default: int, value: int
) -> None:
    bench = interlock(latch, default, value)
    bench.feed(x=9.0)  # the first result is not active for this direction
    bench.clear()
    bench.effects = []
    assert bench.engine.latched() == {}
    assert bench["o"] == (value, OK)


@pytest.mark.parametrize(
    ("latch", "default", "value"), [("rise", 0, 1), ("fall", 1, 0), ("any", 0, 1)]
)
def test_a_first_result_that_is_already_active_engages(
    latch: str, default: int, value: int
) -> None:
    bench = interlock(latch, default, value)
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    assert bench["o"] == (value, OK)


def test_a_latch_cannot_be_overwritten_by_another_rule() -> None:
    """A9."""
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("bool", latch="rise")},
        rules=[("a", "x > 5", {"o": 1}), ("b", "y > 5", {"o": 0})],
    )
    bench.feed(x=9.0, y=1.0)
    bench.feed(y=9.0)
    assert bench["o"] == (1, OK)


@pytest.mark.parametrize("owner", ["transform", "plugin"])
def test_a_transform_and_a_plugin_can_latch_too(owner: str) -> None:
    """A9: there it had no effect on transforms."""
    if owner == "transform":
        bench = Bench(
            inputs={"x": linked()},
            outputs={"o": computed("bool", latch="rise")},
            transforms={"o": "x > 5"},
        )

        def give(value: int) -> None:
            bench.feed(x=9.0 if value else 1.0)

    else:
        bench = Bench(outputs={"o": plugins("bool", latch="rise")})

        def give(value: int) -> None:
            bench.write(o=value)

    give(0)
    give(1)
    give(0)
    assert bench["o"] == (1, OK)
    bench.clear()
    assert bench["o"] == (0, OK)


# --- CLEAR


def test_clear_releases_where_the_cause_is_gone() -> None:
    bench = interlock()
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    bench.clear()
    assert bench["o"] == (0, OK)
    assert bench.messages() == ["cleared o"]
    assert bench.latched()[-1] == ("o", None, "")
    assert bench.rule("trip") == "OK"
    assert bench.writes("o") == [1, 0]


def test_clear_leaves_a_latch_whose_cause_persists_and_says_why() -> None:
    """A5 and A9: there a CLEAR during a trip showed the safe value, or ended the latch."""
    bench = interlock()
    bench.feed(x=9.0)
    bench.clear()
    assert bench["o"] == (1, OK)
    assert bench.messages() == ["o stays latched: rule trip is active"]
    bench.feed(x=1.0)
    assert bench["o"] == (1, OK), "CLEAR acts once: it is not kept for later"
    assert bench.writes("o") == [1]


def test_clear_leaves_a_latch_whose_result_is_not_known() -> None:
    bench = interlock()
    bench.feed(x=9.0)
    bench.drop("x")
    assert bench["o"] == (1, OK), "what is latched is known"
    bench.clear()
    assert bench["o"] == (1, OK)
    assert bench.messages() == ["o stays latched: its result is not known"]


def test_clear_while_paused_says_so() -> None:
    bench = interlock()
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    bench.enable(False)
    bench.clear()
    assert bench.messages() == ["o stays latched: the task is paused"]
    bench.enable(True)
    assert bench["o"] == (1, OK)


def test_a_released_latch_engages_again_on_the_next_transition() -> None:
    bench = interlock()
    for _ in range(3):
        bench.feed(x=9.0)
        bench.feed(x=1.0)
        bench.clear()
        assert bench["o"] == (0, OK)
    assert [value for _, value, _ in bench.latched()] == [1, None] * 3


def test_a_cause_that_persists_with_another_value_is_latched_at_that_value() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("int", latch="rise")},
        rules=[("warn", "x > 5", {"o": 1}), ("alarm", "x > 50", {"o": 2})],
    )
    bench.feed(x=1.0)
    bench.feed(x=9.0)
    bench.feed(x=99.0)
    assert bench["o"] == (1, OK)
    bench.clear()
    assert bench["o"] == (2, OK), "released where the result differs"
    assert bench.messages() == ["o stays latched: rule alarm is active"]
    bench.feed(x=1.0)
    assert bench["o"] == (2, OK), "and the alarm does not go away by itself"
    bench.clear()
    assert bench["o"] == (0, OK)


def test_clear_releases_some_and_tells_of_the_others() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"a": driven("bool", latch="rise"), "b": driven("bool", latch="rise")},
        rules=[("r", "x > 5", {"a": 1}), ("s", "y > 5", {"b": 1})],
    )
    bench.feed(x=9.0, y=9.0)
    bench.feed(x=1.0)
    bench.clear()
    assert (bench["a"], bench["b"]) == ((0, OK), (1, OK))
    assert bench.messages() == ["b stays latched: rule s is active"]


def test_clear_with_nothing_latched_says_nothing() -> None:
    bench = interlock()
    bench.clear()
    assert bench.effects == []


def test_what_reads_a_latched_output_sees_the_release() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", latch="rise"), "lamp": driven("bool")},
        rules=[("r", "x > 5", {"o": 1}), ("s", "o", {"lamp": 1})],
    )
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    assert bench["lamp"] == (1, OK)
    bench.clear()
    assert bench["lamp"] == (0, OK)


def test_reset_clears_too() -> None:
    bench = interlock()
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    bench.reset()
    assert bench["o"] == (0, OK)
    assert bench.engine.errors == 0 and bench.engine.passes == 0


def test_an_uncertain_result_in_between_is_no_transition() -> None:
    bench = interlock()
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    bench.clear()
    bench.drop("x")
    bench.feed(x=1.0)
    assert bench["o"] == (0, OK)


def test_a_pause_shows_a_latched_output_invalid_and_keeps_it_latched() -> None:
    bench = interlock()
    bench.feed(x=9.0)
    bench.feed(x=1.0)
    bench.enable(False)
    assert bench["o"] == (1, INVALID)
    bench.enable(True)
    assert bench["o"] == (1, OK)
    assert bench.rule("trip") == "LATCHED"


# --- over a restart


def test_a_kept_latch_is_engaged_before_the_first_evaluation() -> None:
    bench = interlock(restored=Restored({"o": (1, "trip")}))
    assert bench["o"] == (1, OK)
    assert bench.writes("o") == [1]
    bench.feed(x=1.0)
    assert bench["o"] == (1, OK)
    assert bench.rule("trip") == "LATCHED"
    bench.clear()
    assert bench["o"] == (0, OK)


def test_a_kept_latch_that_does_not_fit_any_more_is_told_and_not_used() -> None:
    bench = interlock(restored=Restored({"o": ("nonsense", "trip")}))
    bench.feed(x=1.0)
    assert bench["o"] == (0, OK)
    assert "o: kept latch not used" in bench.logs()[0]


@pytest.mark.parametrize(("latch", "default", "value"), [("rise", 0, 1), ("fall", 1, 0)])
def test_a_lost_state_starts_latched(latch: str, default: int, value: int) -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", default=default, latch=latch)},
        rules=[("trip", "x > 5", {"o": value})],
        restored=Restored(lost=True),
    )
    bench.feed(x=1.0)
    assert bench["o"] == (value, OK)
    assert bench.logs() == ["o starts latched: the kept state could not be read"]
    bench.clear()
    assert bench["o"] == (default, OK)


@pytest.mark.parametrize("latch", ["any", "rise"])
def test_a_lost_state_whose_value_cannot_be_told_is_at_least_said(latch: str) -> None:
    bench = interlock(latch, restored=Restored(lost=True))
    assert bench.logs() == ["o may have been latched: the kept state could not be read"]


def test_a_latch_that_does_not_persist_is_neither_kept_nor_restored() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", latch="rise", persist=False)},
        rules=[("trip", "x > 5", {"o": 1})],
        restored=Restored({"o": (1, "trip")}, lost=True),
    )
    bench.feed(x=1.0)
    assert bench["o"] == (0, OK)
    bench.feed(x=9.0)
    assert bench.engine.latched() == {}
