"""The decisions of mode triggered, with a clock that stands and clients on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ioc_runtime.plan import Trigger
from ioc_runtime.plugin.verdict import (
    EXCEPTION,
    IO_FAILURE,
    SKIPPED,
    STALLED,
    SUCCESS,
    Verdict,
)
from ioc_runtime.task.cycles import PAUSED, Cycles

DONE = Verdict(SUCCESS)


class Paper:
    """Line, show, crew and clock; what clients see, in order."""

    def __init__(self, **trigger: Any) -> None:
        plan = Trigger(**trigger)
        self.ring = plan.waiting + 2
        self.seen: list[Any] = []
        self.now = 100.0
        self.count = 0
        self.level = 0
        self.held: dict[int, int] = {}
        """Hold -> number of the put whose callback it keeps."""
        self.answered: list[int] = []
        self.why = ""
        self.willing = True
        self.asked = 0
        self.ends: list[str] = []
        self.inside = False
        self.between: list[Any] = []
        """Puts that come as soon as the line is open again."""
        self.cycles = Cycles(plan, self, self, self, lambda: self.now)

    # a client

    def put(self) -> int:
        """A put of 1, as C handles it; nobody is told."""
        assert not self.inside, "a put came while the line was locked"
        self.count += 1
        self.level = 1
        number = self.count
        if self.held.get(number % self.ring) is None:
            self.held[number % self.ring] = number
        else:
            self.answered.append(number)  # its hold is active: answered at once
        return number

    def trigger(self) -> bool:
        self.asked += self.willing
        return self.willing

    # the line

    @contextmanager
    def locked(self) -> Iterator[None]:
        assert not self.inside
        self.inside = True
        yield
        self.inside = False
        if self.between:
            self.between.pop(0)()

    def puts(self) -> int:
        assert self.inside
        return self.count

    def busy(self) -> None:
        self.seen.append("busy")

    def idle(self) -> None:
        assert self.inside
        self.level = 0
        self.seen.append("idle")

    def insist(self) -> int:
        assert self.inside
        self.level = 1
        return self.count

    def reset(self) -> None:
        self.level = 0

    def answer(self, number: int) -> None:
        assert self.inside
        held = self.held.pop(number % self.ring, None)
        if held is not None:
            self.answered.append(held)
            self.seen.append(("answer", held))

    # the rest

    def show(self, name: str, value: Any, severity: int = 0) -> None:
        self.seen.append((name, value))

    def message(self, text: str, severity: int) -> None:
        self.seen.append(("MESSAGE", text))

    def refusal(self) -> str:
        return self.why

    def where(self) -> str:
        return " at guard.py:3"

    def stalled(self, sentence: str) -> None:
        self.ends.append(sentence)

    def last(self, name: str) -> Any:
        return [each[1] for each in self.seen if each[0] == name][-1]


def test_results_come_first_then_cycle_then_the_ack_then_the_answer():
    paper = Paper()
    paper.put()
    paper.cycles.heard()
    paper.now += 0.5
    paper.cycles.ended(DONE)
    assert paper.seen == [
        "busy",
        ("TASK_DURATION", 0.5),
        ("TASK_STATUS", SUCCESS),
        ("ERR:MSG", ""),
        ("CYCLE", 1),
        "idle",
        ("answer", 1),
    ]


def test_a_skipped_cycle_has_no_duration_and_is_no_alarm():
    paper = Paper()
    paper.put()
    paper.cycles.heard()
    paper.cycles.ended(Verdict(SKIPPED, "beam is off"))
    assert paper.last("TASK_STATUS") == SKIPPED
    assert paper.last("ERR:MSG") == "beam is off"
    assert "TASK_DURATION" not in [each[0] for each in paper.seen]
    assert "MESSAGE" not in [each[0] for each in paper.seen]


def test_one_waits_the_next_is_rejected_and_each_is_answered_with_its_own_end():
    paper = Paper(waiting=1)
    paper.put()
    paper.cycles.heard()
    paper.put()
    paper.put()
    paper.cycles.heard()
    assert paper.answered == [3]
    assert paper.last("REJECTED") == 1
    assert paper.last("MESSAGE") == "trigger rejected: a cycle runs and 1 more wait"
    paper.cycles.ended(DONE)
    assert (paper.answered, paper.level, paper.asked) == ([3, 1], 1, 2)
    assert "idle" not in paper.seen
    paper.cycles.ended(DONE)
    assert (paper.answered, paper.level) == ([3, 1, 2], 0)


def test_a_put_that_comes_with_the_end_of_a_cycle_is_not_wiped_out_by_the_ack():
    paper = Paper(waiting=0)
    paper.put()
    paper.cycles.heard()
    paper.between = [lambda: None, paper.put]  # right after the line of the end is open
    paper.cycles.ended(DONE)
    paper.put()
    assert paper.level == 1
    paper.cycles.heard()
    assert paper.asked == 2


def test_a_put_between_a_rejection_and_the_end_is_decided_before_the_end():
    paper = Paper(waiting=0)
    paper.put()
    paper.cycles.heard()
    paper.put()
    paper.between = [paper.put]  # while the one before is being refused
    paper.cycles.ended(DONE)
    assert (paper.cycles.rejected, paper.asked) == (2, 1)
    assert sorted(paper.answered) == [1, 2, 3]
    assert paper.level == 0


def test_many_unheard_puts_are_decided_at_once():
    paper = Paper(waiting=2)
    for _ in range(50):
        paper.put()
    paper.cycles.heard()
    assert (paper.asked, paper.cycles.rejected) == (1, 47)
    for _ in range(3):
        paper.cycles.ended(DONE)
    assert (paper.asked, paper.cycles.count, paper.level) == (3, 3, 0)
    assert sorted(paper.answered) == list(range(1, 51))


@example(1, ["put", "put", "put", "put", "heard", "ended", "put", "heard"])
@example(1, ["put", "put", "put", "heard", "put", "pause"])
@example(1, ["put", "timer", "put", "put", "heard", "put", "pause", "go"])
@given(
    st.integers(0, 3),
    st.lists(st.sampled_from(["put", "heard", "ended", "timer", "pause", "go"]), max_size=80),
)
def test_whatever_happens_every_put_ends_in_a_cycle_after_it_or_is_counted_as_rejected(
    waiting: int, events: list[str]
):
    paper = Paper(waiting=waiting)
    early: list[int] = []
    started: list[int] = []
    begin = paper.trigger

    def trigger() -> bool:
        run = paper.cycles._run  # noqa: SLF001
        if run is not None and run.number is not None:
            started.append(run.number)
            if run.number in paper.answered:
                early.append(run.number)
        return begin()

    paper.trigger = trigger  # type: ignore[method-assign]
    timers = 0
    for event in [*events, "go", "heard", *["ended"] * (waiting + 2)]:
        if event == "put":
            paper.put()
        elif event == "heard":
            paper.cycles.heard()
        elif event == "ended":
            paper.cycles.ended(DONE)
        elif event == "timer":
            timers += paper.cycles.timer(0) == 0
        elif event == "pause":
            paper.why = PAUSED
            paper.cycles.paused(False)
        else:
            paper.why = ""
    assert early == []  # nobody was answered before the cycle that was to be theirs
    assert len(started) + paper.cycles.rejected == paper.count
    assert started == sorted(started)
    assert sorted(paper.answered) == list(range(1, paper.count + 1))
    assert paper.cycles.count == len(started) + timers
    assert paper.level == 0


def test_a_timer_that_finds_a_cycle_leaves_one_out_and_touches_no_trigger():
    paper = Paper()
    assert paper.cycles.timer(0) == 0
    assert paper.level == 0
    assert paper.cycles.timer(2) == 3
    paper.cycles.ended(DONE)
    assert paper.cycles.timer(1) == 1
    assert paper.answered == []


def test_who_puts_during_a_cycle_of_the_timer_gets_the_next():
    paper = Paper()
    paper.cycles.timer(0)
    paper.put()
    paper.cycles.heard()
    paper.cycles.ended(DONE)
    assert (paper.answered, paper.level) == ([], 1)
    paper.cycles.ended(DONE)
    assert (paper.answered, paper.level) == ([1], 0)


def test_a_cycle_stalls_at_its_limit_and_is_given_up_once():
    paper = Paper(stall_limit=2.0, kill_after=3.0)
    paper.put()
    paper.cycles.heard()
    for passed, status, ends in ((1.9, None, 0), (0.2, STALLED, 0), (2.8, STALLED, 0)):
        paper.now += passed
        paper.cycles.tick()
        assert [each[1] for each in paper.seen if each[0] == "TASK_STATUS"][-1:] == (
            [] if status is None else [status]
        )
        assert len(paper.ends) == ends
    assert paper.last("ERR:MSG") == "the cycle still runs after 2 s (stallLimit) at guard.py:3"
    paper.now += 0.2
    paper.cycles.tick()
    paper.cycles.tick()
    assert paper.ends == ["the cycle did not end within 5.1 s at guard.py:3"]
    paper.cycles.stop()
    assert paper.last("TASK_STATUS") == STALLED
    assert paper.answered == []  # its put has not come to its end


def test_without_a_limit_nothing_stalls_and_an_idle_task_neither():
    for paper in (Paper(), Paper(stall_limit=1.0)):
        if paper.cycles._trigger.stall_limit is None:  # noqa: SLF001
            paper.put()
            paper.cycles.heard()
        paper.now += 1e6
        paper.cycles.tick()
        assert "TASK_STATUS" not in [each[0] for each in paper.seen]


def test_another_limit_counts_from_the_beginning_of_the_cycle():
    paper = Paper()
    paper.put()
    paper.cycles.heard()
    paper.now += 5
    paper.cycles.change(Trigger(stall_limit=3.0))
    paper.cycles.tick()
    assert paper.last("TASK_STATUS") == STALLED


@pytest.mark.parametrize("dropped", [False, True])
def test_a_pause_rejects_what_waits_and_a_cycle_that_has_not_begun(dropped: bool):
    paper = Paper()
    for _ in range(2):
        paper.put()
        paper.cycles.heard()
    paper.why = PAUSED
    paper.cycles.paused(dropped)
    assert paper.answered == ([2, 1] if dropped else [2])
    assert paper.cycles.rejected == 1 + dropped
    assert paper.level == (0 if dropped else 1)
    if not dropped:
        paper.cycles.ended(DONE)
    assert paper.level == 0
    assert paper.asked == 1


def test_a_plugin_that_does_not_take_it_rejects_it():
    paper = Paper()
    paper.willing = False
    paper.put()
    paper.cycles.heard()
    assert (paper.answered, paper.level, paper.cycles.rejected) == ([1], 0, 1)
    assert paper.cycles.timer(0) == 1


def test_the_end_of_the_task_answers_nobody_and_leaves_no_result():
    paper = Paper()
    for _ in range(2):
        paper.put()
        paper.cycles.heard()
    paper.cycles.stop()
    assert (paper.level, paper.answered, paper.last("TASK_STATUS")) == (0, [], None)
    paper.cycles.ended(DONE)  # too late
    assert paper.last("TASK_STATUS") is None


def test_the_same_failure_again_is_no_news_and_another_one_is():
    paper = Paper()
    for text in ("a", "a", "b"):
        paper.put()
        paper.cycles.heard()
        paper.cycles.ended(Verdict(IO_FAILURE, text))
    assert [each[1] for each in paper.seen if each[0] == "ERR:MSG"] == ["a", "b"]
    assert [each[1] for each in paper.seen if each[0] == "TASK_STATUS"] == [IO_FAILURE] * 3


def test_reset_counts_rejections_anew_and_leaves_cycle():
    paper = Paper(waiting=0)
    paper.put()
    paper.put()
    paper.cycles.heard()
    paper.cycles.ended(Verdict(EXCEPTION, "x"))
    paper.cycles.reset()
    assert (paper.cycles.rejected, paper.cycles.count) == (0, 1)
