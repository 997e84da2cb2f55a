"""What holds for every plan, every history and every edit: random ones are tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioc_runtime.engine.effects import LOG, MESSAGE, POST, RULE, WRITE
from ioc_runtime.engine.recording import replay
from ioc_runtime.plan import Plan, Rule
from ioc_runtime.shape import plan_shape
from support.examples import examples
from unit.engine.bench import FakeClock
from unit.engine.test_incremental import EVENTS, Pair, cases
from unit.engine.test_recording import recorder_to, station, ten_minutes

LONG = settings(
    max_examples=examples(100, long=True),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def plan_of_case(case: dict[str, Any]) -> Plan:
    return Pair(case).bench.plan


def seen(pair: Pair) -> dict[str, Any]:
    """What clients see: values, severities, rules."""
    posted = {name: pair.bench[name] for name in pair.bench.records}
    return posted | {name: state.name for name, state in pair.bench.rule_states.items()}


@LONG
@given(case=cases(), more=st.lists(EVENTS, max_size=6))
def test_the_same_plan_again_has_no_effects_and_nobody_notices_later(
    case: dict[str, Any], more: list[Any]
) -> None:
    pair = Pair(case)
    pair.start()
    for event in [*case["events"], *more]:
        pair.happens(event)
        wake = pair.bench.engine.next_wake
        pair.bench.reload()
        assert pair.bench.effects == []
        assert pair.bench.engine.next_wake == wake
    pair.pass_time(8.0)


def as_shaped(first: Plan, second: Plan) -> Plan:
    """The logic of the second plan on the PVs of the first."""
    ids = [rule.id for rule in first.rules]
    rules = [rule for rule in second.rules if rule.id in ids]
    rules += [rule for rule in first.rules if rule.id not in {r.id for r in rules}]
    owned = {output.name for output in first.outputs if output.owner == "rules"}
    signals = {signal.name: signal for signal in second.signals}
    same_link = [
        replace(signals[output.name], link=output.link, owner=output.owner)
        for output in first.outputs
    ]
    return replace(
        first,
        inputs=second.inputs,
        outputs=tuple(same_link),
        transforms=second.transforms,
        rules=tuple(
            replace(rule, outputs={k: v for k, v in rule.outputs.items() if k in owned})
            for rule in rules
        ),
    )


@LONG
@given(first=cases(), second=cases(), more=st.lists(EVENTS, max_size=6))
def test_after_an_edit_incremental_evaluation_gives_what_a_full_pass_gives(
    first: dict[str, Any], second: dict[str, Any], more: list[Any]
) -> None:
    pair = Pair(first)
    pair.compare = lambda event: None  # type: ignore[method-assign]
    plan = as_shaped(pair.bench.plan, plan_of_case(second))
    assert plan_shape(plan) == plan_shape(pair.bench.plan)
    pair.start()
    for event in first["events"]:
        pair.happens(event)
    pair.bench.reload(plan)
    for event in [("after", 0.0), *more]:
        pair.happens(event)
        before = seen(pair)
        pair.bench.full_pass()
        assert [e for e in pair.bench.effects if e[0] in (POST, RULE, WRITE, MESSAGE)] == []
        assert seen(pair) == before
    pair.pass_time(8.0)


@LONG
@given(first=cases(), more=st.lists(EVENTS, max_size=6))
def test_an_edit_that_is_taken_back_at_once_leaves_what_the_plan_says(
    first: dict[str, Any], more: list[Any]
) -> None:
    """An edit of texts: conditions stay, so nothing of their memory is lost either."""
    pair = Pair(first)
    plan = pair.bench.plan
    other = replace(
        plan,
        parameters={"unused": 1.0},
        outputs=tuple(replace(o, unit="V", description="other") for o in plan.outputs),
        rules=tuple(replace(rule, message="other") for rule in plan.rules),
    )
    pair.start()
    for event in [*first["events"], *more]:
        pair.happens(event)
        for each in (other, plan):
            pair.bench.reload(each)
            assert [e for e in pair.bench.effects if e[0] != LOG] == []
    pair.pass_time(8.0)


def without_memory(plan: Plan) -> bool:
    forms = ("rising", "falling", "changed", "for_", "_buf", ".previous", "isnan")
    texts = [rule.condition for rule in plan.rules] + [t.expression for t in plan.transforms]
    remembers = any(form in text for form in forms for text in texts)
    latched = any(output.latch for output in plan.outputs)
    held = any(output.default is None and output.owner == "rules" for output in plan.outputs)
    return not (remembers or latched or held or any(rule.hold for rule in plan.rules))


@LONG
@given(first=cases(), second=cases())
def test_from_one_plan_to_another_and_back_is_where_it_was(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    """For plans that remember nothing: what others remember starts anew, as it should."""
    for case in (first, second):
        for options in case["outputs"].values():
            options.update(latch=None, default=options["default"] or 0, drive=False)
        case.update(max_age=None, hold=0)
        case["rules"] = [replace(model, hold=0) for model in case["rules"]]
    pair = Pair(first)
    pair.compare = lambda event: None  # type: ignore[method-assign]
    plan = pair.bench.plan
    other = as_shaped(plan, plan_of_case(second))
    if not (without_memory(plan) and without_memory(other)):
        return
    pair.start()
    for event in first["events"]:
        pair.happens(event)
        before = seen(pair)
        pair.bench.reload(other)
        pair.bench.reload(plan)
        known = {name: value for name, value in before.items() if value not in ((None, 3),)}
        after = seen(pair)
        for name, value in known.items():
            if isinstance(value, tuple) and value[1] == 3:
                assert after[name][1] == 3  # the value it holds may be the other plan's
            else:
                assert after[name] == value, name


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_recorded_run_with_reloads_replays_to_identical_effects(seed: int, tmp_path: Path):
    path, clock = tmp_path / "events.jsonl", FakeClock()
    first = station()
    second = replace(
        first,
        parameters={"pi": 7.0},
        inputs=tuple(
            replace(s, buffer=2, max_age=1.0) if s.name == "x" else s for s in first.inputs
        ),
        rules=(
            first.rules[1],
            Rule("high", "x > limit", {"alarm": 1, "valve": 0}, 0.25, "{x:.1f} {pi}"),
        ),
    )
    recorder, file = recorder_to(path, first, clock)
    turn = 0

    def reloading(now: float) -> None:
        nonlocal turn
        turn += 1
        if turn % 50 == 0:
            plan = (first, second)[turn // 50 % 2]
            recorder.reload(recorder.prepare(plan) if turn % 100 else plan)
        step(now)

    step = clock.to
    clock.to = reloading  # type: ignore[method-assign]
    ten_minutes(recorder, clock, seed)
    file.close()
    assert path.read_text().count('"event":"reload"') == 30
    found = replay(path)
    assert found.mismatches == ()
    assert found.events > 1500
