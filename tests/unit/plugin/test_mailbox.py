"""What waits for a plugin: bounded, and the newest of each input."""

from __future__ import annotations

from ioc_runtime.plugin.mailbox import EXECUTE, Mailbox


def test_a_mailbox_never_holds_more_than_its_depth_and_one_per_input() -> None:
    box = Mailbox(10, lambda: None)
    for value in range(1000):
        for key in ("a", "b", "c"):
            box.change(key, value, value - 1)
    taken = []
    while (work := box.take()) is not None:
        taken.append(work[1])
    assert len(taken) <= 10 + 3
    assert {t[0]: t[1] for t in taken} == {"a": 999, "b": 999, "c": 999}
    for key in ("a", "b", "c"):  # each change starts where the one before ended
        own = [t for t in taken if t[0] == key]
        assert all(later[2] == earlier[1] for earlier, later in zip(own, own[1:], strict=False))
    assert len(taken) + box.coalesced == 3000


def test_a_mailbox_wakes_once_until_it_is_empty_again() -> None:
    woken = []
    box = Mailbox(10, lambda: woken.append(1))
    assert box.take() is None
    box.change("a", 1, 0)
    box.change("a", 2, 1)
    box.execute()
    assert len(woken) == 1
    assert box.take() == EXECUTE
    assert box.take() == ("on_input_changed", ("a", 1, 0))
    assert box.take() == ("on_input_changed", ("a", 2, 1))
    assert box.take() is None
    box.stop()
    assert len(woken) == 2


def test_an_execute_that_waited_when_the_task_was_paused_is_not_made_up_for() -> None:
    box = Mailbox(10, lambda: None)
    assert box.execute()
    box.pause()
    assert box.take() is None
    box.resume()
    assert box.take() is None
    assert box.execute()
    assert box.take() == EXECUTE
