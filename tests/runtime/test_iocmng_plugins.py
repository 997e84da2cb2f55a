"""Plugins written for iocmng, run here without an edit, answer as iocmng 2.7.9 answered.

What it answered is recorded in tests/data/iocmng/answers.json, by `python -m
benchmarks.iocmng_plugins --save`, which runs both side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.iocmng_plugins.__main__ import BY_NAME, play_apart, refused

RECORDED = json.loads(
    (Path(__file__).parents[1] / "data" / "iocmng" / "answers.json").read_text("utf-8")
)
PLAYED = (
    ("interlock", "pva"),
    ("reactive", "ca"),
    ("triggered", "pva"),
    ("triggered", "ca"),
    ("continuous", "ca"),
    ("report", "pva"),
    ("noise", "ca"),
)
AT_A_TIME = 4
"""Each waits most of its time, and has processes and ports of its own."""
Answers = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Callable[[str, str], Answers]:
    """What the plugins of the module's tests answer here; all are played before the first."""
    wanted = {
        (item.callspec.params["plugin"], item.callspec.params["protocol"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
        if hasattr(item, "callspec")
    }
    plays: dict[tuple[str, str], Future[dict[str, Any]]] = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for plugin, protocol in PLAYED:
            if (plugin, protocol) in wanted and not refused(plugin):
                plays[plugin, protocol] = pool.submit(
                    play_apart, "ours", plugin, protocol, timed=False
                )

    def of(plugin: str, protocol: str) -> Answers:
        if why := refused(plugin):
            pytest.skip(f"{plugin} cannot run yet: {why}")
        found: Answers = plays[plugin, protocol].result()["answers"]
        return found

    return of


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("plugin", "protocol"), [p for p in PLAYED if p != ("triggered", "ca")])
def test_a_plugin_answers_as_it_does_with_iocmng_but_for_its_defects(answers, plugin, protocol):
    theirs, ours = RECORDED[plugin][protocol], answers(plugin, protocol)
    assert set(ours) == set(theirs)
    defects = BY_NAME[plugin].defects
    for label, said in theirs.items():
        same = {name: value for name, value in said.items() if (label, name) not in defects}
        assert {name: ours[label][name] for name in same} == same, label


def test_every_difference_is_on_the_page_and_about_something_that_is_looked_at():
    page = (Path(__file__).parents[2] / "docs" / "migration.md").read_text("utf-8")
    for script in BY_NAME.values():
        for (label, name), why in script.defects.items():
            assert f"| {why} |" in page, why
            looked = {step.name for step in script.steps if step.kind == "look"}
            assert label in looked and name in script.looks


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("plugin", "protocol"), [("triggered", "ca")])
def test_run_starts_a_triggered_plugin_which_it_never_did_with_iocmng(answers, plugin, protocol):
    said = answers(plugin, protocol)
    assert said["after RUN"]["RESULT"] == 10.0
    assert said["after another"]["RESULT"] == 20.0
