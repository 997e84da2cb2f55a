"""Until when a leader may write, and when a lease may be taken."""

from __future__ import annotations

from ioc_operator.leader import MARGIN, Fence, Rival, Terms


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def lease(version: str, holder: str = "other", duration: int = 6) -> dict[str, object]:
    return {
        "metadata": {"resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration},
    }


def test_nobody_writes_before_the_lease_is_theirs() -> None:
    assert Fence(Terms(), Clock()).remaining() <= 0


def test_no_write_begins_after_the_renew_deadline_and_none_outlasts_the_lease() -> None:
    clock = Clock()
    fence = Fence(Terms(duration=6, deadline=4), clock)
    fence.renewed(clock.now)
    assert fence.remaining() == 6 - MARGIN
    clock.now += 3.9
    assert 0 < fence.remaining() <= 6 - 3.9 - MARGIN + 1e-9
    clock.now += 0.1
    assert fence.remaining() == 0


def test_a_process_that_was_frozen_finds_the_fence_closed() -> None:
    clock = Clock()
    fence = Fence(Terms(), clock)
    fence.renewed(clock.now)
    clock.now += 3600
    assert fence.remaining() == 0


def test_a_renewal_counts_from_before_it_was_sent() -> None:
    clock = Clock()
    fence = Fence(Terms(), clock)
    sent = clock.now
    clock.now += 2.0  # the answer was slow
    fence.renewed(sent)
    assert fence.remaining() == 6 - MARGIN - 2.0


def test_a_lease_is_taken_only_after_it_was_seen_unchanged_for_its_whole_duration() -> None:
    clock = Clock()
    rival = Rival(clock)
    assert not rival.expired(lease("1")), "however old its times look: we have just met it"
    clock.now += 5.9
    assert not rival.expired(lease("1"))
    assert not rival.expired(lease("2")), "renewed: counted anew"
    clock.now += 5.9
    assert not rival.expired(lease("2"))
    clock.now += 0.2
    assert rival.expired(lease("2"))


def test_a_released_lease_is_free_at_once() -> None:
    assert Rival(Clock()).expired(lease("1", holder=""))
