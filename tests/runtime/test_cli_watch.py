"""`iocctl run --watch` with code: a save starts the process anew, a broken edit does not."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from runtime.test_cli_run import Runs
from support.epics_env import EpicsEnv
from support.package_index import PackageIndex
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


WITH_PACKAGE = """\
import alpha
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def initialize(self):
        self.set_output("twice", float(alpha.version))
"""


@pytest.mark.timeout(150)
def test_other_requirements_are_installed_and_tried_before_it_starts_anew(watched: Watched):
    with PackageIndex() as index:
        for version in ("1.0", "2.0", "3.0"):
            index.add("alpha", version)
        index.add("alpha", "4.0", files={"alpha.py": "1 / 0\n"})
        watched.variables = {
            "PIP_INDEX_URL": index.url,
            "PIP_TRUSTED_HOST": "127.0.0.1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_RETRIES": "0",
            "UV_HTTP_RETRIES": "0",
        }
        source = "plugin: {image: {path: .}"
        manifest = watched.file.read_text()

        def wants(text: str) -> None:
            watched.file.write_text(manifest.replace(source, f"{source}, {text}"))

        watched.save("guard.py", WITH_PACKAGE)
        wants("requirements: [alpha==1.0]")
        task = watched("--watch")
        assert watched.shows("twice", r"\b1\b")
        wants("requirements: [alpha==9.0]")
        task.wait_for("RequirementNotFound")
        wants("requirements: [alpha==4.0]")
        task.wait_for("ZeroDivisionError")
        settled(task, "the last good one runs on", 2)
        assert count(task, " starts: ") == 1
        assert watched.shows("twice", r"\b1\b")
        wants("requirements: [alpha==2.0]")
        task.wait_for("restarted: plugin.requirements")
        assert watched.shows("twice", r"\b2\b")
        watched.save("requirements.txt", "alpha==2.0\n")
        wants("requirementsFrom: requirements.txt")
        settled(task, "restarted: ", 2)
        watched.save("requirements.txt", "alpha==3.0\n")
        task.wait_for("restarted: requirements.txt changed, ")
        assert watched.shows("twice", r"\b3\b")
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
