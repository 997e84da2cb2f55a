"""Keys: each once, one at a time, failed ones later and later."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_operator.queue import LONGEST_BACKOFF, Queue, Schedule


def schedule() -> Schedule[str]:
    return Schedule(chance=lambda: 0.5)  # the middle: a backoff as it is


def test_a_key_that_is_added_three_times_comes_up_once() -> None:
    keys = schedule()
    for now in (0.0, 1.0, 2.0):
        keys.add("a", now)
    assert keys.take(5.0) == ("a", 5.0), "it has waited since it was added first"
    assert keys.take(5.0) is None


def test_a_key_is_never_out_twice() -> None:
    keys = schedule()
    keys.add("a", 0.0)
    keys.take(0.0)
    keys.add("a", 1.0)
    assert keys.take(1.0) is None, "it is being worked on"
    keys.done("a", 2.0)
    assert keys.take(3.0) == ("a", 2.0), "what came meanwhile is looked at afterwards"
    keys.done("a", 3.0)
    assert keys.take(4.0) is None


def test_urgent_keys_go_first_and_keep_their_order() -> None:
    keys = schedule()
    keys.add("sweep", 0.0)
    keys.add("edit-1", 0.0, urgent=True)
    keys.add("edit-2", 0.0, urgent=True)
    assert [keys.take(0.0), keys.take(0.0), keys.take(0.0)] == [
        ("edit-1", 0.0),
        ("edit-2", 0.0),
        ("sweep", 0.0),
    ]


def test_a_waiting_key_becomes_urgent_and_still_comes_up_once() -> None:
    keys = schedule()
    keys.add("other", 0.0)
    keys.add("a", 0.0)
    keys.add("a", 1.0, urgent=True)
    first, second = keys.take(1.0), keys.take(1.0)
    assert first == ("a", 1.0)
    assert second == ("other", 1.0)
    assert keys.take(1.0) is None


def test_backoff_doubles_up_to_a_bound_and_success_ends_it() -> None:
    keys = schedule()
    waits, now = [], 0.0
    keys.add("a", now)
    for _ in range(12):
        assert keys.take(now) is not None
        waits.append(keys.failed("a", now))
        assert keys.take(now + waits[-1] - 0.01) is None, "not before its time"
        now += waits[-1]
    assert waits[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert waits[-1] == LONGEST_BACKOFF
    assert keys.take(now) is not None
    keys.done("a", now)
    keys.add("a", now)
    keys.take(now)
    assert keys.failed("a", now) == pytest.approx(0.1), "it starts anew after a success"


def test_the_server_s_own_delay_is_heeded() -> None:
    keys = schedule()
    keys.add("a", 0.0)
    keys.take(0.0)
    assert 7.0 <= keys.failed("a", 0.0, at_least=7.0) <= 7.0 * 1.25
    assert keys.next_due() >= 7.0


def test_no_event_comes_before_the_end_of_the_server_s_own_delay() -> None:
    keys = schedule()
    keys.add("a", 0.0)
    keys.take(0.0)
    keys.add_at("a", 1.0)
    keys.add("a", 0.1, urgent=True)
    wait = keys.failed("a", 0.2, at_least=7.0)
    keys.add("a", 2.0, urgent=True)
    keys.add_at("a", 3.0)
    assert keys.take(6.0) is None
    assert keys.take(0.2 + wait) == ("a", 0.0)
    keys.done("a", 8.0)
    keys.add("a", 8.1)
    assert keys.take(8.1) is not None


def test_backoffs_of_many_keys_are_spread() -> None:
    spread = Schedule[str]()
    waits = set()
    for key in map(str, range(50)):
        spread.add(key, 0.0)
        spread.take(0.0)
        waits.add(spread.failed(key, 0.0))
    assert len(waits) > 40
    assert all(0.075 <= wait <= 0.125 for wait in waits)


def test_an_event_does_not_wait_for_the_backoff() -> None:
    keys = schedule()
    keys.add("a", 0.0)
    keys.take(0.0)
    for _ in range(9):
        keys.failed("a", 0.0)
        keys.take(60.0)
    assert keys.failed("a", 0.0) > 40.0
    keys.add("a", 1.0)
    assert keys.take(1.0) == ("a", 0.0)
    keys.done("a", 1.0)
    assert keys.take(100.0) is None, "and the old appointment is gone"


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "later", "end", "fail"])))
)
def test_nothing_is_lost_and_nothing_is_out_twice(steps: list[tuple[str, str]]) -> None:
    keys = schedule()
    now = 0.0
    out: set[str] = set()
    owed: Counter[str] = Counter()
    for key, step in steps:
        now += 0.01
        match step:
            case "add":
                keys.add(key, now)
                owed[key] += 1
            case "later":
                keys.add_at(key, now + 5.0)
                owed[key] += 1
            case "end" | "fail" if key in out:
                out.discard(key)
                if step == "fail":
                    keys.failed(key, now)
                    owed[key] += 1
                else:
                    keys.done(key, now)
        while (taken := keys.take(now)) is not None:
            assert taken[0] not in out
            out.add(taken[0])
            owed[taken[0]] = 0
    # Everybody who was added after being taken last comes up in the end.
    for key in list(out):
        keys.done(key, now)
    late = set()
    while (taken := keys.take(now + 1000.0)) is not None:
        late.add(taken[0])
        keys.done(taken[0], now + 1000.0)
    assert {key for key, times in owed.items() if times} <= late


def test_a_queue_that_is_held_counts_nothing_and_keys_wait_from_when_it_goes() -> None:
    async def story() -> None:
        now = 100.0
        queue: Queue[str] = Queue(clock=lambda: now)
        queue.add("a")
        assert (queue.depth, queue.retrying) == (0, 0), "somebody else works on it"
        now += 3600.0
        queue.go()
        assert queue.depth == 1
        assert await queue.get() == "a"
        [(_, _, waited)] = [each for each in queue.latency.samples() if each[0] == "_sum"]
        assert waited == 0.0, "nobody has waited an hour for this process"
        queue.failed("a")
        assert queue.retrying == 1
        queue.hold()
        assert queue.retrying == 0, "another process may have done it since"

    asyncio.run(story())


def test_workers_wait_without_turning_and_get_keys_while_it_goes() -> None:
    async def story() -> list[str]:
        queue: Queue[str] = Queue()
        seen: list[str] = []

        async def work() -> None:
            while True:
                key = await queue.get()
                seen.append(key)
                queue.done(key)

        workers = [asyncio.create_task(work()) for _ in range(3)]
        queue.add("early")
        await asyncio.sleep(0.01)
        assert seen == [], "held until it is told to go"
        queue.go()
        queue.add("a")
        queue.add_after("b", 0.05)
        async with asyncio.timeout(20):
            while len(seen) < 3:
                await asyncio.sleep(0.005)
        queue.hold()
        queue.add("c")
        await asyncio.sleep(0.02)
        await queue.idle()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return seen

    assert asyncio.run(story()) == ["early", "a", "b"]
