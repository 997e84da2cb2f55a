"""When a pod is told of a change of its ConfigMap, and how often again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ioc_operator.names import CONFIG, RESET_AT, SHAPE, TOLD_AGAIN, Key
from ioc_operator.reconcile.apply import Applier
from ioc_operator.reconcile.noticing import AGAIN, Noticing
from ioc_operator.status import Pod
from ioc_operator.store import Child, Owner

POD = Pod(name="guard-0", uid="p1", phase="Running", ready=True, shape="s", config="old")


class Scene:
    """One task on a clock that is moved by hand, and all that its pod was told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[dict[str, str]] = []
        self.noticing = Noticing(cast(Applier, self), clock=lambda: self.now)
        self.pod = POD
        self.runtime: dict[str, Any] | None = {"podUID": "p1", "configHash": "old"}
        self.notes = {CONFIG: "new", SHAPE: "s"}

    async def annotate(self, child: Child, notes: Mapping[str, str]) -> None:
        """As an Applier would write it; the store then has it."""
        self.told.append(dict(notes))
        self.pod = replace(
            self.pod,
            config=notes.get(CONFIG, self.pod.config),
            reset_at=notes.get(RESET_AT, self.pod.reset_at),
        )

    def look(self) -> float | None:
        meta = {"name": "guard", "namespace": "bl01", "uid": "u1", "generation": 1}
        status = {"runtime": self.runtime} if self.runtime is not None else {}
        owner = Owner.read(
            "IocTask",
            {"kind": "IocTask", "metadata": meta | {"resourceVersion": "1"}, "status": status},
        )
        config = cast(Child, type("Config", (), {"notes": self.notes})())
        child = cast(Child, object())
        return asyncio.run(self.noticing.notice(owner, config, child, self.pod))

    def again(self) -> int:
        """How often it was told again."""
        return sum(TOLD_AGAIN in each for each in self.told)


def test_it_is_told_at_once_and_then_again_ever_less_often_for_two_minutes():
    scene = Scene()
    begun, times = scene.now, []
    while (wait := scene.look()) is not None:
        before = scene.again()
        scene.now += wait
        scene.look()
        if scene.again() > before:
            times.append(scene.now - begun)
        assert scene.now < begun + 300, "it never ends"
    assert scene.told[0] == {CONFIG: "new"}
    assert times == [3.0, 9.0, 21.0, *(21.0 + 15.0 * n for n in range(1, 8))]
    assert len(times) == len(AGAIN)
    scene.now += 1000
    assert scene.look() is None
    assert scene.again() == len(AGAIN)


def test_looks_in_between_tell_it_nothing():
    scene = Scene()
    assert scene.look() == AGAIN[0]
    scene.now += 1
    assert scene.look() == AGAIN[0] - 1
    assert scene.told == [{CONFIG: "new"}]


def test_once_it_says_so_nothing_more_is_said():
    scene = Scene()
    scene.look()
    scene.runtime = {"podUID": "p1", "configHash": "new"}
    scene.now += 100
    assert scene.look() is None
    assert scene.told == [{CONFIG: "new"}]


def test_a_later_edit_has_two_minutes_of_its_own():
    scene = Scene()
    for _ in range(2 * len(AGAIN) + 2):
        scene.now += scene.look() or 0
    assert scene.look() is None
    scene.notes = scene.notes | {CONFIG: "newer"}
    assert scene.look() == AGAIN[0]
    assert scene.told[-1] == {CONFIG: "newer"}


def test_a_reset_is_told_again_as_an_edit_is():
    scene = Scene()
    scene.runtime = {"podUID": "p1", "configHash": "new"}
    scene.notes = scene.notes | {RESET_AT: "today"}
    assert scene.look() == AGAIN[0]
    assert scene.told == [{RESET_AT: "today"}]


def test_a_pod_without_reports_is_told_once():
    scene = Scene()
    scene.runtime = None
    assert scene.look() is None
    assert scene.look() is None
    assert scene.told == [{CONFIG: "new"}]


def test_a_pod_that_starts_ends_or_is_of_another_shape_is_told_nothing():
    for pod, runtime in (
        (replace(POD, ready=False), None),
        (replace(POD, deleted_at="now"), {"podUID": "p1", "configHash": "old"}),
        (replace(POD, phase="Failed"), {"podUID": "p1", "configHash": "old"}),
        (replace(POD, shape="other"), {"podUID": "p1", "configHash": "old"}),
    ):
        scene = Scene()
        scene.pod, scene.runtime = pod, runtime
        assert scene.look() is None
        assert scene.told == []


def test_of_a_task_that_is_gone_nothing_is_kept():
    scene = Scene()
    scene.look()
    scene.noticing.forget(Key("IocTask", "bl01", "guard"))
    scene.now += 1
    assert scene.look() == AGAIN[0], "another task of that name begins anew"
