"""A status that nobody takes must not look like a healthy one: the pod is not Ready then."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from ioc_runtime.pod.api import Answer, Api, NoAnswer
from ioc_runtime.pod.environment import Environment
from ioc_runtime.pod.health import Health
from ioc_runtime.pod.report import GAP, LATE, Reporter
from ioc_runtime.pod.words import Words

ENVIRONMENT = Environment("IocTask", "bl01", "guard", "guard-0", "u1", probe_port=0, report=True)
TAKEN = Answer(200, None, "{}")
REFUSED = Answer(403, None, '{"message": "no binding"}')


class Scene:
    """A task that says `words`, and an API server that answers `answer`, on our clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.words: Words = {"state": "RUN", "inputs": "1/1"}
        self.answer: Answer | NoAnswer = TAKEN
        self.reporter = Reporter(
            cast(Any, None), ENVIRONMENT, Path(), cast(Api, self), clock=lambda: self.now
        )
        self.reporter._words = lambda: dict(self.words)  # type: ignore[method-assign]
        self.health = Health(lambda: self.now)
        self.health.serving(lambda: self.now)
        self.health.reporting(self.reporter.late)

    def patch(self, *_: Any, **__: Any) -> Answer:
        if isinstance(self.answer, NoAnswer):
            raise self.answer
        return self.answer

    def passes(self, seconds: float) -> None:
        """The reporter looks again and again for so long."""
        until = self.now + seconds
        while self.now < until:
            self.reporter._turn()
            self.now += 0.5

    @property
    def ready(self) -> tuple[int, str]:
        return self.health.answer("/ready")


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.passes(1)
    return made


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (REFUSED, "HTTP 403 no binding"),
        (NoAnswer("no route to the API server"), "no route to the API server"),
    ],
)
def test_news_that_nobody_takes_end_readiness_and_it_comes_back_with_them(
    scene: Scene, answer: Answer | NoAnswer, why: str
):
    scene.answer = answer
    scene.words["inputs"] = "0/1"
    scene.passes(LATE - 2)
    assert scene.ready[0] == 200
    scene.passes(4)
    code, said = scene.ready
    assert (code, why in said) == (503, True), said
    assert "has not been taken for 3" in said
    assert scene.health.answer("/live")[0] == 200
    scene.answer = TAKEN
    scene.passes(40)
    assert scene.ready[0] == 200


def test_without_news_nothing_has_to_be_taken(scene: Scene):
    scene.answer = REFUSED
    scene.passes(10 * LATE)
    assert scene.ready[0] == 200


def test_once_the_task_is_again_what_the_status_says_all_is_well(scene: Scene):
    scene.answer = REFUSED
    scene.words["inputs"] = "0/1"
    scene.passes(LATE + 5)
    assert scene.ready[0] == 503
    scene.words["inputs"] = "1/1"
    scene.passes(1)
    assert scene.ready[0] == 200


def test_what_changes_all_the_time_is_told_often_enough(scene: Scene):
    until = scene.now + 600
    while scene.now < until:
        scene.words["inputs"] = str(scene.now)
        scene.passes(GAP / 2)
        assert scene.ready[0] == 200


def test_a_report_that_cannot_be_made_is_late_too(scene: Scene):
    def broken() -> Words:
        raise RuntimeError

    scene.reporter._words = broken  # type: ignore[method-assign]
    scene.reporter._stopping.wait = lambda _=None: scene.reporter._stopping.set()  # type: ignore
    scene.reporter._run()
    scene.now += LATE
    assert scene.ready == (503, f"the report has not been taken for {LATE:.0f} s: no answer")
