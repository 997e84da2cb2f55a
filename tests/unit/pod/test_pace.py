"""When a report goes out."""

from __future__ import annotations

from ioc_runtime.pod.report import GAP, LONGEST_WAIT, WIDEST_GAP, Pace


def test_the_first_report_goes_out_at_once():
    assert Pace().may(0.0, urgent=False)


def test_two_reports_are_a_second_apart():
    pace = Pace()
    pace.sent(0.0)
    assert not pace.may(GAP * 0.9, urgent=True)
    assert pace.may(GAP, urgent=False)


def test_changes_that_do_not_end_are_told_less_and_less_often():
    pace, now, sent = Pace(), 0.0, 0
    while now < 600:
        if pace.may(now, urgent=False):
            pace.sent(now)
            sent += 1
        now += 0.1
    assert sent < 600 / WIDEST_GAP + 12


def test_what_somebody_waits_for_is_not_held_back_by_that():
    pace, now, last = Pace(), 0.0, 0.0
    for _ in range(2000):
        now += 0.1
        if pace.may(now, urgent=False):
            pace.sent(now)
            last = now
    now = last
    assert not pace.may(now + GAP, urgent=False)
    assert pace.may(now + GAP, urgent=True)


def test_a_quiet_time_brings_the_short_gap_back():
    pace = Pace()
    for now in (0.0, 1.0, 2.5, 5.0):
        pace.sent(now)
    pace.sent(1000.0)
    assert pace.may(1000.0 + GAP, urgent=False)


def test_failures_are_repeated_ever_more_slowly_and_never_given_up():
    pace, now, tries = Pace(), 0.0, 0
    while now < 3600:
        if pace.may(now, urgent=True):
            pace.failed(now)
            tries += 1
        now += 0.1
    assert 3600 / LONGEST_WAIT * 0.8 < tries < 3600 / LONGEST_WAIT * 1.25 + 10


def test_the_server_may_ask_for_patience():
    pace = Pace()
    pace.failed(0.0, retry_after=30)
    assert not pace.may(20.0, urgent=True)
    assert pace.may(40.0, urgent=True)
