"""`every` and `on`: the grid with a fake clock, and that the plugin's thread calls them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from ioc_runtime.job.code import Code
from ioc_runtime.job.control import Control
from ioc_runtime.plan import Job, Plan, Plugin
from ioc_runtime.plugin.errors import PluginError
from ioc_runtime.plugin.loader import load
from ioc_runtime.plugin.timers import Timers

from .conftest import PATIENCE, PLAN, FakeHost, Told


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_timer_is_due_on_a_grid_from_its_start(clock: Clock) -> None:
    timers = Timers(clock)
    timer = timers.add(0.5, lambda: None)
    assert timers.take() is None
    assert timers.wait() == 0.5
    for turn in range(1, 5):
        clock.now = 1000.0 + turn * 0.5 + 0.2  # late each time, but within the period
        assert timers.take() is timer
        assert timers.take() is None
        assert timers.wait() == pytest.approx(0.3)
    assert (timer.count, timer.overruns) == (4, 0)


def test_a_timer_never_drifts_however_many_turns_there_are(clock: Clock) -> None:
    timers = Timers(clock)
    timer = timers.add(0.1, lambda: None)
    for turn in range(1, 100_001):
        clock.now = 1000.0 + turn * 0.1 + 1e-6
        assert timers.take() is timer
    assert timer.due == pytest.approx(1000.0 + 100_001 * 0.1, abs=1e-9)
    assert (timer.count, timer.overruns) == (100_000, 0)


def test_what_is_missed_is_left_out_and_counted(clock: Clock) -> None:
    timers = Timers(clock)
    timer = timers.add(1.0, lambda: None)
    clock.now += 4.5  # due at 1, 2, 3 and 4
    assert timers.take() is timer
    assert (timer.count, timer.overruns) == (1, 3)
    assert timers.take() is None
    assert timers.wait() == pytest.approx(0.5)


def test_a_turn_that_is_exactly_due_is_taken_once(clock: Clock) -> None:
    timers = Timers(clock)
    timer = timers.add(0.1, lambda: None)
    for _ in range(1000):
        clock.now = timer.due
        assert timers.take() is timer
        assert timers.take() is None
    assert (timer.count, timer.overruns) == (1000, 0)


def test_what_was_due_in_a_pause_is_neither_called_nor_counted(clock: Clock) -> None:
    timers = Timers(clock)
    timer = timers.add(1.0, lambda: None)
    clock.now += 10.25
    timers.skip()
    assert timers.take() is None
    assert (timer.overruns, timers.wait()) == (0, 0.75)


def test_the_one_that_waits_longest_is_first_and_a_cancelled_one_never(clock: Clock) -> None:
    timers = Timers(clock)
    slow, quick, gone = (timers.add(s, lambda: None) for s in (1.0, 0.6, 0.1))
    gone.cancel()
    clock.now += 1.05
    assert [timers.take(), timers.take(), timers.take()] == [quick, slow, None]
    quick.cancel()
    slow.cancel()
    assert timers.wait() is None


# in a task


def test_timers_and_listeners_run_in_the_plugins_thread(run, host: FakeHost, told: Told) -> None:
    runner = run("""
        class Guard(TaskBase):
            def initialize(self):
                self.here = threading.current_thread()
                self.n = 0
                self.timer = self.every(0.01, self.tick)
                @self.on("pressure")
                def pressure(value, old):
                    assert threading.current_thread() is self.here
                    self.set_output("label", f"{value} {old}")
                self.listener = pressure
            def tick(self):
                assert threading.current_thread() is self.here
                self.n += 1
                self.set_output("count", self.n)
                if self.n == 3:
                    self.timer.cancel()
                    self.listener.cancel()
        """)
    runner.changed("pressure", 1.0, None)  # nobody listens yet, or already
    host.wait_for(lambda writes: ("count", 1) in writes)
    runner.changed("pressure", 2.0, 1.0)
    runner.changed("mode", 1, 0)
    host.wait_for(lambda writes: ("count", 3) in writes)
    time.sleep(0.03)
    runner.changed("pressure", 3.0, 2.0)
    time.sleep(0.03)
    assert ("count", 4) not in host.writes
    assert ("label", "2.0 1.0") in host.writes
    assert ("label", "3.0 2.0") not in host.writes
    assert told.failures == []


def test_marked_methods_are_called_plain_and_async(run, host: FakeHost, told: Told) -> None:
    runner = run("""
        import asyncio
        class Base(TaskBase):
            @every(0.01)
            async def tick(self):
                await asyncio.sleep(0)
                self.set_output("count", 1)
        class Guard(Base):
            @on("pressure")
            @on("mode")
            def seen(self, value, old_value):
                self.set_output("label", f"{value} {old_value}")
        Base = None
        """)
    runner.changed("pressure", 5.0, 4.0)
    runner.changed("setpoint", 6.0, 4.0)
    runner.changed("mode", 1, 2)
    host.wait_for(
        lambda writes: {("count", 1), ("label", "5.0 4.0"), ("label", "1 2")} <= {*writes}
    )
    assert not any("6.0" in str(value) for _, value in host.writes)
    assert told.failures == []


def test_the_hook_hears_first_and_a_listener_alone_is_enough(run, host: FakeHost) -> None:
    runner = run("""
        class Guard(TaskBase):
            def on_input_changed(self, key, value, old_value):
                self.set_output("label", f"hook {value}")
            @on("pressure")
            def seen(self, value, old_value):
                self.set_output("label", f"listener {value}")
        """)
    runner.changed("pressure", 1.0, None)
    host.wait_for(lambda writes: len(writes) == 2)
    assert [value for _, value in host.writes] == ["hook 1.0", "listener 1.0"]


def test_no_timer_is_called_while_paused(run, host: FakeHost) -> None:
    runner = run("""
        class Guard(TaskBase):
            n = 0
            @every(0.01)
            def tick(self):
                self.n += 1
                self.set_output("count", self.n)
        """)
    host.wait_for(lambda writes: len(writes) >= 2)
    runner.pause()
    time.sleep(0.03)
    before = len(host.writes)
    time.sleep(0.05)
    assert len(host.writes) == before
    runner.resume()
    host.wait_for(lambda writes: len(writes) > before)
    (timer,) = runner._binding.table.timers._all
    assert timer.overruns <= 5


def test_a_timer_that_fails_is_told_and_goes_on_and_counts_for_max_failures(
    run, host: FakeHost, told: Told
) -> None:
    run(
        """
        class Guard(TaskBase):
            @every(0.01)
            def tick(self):
                raise RuntimeError("no")
        """,
        max_failures=3,
    )
    told.wait_for(lambda told: told.end is not None)
    code, text = told.end
    assert code == 12
    assert "every(0.01) tick failed: guard.py:" in text and "RuntimeError: no" in text


def test_a_slow_timer_neither_starves_changes_nor_hides_its_overruns(
    run, host: FakeHost, gate: threading.Event
) -> None:
    runner = run("""
        import time
        class Guard(TaskBase):
            @every(0.001)
            def tick(self):
                time.sleep(0.01)
            @on("pressure")
            def seen(self, value, old_value):
                self.set_output("count", int(value))
        """)
    for n in range(10):
        runner.changed("pressure", float(n), None)
        time.sleep(0.005)
    host.wait_for(lambda writes: ("count", 9) in writes)
    (timer,) = runner._binding.table.timers._all
    assert timer.overruns > timer.count > 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("self.every(0)", "every: expected 0.001 to 31536000 s, got 0"),
        ("self.every('1', print)", "every: expected seconds, as in every(0.5), got '1'"),
        ("self.every(1, 5)", "every(1): expected a function, got 5"),
        ("self.every(1, lambda x: x)", "every(1): expected a function without arguments"),
        ("self.on('presure', print)", "no input 'presure'; nearest: 'pressure'"),
        ("self.on('count', print)", "no input 'count'"),
        ("self.on('pressure', lambda x: x)", "on('pressure'): expected a function of (value, old"),
        ("self.every(1, self.later)", "every(1): expected a plain function: none of the plugin's"),
    ],
)
def test_a_callback_that_cannot_be_is_refused_in_its_line(run, told: Told, line, text) -> None:
    run(f"""
        class Guard(TaskBase):
            def initialize(self):
                async def later(): pass
                self.later = later
                {line}
        """)
    told.wait_for(lambda told: bool(told.failures))
    assert "guard.py:8" in told.failures[0][0]
    assert text in told.failures[0][0]


def test_a_mark_with_an_unknown_input_ends_the_start_with_its_line(load_files) -> None:
    code = (
        "from ioc_runtime import *\nclass A(TaskBase):\n"
        "    @on('presure')\n    def a(self, v, o): pass"
    )
    with pytest.raises(PluginError, match=r"guard.py:3: @on\('presure'\).*nearest: 'pressure'"):
        load_files({"guard.py": code})


# in a job


def job(code: str) -> tuple[Code, FakeHost, Callable[[], None]]:
    fields = {name: getattr(PLAN, name) for name in Plan.__dataclass_fields__}
    files = {"job.py": "import asyncio\nfrom ioc_runtime import *\n" + code}
    fields |= {"plugin": Plugin(files=files), "kind": "IocJob", "job": Job()}
    plan = Plan(**fields)
    loaded, host, run = load(plan), FakeHost(plan), Control()
    made = Code(plan, loaded, host, run, executing=lambda: None, aborts=frozenset())
    return made, host, loaded.close


SYNC = """
class Work(JobBase):
    n = 0
    @every(0.01)
    def tick(self):
        self.n += 1
    @on("pressure")
    def seen(self, value, old_value):
        self.set_output("count", int(value))
    def execute(self):
        self.set_output("label", "begins")
        while self.get_output("count") is None or self.n < 5:
            self.sleep(0.05)
        return self.n
