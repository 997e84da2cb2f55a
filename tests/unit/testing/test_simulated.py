"""A task under test, simulated: the same calls give the same answers, and no time passes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ioc_runtime import JobBase, TaskBase
from ioc_runtime.testing.manifest import BadTest
from ioc_runtime.testing.stepping import RunsInCircles

Start = Callable[..., Any]
LEVEL = {"inputs": {"level": {"type": "float", "link": "ca://ELSE:LEVEL"}}}
OUT = {"outputs": {"out": {"type": "float", "link": "pva://ELSE:OUT"}}}


class Counts(TaskBase):
    def initialize(self) -> None:
        self.calls = 0

    def execute(self) -> None:
        self.calls += 1
        self.set_output("out", self.calls)


def test_execute_runs_on_the_grid_of_the_fake_clock(ioc_task: Start):
    task = ioc_task(Counts, mode="periodic", period=0.1, **OUT)
    assert task.output("out").value == 1
    task.after(600)
    assert task.output("out").value == 6001
    assert task.pv("CYCLE_COUNT").value == 6001
    assert task.pv("HEARTBEAT").value == 600
    assert task.pv("OVERRUNS").value == 0


def test_nothing_runs_in_a_thread(ioc_task: Start):
    seen = []

    class Here(TaskBase):
        def on_input_changed(self, key: str, value: Any, old_value: Any) -> None:
            seen.append(threading.current_thread())

    task = ioc_task(Here, **LEVEL)
    before = threading.active_count()
    task.set(level=1)
    assert seen == [threading.main_thread()]
    assert threading.active_count() == before


class Waits(TaskBase):
    async def initialize(self) -> None:
        import asyncio

        self.asyncio = asyncio
        self.worker = asyncio.create_task(self.work())

    async def work(self) -> None:
        for number in range(1, 4):
            await self.asyncio.sleep(100)
            await self.asyncio.to_thread(self.link_put, "level", number)
        self.asyncio.get_running_loop().call_later(100, self.end)

    def end(self) -> None:
        raise ValueError("the worker is done")

    async def on_input_changed(self, key: str, value: Any, old_value: Any) -> None:
        await self.asyncio.sleep(1)
        self.set_output("out", value)

    async def cleanup(self) -> None:
        self.worker.cancel()


def test_tasks_of_async_code_go_on_as_time_passes(ioc_task: Start):
    task = ioc_task(Waits, **LEVEL, **OUT)
    task.after(100)
    assert task.writes("level") == [1.0]
    assert task.output("out").value is None
    task.after(1)
    assert task.output("out").value == 1.0
    task.after(150)
    assert task.output("out").value == 2.0
    task.after(100)
    with task.failing("the worker is done"):
        task.after(100)


def test_initialize_that_raises_is_tried_again_after_a_second(ioc_task: Start):
    tries = []

    class Stubborn(TaskBase):
        def initialize(self) -> None:
            tries.append(self)
            if len(tries) < 3:
                raise ConnectionError("not yet")

    with pytest.raises(ConnectionError, match="not yet"):
        ioc_task(Stubborn, **OUT)
    assert len(tries) == 1
    tries.clear()


def test_the_traceback_of_a_failure_leads_to_the_plugins_line(ioc_task: Start):
    class Fails(TaskBase):
        def on_input_changed(self, key: str, value: Any, old_value: Any) -> None:
            raise KeyError("here")

    task = ioc_task(Fails, **LEVEL)
    with pytest.raises(KeyError, match="here") as error:
        task.set(level=1)
    assert error.traceback[-1].name == "on_input_changed"
    assert (task.status, "here" in task.message) == ("ERROR", True)
    with pytest.raises(AssertionError, match="expected a failure"), task.failing():
        task.after(1)


def test_a_plugin_that_causes_itself_is_stopped(ioc_task: Start):
    class Circles(TaskBase):
        def on_input_changed(self, key: str, value: Any, old_value: Any) -> None:
            self.set_input("level", value + 1)

    task = ioc_task(Circles, inputs={"level": {"type": "float", "value": 0}})
    with pytest.raises(RunsInCircles):
        task.set(level=1)


def test_a_write_that_is_refused_is_told_and_one_to_a_lost_pv_comes_later(ioc_task: Start):
    class Passes(TaskBase):
        def on_input_changed(self, key: str, value: Any, old_value: Any) -> None:
            self.set_output("out", value)

    task = ioc_task(Passes, **LEVEL, **OUT)
    task.refuse("out", "read only")
    task.set(level=1)
    assert "read only" in task.message
    assert task.pv("WRITE:ERRORS").value == 1
    task.refuse("out", "")
    task.disconnect("out")
    task.set(level=2)
    assert task.writes("out") == []
    task.connect("out")
    assert task.writes("out") == [2.0]


def test_a_steady_source_is_alive_and_a_lost_one_is_not(ioc_task: Start):
    inputs = {"level": {"type": "float", "link": "ca://ELSE:LEVEL", "maxAge": 3}}
    task = ioc_task(Counts, inputs=inputs, **OUT)
    task.set(level=1)
    task.after(60)
    assert task.input("level").valid
    task.disconnect("level")
    assert not task.input("level").valid


def test_the_same_calls_give_the_same_answers(ioc_task: Start):
    def play() -> list[Any]:
        task = ioc_task(Waits, **LEVEL, **OUT)
        seen = []
        for step in (0.3, 99.7, 1.0, 0.0, 100.0):
            task.after(step)
            seen += [task.output("out"), task.input("level"), task.writes("level")]
        return seen

    assert play() == play()


def test_what_cannot_be_is_one_sentence(ioc_task: Start, ioc_job: Start):
    task = ioc_task(Counts, **LEVEL, **OUT)
    for call, said in (
        (lambda: task.set(levle=1), "no input 'levle'; nearest: 'level'"),
        (lambda: task.set(severity="BAD", level=1), "expected one of NO_ALARM, MINOR"),
        (lambda: task.output("level"), "no output 'level'"),
        (lambda: task.rule("high"), "no rule 'high'"),
        (lambda: task.after(-1), "expected seconds, 0 or more"),
        (lambda: ioc_task("nowhere.yaml"), "nowhere.yaml cannot be read"),
        (lambda: ioc_task("kind: IocTask\n"), "expected"),
        (lambda: ioc_job(Counts), "Counts is no JobBase"),
    ):
        with pytest.raises(BadTest, match=said):
            call()


class Sleeps(JobBase):
    def execute(self) -> str:
        for _ in range(60):
            self.sleep(60)
        return "an hour later"


def test_an_hour_of_a_job_takes_no_time_and_may_be_stopped(ioc_job: Start):
    began = time.monotonic()
    job = ioc_job(Sleeps, **OUT)
    assert job.run().data == "an hour later"
    assert time.monotonic() - began < 20
    assert job.pv("RUN:DURATION").value == 3600
    job = ioc_job(Sleeps, **OUT)
    job.at(1800, job.stop_run)
    assert job.run().state == "Stopped"
    assert job.pv("RUN:DURATION").value == 1800
    job = ioc_job(Sleeps, runTimeoutSeconds=600, **OUT)
    assert job.run().reason == "DeadlineExceeded"
    with pytest.raises(BadTest, match="runs once"):
        job.run()
