"""Plugins in a process of their own: the same API, and nothing they do stops the task."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ioc_runtime.plan import to_json
from runtime.field import INVALID, Field
from runtime.source import wait_until
from runtime.test_task_plugin import SPEC, goes_on
from runtime.test_task_plugin import start as start_plugin
from support.leaks import orphans_reaped
from support.spawn import Spawned

APART = {"isolation": "process"}
HELD = "import ctypes\n    ctypes.PyDLL(None).sleep(600)  # holds the interpreter's lock"


def start(field: Field, body: str, *options: str, **plugin) -> Spawned:
    return start_plugin(field, body, *options, **(APART | plugin))


def pid_of(field: Field) -> int:
    """Process id that the plugin has shown."""
    wait_until(lambda: str(field.value("MESSAGE")).isdigit())
    return int(field.value("MESSAGE"))


def test_its_calls_go_to_the_task_and_those_of_the_task_to_it(field: Field):
    task = start(
        field,
        """
def initialize(self):
    self.seen = []
    self.every(0.1, self.tick)
    self.ticks = 0
def tick(self):
    self.ticks += 1
def on_input_changed(self, key, value, old_value):
    self.seen.append((key, value, old_value))
    self.set_output("own", value)
    if key == "go":
        self.set_message(f"{self.seen[0]} {self.get_output('alarm')} {self.parameters['limit']}")
def execute(self):
    if self.ticks > 3:
        self.step_cycle()
def cleanup(self):
    self.logger.info("cleaned up after %s", self.ticks > 3)
""",
        spec=f"{SPEC}parameters: {{limit: 4.5}}",
    )
    field.ca.put("level", 12)
    field.shows("own", 12.0)
    field.ca.put("go", 3)
    field.shows("own", 3.0)
    field.shows("MESSAGE", "('level', 12.0, 1.0) 1 4.5")
    goes_on(field)
    assert task.stop() == 0
    assert "cleaned up after True" in task.output


def test_an_async_plugin_reads_any_pv_and_is_cancelled_at_the_end(field: Field):
    task = start(
        field,
        """
async def initialize(self):
    self.task = asyncio.create_task(self.follow())
async def follow(self):
    while True:
        found = await self.aread(["level", self.pv_prefix + "level"], timeout=5.0)
        self.set_output("own", sum(pv.value for pv in found if pv.ok))
        await asyncio.sleep(0.05)
async def cleanup(self):
    self.task.cancel()
    self.logger.info("cleaned up")
""",
    )
    field.ca.put("level", 4)
    field.shows("own", 8.0)
    assert task.stop() == 0
    assert "cleaned up" in task.output


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os._exit(3)", "its process ended with exit code 3"),
        ("os.kill(os.getpid(), 11)", "its process was ended by SIGSEGV"),
    ],
)
def test_one_that_dies_is_told_is_invalid_and_is_started_anew(field: Field, body: str, words: str):
    task = start(
        field,
        f"""
def execute(self):
    import os
    self.set_output("own", 7)
    if self.get_input("go") == 1:
        self.set_input("go", 0)
        {body}
""",
    )
    field.shows("own", 7.0)
    field.ca.put("go", 1)
    field.shows("STATUS", 4, 2)
    assert field.ca.get("own")[1] == INVALID
    goes_on(field)
    field.shows("own", 7.0)
    field.shows("STATUS", 1)
    field.shows("MESSAGE", "the plugin works again")
    (said,) = [x for x in task.said("log") if words in x["text"]]
    assert said["level"] == "ERROR"
    assert task.stop() == 0


@pytest.mark.parametrize(
    "body",
    [
        f"def initialize(self):\n    {HELD}",
        f"def execute(self):\n    {HELD}",
        "def execute(self):\n    while True: pass",
        "def on_input_changed(self, key, value, old_value):\n    threading.Event().wait()",
    ],
    ids=["initialize-holds-the-lock", "execute-holds-the-lock", "burns", "blocks"],
)
def test_one_that_hangs_stops_nothing_and_is_killed_at_the_end(field: Field, body: str):
    task = start(field, body)
    goes_on(field)
    began = time.monotonic()
    assert task.stop() == 0
    assert time.monotonic() - began < 5


def test_a_frozen_one_costs_the_task_nothing_and_hears_the_newest_when_it_is_back(field: Field):
    task = start(
        field,
        """
def initialize(self):
    import os
    self.set_message(str(os.getpid()))
def on_input_changed(self, key, value, old_value):
    self.set_output("own", value)
