"""The thread of a job's code: what is called when, and what it leaves behind."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ioc_runtime.job.code import Code
from ioc_runtime.job.control import Control
from ioc_runtime.plan import Arguments, Job, Plan, Plugin
from ioc_runtime.plugin.errors import Ended, PluginError
from ioc_runtime.plugin.loader import load
from unit.plugin.conftest import PATIENCE, PLAN, FakeHost

ABORTS = frozenset({"ABORT"})
RECORDS = """
import asyncio, threading, time
from ioc_runtime import JobBase, JobResult, Stopped
class Records(JobBase):
    def note(self, what):
        self.set_message(what)
"""


class Run:
    """Code in its thread, with all that it was told and what it said."""

    def __init__(self, plan: Plan, aborts: frozenset[str] = ABORTS) -> None:
        self.control, self.host, self.loaded = Control(), FakeHost(plan), load(plan)
        self.code = Code(
            plan,
            self.loaded,
            self.host,
            self.control,
            executing=lambda: self.host.message("executing"),
            aborts=aborts,
        )

    @property
    def noted(self) -> list[str]:
        return [text for text, _ in self.host.messages]

    def done(self) -> Run:
        """Start it if need be, and wait for its end."""
        if not self.code.done.is_set() and self.code._thread.ident is None:
            self.code.start()
        assert self.code.done.wait(PATIENCE)
        return self

    def close(self) -> None:
        self.control.stop("STOP")
        self.code.interrupt()
        if self.code._thread.ident is not None:
            self.code._thread.join(PATIENCE)
        self.loaded.close()


Make = Callable[..., Run]


@pytest.fixture
def run() -> Iterator[Make]:
    """Load a job's code, which is below RECORDS; arguments are those of the plan's job."""
    made: list[Run] = []

    def make(methods: str, aborts: frozenset[str] = ABORTS, head: str = RECORDS, **job: Any) -> Run:
        body = textwrap.dedent(methods).strip("\n")
        text = head + (textwrap.indent(body, "    ") if head is RECORDS else body) + "\n"
        plan = replace(
            PLAN, kind="IocJob", plugin=Plugin(files={"job.py": text}), job=Job(**job), rules=()
        )
        made.append(Run(plan, aborts))
        return made[-1]

    yield make
    for one in made:
        one.close()


LIFE = """
def initialize(self, *args): self.note(f"initialize {args}")
def execute(self, *args, **kwargs):
    self.note(f"execute {args} {kwargs}")
    return 7
