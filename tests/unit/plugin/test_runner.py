from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from ioc_runtime.plugin.mailbox import EXECUTE, Mailbox
from ioc_runtime.plugin.runner import PluginRunner

from .conftest import PATIENCE, FakeHost, Told, plan_of

GUARD = "class Guard(TaskBase):\n"


def labels(host: FakeHost) -> list[str]:
    return [value for name, value in host.writes if name == "label"]


# the life of a plugin


def test_a_plugin_is_initialized_runs_and_cleans_up_in_a_thread_of_its_own(run, host) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def say(self, what):
                self.set_output("label", f"{what} {threading.current_thread().name}")
            def initialize(self): self.say("initialize")
            def execute(self): self.say("execute")
            def on_input_changed(self, key, value, old_value):
                self.say(f"{key} {old_value} {value}")
            def cleanup(self): self.say("cleanup")
        """
    )
    host.wait_for(lambda w: len(w) == 1)
    runner.changed("pressure", 2.0, 1.0)
    host.wait_for(lambda w: len(w) == 2)
    assert runner.execute()
    host.wait_for(lambda w: len(w) == 3)
    assert runner.stop(PATIENCE)
    assert not runner.alive
    assert labels(host) == [
        "initialize plugin",
        "pressure 1.0 2.0 plugin",
        "execute plugin",
        "cleanup plugin",
    ]


def test_a_plugin_without_hooks_has_no_thread(host, told: Told, load_files) -> None:
    loaded = load_files(None)
    runner = PluginRunner(plan_of(None), loaded, host, failed=told.failed)
    runner.start()
    runner.changed("pressure", 2.0, 1.0)
    assert runner.execute()
    assert not runner.alive
    assert runner.initialized
    assert runner.stop(0)


def test_the_plugin_may_use_the_task_in_its_constructor(run, host) -> None:
    run(
        GUARD + " def __init__(self):\n"
        "  self.limit = self.parameters['limit']\n"
        "  self.set_output('label', self.limit)\n"
    )
    host.wait_for(lambda w: w == [("label", "1.5")])


def test_what_came_before_and_during_initialize_is_told_afterwards(run, host, gate) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def initialize(self):
                host.write("label", "initialize")
                gate.wait()
            def on_input_changed(self, key, value, old_value): self.set_output("count", value)
        """,
        start=False,
    )
    runner.changed("pressure", 1, None)
    runner.start()
    host.wait_for(lambda w: len(w) == 1)
    runner.changed("pressure", 2, 1)
    gate.set()
    host.wait_for(lambda w: w[1:] == [("count", 1), ("count", 2)])


def test_a_plugin_that_was_never_initialized_is_not_cleaned_up(run, host, told: Told) -> None:
    runner = run(
        GUARD + " def initialize(self): raise OSError('no device')\n"
        " def cleanup(self): self.set_output('label', 'cleanup')\n",
        retry=(60.0, 60.0),
    )
    told.wait_for(lambda t: len(t.failures) == 1)
    assert runner.stop(PATIENCE)
    assert host.writes == []


# failures


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
        _until(runner.execute)
        _until(lambda n=count: runner.failures == n)
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


# pause


def test_a_paused_plugin_is_not_called_and_hears_the_newest_of_each_input_later(run, host) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def initialize(self): self.set_output("label", "initialize")
            def execute(self): self.set_output("label", "execute")
            def on_input_changed(self, key, value, old_value):
                self.set_output("label", f"{key} {old_value} {value}")
        """
    )
    host.wait_for(lambda w: len(w) == 1)
    runner.pause()
    assert not runner.execute()
    for value in range(1, 5):
        runner.changed("pressure", value, value - 1)
    runner.changed("setpoint", 7, 6)
    assert runner.overruns == 0
    assert len(host.writes) == 1
    runner.resume()
    host.wait_for(lambda w: len(w) == 3)
    assert labels(host)[1:] == ["pressure 0 4", "setpoint 6 7"]
    assert runner.coalesced == 3


def test_a_running_hook_that_is_paused_finishes_and_its_writes_raise_paused(
    run, host, told, gate
) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def execute(self):
                self.set_output("count", 1)
                gate.wait()
                try:
                    self.set_output("count", 2)
                except Paused:
                    host.messages.append(("paused", 0))
                    raise
            def cleanup(self): host.messages.append(("cleanup", 0))
        """,
        max_failures=1,
    )
    runner.execute()
    host.wait_for(lambda w: w == [("count", 1)])
    host.enabled = False
    runner.pause()
    gate.set()
    assert runner.stop(PATIENCE)
    assert host.messages == [("paused", 0), ("cleanup", 0)]
    assert host.writes == [("count", 1)]
    assert told.failures == []  # being paused is not the plugin's fault


def test_a_plugin_that_starts_paused_is_initialized_when_it_is_resumed(run, host) -> None:
    runner = run(GUARD + " def initialize(self): self.set_output('count', 1)\n", start=False)
    runner.pause()
    runner.start()
    _until(lambda: runner._mailbox._idle)
    assert host.writes == []
    runner.resume()
    host.wait_for(lambda w: w == [("count", 1)])