""",
    )
    pid = pid_of(field)
    os.kill(pid, signal.SIGSTOP)
    try:
        for value in range(2000):
            field.ca.pv("level").put(value / 1000, wait=False)
        goes_on(field)
        field.ca.put("level", 5)
    finally:
        os.kill(pid, signal.SIGCONT)
    field.shows("own", 5.0)
    assert task.stop() == 0
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("then", ["pass", HELD], ids=["rests", "holds-the-lock"])
def test_with_the_task_killed_its_plugins_process_ends(field: Field, then: str):
    body = f"""
def initialize(self):
    import os
    self.set_message(str(os.getpid()))
def execute(self):
    {then}
"""
    task = start(field, body)
    pid = pid_of(field)
    time.sleep(0.3)
    with orphans_reaped():
        task.kill()
        wait_until(lambda: gone(pid), 5)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_errors_have_their_line_and_too_many_end_the_task_with_12(field: Field):
    task = start(
        field,
        """
def execute(self):
    self.set_output("own", 1 / self.get_input("go"))
""",
        maxFailures=20,
    )
    field.shows("STATUS", 4, 2)
    text = field.pva().get("MESSAGE")[0]
    assert text == "plugin: execute failed: guard.py:5: ZeroDivisionError: division by zero"
    field.ca.put("go", 2)
    field.shows("own", 0.5)
    field.shows("MESSAGE", "the plugin works again")
    field.ca.pv("go").put(0)
    assert task.wait(15) == 12
    (said,) = task.said("error")
    assert "ZeroDivisionError" in said["text"] and "maxFailures" in said["text"]


def test_one_that_dies_too_often_in_a_row_ends_the_task_with_12(field: Field):
    body = "def initialize(self):\n    import os\n    os._exit(5)"
    task = start(field, body, maxFailures=2)
    assert task.wait(15) == 12
    (said,) = task.said("error")
    assert "exit code 5 (2 in a row: maxFailures)" in said["text"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nothing_like_that\n", "guard.py:1: ModuleNotFoundError"),
        ("import os\nos._exit(9)\n", "its process ended with exit code 9 while it was loaded"),
    ],
)
def test_one_that_cannot_be_imported_ends_the_start_with_15(field: Field, code: str, words: str):
    code += "from ioc_runtime import TaskBase\nclass Guard(TaskBase): pass\n"
    task = field.start("mode: reactive", "--no-search", code=code, plugin=APART, ready=False)
    assert task.wait(20) == 15
    assert words in task.errors


def test_while_paused_a_write_raises_and_a_refused_one_says_why(field: Field):
    start(
        field,
        """
def on_input_changed(self, key, value, old_value):
    time.sleep(0.5)
    try:
        self.set_output("own", value)
    except Paused as error:
        self.set_message(str(error)[:39])
""",
    )
    field.ca.put("go", 1)
    time.sleep(0.1)
    field.ca.put("ENABLE", 0)
    wait_until(lambda: "not written" in field.value("MESSAGE"))
    field.ca.put("go", 2)
    field.ca.put("ENABLE", 1)
    field.shows("own", 2.0)


def test_its_temporary_files_go_with_it_though_it_was_killed(field: Field, tmp_path: Path):
    place = tmp_path / "temporary"
    place.mkdir()
    code = """
import os
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def initialize(self):
        self.set_message(str(os.getpid()))
    def execute(self):
        self.set_output("own", 1)
"""
    env = {"TMPDIR": str(place)}
    task = field.start(SPEC, "--no-search", code=code, plugin=APART, env=env)
    field.shows("own", 1.0)
    os.kill(pid_of(field), signal.SIGKILL)
    field.shows("STATUS", 4, 2)
    field.shows("STATUS", 1)
    assert list(place.iterdir())
    assert task.stop() == 0
    assert list(place.iterdir()) == []


def test_an_edit_of_the_parameters_reaches_it_also_after_it_has_died(field: Field):
    code = """
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def execute(self):
        self.set_output("own", self.parameters["limit"])
    def on_input_changed(self, key, value, old_value):
        if key == "go":
            import os
            os._exit(1)
"""

    def plan(limit: float) -> str:
        spec = f"{SPEC}parameters: {{limit: {limit}}}"
        return to_json(field.plan(spec, code, **APART))

    file, new = field.directory / "plan.json", field.directory / "new.json"
    file.write_text(plan(4))
    task = field.spawn("-m", "ioc_runtime", file, "--follow", "--no-search")
    task.wait_said("ready")
    field.shows("own", 4.0)
    new.write_text(plan(5))
    new.replace(file)
    field.shows("own", 5.0)
    field.ca.pv("go").put(1)
    field.shows("STATUS", 4, 2)
    field.shows("own", 5.0)
    assert task.stop() == 0
