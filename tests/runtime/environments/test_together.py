"""Builders that meet, and builders that are killed: real processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runtime.environments.conftest import PATIENCE, Builder, listing, result
from support.leaks import children
from support.package_index import PackageIndex, wait_until
from support.spawn import Spawned

Start = Callable[..., Spawned]


def reap(before: set[int]) -> None:
    """Wait for what a killed builder has left to us; fails when it does not end."""

    def gone() -> bool:
        for pid in children().keys() - before:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return not children().keys() - before

    wait_until(gone)


def test_ten_builders_of_one_key_build_once(start: Start, index: PackageIndex, cache: Path):
    index.slow = 1.0
    index.add("solo", "1.0", ["beta==1.0"])
    found = [result(process) for process in [start("solo") for _ in range(10)]]
    assert len({one["key"] for one in found}) == 1
    assert [one["hit"] for one in found].count(False) == 1
    assert all(one["packages"] == {"beta": "1.0", "solo": "1.0"} for one in found)
    assert (index.downloads("solo"), index.downloads("beta")) == (1, 1)
    assert listing(cache) == [found[0]["key"]]


def test_those_who_wait_fail_with_what_the_builder_failed_with(
    start: Start, index: PackageIndex, cache: Path
):
    index.slow = 1.0
    index.add("solo", "1.0", ["nosuchpackage"])
    first = start("solo")
    wait_until(lambda: "resolving" in first.errors)
    others = [start("solo") for _ in range(3)]
    for other in others:
        wait_until(lambda other=other: "waiting for a build" in other.errors or other.popen.poll())
    assert [process.wait(PATIENCE) for process in (first, *others)] == [15] * 4
    waited = [other for other in others if "waiting for a build" in other.errors]
    assert waited
    for other in waited:
        assert other.errors.splitlines()[-1] == first.errors.splitlines()[-1]
        assert "resolving" not in other.errors
    index.slow = 0.0
    index.add("nosuchpackage", "1.0")
    assert result(start("solo"))["packages"] == {"nosuchpackage": "1.0", "solo": "1.0"}


@pytest.mark.parametrize("moment", ["started", "resolving", "downloading", "installing"])
def test_after_a_killed_builder_the_next_one_is_whole(
    start: Start, index: PackageIndex, cache: Path, moment: str
):
    index.add("solo", "1.0", ["beta==1.0"])
    index.slow = 2.0
    before = set(children())
    signs = {
        "started": lambda p: (cache / "locks").is_dir(),
        "resolving": lambda p: "resolving" in p.errors,
        "downloading": lambda p: "/simple/solo/" in index.asked,
        "installing": lambda p: "installing 2 packages" in p.errors,
    }
    victim = start("solo")
    wait_until(lambda: signs[moment](victim))
    waiting = start("solo")
    if moment != "started":
        wait_until(lambda: "waiting for a build" in waiting.errors)
    victim.kill()
    index.slow = 0.0
    found = result(waiting)
    assert found["packages"] == {"beta": "1.0", "solo": "1.0"}
    assert not found["hit"]
    assert listing(cache) == [found["key"]]
    reap(before)


def test_a_tool_ends_with_its_builder(start: Start, index: PackageIndex):
    index.add("solo", "1.0")
    index.slow = 30.0
    before = set(children())
    victim = start("solo")
    wait_until(lambda: "/simple/solo/" in index.asked)
    time.sleep(0.3)  # it is inside the wheel
    victim.kill()
    began = time.monotonic()
    reap(before)
    assert time.monotonic() - began < 10


def test_what_a_killed_builder_left_of_another_key_goes_too(
    start: Start, index: PackageIndex, cache: Path, builder: Builder
):
    index.add("solo", "1.0")
    index.slow = 5.0
    before = set(children())
    victim = start("solo")
    wait_until(lambda: "resolving" in victim.errors)
    wait_until(lambda: any(name.startswith(".") for name in os.listdir(cache)))
    victim.kill()
    reap(before)
    index.slow = 0.0
    assert any(name.startswith(".") for name in os.listdir(cache))
    built = builder("beta==1.0")
    assert listing(cache) == [built.key]
