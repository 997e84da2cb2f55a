"""Sources that die, freeze, come back, change, or change too fast."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ioc_runtime.plan import Input, Output
from runtime.source import Heard, Source, followed, linked, wait_until
from support.epics_env import EpicsEnv
from support.spawn import Spawn


@pytest.fixture
def source(spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path) -> Source:
    return Source(spawn, epics_env, tmp_path)


def both(source: Source, name: str, **more) -> tuple[Input, Input]:
    """The same source over both protocols, in one task."""
    return tuple(
        Input(scheme, "float", link=linked(scheme, source.prefix + name), **more)
        for scheme in ("ca", "pva")
    )


@pytest.mark.parametrize(
    ("scheme", "count", "rate"), [("ca", 10_000, 10_000), ("pva", 5_000, 5_000)]
)
def test_a_burst_arrives_whole_and_in_order(source: Source, scheme: str, count: int, rate: int):
    source.start()
    with followed(Input("f", "float", link=linked(scheme, source.prefix + "F"))) as (_, heard):
        wait_until(lambda: heard.last(0))
        source.do("burst", name="F", count=count, rate=rate)
        wait_until(lambda: heard.value(0) == count)
    assert heard.values(0) == [0.25, *map(float, range(1, count + 1))]


def test_a_killed_source_is_noticed_at_once_and_found_again(source: Source):
    source.start()
    with followed(*both(source, "F")) as (links, heard):
        wait_until(lambda: heard.last(0) and heard.last(1))
        heard.samples.clear()
        killed = time.monotonic()
        source.kill()
        wait_until(lambda: {("disconnected", 0), ("disconnected", 1)} <= set(heard.events))
        assert time.monotonic() - killed < 2
        assert links.inputs == [False, False]
        time.sleep(3)
        assert heard.samples == []
        source.start()
        wait_until(lambda: heard.value(0) == heard.value(1) == 0.25, 25)
        assert links.inputs == [True, True]


def test_a_frozen_source_is_lost_within_the_connection_timeout(source: Source):
    source.start()
    assert (os.environ.get("EPICS_CA_CONN_TMO") or "5") == "5"
    with followed(*both(source, "F")) as (_, heard):
        wait_until(lambda: heard.last(0) and heard.last(1))
        heard.samples.clear()
        source.process.freeze()
        wait_until(lambda: {("disconnected", 0), ("disconnected", 1)} <= set(heard.events), 15)
        source.process.thaw()
        wait_until(lambda: heard.value(0) == heard.value(1) == 0.25, 25)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_source_that_returns_as_something_else_is_followed_as_what_it_is(
    source: Source, scheme: str
):
    link = linked(scheme, source.prefix + "X")
    number = Input("number", "float", link=link)
    state = Input("state", "enum", states=("Auto", "On", "Off"), link=link)
    words = Input("words", "string", link=link)
    array = Input("array", "float", length=5, link=link)
    target = Output("target", "enum", states=("Auto", "Off"), link=link)
    expected = {
        "float": [1.5, None, "1.5", [1.5]],
        "enum": [2.0, 0, "Auto", [2.0]],
        "turned": [2.0, 2, "Off", [2.0]],
        "array": [None, None, None, [1.0, 2.0, 3.0]],
        "string": [None, None, "text", None],
    }
    with followed(number, state, words, array, target) as (links, heard):
        for variant, wanted in expected.items():
            source.start(variant)
            wait_until(lambda: len({sample[0] for sample in heard.samples}) == 4, 25)
            assert [heard.value(i) for i in range(4)] == wanted, variant
            if variant in ("enum", "turned"):
                wait_until(lambda: links.outputs[0])
                links.write(0, 1)  # our "Off"
                wait_until(lambda: heard.results(0) == [None])
                assert source.get("X") == {"enum": 0, "turned": 2}[variant]
            source.kill()
            wait_until(lambda: not any(links.inputs) and not links.outputs[0])
            heard.samples.clear()
            heard.events.clear()


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_an_array_may_change_its_length_at_any_time(source: Source, scheme: str):
    source.start()
    link = linked(scheme, source.prefix + "AF")
    signals = Input("a", "float", length=3, link=link), Input("x", "float", link=link)
    with followed(*signals) as (_, heard):
        wait_until(lambda: heard.value(0) == [1.0, 2.5])
        wait_until(lambda: (heard.last(1) or ())[:2] == (None, 3))
        source.set("AF", [5.0])
        wait_until(lambda: heard.value(0) == [5.0] and heard.value(1) == 5.0)
        source.set("AF", [1.0, 2.0, 3.0, 4.0])  # more than the input holds
        wait_until(lambda: heard.last(0)[:2] == heard.last(1)[:2] == (None, 3))
        source.set("AF", [1.0, 2.0, 3.0])
        wait_until(lambda: heard.last(0)[:2] == ([1.0, 2.0, 3.0], 0))


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_polled_source_keeps_its_grid_beside_fifty_dead_ones(source: Source, scheme: str):
    source.start(many=50)
    live = [
        Input(f"n{n}", "float", link=linked(scheme, f"{source.prefix}N{n}", 0.1)) for n in range(50)
    ]
    dead = [
        Input(f"d{n}", "float", link=linked(scheme, f"{source.prefix}DEAD{n}", 0.1))
        for n in range(50)
    ]
    with followed(*live, *dead) as (links, heard):
        wait_until(lambda: len({sample[0] for sample in heard.samples}) == 50)
        assert sorted(links.inputs) == [False] * 50 + [True] * 50
        heard.events.clear()
        time.sleep(2)
        answers = [heard.events.count(("alive", i)) for i in range(50)]
        assert 18 <= min(answers) and max(answers) <= 22
        source.set("X", 3.0)
        source.do("burst", name="F", count=1, rate=1000)
        assert not any(sample[0] >= 50 for sample in heard.samples)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_polled_source_that_dies_is_lost_and_found_again(source: Source, scheme: str):
    source.start()
    signal = Input("f", "float", link=linked(scheme, source.prefix + "F", 0.2))
    with followed(signal) as (links, heard):
        wait_until(lambda: heard.value(0) == 0.25)
        source.set("F", 2.0)
        wait_until(lambda: heard.value(0) == 2.0)
        source.kill()
        wait_until(lambda: ("disconnected", 0) in heard.events, 10)
        assert links.inputs == [False]
        heard.samples.clear()
        source.start()
        wait_until(lambda: heard.value(0) == 0.25, 25)
        assert links.inputs == [True]


def test_a_poke_is_answered_by_a_sign_of_life_or_by_what_the_monitor_missed(source: Source):
    source.start()
    with followed(*both(source, "F", max_age=5.0)) as (links, heard):
        wait_until(lambda: heard.last(0) and heard.last(1))
        count = len(heard.samples)
        for i in (0, 1):
            links.poke(i)
            wait_until(lambda: ("alive", i) in heard.events)  # noqa: B023
        assert len(heard.samples) == count
        source.do("field", name="F.MDEL", value="1000")
        source.do("field", name="F.ADEL", value="1000")
        source.set("F", 0.5)
        wait_until(lambda: source.get("F") == 0.5)
        for i in (0, 1):
            links.poke(i)
            wait_until(lambda: heard.value(i) == 0.5)  # noqa: B023


def test_a_dead_name_is_never_heard_of_and_costs_the_others_nothing(source: Source):
    source.start()
    dead = [
        Input(f"{scheme}{n}", "float", link=linked(scheme, f"{source.prefix}NO{n}"))
        for n in range(20)
        for scheme in ("ca", "pva")
    ]
    with followed(*both(source, "F"), *dead) as (links, heard):
        wait_until(lambda: heard.last(0) and heard.last(1))
        for i in range(2, 42):
            links.poke(i)
        source.set("F", 9.0)
        wait_until(lambda: heard.value(0) == heard.value(1) == 9.0, 2)
        assert {sample[0] for sample in heard.samples} == {0, 1}


def test_a_name_that_its_server_refuses_is_not_asked_for_in_a_storm(source: Source):
    source.start()
    refused = Input("x", "string", link=linked("ca", source.prefix + "I.VAL$"))
    with followed(refused) as (links, heard):
        time.sleep(1.5)
        assert heard.samples == [] and links.inputs == [False]
        assert heard.events.count(("disconnected", 0)) <= 3


def test_odd_structures_are_invalid_and_recover_when_they_become_numbers(
    spawn: Spawn, epics_env: EpicsEnv
):
    script = Path(__file__).parent / "pva_source.py"
    odd = spawn(
        "-W", "ignore", script, epics_env.prefix, "odd", env=epics_env.server(1), until="up"
    )
    names = ["UNION", "TABLE", "ANY", "BARE", "NOVALUE"]
    inputs = [
        Input(name.lower(), "float", link=linked("pva", epics_env.prefix + name)) for name in names
    ]
    with followed(*inputs) as (links, heard):
        wait_until(lambda: all(heard.last(i) for i in range(5)))
        assert [heard.last(i)[:2] for i in range(5)] == [(None, 3)] * 3 + [(4.5, 0), (None, 3)]
        assert heard.last(3)[3] == 0  # a bare number has no alarm and no time
        odd.kill()
        wait_until(lambda: not any(links.inputs[:4]))
        spawn(
            "-W", "ignore", script, epics_env.prefix, "plain", env=epics_env.server(1), until="up"
        )
        wait_until(lambda: all(heard.last(i)[:2] == (1.25, 0) for i in range(5)), 25)


def test_a_plan_without_links_starts_no_client(epics_env: EpicsEnv):
    before = len(os.listdir("/proc/self/task"))
    with followed(Input("x", "float"), Output("y", "float")) as (links, heard):
        assert len(os.listdir("/proc/self/task")) == before + 1
        assert links.inputs == links.outputs == [False]
        links.poke(0)
    assert heard.samples == heard.events == []


def test_a_sink_that_raises_loses_one_sample_and_says_so(source: Source, caplog):
    source.start()

    class Sulking(Heard):
        def sample(self, i, value, severity, status, ns):
            if value == 1.0:
                raise RuntimeError("no")
            super().sample(i, value, severity, status, ns)

    with followed(*both(source, "F"), heard=Sulking()) as (_, heard):
        wait_until(lambda: heard.last(0) and heard.last(1))
        source.do("burst", name="F", count=3, rate=100)
        wait_until(lambda: heard.value(0) == heard.value(1) == 3.0)
    assert heard.values(0) == heard.values(1) == [0.25, 2.0, 3.0]
    assert caplog.text.count("a sample was lost") == 2


def test_links_close_in_time_beside_a_frozen_server(source: Source):
    source.start(many=100)
    names = [f"N{n}" for n in range(100)]
    with followed(*(signal for name in names for signal in both(source, name))) as (links, heard):
        wait_until(lambda: all(links.inputs))
        source.process.freeze()  # `followed` says how long the end may take


FORGETFUL = """
import sys, time
from ioc_runtime.epics.links import Links
from ioc_runtime.plan import Input, Link, Plan

class Sink:
    heard = set()
    def sample(self, i, *rest):
        self.heard.add(i)
    def alive(self, i):
        pass
    def disconnected(self, i):
        pass

pv = sys.argv[1]
inputs = (
    Input("a", "float", link=Link("ca", pv)),
    Input("b", "float", link=Link("pva", pv)),
)
links = Links(Plan("t", "", "T:", inputs=inputs), Sink())
links.open()
while len(Sink.heard) < 2:
    time.sleep(0.01)
print("follows", flush=True)
time.sleep(0.2)
raise SystemExit(3)
"""


def test_a_process_that_ends_with_open_links_ends_with_its_own_exit_code(
    source: Source, spawn: Spawn, epics_env: EpicsEnv
):
    source.start()
    ends = [spawn("-c", FORGETFUL, source.prefix + "F", until="follows") for _ in range(4)]
    source.do("burst", name="F", count=2000, rate=2000)
    for process in ends:
        assert process.wait() == 3
        assert process.errors == ""