"""
ASYNC = """
class Work(JobBase):
    n = 0
    async def initialize(self):
        self.every(0.01, self.tick)
        self.on("pressure", self.seen)
    async def tick(self):
        self.n += 1
    def seen(self, value, old_value):
        self.set_output("count", int(value))
    async def execute(self):
        self.set_output("label", "begins")
        while self.get_output("count") is None or self.n < 5:
            await asyncio.sleep(0.05)
        return self.n
"""


@pytest.mark.parametrize("text", [SYNC, ASYNC], ids=["sleep", "async"])
def test_callbacks_of_a_job_run_while_it_waits(text: str) -> None:
    code, host, close = job(text)
    try:
        code.start()
        host.wait_for(lambda writes: ("label", "begins") in writes)
        code.changed("pressure", 4.0, None)
        code.changed("mode", 4, None)
        assert code.done.wait(PATIENCE)
    finally:
        close()
    assert code.failure is None
    assert code.value >= 5
    assert ("count", 4) in host.writes


def test_a_job_with_a_timer_that_is_always_due_can_be_stopped() -> None:
    code, host, close = job("""
import time
class Work(JobBase):
    @every(0.001)
    def tick(self):
        time.sleep(0.005)
    def execute(self):
        self.set_output("label", "begins")
        self.sleep(3600)
    def cleanup(self):
        self.sleep(0)
        self.set_output("label", "cleans")
""")
    try:
        code.start()
        host.wait_for(lambda writes: ("label", "begins") in writes)
        code._run.stop("STOP")
        assert code.done.wait(PATIENCE)
    finally:
        close()
    assert type(code.failure.error).__name__ == "Stopped"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_callback_that_raises_is_the_failure_of_the_run(kind: str) -> None:
    wait = "self.sleep(0.2)" if kind == "def" else "await asyncio.sleep(0.2)"
    code, _, close = job(f"""
class Work(JobBase):
    @every(0.01)
    def tick(self):
        raise OSError("no")
    {kind} execute(self):
        {wait}
""")
    try:
        code.start()
        assert code.done.wait(PATIENCE)
    finally:
        close()
    assert code.failure is not None
    assert isinstance(code.failure.error, OSError)
