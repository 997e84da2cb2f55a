"""Plugins in whole tasks: whatever they do, rules, records and the heartbeat go on."""

from __future__ import annotations

import pytest

from runtime.field import INVALID, Field
from runtime.source import wait_until
from support.spawn import Spawned

SPEC = """
mode: periodic
period: 0.1
inputs:
  level: {type: float, value: 1}
  go: {type: int, value: 0}
outputs:
  own: {type: float}
  alarm: {type: bool}
ruleDefaults: {alarm: 0}
rules: [{id: high, condition: level > 10, outputs: {alarm: 1}}]
"""
HEAD = "import asyncio, threading, time\nfrom ioc_runtime import TaskBase, Paused, PutFailed\n"


def start(field: Field, body: str, *options: str, spec: str = SPEC, **plugin) -> Spawned:
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    code = f"{HEAD}class Guard(TaskBase):\n{lines}"
    return field.start(spec, "--no-search", *options, code=code, plugin=plugin)


def goes_on(field: Field) -> None:
    """Rules are evaluated and the heartbeat counts."""
    beats, cycles = field.value("HEARTBEAT"), field.value("CYCLE_COUNT")
    field.ca.put("level", 11)
    field.shows("alarm", 1, timeout=2)
    field.ca.put("level", 1)
    field.shows("alarm", 0, timeout=2)
    wait_until(lambda: field.value("HEARTBEAT") > beats, 5)
    wait_until(lambda: field.value("CYCLE_COUNT") >= cycles + 10, 5)


def test_a_plugin_writes_what_it_owns_reads_the_rest_and_is_told_of_changes(field: Field):
    start(
        field,
        """
def initialize(self):
    self.seen = []
def on_input_changed(self, key, value, old_value):
    self.seen.append((key, value, old_value))
    self.set_output("own", value)
    if key == "go":
        self.set_message(f"{self.seen[0]} {self.get_output('alarm')}")
""",
    )
    field.ca.put("level", 12)
    field.shows("own", 12.0)
    field.ca.put("go", 3)
    field.shows("own", 3.0)
    field.shows("MESSAGE", "('level', 12.0, 1.0) 1")


@pytest.mark.parametrize(
    "body",
    [
        "def initialize(self):\n    while True: time.sleep(60)",
        "def initialize(self):\n    while True: pass",
        "def execute(self):\n    while True: time.sleep(60)",
        "def on_input_changed(self, key, value, old_value):\n    threading.Event().wait()",
        "async def execute(self):\n    while True: pass",
        "async def execute(self):\n    await asyncio.sleep(60)",
        "def execute(self):\n    raise SystemExit(3)",
        "def execute(self):\n    raise RuntimeError('no')",
        """
def initialize(self):
    for n in range(4):
        threading.Thread(target=self.burn, args=(n,), daemon=True).start()
def burn(self, n):
    while self.running:
        self.set_output("own", n)
        self.get_input("level")
""",
    ],
    ids=[
        *("initialize-sleeps", "initialize-burns", "execute-sleeps", "change-blocks"),
        *("async-burns", "async-sleeps", "exits", "raises", "threads-burn"),
    ],
)
def test_whatever_a_plugin_does_the_rest_goes_on(field: Field, body: str):
    task = start(field, body)
    goes_on(field)
    assert task.stop() == 0


def test_a_failure_is_shown_with_its_line_and_taken_back_when_it_works_again(field: Field):
    task = start(
        field,
        """
def execute(self):
    self.set_output("own", 1 / self.get_input("go"))
""",
    )
    field.shows("STATUS", 4, 2)
    text = field.pva().get("MESSAGE")[0]
    assert text == "plugin: execute failed: guard.py:5: ZeroDivisionError: division by zero"
    (said,) = [x for x in task.said("log") if "ZeroDivisionError" in x["text"]][:1]
    assert said["level"] == "ERROR"
    assert field.ca.get("own")[1] == INVALID
    field.ca.put("go", 2)
    field.shows("own", 0.5)
    field.shows("STATUS", 1)
    field.shows("MESSAGE", "the plugin works again")


def test_too_many_failures_end_the_task_with_12_and_its_outputs_invalid(field: Field):
    task = start(
        field,
        """
def execute(self):
    self.set_output("own", 7)
    if self.get_input("go"):
        raise RuntimeError("no use")
""",
        maxFailures=3,
    )
    field.shows("own", 7.0)
    field.ca.pv("go").put(1)
    assert task.wait(10) == 12
    (said,) = task.said("error")
    assert (said["reason"], said["exit"]) == ("PluginFailed", 12)
    assert "no use" in said["text"] and "maxFailures" in said["text"]
    assert task.said("state")[-1]["state"] == "ERROR"
    assert task.said("stopped")[0]["exit"] == 12


def test_an_execute_that_is_too_long_is_an_overrun_each_and_the_grid_stays(field: Field):
    start(field, "def execute(self):\n    time.sleep(0.25)")  # of 5 periods 2 begin an execute
    field.ca.put("RESET", 1)
    wait_until(lambda: field.value("CYCLE_COUNT") >= 30)
    overruns, cycles = field.value("OVERRUNS"), field.value("CYCLE_COUNT")
    assert 0.5 < overruns / cycles < 0.8


