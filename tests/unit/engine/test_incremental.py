"""Incremental evaluation is caching and nothing else.

Random plans and random histories: the engine, which evaluates only what a change
concerns, against `reference.Reference`, which evaluates everything every time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ioc_runtime.engine.effects import POST, WRITE
from ioc_runtime.plan import Rule
from support.examples import examples
from unit.engine.bench import LINK, Bench, computed, driven, linked, plugins, setpoint
from unit.engine.reference import In, Out, Reference, RuleModel, Tree, text

NUMBERS = st.sampled_from([0, 1, 2, 5, 0.5, -3])
SECONDS = st.sampled_from([0.5, 1.0, 2.0])
INPUTS = ("x", "y", "b", "s")
STAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # what a stage reads: names, and rules by their state
    "t0": ((*INPUTS, "p"), ()),
    "a": ((*INPUTS, "p", "t0"), ()),
    "t1": ((*INPUTS, "p", "t0", "a0", "a1"), ("r0", "r1", "r2")),
    "z": ((*INPUTS, "p", "t0", "t1", "a0", "a1"), ("r0", "r1", "r2")),
}


@cache
def trees(stage: str) -> st.SearchStrategy[Tree]:
    names, rules = STAGES[stage]
    leaves: list[st.SearchStrategy[Tree]] = [
        st.tuples(st.just("number"), NUMBERS),
        st.tuples(st.just("name"), st.sampled_from(names)),
        st.tuples(st.just("name"), st.sampled_from(names)),
        st.tuples(
            st.just("attribute"),
            st.sampled_from(INPUTS[:3]),
            st.sampled_from(["connected", "severity", "previous"]),
        ),
        st.tuples(st.just("isnan"), st.sampled_from(["x", "y"])),
        st.tuples(st.just("buffer"), st.just("x")),
    ]
    if rules:
        leaves.append(st.tuples(st.just("active"), st.sampled_from(rules)))

    def grow(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        two = st.sampled_from(["and", "or", "+", "-", "*", "/", "<", "<=", ">", "==", "!="])
        forms = [
            st.tuples(two, inner, inner),
            st.tuples(st.sampled_from([">", "<"]), inner, inner),
            st.tuples(st.just("not"), inner),
            st.tuples(st.just("if"), inner, inner, inner),
            st.tuples(
                st.just("votes"), st.sampled_from([1, 2]), st.lists(inner, min_size=2, max_size=3)
            ),
        ]
        edges = st.sampled_from(["rising", "falling", "changed"])
        forms.append(st.tuples(edges, inner))
        forms.append(st.tuples(st.just("for"), inner, SECONDS))
        return st.one_of(forms)

    return st.recursive(st.one_of(leaves), grow, max_leaves=5)


@st.composite
def rule_models(draw: Any, stage: str) -> RuleModel:
    first, second = f"{stage}0", f"{stage}1"
    outputs = draw(st.dictionaries(st.sampled_from([first, second]), st.integers(0, 2), min_size=1))
    return RuleModel(draw(trees(stage)), outputs, draw(st.sampled_from([0, 0, 1.0])))


@st.composite
def rule_outputs(draw: Any) -> dict[str, Any]:
    latch = draw(st.sampled_from([None, None, None, "rise", "fall", "any"]))
    default = draw(st.sampled_from([0, 0, 1])) if latch else draw(st.sampled_from([None, 0, 1]))
    return {
        "default": default,
        "latch": latch,
        "link": draw(st.booleans()),
        "drive": draw(st.sampled_from([False, False, True])),
    }


EVENTS = st.one_of(
    st.tuples(
        st.just("sample"),
        st.sampled_from(["x", "y", "b"]),
        st.sampled_from([0, 1, 0, 1, 2, 5, -3, float("nan"), None]),
        st.sampled_from([0, 0, 0, 1, 3]),
    ),
    st.tuples(st.just("sample"), st.sampled_from(["x", "y"]), NUMBERS, st.just(0)),
    st.tuples(st.just("drop"), st.sampled_from(["x", "y", "b"])),
    st.tuples(st.just("alive"), st.sampled_from(["x", "y"])),
    st.tuples(st.just("put"), NUMBERS),
    st.tuples(st.just("write"), NUMBERS),
    st.tuples(st.just("after"), st.sampled_from([0.25, 0.5, 1.0, 3.0])),
    st.tuples(st.just("link_up"), st.sampled_from(["a0", "z0"])),
    st.tuples(st.just("clear")),
    st.tuples(st.just("full_pass")),
    st.tuples(st.just("enable"), st.booleans()),
    st.tuples(st.just("enable"), st.just(True)),
)


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    return {
        "max_age": draw(st.sampled_from([None, 2.0])),
        "hold": draw(st.sampled_from([0, 0, 1.0])),
        "transforms": {"t0": draw(trees("t0")), "t1": draw(trees("t1"))},
        "rules": [
            *draw(st.lists(rule_models("a"), min_size=3, max_size=3)),
            *draw(st.lists(rule_models("z"), min_size=1, max_size=3)),
        ],
        "outputs": {name: draw(rule_outputs()) for name in ("a0", "a1", "z0", "z1")},
        "events": draw(st.lists(EVENTS, min_size=1, max_size=12)),
    }


class Pair:
    """The engine and the reference, side by side."""

    def __init__(self, case: dict[str, Any]) -> None:
        rules = {f"r{i}": model for i, model in enumerate(case["rules"])}
        used = {name for model in case["rules"] for name in model.outputs}
        options = {name: o for name, o in case["outputs"].items() if name in used}
        missing = {"a0", "a1", "z0", "z1"} - used  # nobody drives these: they stay unknown
        self.bench = Bench(
            start=False,
            inputs={
                "x": linked(buffer=3, max_age=case["max_age"], invalid_hold=case["hold"]),
                "y": linked(max_age=case["max_age"]),
                "b": linked("bool"),
                "s": setpoint(value=1.0),
            },
            outputs={
                "p": plugins(),
                "t0": computed(),
                "t1": computed(),
                **{name: driven("int", default=None) for name in missing},
                **{
                    name: driven(
                        "int",
                        default=o["default"],
                        latch=o["latch"],
                        link=LINK if o["link"] else None,
                        on_invalid="drive" if o["drive"] else "hold",
                        safe_value=2 if o["drive"] else None,
                    )
                    for name, o in options.items()
                },
            },
            transforms={name: text(tree) for name, tree in case["transforms"].items()},
            rules=[
                Rule(name, text(model.condition), dict(model.outputs), model.hold)
                for name, model in rules.items()
            ],
        )
        self.names = [output.name for output in self.bench.plan.outputs]
        self.reference = Reference(
            {
                "x": In(max_age=case["max_age"], hold=case["hold"]),
                "y": In(max_age=case["max_age"]),
                "b": In(),
                "s": In(connected=True, good=True, known=True, severity=0, value=1.0, last=1.0),
            },
            {
                "p": Out("plugin"),
                "t0": Out("transform"),
                "t1": Out("transform"),
                **{name: Out("rules") for name in missing},
                **{
                    name: Out("rules", o["default"], o["latch"], o["drive"], 2, o["link"])
                    for name, o in options.items()
                },
            },
            dict(case["transforms"]),
            {
                name: RuleModel(model.condition, model.outputs, model.hold)
                for name, model in rules.items()
            },
        )

    def start(self) -> None:
        self.bench.start()
        self.reference.start(self.bench.clock.mono)
        self.compare("start")

    def happens(self, event: tuple[Any, ...]) -> None:
        kind, *args = event
        bench, reference = self.bench, self.reference
        if kind == "after":
            self.pass_time(args[0])
            return
        self.pass_time(0)
        now = bench.clock.mono
        if kind == "sample":
            name, value, severity = args
            if value is not None:
                value = int(value) if name == "b" and value == value else float(value)
            bench.feed(severity, **{name: value})
            reference.sample(now, name, value, severity)
        elif kind == "put":
            bench.put(s=args[0])
            reference.sample(now, "s", float(args[0]), 0)
        elif kind == "write":
            if not reference.enabled:
                return
            bench.write(p=args[0])
            reference.write(now, "p", float(args[0]))
        elif kind == "full_pass":
            bench.full_pass()
            reference.event(now)
        else:
            getattr(bench, kind)(*args)
            getattr(reference, kind)(now, *args)
        self.compare(event)

    def pass_time(self, seconds: float) -> None:
        """Step from one wake to the next, so that both look at the same moments."""
        end = self.bench.clock.mono + seconds
        while (wake := self.bench.engine.next_wake) is not None and wake <= end:
            self.bench.after(wake - self.bench.clock.mono)
            self.reference.event(self.bench.clock.mono)
            self.compare("wake")
        self.bench.after(end - self.bench.clock.mono)
        if seconds:
            self.reference.event(end)
            self.bench.effects = []
            self.compare("nothing is due")

    def compare(self, event: Any) -> None:
        first = len(self.bench.plan.inputs)
        for i, name in enumerate(self.names):
            out = self.reference.outputs[name]
            effects = self.bench.effects
            posts = [(e[2], e[3]) for e in effects if e[0] == POST and e[1] == first + i]
            assert posts == out.posts, (event, name)
            writes = [e[2] for e in effects if e[0] == WRITE and e[1] == i]
            assert writes == out.writes, (event, name)
        states = {
            name: "OK" if state.name == "LATCHED" else state.name
            for name, state in self.bench.rule_states.items()
        }
        assert states == self.reference.shown, event
        for name, state in self.reference.inputs.items():
            if name != "s":
                assert self.bench.records[name].severity == state.shown, (event, name)


SIMPLE = {
    "max_age": None,
    "hold": 0,
    "transforms": {"t0": ("rising", (">", ("name", "x"), ("number", 1))), "t1": ("name", "t0")},
    "rules": [
        RuleModel((">", ("name", "t0"), ("number", 0)), {"a0": 1}),
        RuleModel(("for", ("name", "b"), 1.0), {"a1": 1}),
        RuleModel(("name", "y"), {"a1": 2}, 1.0),
        RuleModel(("name", "a0"), {"z0": 1}),
    ],
    "outputs": {
        name: {"default": 0, "latch": None, "link": True, "drive": False}
        for name in ("a0", "a1", "z0", "z1")
    },
    "events": [
        ("sample", "x", 0, 0),
        ("sample", "y", 0, 0),
        ("sample", "b", 1, 0),
        ("sample", "x", 5, 0),
        ("after", 3.0),
        ("sample", "y", 1, 0),
        ("after", 3.0),
        ("enable", False),
        ("enable", True),
        ("after", 3.0),
    ],
}


LAST_MOMENT: dict[str, Any] = {
    **SIMPLE,
    "transforms": {"t0": ("number", 0), "t1": ("number", 0)},
    "rules": [
        RuleModel(("name", "y"), {"a0": 1}, 1.0),
        *[RuleModel(("number", 0), {"a0": 0})] * 2,
        RuleModel(("for", ("active", "r0"), 1.0), {"z0": 1, "z1": 1}),
    ],
    "outputs": {
        name: {"default": None, "latch": None, "link": True, "drive": name == "z1"}
        for name in ("a0", "a1", "z0", "z1")
    },
    "events": [("after", 3.0), ("sample", "y", 1, 0)],
}
"""The first value comes at the very moment from which a safeValue would be driven."""
GONE_THEN = {
    **LAST_MOMENT,
    "max_age": 2.0,
    "rules": [*LAST_MOMENT["rules"][:3], RuleModel(("buffer", "x"), {"z0": 1, "z1": 1})],
    "events": [("after", 3.0), ("sample", "x", 0, 0)],
}
"""And the last one goes at that moment."""


@settings(
    max_examples=examples(200, long=True),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(case=SIMPLE)
@example(case=LAST_MOMENT)
@example(case=GONE_THEN)
@given(case=cases())
def test_incremental_evaluation_gives_what_evaluating_everything_gives(
    case: dict[str, Any],
) -> None:
    pair = Pair(case)
    pair.start()
    for event in case["events"]:
        pair.happens(event)
    pair.pass_time(8.0)


@pytest.mark.parametrize("order", ["xy", "yx"])
def test_the_order_of_events_within_one_pass_does_not_matter(order: str) -> None:
    values = {"x": 3.0, "y": 1.0}
    bench = Bench(
        inputs={"x": linked(), "y": linked()},
        outputs={"o": driven("int")},
        rules=[("r", "x > y", {"o": 1})],
    )
    batch = [(("x", "y").index(n), values[n], 0, 0, bench.clock.wall) for n in order]
    effects = bench.engine.samples(batch)
    assert [e[2:4] for e in effects if e[0] == POST and e[1] == 2] == [(1, 0)]
