"""`triggered()` in the plugin's thread, and what its result is taken for."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

import pytest

from ioc_runtime import InvalidInput, JobResult, NotYours, Paused, PutFailed, Skip
from ioc_runtime.plugin.inputs import InputReading
from ioc_runtime.plugin.mailbox import TRIGGERED, Mailbox
from ioc_runtime.plugin.verdict import (
    EXCEPTION,
    IO_FAILURE,
    LOGIC_FAILURE,
    SKIPPED,
    SUCCESS,
    Verdict,
    raised,
    returned,
)

from .conftest import PATIENCE


class Truth:
    """As numpy's bool."""

    def __init__(self, value: bool) -> None:
        self._value = value

    def tolist(self) -> bool:
        return self._value


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (None, SUCCESS),
        (True, SUCCESS),
        (Truth(True), SUCCESS),
        (JobResult(True, {"x": 1}), SUCCESS),
        ({"success": True}, SUCCESS),
        (False, LOGIC_FAILURE),
        (Truth(False), LOGIC_FAILURE),
        (JobResult(False), LOGIC_FAILURE),
        ({"success": False, "message": "m"}, LOGIC_FAILURE),
        (0, EXCEPTION),
        (2, EXCEPTION),
        ("IO_FAILURE", EXCEPTION),
        ({"x": 1}, EXCEPTION),
        ({"success": 1}, EXCEPTION),
    ],
)
def test_only_what_says_so_is_a_success(value: Any, status: int):
    assert returned(value).status == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PutFailed("x"), IO_FAILURE),
        (InvalidInput("x"), IO_FAILURE),
        (ConnectionError("x"), IO_FAILURE),
        (NotYours("x"), EXCEPTION),
        (ValueError("x"), EXCEPTION),
        (SystemExit(0), EXCEPTION),
        (Paused("x"), LOGIC_FAILURE),
        (Skip("no beam"), SKIPPED),
        (Skip(), SKIPPED),
    ],
)
def test_what_it_raises_decides(error: BaseException, status: int):
    assert raised(error, "guard.py:3: x").status == status


def test_a_verdict_is_one_bounded_line():
    text = raised(ValueError(), "a\nb " + 300 * "c").text
    assert text.startswith("a b c")
    assert len(text) == 256


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (InputReading("p", 1.0, 3, 0.0, True, link="ca://G:P"), "input 'p' (ca://G:P) is INVALID"),
        (InputReading("p", 1.0, 3, 0.0, False), "input 'p' is not connected"),
        (InputReading("p", None, 3, 0.0, True), "input 'p' has no value yet"),
    ],
)
def test_a_required_input_that_is_not_valid_is_named(reading: InputReading, why: str):
    with pytest.raises(InvalidInput) as caught:
        reading.require()
    assert str(caught.value) == why
    assert isinstance(caught.value, OSError)


def test_a_required_input_gives_its_value():
    assert InputReading("p", 0.0, 2, 0.0, True).require() == 0.0


# the mailbox


def test_a_trigger_stands_among_the_changes_and_there_is_one():
    mailbox = Mailbox(10, lambda: None)
    mailbox.change("a", 1, 0)
    assert mailbox.trigger()
    assert not mailbox.trigger()
    mailbox.change("a", 2, 1)
    assert [mailbox.take() for _ in range(4)] == [
        ("on_input_changed", ("a", 1, 0)),
        TRIGGERED,
        ("on_input_changed", ("a", 2, 1)),
        None,
    ]
    assert mailbox.trigger()


def test_a_pause_forgets_a_trigger_that_waits_and_says_so():
    mailbox = Mailbox(10, lambda: None)
    mailbox.trigger()
    mailbox.change("a", 1, 0)
    assert mailbox.pause()
    assert not mailbox.pause()
    assert not mailbox.trigger()
    mailbox.resume()
    assert mailbox.take() == ("on_input_changed", ("a", 1, 0))
    assert mailbox.take() is None


# the thread


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def verdicts() -> queue.SimpleQueue[Verdict]:
    return queue.SimpleQueue()


def test_cycles_run_in_the_plugins_thread_and_only_exceptions_are_failures(run, told, verdicts):
    runner = run(
        """
        class Guard(TaskBase):
            todo = [None, PutFailed("x"), Skip("y"), RuntimeError("z"), None]
            def triggered(self):
                assert threading.current_thread().name == "plugin"
                error = self.todo.pop(0)
                if error: raise error
        """,
        cycled=verdicts.put,
    )
    found = []
    for _ in range(5):
        assert runner.trigger()
        found.append(verdicts.get(timeout=PATIENCE).status)
    assert found == [SUCCESS, IO_FAILURE, SKIPPED, EXCEPTION, SUCCESS]
    told.wait_for(lambda t: t.recoveries == 1)
    assert len(told.failures) == 1
    assert "guard.py" in told.failures[0][0]


def test_an_async_cycle_gives_its_result_and_one_that_is_cancelled_gives_none(run, verdicts):
    runner = run(
        """
        import asyncio
        class Guard(TaskBase):
            n = 0
            async def triggered(self):
                self.n += 1
                await asyncio.sleep(0 if self.n == 1 else 60)
                return False
        """,
        cycled=verdicts.put,
    )
    assert runner.trigger()
    assert verdicts.get(timeout=PATIENCE).status == LOGIC_FAILURE
    assert runner.trigger()
    until(lambda: runner.busy is not None)
    assert runner.stop(1)
    assert verdicts.empty()
    assert not runner.trigger()


def test_a_cycle_that_waits_for_an_initialize_that_fails_ends_as_an_exception(
    run, told, verdicts, gate
):
    runner = run(
        """
        class Guard(TaskBase):
            def initialize(self):
                gate.wait()
                if not hasattr(host, "good"):
                    raise RuntimeError("no device")
            def triggered(self): pass
        """,
        cycled=verdicts.put,
        retry=(0.05, 0.05),
    )
    assert runner.trigger()
    gate.set()
    verdict = verdicts.get(timeout=PATIENCE)
    assert (verdict.status, runner.unready) == (EXCEPTION, verdict.text)
    assert not runner.trigger()
    runner._host.good = True  # noqa: SLF001
    told.wait_for(lambda t: t.recoveries == 1)
    until(lambda: not runner.unready)
    assert runner.trigger()
    assert verdicts.get(timeout=PATIENCE).status == SUCCESS


def test_max_failures_end_the_task_and_the_last_cycle_still_ends(run, told, verdicts):
    runner = run(
        "class Guard(TaskBase):\n def triggered(self): 1 / 0\n",
        max_failures=2,
        cycled=verdicts.put,
    )
    for _ in range(2):
        assert runner.trigger()
        assert verdicts.get(timeout=PATIENCE).status == EXCEPTION
    told.wait_for(lambda t: t.end is not None)
    assert told.end[0] == 12
