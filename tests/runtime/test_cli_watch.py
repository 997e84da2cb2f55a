"""`iocctl run --watch` with code: a save starts the process anew, a broken edit does not."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from runtime.test_cli_run import Runs
from support.epics_env import EpicsEnv
from support.spawn import Spawn, Spawned

MANIFEST = """\
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {name: guard}
spec:
  prefix: "%s"
  inputs:
    level: {type: float, value: 3}
  outputs:
    alarm: {type: bool, states: [OK, HIGH], latch: rise}
    twice: {type: float}
  ruleDefaults: {alarm: OK}
  rules: [{id: high, condition: "level > 7", outputs: {alarm: HIGH}}]
  plugin: {image: {path: .}}
"""
CODE = """\
from ioc_runtime import TaskBase
import helper

class Guard(TaskBase):
    def initialize(self):
        self.set_output("twice", helper.FACTOR * self.inputs.level.value)
"""


class Watched(Runs):
    """A plugin's directory, and `iocctl run --watch` on its manifest."""

    def __init__(self, spawn: Spawn, env: EpicsEnv, directory: Path) -> None:
        super().__init__(spawn, env, directory)
        self.directory = directory / "guard"
        self.directory.mkdir()
        self.file = self.directory / "task.yaml"
        self.file.write_text(MANIFEST % env.prefix)
        self.save("guard.py", CODE)
        self.save("helper.py", "FACTOR = 2\n")

    def save(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def shows(self, name: str, text: str) -> bool:
        return re.search(text, self.pv("get", self.prefix + name)) is not None


@pytest.fixture
def watched(spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path) -> Watched:
    return Watched(spawn, epics_env, tmp_path)


def count(task: Spawned, text: str) -> int:
    return task.output.count(text)


def settled(task: Spawned, text: str, times: int) -> None:
    """Wait until a text was said so often."""
    until = time.monotonic() + 30
    while count(task, text) < times:
        assert time.monotonic() < until, task.report(f"did not say {text!r} {times} times")
        time.sleep(0.02)


def test_a_save_of_code_starts_it_anew_and_latches_and_set_points_go_over(watched: Watched):
    task = watched("--watch")
    assert watched.shows("twice", r"\b6\b")
    watched.pv("put", f"{watched.prefix}level", "8")
    task.wait_for("alarm HIGH")
    watched.pv("put", f"{watched.prefix}level", "4")
    watched.save("helper.py", "FACTOR = 5\n")
    line = task.wait_for("restarted: helper.py changed, ")
    assert re.search(r"changed, \d+\.\d s$", line)
    assert watched.shows("twice", r"\b20\b")
    assert watched.shows("alarm", "HIGH")
    assert task.stop() == 0


def test_a_broken_edit_keeps_the_last_good_one_running_and_says_where(watched: Watched):
    task = watched("--watch")
    for text, said in (
        ("FACTOR = (2\n", "plugin: helper.py:1: SyntaxError"),
        ("FACTOR = 2 / 0\n", "plugin: helper.py:1: ZeroDivisionError"),
    ):
        watched.save("helper.py", text)
        task.wait_for(said)
    settled(task, "the last good one runs on", 2)
    assert count(task, " starts: ") == 1
    assert watched.shows("twice", r"\b6\b")
    watched.save("helper.py", "FACTOR = 3\n")
    task.wait_for("restarted: helper.py changed, ")
    assert watched.shows("twice", r"\b9\b")
    assert task.stop() == 0


def test_what_editors_and_tests_leave_starts_nothing_anew(watched: Watched):
    task = watched("--watch")
    for name in (".guard.py.swp", "guard.py~", "#guard.py#", "4913", "test_guard.py", "data.csv"):
        watched.save(name, "x")
    (watched.directory / "__pycache__").mkdir(exist_ok=True)
    watched.save("__pycache__/guard.py", "x")
    watched.save("guard.py", CODE)  # saved, and the same
    time.sleep(1.0)
    watched.save("helper.py", "FACTOR = 7\n")
    task.wait_for("restarted: helper.py changed, ")
    assert count(task, " starts: ") == 2
    assert task.stop() == 0


def test_another_set_of_pvs_starts_it_anew_and_one_that_ends_at_once_waits(watched: Watched):
    task = watched("--watch")
    good = watched.file.read_text()
    watched.file.write_text(good.replace("  outputs:\n", "    more: {type: int}\n  outputs:\n"))
    task.wait_for("restarted: inputs.more is new, ")
    watched.pv("put", f"{watched.prefix}more", "1")
    # loads in the parent's check, and ends when it serves; a checkout may lie below "check"
    watched.save(
        "helper.py",
        "import sys, os\nif not sys.argv[0].endswith('check.py'): os._exit(15)\n",
    )
    task.wait_for("waiting for the next edit")
    watched.save("helper.py", "FACTOR = 3\n")
    settled(task, "restarted: ", 2)
    assert watched.shows("twice", r"\b9\b")
    assert task.stop() == 0


def test_an_edit_whose_tests_fail_never_comes_into_force(watched: Watched):
    task = watched("--watch")
    text = watched.file.read_text()
    tests = "  tests: [{name: trips, steps: [{set: {level: 8}, expect: {alarm: %s}}]}]\n"
    watched.file.write_text(text.replace("level > 7", "level > 2") + tests % "OK")
    task.wait_for("task.yaml:14: test 'trips', step 1: expected alarm OK, got HIGH")
    task.wait_for("the last good one runs on")
    assert watched.shows("alarm", r"\bOK\b"), "level is 3"
    watched.file.write_text(text.replace("level > 7", "level > 2") + tests % "HIGH")
    task.wait_for("alarm HIGH")
    assert count(task, " starts: ") == 1
    assert task.stop() == 0
