"""The life of a plugin in its thread: start, pause, stop."""

from __future__ import annotations

import subprocess
import sys

from ioc_runtime.plugin.runner import PluginRunner

from .conftest import GUARD, PATIENCE, Told, labels, plan_of, until

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
    until(lambda: runner._mailbox._idle)
    assert host.writes == []
    runner.resume()
    host.wait_for(lambda w: w == [("count", 1)])


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
