"""Commands and writers: ENABLE, set-points, what the plugin writes, counters, functions."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ioc_runtime.engine.effects import POST
from ioc_runtime.engine.engine import Engine, EnginePaused, Restored
from ioc_runtime.engine.values import BadValue
from ioc_runtime.plan import Range
from unit.engine.bench import (
    INVALID,
    LINK,
    OK,
    Bench,
    FakeClock,
    computed,
    driven,
    linked,
    plan_of,
    plugins,
    setpoint,
)


def everything() -> Bench:
    return Bench(
        inputs={"x": linked(buffer=4), "s": setpoint(value=1.0)},
        outputs={
            "o": driven("bool", link=LINK),
            "t": computed(),
            "p": plugins(),
            "q": computed(),
        },
        transforms={"t": "sum_of(x_buf)", "q": "p + 1"},
        rules=[("r", "x > 5", {"o": 1})],
    )


# --- ENABLE


def test_enable_0_makes_outputs_invalid_with_their_values_and_rules_disabled() -> None:
    bench = everything()
    bench.feed(x=9.0)
    bench.write(p=3.0)
    bench.enable(False)
    assert [bench[n] for n in "otpq"] == [(1, 3), (9.0, 3), (3.0, 3), (4.0, 3)]
    assert bench.rule("r") == "DISABLED"
    assert bench.writes("o") == [1]


def test_mirrors_and_buffers_go_on_during_a_pause() -> None:
    bench = everything()
    bench.feed(x=9.0)
    bench.enable(False)
    bench.feed(x=1.0)
    bench.put(s=4.0)
    assert (bench["x"], bench["o"]) == ((1.0, OK), (1, INVALID))
    assert bench.kept() == [("s", 4.0)]
    bench.full_pass()
    assert bench.effects == []
    bench.enable(True)
    assert bench["t"] == (10.0, OK)


def test_enable_1_runs_a_full_pass() -> None:
    """A6: a trip during the pause was missed there."""
    bench = everything()
    bench.feed(x=1.0)
    bench.write(p=3.0)
    bench.enable(False)
    bench.feed(x=9.0)
    bench.enable(True)
    assert [bench[n] for n in "otpq"] == [(1, OK), (10.0, OK), (3.0, OK), (4.0, OK)]
    assert bench.writes("o") == [0, 1]


@pytest.mark.parametrize("x", [9.0, 1.0])
def test_a_rule_shows_its_state_again_after_a_pause_even_if_nothing_changed(x: float) -> None:
    bench = everything()
    bench.feed(x=x)
    state = bench.rule("r")
    bench.enable(False)
    bench.enable(True)
    assert bench.rule("r") == state


def test_a_pause_ends_without_driving_safe_values_in_between() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={
            "a": driven("bool"),
            "b": driven("int", default=1, link=LINK, on_invalid="drive", safe_value=7),
        },
        rules=[("r", "x > 5", {"a": 1}), ("s", "a", {"b": 2})],
    )
    bench.feed(x=9.0)
    bench.after(6)
    bench.enable(False)
    bench.enable(True)
    assert bench.writes("b") == [2]
    bench.enable(False)
    bench.drop("x")
    bench.enable(True)
    assert bench.writes("b") == [2, 7]


def test_enable_twice_does_nothing() -> None:
    bench = everything()
    bench.enable(True)
    assert bench.effects == []
    bench.enable(False)
    bench.enable(False)
    assert bench.effects == []


def test_a_task_that_is_paused_before_its_start_stays_so() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", link=LINK)},
        rules=[("r", "x > 5", {"o": 1})],
        start=False,
    )
    bench.enable(False)
    bench.feed(x=9.0)
    bench.start()
    assert (bench.rule("r"), bench["o"], bench.writes("o")) == ("DISABLED", (None, INVALID), [])
    bench.enable(True)
    assert (bench.rule("r"), bench["o"]) == ("ACTIVE", (1, OK))


def test_a_pause_that_ends_before_the_start_is_none() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool")},
        rules=[("r", "x > 5", {"o": 1})],
        start=False,
    )
    bench.enable(False)
    bench.enable(True)
    bench.feed(x=9.0)
    bench.start()
    assert (bench.rule("r"), bench["o"]) == ("ACTIVE", (1, OK))


# --- set-points


def limits(**more: Any) -> Bench:
    return Bench(
        inputs={"s": setpoint(**more), "x": linked()},
        outputs={"o": driven("bool")},
        rules=[("r", "x > s", {"o": 1})],
    )


def test_rules_see_set_points() -> None:
    """B7."""
    bench = limits(value=5.0)
    bench.feed(x=7.0)
    assert bench["o"] == (1, OK)
    bench.put(s=8.0)
    assert bench["o"] == (0, OK)
    assert bench.kept() == [("s", 8.0)]


def test_a_set_point_without_value_is_invalid_until_written() -> None:
    bench = limits()
    bench.feed(x=7.0)
    assert (bench["s"], bench["o"]) == ((None, INVALID), (None, INVALID))
    bench.put(s=1.0)
    assert bench["o"] == (1, OK)


def test_the_value_of_the_manifest_is_posted_at_the_start_and_a_clients_is_not() -> None:
    bench = limits(value=5.0)
    assert bench.posts("s") == [(5.0, OK)]
    bench.put(s=6.0)
    assert bench.posts("s") == [], "its record holds it already"


@pytest.mark.parametrize("value", ["abc", float("nan"), [1.0, 2.0], None, object()])
def test_what_does_not_fit_a_set_point_is_refused_and_put_back(value: Any) -> None:
    bench = limits(value=5.0)
    bench.put(s=value)
    assert bench.refused() == [("s", 5.0)]
    assert bench.messages()[0].startswith("s: refused ")
    assert bench.messages()[0].endswith("expected a number")
    assert bench.kept() == []
    with pytest.raises(BadValue):
        bench.write_setpoint(s=value)


def test_an_equal_value_is_not_kept_again() -> None:
    bench = limits(value=5.0)
    bench.put(s=5.0)
    assert bench.effects == []


def test_a_set_point_that_does_not_persist_is_not_kept() -> None:
    bench = limits(value=5.0, persist=False)
    bench.put(s=6.0)
    assert bench.kept() == []


@pytest.mark.parametrize(("value", "held"), [(20.0, 10.0), (-5.0, 0.0), (3.0, 3.0)])
def test_a_set_point_is_held_to_its_drive_range_whoever_writes_it(
    value: float, held: float
) -> None:
    drive = Range(0, 10)
    bench = limits(value=5.0, drive=drive)
    bench.write_setpoint(s=value)
    assert bench["s"] == (held, OK)
    bench = limits(value=5.0, drive=drive)
    bench.put(s=value)
    assert bench.kept() == [("s", held)]
    assert bench.posts("s") == ([] if held == value else [(held, OK)])
    bench = Bench(
        inputs={"s": setpoint(value=5.0, drive=drive)}, restored=Restored(setpoints={"s": value})
    )
    assert bench["s"] == (held, OK)


def test_a_kept_set_point_wins_over_the_manifest() -> None:
    bench = Bench(inputs={"s": setpoint(value=5.0)}, restored=Restored(setpoints={"s": 7.0}))
    assert bench["s"] == (7.0, OK)


@pytest.mark.parametrize("kept", ["abc", float("nan"), {"a": 1}])
def test_a_kept_set_point_that_does_not_fit_is_told_and_the_manifests_is_used(kept: Any) -> None:
    bench = Bench(inputs={"s": setpoint(value=5.0)}, restored=Restored(setpoints={"s": kept}))
    assert bench["s"] == (5.0, OK)
    assert bench.logs()[0].startswith("s: kept value ")


def test_a_put_before_the_start_is_not_undone_by_it() -> None:
    bench = limits(value=5.0)
    bench = Bench(inputs={"s": setpoint(value=5.0)}, start=False)
    bench.put(s=9.0)
    bench.start()
    assert bench["s"][1] != OK or bench["s"][0] == 9.0
    assert bench.engine.inputs[0].value == 9.0


# --- the plugin


def test_a_plugins_output_is_valid_from_its_first_write() -> None:
    bench = Bench(outputs={"p": plugins(link=LINK)})
    assert bench["p"] == (None, INVALID)
    bench.write(p=2)
    assert bench["p"] == (2.0, OK)
    assert bench.writes("p") == [2.0]


def test_a_plugins_output_is_invalid_after_max_age_and_after_its_end() -> None:
    bench = Bench(outputs={"p": plugins(max_age=5.0), "t": computed()}, transforms={"t": "p"})
    bench.write(p=1.0)
    bench.after(3.0)
    bench.write(p=1.0)
    bench.after(4.9)
    assert bench["t"] == (1.0, OK)
    bench.after(0.1)
    assert (bench["p"], bench["t"]) == ((1.0, INVALID), (1.0, INVALID))
    bench.write(p=1.0)
    assert bench["t"] == (1.0, OK)
    bench.plugin_ended()
    assert (bench["p"], bench["t"]) == ((1.0, INVALID), (1.0, INVALID))
    with pytest.raises(EnginePaused, match="ended"):
        bench.write(p=1.0)
    bench.plugin_began()
    assert bench["t"] == (1.0, INVALID), "until it says so itself"
    bench.write(p=1.0)
    assert (bench["p"], bench["t"]) == ((1.0, OK), (1.0, OK))


@pytest.mark.parametrize("how", ["max age", "NaN", "end"])
def test_what_the_plugin_no_longer_vouches_for_does_not_come_back_after_a_pause(how: str) -> None:
    bench = Bench(outputs={"p": plugins(max_age=5.0)})
    bench.write(p=1.0)
    if how == "NaN":
        bench.write(p=float("nan"))
        assert bench["p"] == (1.0, INVALID)
    bench.enable(False)
    if how == "max age":
        bench.after(6.0)
    elif how == "end":
        bench.plugin_ended()
    bench.enable(True)
    assert bench["p"] == (1.0, INVALID)


def test_a_plugins_output_that_is_no_longer_known_can_drive_a_safe_value() -> None:
    bench = Bench(
        outputs={"p": plugins(max_age=5.0, link=LINK, on_invalid="drive", safe_value=0.0)}
    )
    bench.write(p=4.0)
    bench.after(5.0)
    assert bench["p"] == (0.0, INVALID)
    assert bench.writes("p") == [4.0, 0.0]


def test_writes_of_the_plugin_raise_during_a_pause() -> None:
    bench = Bench(inputs={"s": setpoint()}, outputs={"p": plugins()})
    bench.enable(False)
    with pytest.raises(EnginePaused, match="ENABLE is 0"):
        bench.write(p=1.0)
    with pytest.raises(EnginePaused):
        bench.write_setpoint(s=1.0)


@pytest.mark.parametrize("value", ["abc", None, [1.0, 2.0], object()])
def test_a_plugins_value_that_does_not_fit_raises_and_changes_nothing(value: Any) -> None:
    bench = Bench(outputs={"p": plugins()})
    bench.write(p=1.0)
    with pytest.raises(BadValue):
        bench.write(p=value)
    assert bench["p"] == (1.0, OK)


def test_an_array_of_the_plugin_with_a_nan_is_invalid() -> None:
    bench = Bench(outputs={"p": plugins(length=3)})
    bench.write(p=[1.0, 2.0])
    nan = float("nan")
    bench.write(p=[1.0, nan])
    assert bench["p"] == ([1.0, 2.0], INVALID)


def test_the_plugin_is_told_of_changes_of_inputs_and_not_of_repetitions() -> None:
    bench = Bench(inputs={"x": linked(), "s": setpoint()}, outputs={"p": plugins()})
    bench.feed(x=1.0)
    assert bench.told() == [("x", 1.0, None)]
    bench.feed(x=1.0)
    assert bench.told() == []
    bench.drop("x")
    assert bench.told() == []
    bench.feed(x=1.0)
    assert bench.told() == [("x", 1.0, 1.0)], "known again"
    bench.put(s=2.0)
    assert bench.told() == [("s", 2.0, None)]


# --- a plugin's functions


def test_a_plugins_function_is_called_by_its_name() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"t": computed()},
        transforms={"t": "twice(x, plus=1)"},
        calls={"twice": lambda x, plus: 2 * x + plus},
    )
    bench.feed(x=3.0)
    assert bench["t"] == (7.0, OK)


@pytest.mark.parametrize("error", [NameError("foo"), ValueError("foo"), SystemExit("foo")])
def test_a_plugins_function_that_raises_is_an_error_and_no_unknown_input(
    error: BaseException,
) -> None:
    def wrong(x: float) -> float:
        raise error

    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven()},
        rules=[("r", "votes(1, wrong(x), x > 5)", {"o": 1})],
        calls={"wrong": wrong},
    )
    bench.feed(x=9.0)
    assert bench.rule("r") == "INVALID"
    assert bench.logs() == ["rule r: foo"]


def test_what_numpy_gives_becomes_plain() -> None:
    class Number:
        """As numpy's integers: no int, but `tolist`."""

        def tolist(self) -> int:
            return 4

    bench = Bench(
        inputs={"x": linked()},
        outputs={"t": computed()},
        transforms={"t": "count(x) + 1"},
        calls={"count": lambda x: Number()},
    )
    bench.feed(x=9.0)
    assert bench["t"] == (5.0, OK)


