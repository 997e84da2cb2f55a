"""What comes of a plugin's exceptions."""

from __future__ import annotations

import pytest

from .conftest import GUARD, PATIENCE, Told, until


def test_an_exception_is_told_with_the_plugins_line_and_the_task_goes_on(run, host, told) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def on_input_changed(self, key, value, old_value):
                self.set_output("count", 10 / value)
        """
    )
    runner.changed("pressure", 0, 1)
    told.wait_for(lambda t: t.failures)
    sentence, traceback = told.failures[0]
    assert sentence == (
        "plugin: on_input_changed(pressure) failed: guard.py:6: ZeroDivisionError: division by zero"
    )
    assert traceback == (
        '  File "guard.py", line 6, in on_input_changed\n'
        '    self.set_output("count", 10 / value)\n'
        "ZeroDivisionError: division by zero\n"
    )
    runner.changed("pressure", 5, 0)
    host.wait_for(lambda w: w == [("count", 2)])
    told.wait_for(lambda t: t.recoveries == 1)
    assert told.end is None
    assert runner.failures == 1


def test_a_refused_call_tells_the_plugins_line_and_only_its_frames(run, told: Told) -> None:
    runner = run(GUARD + " def execute(self):\n  self.set_output('alarm', 1)\n")
    runner.execute()
    told.wait_for(lambda t: t.failures)
    sentence, traceback = told.failures[0]
    assert sentence == (
        "plugin: execute failed: guard.py:5: NotYours: "
        "output 'alarm' belongs to rule 'high', not to the plugin"
    )
    assert "api.py" not in traceback


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("import sys; sys.exit(0)", "the plugin called exit(0), which a plugin cannot do"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('b')", "BaseException: b"),
        ("raise type('Odd', (Exception,), {'__str__': lambda s: 1/0})", "its text cannot be shown"),
        ("def f(): f()\n  f()", "RecursionError: maximum recursion depth exceeded"),
        ("raise ValueError('x' * 100000)", "ValueError: xxx"),
    ],
)
@pytest.mark.parametrize("keyword", ["", "async "])
def test_whatever_a_hook_raises_ends_neither_the_plugin_nor_the_task(
    run, host, told: Told, statement, text, keyword
) -> None:
    runner = run(
        f"{GUARD} {keyword}def execute(self):\n  {statement}\n"
        f" {keyword}def on_input_changed(self, key, value, old_value):\n"
        "  self.set_output('count', value)\n"
    )
    runner.execute()
    told.wait_for(lambda t: t.failures)
    sentence, traceback = told.failures[0]
    assert text in sentence
    assert len(sentence) < 500
    assert len(traceback) <= 3000
    runner.changed("pressure", 3, 2)
    host.wait_for(lambda w: w == [("count", 3)])


def test_failures_in_a_row_end_the_plugin_with_12_after_its_cleanup(run, host, told) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def on_input_changed(self, key, value, old_value):
                if value: raise ValueError(value)
            def cleanup(self): self.set_output("label", "cleanup")
        """,
        max_failures=3,
    )
    for value in (1, 2, 0, 1, 2):
        runner.changed("pressure", value, None)
    runner.changed("setpoint", 0, None)
    runner.changed("pressure", 3, None)
    told.wait_for(lambda t: t.end)
    assert told.end == (
        12,
        "plugin: on_input_changed(pressure) failed: guard.py:6: ValueError: 3 "
        "(failure 3 in a row: maxFailures)",
    )
    host.wait_for(lambda w: w == [("label", "cleanup")])
    runner._thread.join(PATIENCE)
    assert not runner.alive
    assert runner.failures == 5


def test_failures_count_per_hook_so_that_a_working_one_does_not_hide_them(run, told) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            done = 0
            def on_input_changed(self, key, value, old_value): self.done += 1
            def execute(self): raise ValueError(self.done)
        """,
        max_failures=3,
    )
    for count in range(1, 4):
        runner.changed("pressure", count, None)
        until(runner.execute)
        until(lambda n=count: runner.failures == n)
    told.wait_for(lambda t: t.end)
    assert told.end[0] == 12


def test_an_initialize_that_fails_is_tried_again_on_a_new_instance(run, host, told) -> None:
    run(
        """
        tries = []
        class Guard(TaskBase):
            def initialize(self):
                tries.append(self)
                if len(tries) < 3: raise OSError("no device")
                self.set_output("count", len({id(t) for t in tries}))
        """
    )
    host.wait_for(lambda w: w == [("count", 3)])
    told.wait_for(lambda t: t.recoveries == 1)
    assert "initialize failed: guard.py:8: OSError: no device" in told.failures[0][0]


def test_the_same_failure_is_told_once_a_second_and_counted_always(run, told, gate) -> None:
    now = [100.0]
    runner = run(
        """
        class Guard(TaskBase):
            def on_input_changed(self, key, value, old_value):
                if value: raise ValueError(value)
                gate.set()
        """,
        clock=lambda: now[0],
    )
    for _ in range(50):
        runner.changed("pressure", 1, None)
    runner.changed("setpoint", 0, None)
    assert gate.wait(PATIENCE)
    assert (runner.failures, len(told.failures)) == (50, 1)
    now[0] += 1.0
    runner.changed("pressure", 1, None)
    told.wait_for(lambda t: len(t.failures) == 2)


def test_a_callback_of_the_task_that_fails_does_not_end_the_plugin(run, host, told, caplog):
    told.failed = lambda sentence, traceback: 1 / 0
    runner = run(
        GUARD + " def on_input_changed(self, key, value, old_value):\n"
        "  self.set_output('count', 1 / value)\n"
    )
    runner.changed("pressure", 0, None)
    runner.changed("pressure", 1, None)
    host.wait_for(lambda w: w == [("count", 1)])
    assert "a callback of the plugin's runner failed" in caplog.text
