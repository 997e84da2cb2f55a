"""Plugins with `async def`."""

from __future__ import annotations

import pytest

from .conftest import GUARD, PATIENCE, labels, until


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
    until(lambda: runner.busy is None and not runner._mailbox._execute)
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
