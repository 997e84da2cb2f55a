"""Tests of manifests in the operator: beside its event loop, once for each spec."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ioc_operator.desired import Judged, Wanted, judge, read
from ioc_operator.reconcile import proving
from ioc_operator.reconcile.proving import Proving
from ioc_runtime.compile import prove


def guard(uid: str = "u1", value: int = 0, tests: bool = True) -> tuple[Wanted, Judged]:
    """A task whose test passes with 0 and fails with 1."""
    spec: dict[str, Any] = {
        "inputs": {"p": {"type": "float", "link": "ca://P"}},
        "outputs": {"v": {"type": "int"}},
        "ruleDefaults": {"v": 0},
        "rules": [{"id": "high", "condition": "p > 1", "outputs": {"v": 1}}],
    }
    if tests:
        spec["tests"] = [{"name": "t", "steps": [{"set": {"p": 0}, "expect": {"v": value}}]}]
    meta = {"name": "guard", "namespace": "bl01", "uid": uid, "generation": 1}
    wanted = read({"kind": "IocTask", "metadata": meta, "spec": spec})
    return wanted, judge(wanted)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads on which tests were run."""
    found: list[str] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        found.append(threading.current_thread().name)
        return prove(*arguments, **named)

    monkeypatch.setattr(proving, "prove", counted)
    return found


def test_they_run_once_for_each_spec_and_never_on_the_loop(runs: list[str]):
    async def story() -> None:
        ours = Proving()
        assert await ours.failures(*guard()) == ""
        assert await ours.failures(*guard()) == ""
        assert len(runs) == 1
        failed = "test 't', step 1: expected v 1, got 0 (none of its rules is active; p is 0)"
        assert await ours.failures(*guard(value=1)) == failed
        assert await ours.failures(*guard(value=1)) == failed
        assert len(runs) == 2
        assert await ours.failures(*guard(uid="u2", value=1)) == failed
        assert len(runs) == 3

    asyncio.run(story())
    assert threading.main_thread().name not in runs


def test_a_manifest_without_tests_costs_no_thread(runs: list[str]):
    assert asyncio.run(Proving().failures(*guard(tests=False))) == ""
    assert runs == []


def test_who_waits_no_more_ends_them(monkeypatch: pytest.MonkeyPatch):
    begun, ended = threading.Event(), threading.Event()

    def endless(plan: object, proofs: object, stop: Callable[[], bool]) -> list[Any]:
        begun.set()
        while not stop():
            pass
        ended.set()
        return []

    monkeypatch.setattr(proving, "prove", endless)

    async def story() -> None:
        waiting = asyncio.create_task(Proving().failures(*guard()))
        await asyncio.to_thread(begun.wait, 20)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(story())
    assert ended.wait(20)


def test_processor_time_is_limited_and_that_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proving, "LONGEST", -1.0)
    text = asyncio.run(Proving().failures(*guard()))
    assert text.startswith("test 't', step 1: expected tests that cost less work")
