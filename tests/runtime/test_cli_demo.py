"""`iocctl demo`, whole: the station, the task, the trouble, the verdict."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from support.spawn import Spawn, Spawned


def demo(spawn: Spawn, *options: str) -> Spawned:
    return spawn("-m", "ioc_runtime.cli", "demo", *options)


@pytest.mark.timeout(120)
def test_two_demonstrations_at_once_come_to_their_end_in_time_and_all_is_as_it_should_be(
    spawn: Spawn,
):
    started = time.monotonic()
    both = [demo(spawn), demo(spawn)]
    for one in both:
        assert one.wait(60) == 0, one.report("failed")
        verdicts = re.findall(r"^ +(\w+) +[0-9.]+ s  (.*)$", one.output, re.M)
        assert len(verdicts) == 8
        assert {word for word, _ in verdicts} == {"ok"}
        assert "All came as it should" in one.output
        assert " run " in one.output  # how to do it by hand
        assert "\x1b" not in one.output
        assert one.errors == ""
    assert time.monotonic() - started < 40


def test_a_demonstration_whose_task_dies_fails_and_says_so(spawn: Spawn):
    one = demo(spawn)
    line = one.wait_for(" starts: ")
    found = re.search(r"pid (\d+)", line)
    assert found is not None
    one.wait_for("ready after")
    os.kill(int(found[1]), signal.SIGKILL)
    assert one.wait(30) == 1
    assert "did not get to its end" in one.output
    assert "ended by SIGKILL" in one.errors


def test_a_demonstration_that_is_interrupted_leaves_nothing_behind(spawn: Spawn):
    one = demo(spawn)
    one.wait_for("ready after")
    one.popen.send_signal(signal.SIGINT)
    assert one.wait(15) == 1