def abort(self): self.note("abort")
def cleanup(self): self.note("cleanup")
"""


@pytest.mark.parametrize("word", ["def", "async def"])
def test_methods_are_called_in_order_with_their_arguments(run: Make, word: str):
    one = run(
        LIFE.replace("\ndef", f"\n{word}"),
        init_args=Arguments((1, "a")),
        run_args=Arguments((2,), {"k": [3]}),
    ).done()
    assert one.noted == [
        "initialize (1, 'a')",
        "executing",
        "execute (2,) {'k': [3]}",
        "cleanup",
    ]
    assert (one.code.value, one.code.failure) == (7, None)
    assert one.code.worked.is_set()


def test_a_run_that_ended_before_it_executes_is_cleaned_up_all_the_same(run: Make):
    one = run(LIFE)
    one.control.stop("STOP")
    assert one.done().noted == ["initialize ()", "cleanup"]


@pytest.mark.parametrize(
    ("reason", "noted"), [("ABORT", ["abort", "cleanup"]), ("STOP", ["cleanup"])]
)
def test_abort_is_called_for_some_reasons_to_end_and_not_for_others(
    run: Make, reason: str, noted: list[str]
):
    one = run(LIFE.replace("return 7", "self.sleep(60)"))
    one.code.start()
    one.control.stop(reason)
    assert one.done().noted[-len(noted) :] == noted


@pytest.mark.parametrize("hook", ["__init__", "initialize", "execute"])
def test_the_first_failure_counts_and_names_its_method_and_line(run: Make, hook: str):
    one = run(
        f"def {hook}(self): raise ValueError('no')\n"
        + "def execute(self): pass\n" * (hook != "execute")
    ).done()
    failure = one.code.failure
    assert failure is not None and isinstance(failure.error, ValueError)
    name = "the constructor" if hook == "__init__" else hook
    assert failure.sentence == f"{name} failed: job.py:7: ValueError: no"
    assert "raise ValueError('no')" in failure.traceback and "code.py" not in failure.traceback


def test_a_failure_of_abort_is_kept_apart(run: Make):
    one = run(
        """
        def execute(self): self.sleep(60)
        def abort(self): raise OSError("brake")
        """
    )
    one.code.start()
    one.control.stop("ABORT")
    one.done()
    assert one.code.abort_failure is not None
    assert one.code.abort_failure.sentence.endswith("OSError: brake")
    assert one.code.failure is not None and "Stopped" in one.code.failure.sentence


@pytest.mark.parametrize("word", ["def", "async def"])
def test_abort_runs_beside_an_execute_that_hangs_and_only_once(run: Make, word: str):
    one = run(
        f"""
        gate = threading.Event()
        def execute(self):
            self.note("hangs")
            self.gate.wait()
        {word} abort(self):
            self.note("abort")
            self.gate.set()
        """
    )
    one.code.start()
    while "hangs" not in one.noted:
        one.control.sleep(0.01)
    one.control.stop("ABORT")
    assert one.code.abort_beside().wait(PATIENCE)
    one.done()
    assert one.noted.count("abort") == 1


def test_what_awaits_is_cancelled_and_may_clean_up(run: Make):
    one = run(
        """
        async def execute(self):
            try:
                self.note("waits")
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0)
                self.note("finally")
        async def cleanup(self):
            await asyncio.sleep(0.01)
            self.note("cleanup")
        """
    )
    one.code.start()
    while "waits" not in one.noted:
        one.control.sleep(0.01)
    one.control.stop("STOP")
    one.code.interrupt()
    assert one.done().noted[-2:] == ["finally", "cleanup"]


def test_code_that_was_shut_out_cannot_write(run: Make):
    one = run(
        """
        def execute(self):
            self.note("up")
            while not self.stop_requested: pass
            while True:
                self.set_output("count", 1)
                time.sleep(0.001)
        """
    )
    one.code.start()
    while "up" not in one.noted:
        one.control.sleep(0.01)
    one.code.shut("the run is over")
    one.control.stop("STOP")
    failure = one.done().code.failure
    assert failure is not None and isinstance(failure.error, Ended)


def test_a_coroutine_out_of_a_plain_method_is_an_error(run: Make):
    one = run(
        """
        def execute(self):
            async def inner(): return 1
            return inner()
        """
    ).done()
    assert one.code.failure is not None
    assert "expected `async def` in the class itself" in one.code.failure.sentence


def test_a_job_outside_of_a_process_says_so():
    from ioc_runtime import JobBase

    class Alone(JobBase):
        def execute(self):
            return None

    for call in (lambda j: j.progress(0.5), lambda j: j.stop_requested, lambda j: j.sleep(1)):
        with pytest.raises(RuntimeError, match="Alone does not run in a job"):
            call(Alone())
    with pytest.raises(RuntimeError, match="does not run in a task"):
        Alone().set_output("x", 1)


# --- functions


@pytest.mark.parametrize(
    ("text", "args", "kwargs", "value"),
    [
        ("def main(): return 1", (), {}, 1),
        ("def main(job): return job.name", (), {}, "guard"),
        ("def main(job, a, b=2): return [a, b]", (1,), {}, [1, 2]),
        ("def main(a, *, job): return [a, job.name]", (1,), {}, [1, "guard"]),
        ("def main(*job): return list(job)", (1, 2), {}, [1, 2]),
        ("async def main(job, a): return a", (5,), {}, 5),
        ("def main(**kwargs): return kwargs", (), {"job_id": 1}, {"job_id": 1}),
    ],
)
def test_a_function_gets_the_job_where_it_asks_for_it_and_the_arguments(
    run: Make, text: str, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any
):
    one = run(text, head="", run_args=Arguments(args, kwargs)).done()
    assert (one.code.failure, one.code.value) == (None, value)


@pytest.mark.parametrize(
    ("text", "job", "words"),
    [
        ("def main(job): pass", {"run_args": Arguments((), {"job": 1})}, "'job'"),
        ("def main(a): pass", {}, "job.py:1: main(a) cannot be called with spec.runArgs: missing"),
        ("async def main(): yield", {}, "job.py:1 is a generator"),
        ("def scan(): pass", {"function": "main"}, "no function 'main'; nearest: 'scan'"),
        ("def main(): pass", {"init_args": Arguments((1,))}, "main has no initialize"),
        ("from os.path import join as main", {}, "no function main"),
        (
            "from ioc_runtime import TaskBase\nclass A(TaskBase): pass\ndef main(): pass",
            {},
            "is a TaskBase: an IocJob needs a JobBase",
        ),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_at_the_start(
    run: Make, text: str, job: dict[str, Any], words: str
):
    with pytest.raises(PluginError) as refused:
        run(text, head="", **job)
    assert words in str(refused.value)


def test_a_function_in_two_modules_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("def main(): pass\n")
    plan = replace(PLAN, kind="IocJob", plugin=Plugin(directory=str(tmp_path)), job=Job())
    with pytest.raises(PluginError, match="several functions called 'main': a.py:1, b.py:1"):
        load(plan)


def test_a_module_whose_main_is_not_wanted_is_not_imported(tmp_path):
    (tmp_path / "script.py").write_text("raise SystemExit\ndef main(): pass\n")
    (tmp_path / "job.py").write_text(
        "from ioc_runtime import JobBase\nclass A(JobBase):\n def execute(self): pass\n"
    )
    plan = replace(PLAN, kind="IocJob", plugin=Plugin(directory=str(tmp_path)), job=Job())
    loaded = load(plan)
    assert loaded.cls.__name__ == "A"
    loaded.close()