# plugins that block


def test_a_blocking_plugin_stops_nobody_who_tells_it_something(run, host, told, gate) -> None:
    runner = run(GUARD + " def execute(self):\n  host.write('label', 'in')\n  gate.wait()\n")
    runner.execute()
    host.wait_for(lambda w: len(w) == 1)
    for _ in range(3):
        assert not runner.execute()
        runner.changed("pressure", 1, None)
    runner.pause()
    runner.resume()
    assert runner.overruns == 3
    assert runner.busy is not None
    assert runner.busy[0] == "execute"
    _until(lambda: runner.where() == " at guard.py:6")
    gate.set()


def test_a_plugin_that_does_not_return_is_left_behind_and_cannot_write(
    run, host, told, gate, caplog
) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def execute(self):
                host.write("label", "in")
                gate.wait()
                try:
                    self.set_output("count", 1)
                except Ended as error:
                    host.write("label", str(error))
        """
    )
    runner.execute()
    host.wait_for(lambda w: len(w) == 1)
    _until(lambda: runner.where() == " at guard.py:7")
    assert not runner.stop(0.1)
    assert runner.alive
    assert runner._thread.daemon
    assert "the plugin did not stop within 0.1 s at guard.py:7" in caplog.text
    gate.set()
    host.wait_for(lambda w: len(w) == 2)
    assert labels(host)[1] == (
        "output 'count' is not written: the plugin did not stop in time and was given up"
    )
    assert runner.stop(PATIENCE)


def test_an_execute_that_still_runs_makes_the_next_one_an_overrun(run, host, gate) -> None:
    runner = run(
        GUARD + " def execute(self):\n  self.set_output('label', 'in')\n  gate.wait()\n"
        "  self.set_output('label', 'out')\n"
    )
    assert runner.execute()
    host.wait_for(lambda w: len(w) == 1)
    assert not runner.execute()
    assert not runner.execute()
    gate.set()
    host.wait_for(lambda w: len(w) == 2)
    _until(lambda: runner.busy is None)
    assert runner.overruns == 2
    assert runner.execute()
    host.wait_for(lambda w: len(w) == 4)


def test_an_overloaded_plugin_gets_the_newest_of_each_input_and_the_rest_is_counted(
    run, host, gate
) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def initialize(self):
                gate.wait()
            def on_input_changed(self, key, value, old_value):
                self.set_output("label", f"{key} {old_value} {value}")
        """,
        depth=3,
    )
    for value in range(1, 11):
        runner.changed("pressure", value, value - 1)
    runner.changed("setpoint", 1, 0)
    runner.changed("setpoint", 2, 1)
    gate.set()
    host.wait_for(lambda w: len(w) == 4)
    assert labels(host) == ["pressure 0 1", "pressure 1 2", "pressure 2 10", "setpoint 0 2"]
    assert runner.coalesced == 8


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


# threads of the plugin's own


def test_threads_that_the_plugin_starts_may_read_and_write(run, host, told: Told) -> None:
    run(
        """
        class Guard(TaskBase):
            def initialize(self):
                self.threads = [
                    threading.Thread(target=self.work, args=(n,)) for n in range(4)
                ]
                for thread in self.threads: thread.start()
            def work(self, n):
                for i in range(25):
                    self.get_input("pressure")
                    self.set_output("count", 25 * n + i)
            def cleanup(self):
                for thread in self.threads: thread.join()
        """
    )
    host.wait_for(lambda w: len(w) == 100)
    assert {v for _, v in host.writes} == set(range(100))
    assert told.failures == []


def test_a_thread_of_a_stopped_plugin_cannot_write_any_more(run, host, gate) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def initialize(self): threading.Thread(target=self.late, daemon=True).start()
            def late(self):
                self.set_output("label", "early")
                gate.wait()
                try:
                    self.set_output("label", "late")
                except Ended as error:
                    host.write("label", str(error))
        """
    )
    host.wait_for(lambda w: len(w) == 1)
    assert runner.stop(PATIENCE)
    gate.set()
    host.wait_for(lambda w: len(w) == 2)
    assert labels(host)[1] == "output 'label' is not written: the plugin has stopped"


# stopping


def test_stopping_twice_or_before_the_start_is_fine(run, host) -> None:
    runner = run(GUARD + " def cleanup(self): self.set_output('count', 1)\n", start=False)
    assert runner.stop(PATIENCE)
    runner.start()
    runner._thread.join(PATIENCE)
    assert runner.stop(PATIENCE)
    assert host.writes == []


def test_stop_may_be_called_from_the_plugins_own_thread(run, told: Told, host) -> None:
    stopped = []
    told.ended = lambda code, sentence: stopped.append(runner.stop(PATIENCE))
    runner = run(
        GUARD + " def execute(self): raise ValueError\n"
        " def cleanup(self): self.set_output('count', 1)\n",
        max_failures=1,
    )
    runner.execute()
    host.wait_for(lambda w: w == [("count", 1)])
    assert stopped == [True]


def test_changes_that_wait_are_dropped_when_the_plugin_stops(run, host, gate) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def initialize(self):
                self.set_output("label", "in")
                gate.wait()
            def on_input_changed(self, key, value, old_value): self.set_output("label", key)
            def cleanup(self): self.set_output("label", "cleanup")
        """
    )
    host.wait_for(lambda w: len(w) == 1)
    runner.changed("pressure", 1, 0)
    runner._mailbox.stop()
    gate.set()
    assert runner.stop(PATIENCE)
    assert labels(host) == ["in", "cleanup"]


