"""Plugins that block, and threads of their own."""

from __future__ import annotations

from .conftest import GUARD, PATIENCE, Told, labels, until

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
    until(lambda: runner.where() == " at guard.py:6")
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
    until(lambda: runner.where() == " at guard.py:7")
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
    until(lambda: runner.busy is None)
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
