"""Writes: newest value, time-outs, retries, read-back, targets that are gone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from ioc_runtime.plan import Input, Output, Plan
from runtime.source import Source, followed, linked, wait_until
from support.epics_env import EpicsEnv
from support.spawn import Spawn

SCHEMES = pytest.mark.parametrize("scheme", ["ca", "pva"])


@pytest.fixture
def source(spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path) -> Source:
    return Source(spawn, epics_env, tmp_path).start()


def output(scheme: str, source: Source, name: str, readback: str = "", **more) -> Output:
    back = linked(scheme, source.prefix + readback) if readback else None
    link = linked(scheme, source.prefix + name)
    return Output(name.lower(), more.pop("type", "float"), link=link, readback=back, **more)


@SCHEMES
def test_a_read_back_that_agrees_ends_the_write(source: Source, scheme: str):
    outputs = (
        output(scheme, source, "F", "F"),
        output(scheme, source, "F32", "F32", length=4),
        output(scheme, source, "E", "E", type="enum", states=("Off", "Auto")),
        output(scheme, source, "S", "S", type="string"),
    )
    with followed(*outputs) as (links, heard):
        wait_until(lambda: all(links.outputs))
        for o, value in enumerate([0.1, [0.1, 0.2], 0, "text"]):
            links.write(o, value)
            wait_until(lambda: heard.results(o))  # noqa: B023
            assert heard.results(o) == [None]


@SCHEMES
def test_a_read_back_within_the_tolerance_agrees_and_one_beyond_is_tried_again(
    source: Source, scheme: str
):
    source.set("F", 5.0)
    near = output(scheme, source, "MIRROR", "F", tolerance=0.5, timeout=0.2, retries=2)
    with followed(near, Input("m", "float", link=linked(scheme, source.prefix + "MIRROR"))) as (
        links,
        heard,
    ):
        wait_until(lambda: all(links.outputs) and heard.last(0))
        links.write(0, 5.4)
        wait_until(lambda: heard.results(0))
        assert heard.results(0) == [None]
        began = time.monotonic()
        links.write(0, 7.0)
        wait_until(lambda: len(heard.results(0)) == 2)
        assert time.monotonic() - began >= 0.6  # three attempts
        assert heard.results(0)[1] == (
            f"mirror: {near.link} did not take 7.000: the read-back {near.readback} says 5.000"
        )
        links.write(0, 7.0)
        time.sleep(0.1)
        source.set("F", 7.2)  # late, but within the time of an attempt
        wait_until(lambda: len(heard.results(0)) == 3)
        assert heard.results(0)[2] is None


@SCHEMES
def test_a_reload_changes_tolerance_and_retries_and_nothing_is_connected_anew(
    source: Source, scheme: str
):
    source.set("F", 5.0)
    strict = output(scheme, source, "MIRROR", "F", tolerance=0.0, timeout=0.1, retries=0)
    with followed(strict) as (links, heard):
        wait_until(lambda: all(links.outputs))
        links.write(0, 5.4)
        wait_until(lambda: heard.results(0))
        assert "the read-back" in str(heard.results(0)[0])
        lax = replace(strict, tolerance=0.5)
        links.reload(Plan("test", "", "TEST:", outputs=(lax,)))
        links.write(0, 5.3)
        wait_until(lambda: len(heard.results(0)) == 2)
        assert heard.results(0)[1] is None
        assert heard.events[0] == ("output", 0, True)
        assert len(heard.events) == 3


@SCHEMES
def test_a_read_back_that_is_gone_or_invalid_never_agrees(source: Source, scheme: str):
    outputs = (
        output(scheme, source, "F", "NOWHERE", timeout=0.2, retries=0),
        output(scheme, source, "I", "T", timeout=0.2, retries=0),
    )
    source.do("sample", value=3.0, severity=3, status=9, time=1_700_000_000.0)
    with followed(*outputs) as (links, heard):
        wait_until(lambda: all(links.outputs))
        for o in (0, 1):
            links.write(o, 3.0)
            wait_until(lambda: heard.results(o))  # noqa: B023
            assert heard.results(o)[0].endswith("says nothing valid")


@SCHEMES
def test_a_slow_target_times_out_and_says_so(source: Source, scheme: str):
    source.do("slow", seconds=0.7)
    slow = output(scheme, source, "SLOW", timeout=0.3, retries=0)
    with followed(slow) as (links, heard):
        wait_until(lambda: all(links.outputs))
        links.write(0, 4.0)
        wait_until(lambda: heard.results(0))
        assert heard.results(0) == [f"slow: {slow.link} did not take 4.000: no answer within 0.3 s"]
        time.sleep(0.6)  # the answer that comes too late changes nothing
        assert len(heard.results(0)) == 1
        assert source.get("SLOW") == 4.0


@SCHEMES
def test_a_slow_target_delays_neither_its_newest_value_nor_its_neighbours(
    source: Source, scheme: str
):
    source.do("slow", seconds=1.5)
    outputs = (
        output(scheme, source, "SLOW", timeout=3.0),
        output(scheme, source, "F"),
        output(scheme, source, "I", type="int"),
    )
    mirror = Input("m", "float", link=linked(scheme, source.prefix + "SLOW"))
    with followed(mirror, *outputs) as (links, heard):
        wait_until(lambda: all(links.outputs) and heard.last(0))
        began = time.monotonic()
        links.write(0, 1.0)
        time.sleep(0.1)  # it is under way
        for n in range(50):
            links.write(1, float(n))
            links.write(2, n)
        links.write(0, 2.0)
        links.write(0, 3.0)
        wait_until(lambda: heard.results(1) and heard.results(2), 1.0)
        wait_until(lambda: source.get("F") == 49.0 and source.get("I") == 49)
        # The newest is at the target while that still works on the first.
        wait_until(lambda: heard.results(0) == [None], 1.2)
        assert time.monotonic() - began < 1.5
        wait_until(lambda: heard.value(0) == 3.0)
        assert 2.0 not in heard.values(0)


@SCHEMES
def test_the_newest_of_many_values_is_the_one_that_stays(source: Source, scheme: str):
    with followed(output(scheme, source, "F")) as (links, heard):
        wait_until(lambda: all(links.outputs))
        for n in range(20_000):
            links.write(0, float(n))
        wait_until(lambda: source.get("F") == 19_999.0 and heard.results(0))
        assert set(heard.results(0)) == {None}
        time.sleep(0.3)
        assert source.get("F") == 19_999.0


@SCHEMES
def test_a_target_that_is_not_there_is_reported_once_and_left_to_the_engine(
    source: Source, scheme: str
):
    source.kill()
    absent = output(scheme, source, "F", timeout=0.3)
    with followed(absent) as (links, heard):
        links.write(0, 1.0)
        links.write(0, 2.0)
        wait_until(lambda: heard.results(0))
        assert heard.results(0) == [f"f: {absent.link} did not take 2.000: it is not connected"]
        source.start()
        wait_until(lambda: links.outputs == [True], 25)
        assert ("output", 0, True) in heard.events
        time.sleep(0.3)
        assert source.get("F") == 0.25  # what to write now is for the engine to say
        links.write(0, 3.0)
        wait_until(lambda: source.get("F") == 3.0)


@SCHEMES
def test_a_write_that_a_dying_target_took_along_is_reported_and_never_sent_again(
    source: Source, scheme: str
):
    source.do("slow", seconds=5)
    with followed(output(scheme, source, "SLOW", timeout=10.0)) as (links, heard):
        wait_until(lambda: all(links.outputs))
        links.write(0, 8.0)
        time.sleep(0.2)
        source.kill()
        wait_until(lambda: heard.results(0))
        assert "the connection was lost" in heard.results(0)[0]
        source.start()
        wait_until(lambda: links.outputs == [True], 25)
        time.sleep(0.5)
        assert source.get("SLOW") != 8.0


@SCHEMES
def test_a_frozen_target_delays_nothing_else(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path, scheme: str
):
    dead = Source(spawn, replace(epics_env, prefix=epics_env.prefix + "D:"), tmp_path, 2)
    live = Source(spawn, epics_env, tmp_path, 1)
    dead.start()
    live.start()
    outputs = (
        *(output(scheme, dead, name, timeout=0.5, retries=0) for name in ("F", "I")),
        output(scheme, dead, "BIG", length=300_000, timeout=0.5, retries=0),
        output(scheme, live, "F", timeout=0.5, retries=0),
    )
    with followed(*outputs) as (links, heard):
        wait_until(lambda: all(links.outputs))
        dead.process.freeze()
        time.sleep(0.1)  # every thread of it has stopped
        big, longest = [1.0] * 300_000, 0.0
        for n in range(20):
            for o in (0, 1):
                links.write(o, float(n))
            links.write(2, big)
            began = time.monotonic()
            links.write(3, float(n))
            wait_until(lambda: len(heard.results(3)) == n + 1)  # noqa: B023
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.05)
        assert heard.results(3) == [None] * 20
        assert longest < 0.5
        for o in (0, 1, 2):
            assert heard.results(o) and None not in heard.results(o)
        dead.process.thaw()


@SCHEMES
def test_a_put_that_is_waited_for_says_how_it_ended(source: Source, scheme: str):
    signals = (
        Input("f", "float", link=linked(scheme, source.prefix + "F")),
        Input("ro", "float", link=linked(scheme, source.prefix + "RO")),
        Input("slow", "float", link=linked(scheme, source.prefix + "SLOW")),
        output(scheme, source, "E", type="enum", states=("Off", "Auto")),
        output(scheme, source, "NOWHERE"),
    )
    source.do("slow", seconds=1.0)
    with followed(*signals) as (links, _):
        assert links.put_and_wait("f", 3.5, 10) is None
        assert source.get("F") == 3.5
        assert links.put_and_wait("e", 0, 10) is None
        assert source.get("E") == 2
        assert "its server says" in links.put_and_wait("ro", 1.0, 10)
        assert links.put_and_wait("slow", 1.0, 0.5).endswith("no answer within 0.5 s")
        assert links.put_and_wait("slow", 2.0, 10) is None
        assert source.get("SLOW") == 2.0
        gone = links.put_and_wait("nowhere", 2.0, 0.3)
        name = f"{scheme}://{source.prefix}NOWHERE"
        assert gone == f"nowhere: {name} did not take 2.000: no connection within 0.3 s"