# async


def test_an_async_plugin_runs_in_its_own_loop_and_its_tasks_go_on_between_hooks(
    run, host, gate
) -> None:
    runner = run(
        """
        import asyncio
        class Guard(TaskBase):
            async def initialize(self):
                self.queue = asyncio.Queue()
                self.task = asyncio.create_task(self.work())
            async def work(self):
                while True:
                    self.set_output("count", await self.queue.get())
            async def on_input_changed(self, key, value, old_value):
                await self.queue.put(value)
            def execute(self):                      # sync beside async
                self.queue.put_nowait(-1)
            async def cleanup(self):
                self.task.cancel()
                self.set_output("label", threading.current_thread().name)
        """
    )
    for value in range(1, 4):
        runner.changed("pressure", value, value - 1)
    host.wait_for(lambda w: len(w) == 3)
    runner.execute()
    host.wait_for(lambda w: len(w) == 4)
    assert runner.stop(PATIENCE)
    assert host.writes == [("count", n) for n in (1, 2, 3, -1)] + [("label", "plugin")]


def test_an_async_hook_that_never_returns_is_cancelled_when_the_task_stops(run, host, told):
    runner = run(
        """
        import asyncio
        class Guard(TaskBase):
            async def execute(self):
                self.set_output("label", "in")
                await asyncio.Event().wait()
            async def cleanup(self):
                await asyncio.sleep(0)
                self.set_output("label", "cleanup")
        """
    )
    runner.execute()
    host.wait_for(lambda w: len(w) == 1)
    assert runner.stop(1.0)
    assert labels(host) == ["in", "cleanup"]
    assert told.failures == []


def test_an_async_hook_that_blocks_is_left_behind(run, host, gate) -> None:
    runner = run(
        GUARD + " async def execute(self):\n  self.set_output('label', 'in')\n  gate.wait()\n"
    )
    runner.execute()
    host.wait_for(lambda w: len(w) == 1)
    assert not runner.stop(0.1)
    gate.set()
    assert runner.stop(PATIENCE)


@pytest.mark.parametrize("statement", ["raise SystemExit(3)", "raise ValueError('lost')"])
def test_a_background_task_that_fails_is_told_and_the_plugin_goes_on(
    run, host, told, statement
) -> None:
    runner = run(
        f"""
        import asyncio, gc
        class Guard(TaskBase):
            async def execute(self):
                async def lost():
                    {statement}
                asyncio.create_task(lost())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            async def on_input_changed(self, key, value, old_value):
                gc.collect()
                self.set_output("count", value)
        """,
        max_failures=1,
    )
    runner.execute()
    _until(lambda: runner.busy is None and not runner._mailbox._execute)
    runner.changed("pressure", 1, 0)
    host.wait_for(lambda w: w == [("count", 1)])
    told.wait_for(lambda t: t.failures)
    assert "plugin: a background task failed: guard.py:8: " in told.failures[0][0]
    assert told.end is None


def test_an_async_initialize_is_tried_again_too(run, host, told) -> None:
    run(
        """
        tries = []
        class Guard(TaskBase):
            async def initialize(self):
                tries.append(1)
                if len(tries) < 2: raise OSError("no device")
                self.set_output("count", len(tries))
        """
    )
    host.wait_for(lambda w: w == [("count", 2)])


def test_a_coroutine_from_a_plain_hook_is_an_error_that_says_so(run, told) -> None:
    runner = run(
        """
        class Guard(TaskBase):
            def execute(self):
                async def later(): pass
                return later()
        """
    )
    runner.execute()
    told.wait_for(lambda t: t.failures)
    assert "expected `async def` in the class itself" in told.failures[0][0]


# the process


def test_a_process_ends_although_its_plugin_never_returns() -> None:
    code = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from ioc_runtime.plan import Plan, Plugin
from ioc_runtime.plugin.loader import load
from ioc_runtime.plugin.runner import PluginRunner

source = '''
import threading
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def initialize(self): threading.Event().wait()
'''
plan = Plan("guard", "ns", "P:", plugin=Plugin(files={"guard.py": source}))
loaded = load(plan)
runner = PluginRunner(plan, loaded, None, failed=print)
runner.start()
while not runner.busy:
    pass
print(runner.stop(0.05), runner.alive)
loaded.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "."], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout.split()) == (0, ["False", "True"]), done.stderr


def _until(condition) -> None:
    """Wait for a state that nobody announces; a few milliseconds at most."""
    deadline = threading.Event()
    for _ in range(int(PATIENCE * 200)):
        if condition():
            return
        deadline.wait(0.005)
    raise AssertionError("it did not happen")
