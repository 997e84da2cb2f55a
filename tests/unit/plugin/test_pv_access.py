"""What `read` and `write` make of names and answers; the real network is in tests/runtime."""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from dataclasses import replace

import pytest

from ioc_runtime import BadValue, PutFailed, ReadFailed, TaskBase, TaskError, UnknownName
from ioc_runtime.plan import Link
from ioc_runtime.plugin.batch import Batch
from ioc_runtime.plugin.binding import Binding
from ioc_runtime.plugin.functions import guarded
from ioc_runtime.plugin.host import Reading

from .conftest import PLAN, FakeFound, FakeHost


@pytest.fixture
def task(host: FakeHost) -> TaskBase:
    host.remote |= {
        "X": FakeFound(1.5),
        "E": FakeFound(1, 2, 1_500_000_000, ("Off", "On")),
        "TEXT": FakeFound([104, 105, 0, 120]),
        "A:P": FakeFound(7),
    }
    made = TaskBase()
    made._binding = Binding(replace(PLAN, protocol="pva", prefixes={"a": "A:"}), host)
    return made


def test_a_single_name_gives_a_single_reading(task: TaskBase) -> None:
    one = task.read("ca://E")
    assert (one.value, one.state, one.severity, one.timestamp) == (1, "On", 2, 1.5)
    assert (one.ok, one.valid, one.connected, one.states) == (True, True, True, ("Off", "On"))
    assert one.raise_for_error() is one


def test_names_are_own_signals_first_then_pvs_of_the_protocol(task: TaskBase, host) -> None:
    host.readings["pressure"] = Reading(2.5, 1, 3_000_000_000, True)
    host.readings["setpoint"] = Reading(None, 3, 0, True)
    found = task.read(["pressure", "X", "{a}P", "setpoint", "profile"], timeout=0.01)
    assert found.values == {
        "pressure": 2.5,
        "X": 1.5,
        "{a}P": 7,
        "setpoint": None,
        "profile": None,
    }
    assert found["pressure"].timestamp == 3.0
    assert found[3].error == "no value yet"
    assert found["profile"].error == "pva://VAC:PROFILE is not connected"
    assert [one.name for one in found.failed] == ["setpoint", "profile"]
    assert [one.name for one in found[1:3]] == ["X", "{a}P"]
    with pytest.raises(UnknownName, match="no result of 'Y'"):
        found["Y"]


def test_a_bare_name_that_nobody_has_may_be_a_misspelt_input(task: TaskBase) -> None:
    found = task.read(["presure", "A:Q"], timeout=0.01)
    assert found[0].error == (
        "no connection within 0.01 s; the task has no input or output 'presure'; "
        "nearest: 'pressure'"
    )
    assert found[1].error == "no connection within 0.01 s"
    with pytest.raises(ReadFailed, match=r"2 of 2 PVs: no connection.*; A:Q: no connection"):
        found.raise_for_error()


class Mode(enum.Enum):
    LOW = 0
    HIGH = 5


@pytest.mark.parametrize(
    ("cast", "value", "error"),
    [
        (float, 1.0, ""),
        (bool, True, ""),
        (str, "On", ""),
        (Mode, None, "expected one of LOW (0), HIGH (5), got 1"),
        (lambda x: 1 / 0, None, "expected <lambda>, got 1 (ZeroDivisionError: division by zero)"),
        (lambda x: None, None, "<lambda> made None of 1"),
    ],
)
def test_a_cast_makes_a_value_or_an_error(task: TaskBase, cast, value, error) -> None:
    found = task.read({"ca://E": cast})["ca://E"]
    assert (found.value, found.error, found.ok) == (value, error, not error)


def test_text_of_characters_comes_by_a_cast(task: TaskBase) -> None:
    assert task.read({"ca://TEXT": str})[0].value == "hi"
    assert task.read("ca://TEXT").value == [104, 105, 0, 120]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda t: t.read([5]), BadValue, "read: expected names of PVs, got 5"),
        (lambda t: t.read(5), BadValue, "read: expected names of PVs, got 5"),
        (lambda t: t.read(["X"], timeout=0), BadValue, "a timeout above 0 s"),
        (lambda t: t.read(["X"], timeout=None), BadValue, "a timeout above 0 s"),
        (lambda t: t.read(["X"], timeout=float("nan")), BadValue, "a timeout above 0 s"),
        (lambda t: t.read(["X"] * 10_001), BadValue, "at most 10000 PVs in one call"),
        (lambda t: t.read(tag="no"), UnknownName, "no input or output has the tag 'no'"),
        (lambda t: t.read("{b}P"), UnknownName, "no prefix 'b' in spec.prefixes; there are: a"),
        (lambda t: t.prefixes["b"], UnknownName, "no prefix 'b'"),
        (lambda t: t.write(["X"]), BadValue, "write: expected a dict of values by PV"),
        (lambda t: guarded("f", t.read)("X"), TaskError, "a function of an expression cannot"),
        (lambda t: guarded("f", t.write)({"X": 1}), TaskError, "a function of an expression"),
    ],
)
def test_a_call_that_cannot_be_meant_raises(task: TaskBase, call, error, text) -> None:
    with pytest.raises(error, match=text):
        call(task)


def test_writes_go_to_signals_and_pvs_and_what_is_refused_is_an_error(task, host) -> None:
    done = task.write(
        {"count": 3, "X": 2.5, "valve": "OPN", "ca://VAC:MEAN": 1, "a b": 1, "{a}P": Mode.HIGH},
        timeout=0.01,
    )
    assert host.writes == [("count", 3)]
    assert host.sent == [(Link("pva", "X"), 2.5), (Link("pva", "A:P"), 5)]
    assert [one.name for one in done.failed] == ["valve", "ca://VAC:MEAN", "a b"]
    assert "expected one of SHUT, OPEN" in done["valve"].error
    assert "belongs to the transform 'mean(pressure_buf)'" in done["ca://VAC:MEAN"].error
    assert "expected ca://NAME or pva://NAME" in done["a b"].error
    with pytest.raises(PutFailed, match="3 of 6 PVs: 'valve': expected"):
        done.raise_for_error()
    with pytest.raises(PutFailed, match="a b"):
        done["a b"].raise_for_error()


def test_nothing_at_all_is_fine(task: TaskBase) -> None:
    assert len(task.read([])) == len(task.write({})) == 0
    assert task.read().ok


def test_async_calls_give_the_same(task: TaskBase) -> None:
    async def both() -> None:
        found = await task.aread({"ca://E": str, "NOBODY": None}, timeout=0.05)
        assert [one.value for one in found] == ["On", None]
        assert (await task.awrite({"ca://X": 1})).ok

    asyncio.run(both())


def test_an_answer_that_comes_late_changes_nothing() -> None:
    batch = Batch(2)
    batch.place(0)("a")
    answers = batch.wait(time.monotonic() + 0.01, lambda: True)
    batch.place(1)("b")
    assert answers == ["a", None]


def test_answers_from_many_threads_end_the_wait_at_once() -> None:
    batch = Batch(50)
    threads = [threading.Thread(target=batch.place(n), args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    assert batch.wait(began + 20, lambda: True) == list(range(50))
    assert time.monotonic() - began < 5
    for thread in threads:
        thread.join()
