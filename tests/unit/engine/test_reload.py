"""A running engine takes over another plan and forgets nothing that has not changed."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from ioc_runtime.engine.engine import Engine
from ioc_runtime.engine.grammar import ExpressionError
from ioc_runtime.engine.inputs import InputState
from ioc_runtime.engine.node import Node
from ioc_runtime.engine.outputs import OutputState
from ioc_runtime.engine.rules import RuleState
from ioc_runtime.engine.values import BadValue
from ioc_runtime.plan import Plan, Range, Rule, Transform
from unit.engine.bench import (
    INVALID,
    OK,
    Bench,
    FakeClock,
    computed,
    driven,
    linked,
    plan_of,
    setpoint,
)
from unit.engine.edited import HIGH, station, with_input, with_output, with_rule

# --- what is edited is in force at once


def test_another_condition_is_in_force_at_once():
    bench = station()
    assert bench["alarm"] == (0, OK)
    bench.reload(rules=with_rule(bench, condition="x > 4"))
    assert bench["alarm"] == (1, OK)
    assert bench.rule("high") == "ACTIVE"
    assert bench.records["alarm"].ns == bench.clock.wall


def test_another_parameter_is_in_force_at_once():
    bench = station()
    bench.reload(parameters={"limit": 4.0})
    assert bench["alarm"] == (1, OK)
    bench.reload(parameters={"limit": 40.0, "another": "text"})
    assert bench["alarm"] == (0, OK)


def test_another_value_of_a_rule_and_another_default_are_in_force_at_once():
    bench = station(outputs={"alarm": driven("int"), "mean": computed()})
    bench.reload(outputs=with_output(bench, "alarm", default=7))
    assert bench["alarm"] == (7, OK)
    bench.feed(x=50.0)
    bench.after(1.0)
    bench.reload(rules=with_rule(bench, outputs={"alarm": 5}))
    assert bench["alarm"] == (5, OK)
    assert bench.records["alarm"].ns == bench.clock.wall


def test_another_transform_is_in_force_at_once():
    bench = station()
    bench.reload(transforms=(Transform("mean", "x * y"),))
    assert bench["mean"] == (5.0, OK)


def test_the_order_of_rules_decides_anew_who_wins():
    rules = (HIGH, Rule("low", "y < 5", {"alarm": 0}))
    bench = station(rules=rules)
    bench.feed(x=50.0)
    assert bench["alarm"] == (0, OK)
    bench.reload(rules=rules[::-1])
    assert bench["alarm"] == (1, OK)
    assert bench.rule("high") == "ACTIVE"
    assert bench.effects and all(effect[0] != 1 for effect in bench.effects), "no rule changed"
    bench.feed(x=0.0)
    assert bench.rule("high") == "OK"


def test_another_message_is_not_said_while_the_rule_stays_active():
    bench = station(rules=(replace(HIGH, message="too high"),))
    bench.feed(x=50.0)
    assert bench.messages() == ["too high"]
    bench.reload(rules=with_rule(bench, message="x is {x:.0f}"))
    assert bench.effects == []
    bench.feed(x=0.0)
    bench.feed(x=60.0)
    assert bench.messages() == ["x is 60"]


def test_the_same_plan_has_no_effects():
    bench = station()
    bench.reload(replace(bench.plan, config_hash="f" * 64))
    assert bench.effects == []
    assert bench.engine.plan.config_hash == "f" * 64


# --- what is not edited goes on


def test_an_unchanged_rule_keeps_its_time_and_a_changed_one_starts_anew():
    rules = (replace(HIGH, hold=5.0), Rule("low", "y > 0", {"alarm": 1}, 5.0))
    bench = station(rules=rules)
    bench.feed(x=50.0)
    bench.after(3.0)
    bench.reload(rules=(rules[0], replace(rules[1], condition="y > 0.5")))
    bench.after(2.1)
    assert bench.rule("high") == "ACTIVE"
    assert bench.rule("low") == "PENDING"
    bench.after(3.0)
    assert bench.rule("low") == "ACTIVE"


def test_another_for_starts_the_time_anew():
    bench = station(rules=(replace(HIGH, hold=5.0),))
    bench.feed(x=50.0)
    bench.after(4.0)
    bench.reload(rules=with_rule(bench, hold=2.0))
    assert bench.rule("high") == "PENDING"
    bench.after(1.9)
    assert bench.rule("high") == "PENDING"
    bench.after(0.2)
    assert bench.rule("high") == "ACTIVE"


def test_outputs_and_message_of_a_rule_may_change_while_its_time_runs():
    bench = station(
        rules=(replace(HIGH, hold=5.0),), outputs={"alarm": driven("int"), "mean": computed()}
    )
    bench.feed(x=50.0)
    bench.after(4.0)
    bench.reload(rules=with_rule(bench, outputs={"alarm": 2}, message="now"))
    bench.after(1.1)
    assert bench["alarm"] == (2, OK)


def test_for_in_an_unchanged_expression_goes_on():
    bench = station(rules=(Rule("high", "for_(x > limit, 5)", {"alarm": 1}),))
    bench.feed(x=50.0)
    bench.after(3.0)
    bench.reload(transforms=(Transform("mean", "y"),))
    bench.after(2.1)
    assert bench.rule("high") == "ACTIVE"


def test_an_edge_of_an_unchanged_expression_remembers_and_of_a_changed_one_does_not():
    rules = (
        Rule("a", "for_(rising(x > 1), 0)", {"alarm": 1}),
        Rule("b", "changed(x)", {"alarm": 1}),
    )
    bench = station(rules=rules)
    bench.reload(rules=(replace(rules[0], condition="rising(x > 2)"), rules[1]))
    assert bench.effects == []  # nothing has changed but the question
    bench.feed(x=6.0)
    seen = [(effect[1], effect[2]) for effect in bench.effects if effect[0] == 1]
    assert seen == [(1, 2), (1, 0)], "b saw the change, a was true all the time"


def test_a_latch_holds_over_a_reload():
    bench = station(outputs={"alarm": driven(latch="rise"), "mean": computed()})
    bench.feed(x=50.0)
    bench.feed(x=0.0)
    bench.reload(parameters={"limit": 90.0})
    assert bench["alarm"] == (1, OK)
    assert bench.engine.latched() == {"alarm": (1, "high")}
    bench.clear()
    assert bench["alarm"] == (0, OK)


def test_a_latch_that_is_taken_away_lets_go_and_one_that_is_new_engages():
    bench = station(outputs={"alarm": driven(latch="rise"), "mean": computed()})
    bench.feed(x=50.0)
    bench.feed(x=0.0)
    bench.reload(outputs=with_output(bench, "alarm", latch=None))
    assert bench["alarm"] == (0, OK)
    assert bench.latched()[-1] == ("alarm", None, "")
    bench.feed(x=50.0)
    bench.reload(outputs=with_output(bench, "alarm", latch="rise"))
    bench.feed(x=0.0)
    assert bench["alarm"] == (1, OK)


def test_a_buffer_keeps_the_newest_values():
    bench = station(
        inputs={"x": linked(buffer=3), "y": linked(), "level": setpoint(value=3.0)},
        transforms={"mean": "sum_of(x_buf)"},
    )
    bench.feed(x=1.0)
    bench.feed(x=2.0)
    assert bench["mean"] == (8.0, OK)
    bench.reload(inputs=with_input(bench, "x", buffer=2))
    assert bench["mean"] == (3.0, OK)
    bench.reload(inputs=with_input(bench, "x", buffer=5))
    bench.feed(x=10.0)
    assert bench["mean"] == (13.0, OK)


def test_a_buffer_that_is_new_begins_with_the_next_sample():
    bench = station()
    bench.reload(
        inputs=with_input(bench, "x", buffer=2), transforms=(Transform("mean", "sum_of(x_buf)"),)
    )
    assert bench["mean"] == (6.0, INVALID)
    bench.feed(x=7.0)
    assert bench["mean"] == (7.0, OK)


def test_counters_and_what_has_been_said_once_stay():
    bench = station(transforms={"mean": "1 / (y - 1)"})
    assert bench.engine.errors == 1
    assert len(bench.logs()) == 1
    passes = bench.engine.passes
    bench.reload(parameters={"limit": 11.0})
    assert bench.engine.passes == passes + 1
    assert len(bench.logs()) == 1
    assert bench.engine.errors == 2
    bench.feed(y=2.0)
    assert bench["mean"] == (1.0, OK)
    assert bench.engine.passes == passes + 2


def test_a_latch_on_any_change_sees_an_edit_that_changes_its_output():
    bench = station(outputs={"alarm": driven("int", latch="any"), "mean": computed()})
    bench.reload(outputs=with_output(bench, "alarm", default=5))
    assert bench.engine.latched() == {"alarm": (5, "")}


def test_a_buffer_of_an_output_keeps_the_newest_values_too():
    bench = station(
        outputs={"alarm": driven(), "mean": computed(buffer=3), "sum": computed()},
        transforms={"mean": "x", "sum": "sum_of(mean_buf)"},
    )
    bench.feed(x=1.0)
    assert bench["sum"] == (6.0, OK)
    bench.reload(outputs=with_output(bench, "mean", buffer=2))
    bench.feed(x=2.0)
    assert bench["sum"] == (3.0, OK)


def test_a_reload_is_no_news_of_a_rule_whose_time_runs():
    bench = station(
        rules=(Rule("slow", "y > 0", {"alarm": 1}, 9.0),),
        transforms={"mean": "x + rules.slow.active"},
    )
    bench.after(1.0)
    bench.reload(parameters={"limit": 1.0})
    earlier = bench.clock.wall - 500_000_000
    bench.feed(x=6.0, ns=earlier)
    assert bench.records["mean"].ns == earlier


# --- set-points


def test_a_set_point_stays_where_the_operator_has_put_it():
    bench = station()
    bench.put(level=7.0)
    bench.reload(parameters={"limit": 1.0})
    assert bench.posts("level") == []
    assert bench.engine.inputs[2].value == 7.0


def test_a_set_point_whose_value_is_edited_takes_it():
    bench = station(rules=(Rule("high", "x > level", {"alarm": 1}),))
    bench.put(level=7.0)
    bench.reload(inputs=with_input(bench, "level", value=4.0))
    assert bench["level"] == (4.0, OK)
    assert bench["alarm"] == (1, OK)
    assert bench.kept()[-1] == ("level", 4.0)


def test_a_set_point_is_moved_into_a_narrower_range():
    bench = station(
        inputs={"x": linked(), "y": linked(), "level": setpoint(value=3.0, drive=Range(0, 10))}
    )
    bench.put(level=9.0)
    bench.reload(inputs=with_input(bench, "level", drive=Range(0.0, 5.0)))
    assert bench["level"] == (5.0, OK)
    assert bench.kept()[-1] == ("level", 5.0)


# --- what goes wrong


def test_a_plan_that_cannot_be_built_leaves_everything_as_it_is():
    bench = station(rules=(replace(HIGH, hold=5.0),))
    bench.feed(x=50.0)
    bench.after(4.0)
    plan = bench.plan
    with pytest.raises(ExpressionError):
        bench.engine.reload(replace(plan, rules=with_rule(bench, condition="nobody > 1")))
    with pytest.raises(BadValue):
        bench.engine.reload(replace(plan, inputs=with_input(bench, "level", value="text")))
    assert bench.engine.plan is plan
    bench.after(1.1)
    assert bench.rule("high") == "ACTIVE"


def test_an_expression_that_is_the_same_but_means_another_thing_is_checked_again():
    bench = station()
    with pytest.raises(ExpressionError):
        bench.engine.reload(replace(bench.plan, parameters={"limit": "text"}))
    with pytest.raises(ExpressionError):
        bench.engine.reload(replace(bench.plan, parameters={}))
    bench = station(
        inputs={"x": linked(buffer=3), "y": linked(), "level": setpoint(value=3.0)},
        transforms={"mean": "mean(x_buf)"},
    )
    with pytest.raises(ExpressionError):
        bench.engine.reload(replace(bench.plan, inputs=with_input(bench, "x", buffer=None)))
    bench.feed(x=7.0)
    assert bench["mean"] == (6.0, OK)


def test_the_memory_of_the_old_plan_is_free_without_the_garbage_collector():
    def parts() -> int:
        kinds = (InputState, OutputState, RuleState, Node)
        return sum(isinstance(each, kinds) for each in gc.get_objects())

    bench = station()
    gc.collect()
    gc.disable()
    try:
        before = parts()
        for limit in range(5):
            bench.reload(parameters={"limit": float(limit)})
        assert parts() == before
    finally:
        gc.enable()


def test_a_reload_before_the_start_is_the_plan_that_starts():
    plan = station().plan
    engine = Engine(plan, FakeClock())
    new = plan_of(
        inputs={"x": linked(), "y": linked(), "level": setpoint(value=8.0)},
        outputs={"alarm": driven(), "mean": computed()},
        transforms={"mean": "level + 1"},
        rules=(HIGH,),
        parameters={"limit": 1.0},
    )
    assert engine.reload(new) == []
    posts = {e[1]: e[2] for e in engine.start() if e[0] == 0}
    assert posts[2] == 8.0
    assert posts[4] == 9.0


def test_functions_of_a_plugin_stay():
    bench = Bench(
        inputs={"x": linked()},
        outputs={"o": computed()},
        transforms={"o": "twice(x)"},
        calls={"twice": lambda x: 2 * x},
    )
    bench.feed(x=2.0)
    plan: Plan = replace(bench.plan, transforms=(Transform("o", "twice(x) + 1"),))
    bench.reload(plan)
    assert bench["o"] == (5.0, OK)
