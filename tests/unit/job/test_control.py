"""Progress, and who may end a run when."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from ioc_runtime.job.control import LONGEST_MESSAGE, Control
from ioc_runtime.plugin.errors import BadValue, Stopped


def test_the_first_reason_to_end_counts_and_none_after_the_end():
    run = Control()
    assert run.stop("STOP") and not run.stop("ABORT")
    assert run.settle() == run.stop_reason == "STOP"
    over = Control()
    assert over.settle() == ""
    assert not over.stop("SIGTERM")
    assert over.stop_reason == ""


def test_a_sleep_ends_at_once_when_the_run_is_to_end():
    run = Control()
    threading.Timer(0.05, run.stop, ("STOP",)).start()
    began = time.monotonic()
    with pytest.raises(Stopped, match="the run is to end .STOP."):
        run.sleep(30)
    assert time.monotonic() - began < 5
    with pytest.raises(Stopped):
        run.sleep(0)


def test_a_sleep_that_nobody_ends_takes_its_time():
    began = time.monotonic()
    Control().sleep(0.05)
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("fraction", [-0.1, 1.01, float("nan"), float("inf"), "half", None, [1]])
def test_a_fraction_that_is_none_is_refused_and_changes_nothing(fraction: Any):
    run = Control()
    run.progress(0.5, "half")
    with pytest.raises(BadValue, match="expected a number from 0 to 1, got"):
        run.progress(fraction, "more")
    assert (run.fraction, run.message) == (0.5, "half")


def test_a_message_is_one_line_that_fits_and_stays_until_there_is_another():
    run = Control()
    run.progress(0, "two\n  lines")
    run.progress(0.25, None)
    assert (run.fraction, run.message) == (0.25, "two lines")
    run.progress(1, "x" * 1000)
    assert len(run.message) == LONGEST_MESSAGE
    run.progress(1, "")
    assert run.message == ""