def test_a_result_of_no_use_is_an_error() -> None:
    bench = Bench(
        inputs={"x": linked()},
        outputs={"t": computed(), "u": computed()},
        transforms={"t": "nothing(x)", "u": "nothing(x) * 2"},
        calls={"nothing": lambda x: None},
    )
    bench.feed(x=9.0)
    assert (bench["t"][1], bench["u"][1]) == (INVALID, INVALID)
    assert len(bench.logs()) == 2


# --- events


def test_events_have_one_sequence() -> None:
    bench = everything()
    before = bench.engine.sequence
    bench.feed(x=1.0)
    bench.clear()
    bench.after(0)
    bench.enable(False)
    assert bench.engine.sequence == before + 3


def test_each_sample_is_evaluated_so_a_short_trip_is_never_missed() -> None:
    """A14."""
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": driven("bool", latch="rise", link=LINK)},
        rules=[("r", "x > 5", {"o": 1})],
    )
    for x in (1.0, 9.0, 1.0):
        bench.feed(x=x)
    assert bench["o"] == (1, OK)


def test_many_samples_make_one_pass() -> None:
    bench = everything()
    passes = bench.engine.passes
    bench.engine.samples([(0, float(i), 0, 0, 0) for i in range(5)])
    assert bench.engine.passes == passes + 1