def test_while_paused_no_hook_runs_a_write_raises_and_nothing_is_counted(field: Field):
    start(
        field,
        """
count = 0
def execute(self):
    self.count += 1
    self.set_output("own", self.count)
def on_input_changed(self, key, value, old_value):
    time.sleep(0.5)
    try:
        self.set_output("own", -1)
    except Paused as error:
        self.set_message(str(error)[:39])
""",
    )
    field.shows("STATUS", 1)
    wait_until(lambda: field.value("own") >= 2)
    field.ca.put("go", 1)
    field.ca.put("ENABLE", 0)
    field.shows("STATUS", 2)
    wait_until(lambda: "not written" in field.value("MESSAGE"))
    count, severity = field.ca.get("own")[:2]
    assert (count >= 2, severity) == (True, INVALID)
    beats, cycles = field.value("HEARTBEAT"), field.value("CYCLE_COUNT")
    wait_until(lambda: field.value("HEARTBEAT") >= beats + 2)
    assert field.ca.get("own")[:2] == (count, INVALID)
    assert field.value("CYCLE_COUNT") == cycles
    field.ca.put("ENABLE", 1)
    wait_until(lambda: field.value("own") > count)
    assert field.value("OVERRUNS") <= 6  # those of the slow on_input_changed


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_put_over_a_link_waits_for_its_answer_and_says_why_not(field: Field, scheme: str):
    target = field.target()
    start(
        field,
        """
def on_input_changed(self, key, value, old_value):
    if key != "go":
        return
    try:
        self.link_put("sent", value, timeout=3)
        self.set_output("own", value)
        self.link_put("away", value, timeout=0.3)
    except PutFailed as error:
        self.set_message(str(error)[-36:])
""",
        spec=f"""
inputs:
  level: {{type: float, value: 1}}
  go: {{type: int, value: 0}}
  away: {{type: float, link: "{scheme}://@NOBODY"}}
outputs:
  own: {{type: float}}
  sent: {{type: float, link: "{scheme}://@LEVEL"}}
  alarm: {{type: bool}}
ruleDefaults: {{alarm: 0}}
rules: [{{id: high, condition: level > 10, outputs: {{alarm: 1}}}}]
""",
    )
    wait_until(lambda: list(field.value("CONN_OUT")) == [1])
    field.ca.put("go", 5)
    field.shows("own", 5.0)
    assert target.puts("LEVEL") == [5.0]
    field.shows("MESSAGE", "not take 5.000: no connection within 0.3 s"[-36:])
    target.process.freeze()
    field.ca.put("go", 6)
    field.ca.put("level", 11)
    field.shows("alarm", 1, timeout=2.5)  # while the plugin waits
    wait_until(lambda: "no answer within 3 s" in field.value("MESSAGE"))
    assert field.ca.get("own")[:2] == (5.0, 0)


FUNCTIONS = """
from ioc_runtime import register_function

@register_function("twice")
def twice(x):
    if x > 100:
        raise ValueError("too much")
    return 2 * x

@register_function("unused")
def unused(x):
    return x
"""
USING = """
inputs: {level: {type: float, value: 1}}
outputs: {double: {type: float}}
transforms: [{output: double, expression: twice(level)}]
"""


def test_a_registered_function_is_used_and_its_errors_are_invalid(field: Field):
    task = field.start(USING, "--no-search", code=FUNCTIONS, plugin={"functions": ["twice"]})
    field.shows("double", 2.0)
    field.ca.put("level", 200)
    field.shows("double", 2.0, INVALID)
    wait_until(lambda: field.value("EVAL:ERRORS") == 1)
    assert any("'unused' is registered" in said["text"] for said in task.said("log"))


def test_a_declared_function_that_is_not_registered_ends_the_start_with_15(field: Field):
    code = "from ioc_runtime import TaskBase\nclass Guard(TaskBase): pass"
    task = field.start(
        USING, "--no-search", code=code, plugin={"functions": ["twice"]}, ready=False
    )
    assert task.wait(20) == 15
    assert "'twice', which the plugin has not registered" in task.said("error")[0]["text"]


def test_a_plugin_that_cannot_be_imported_ends_the_start_with_15_and_its_line(field: Field):
    task = field.start(
        SPEC,
        "--no-search",
        code=f"{HEAD}import no_such_thing\nclass A(TaskBase): pass",
        ready=False,
    )
    assert task.wait(20) == 15
    (said,) = task.said("error")
    assert "no_such_thing" in said["text"] and "guard.py:3" in said["text"]
    assert "Traceback" not in said["text"]


def test_a_plugin_whose_text_asks_the_task_while_it_is_logged_locks_nothing_up(field: Field):
    start(
        field,
        """
def execute(self):
    outer = self
    class Text:
        def __str__(self):
            return str([outer.get_input("level") for _ in range(50)])
    for _ in range(20):
        self.logger.info("%s", Text())
""",
    )
    for number in range(100):  # each is refused, so the task logs and shows it
        field.ca.pv("level").put(number)
    goes_on(field)