def test_an_event_that_concerns_nothing_makes_no_pass() -> None:
    bench = Bench(inputs={"x": linked(), "y": linked()}, outputs={"o": driven()}, rules=[])
    passes = bench.engine.passes
    bench.feed(x=1.0, y=1.0)
    assert bench.engine.passes == passes
    bench.drop("x")
    assert [e[0] for e in bench.effects] == [POST]


def test_a_message_shows_values_and_is_sent_when_the_rule_begins_to_fire() -> None:
    bench = Bench(
        inputs={"x": linked(), "y": linked(), "mean": linked()},
        outputs={"o": driven("bool")},
        rules=[("r", "x > 5", {"o": 1}, 0.0, "x {x:.1f} y {y} {x.age:.0f} {mean}")],
    )
    bench.feed(x=1.0)
    bench.feed(x=9.25)
    assert bench.messages() == ["x 9.2 y ? 0 ?"]
    bench.feed(x=9.5)
    assert bench.messages() == []
    assert bench.logs() == ["rule r: x 9.2 y ? 0 ?"]


def test_the_engine_needs_nothing_but_the_standard_library() -> None:
    heavy = {"pydantic", "asyncio", "yaml", "softioc", "p4p", "epics"}
    code = "import sys, ioc_runtime.engine.engine; print(*{m.split('.')[0] for m in sys.modules})"
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert not heavy & set(done.stdout.split())


def test_the_engine_reads_the_clock_once_per_event() -> None:
    class Counting(FakeClock):
        calls = 0

        def monotonic(self) -> float:
            self.calls += 1
            return self.mono

    clock = Counting()
    engine = Engine(plan_of({"x": linked()}), clock)
    engine.start()
    engine.sample(0, 1.0, 0, 0, 0)
    assert clock.calls == 2


def test_an_array_set_point_is_held_to_its_range_and_refuses_nan() -> None:
    bench = Bench(inputs={"s": setpoint("int", length=3, drive=Range(0, 10))})
    bench.write_setpoint(s=[-1, 5, 99])
    assert bench["s"] == ([0, 5, 10], OK)
    bench = Bench(inputs={"s": setpoint(length=3)})
    nan = float("nan")
    bench.put(s=[1.0, nan])
    assert bench.refused() == [("s", None)]
