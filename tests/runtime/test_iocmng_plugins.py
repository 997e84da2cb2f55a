"""Plugins written for iocmng, run here without an edit, answer as iocmng 2.7.9 answered.

What it answered is recorded in tests/data/iocmng/answers.json, by `python -m
benchmarks.iocmng_plugins --save`, which runs both side by side.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.iocmng_plugins.__main__ import BY_NAME, play_apart, refused

RECORDED = json.loads(
    (Path(__file__).parents[1] / "data" / "iocmng" / "answers.json").read_text("utf-8")
)
PLAYED = (
    ("interlock", "pva"),
    ("reactive", "ca"),
    ("triggered", "pva"),
    ("continuous", "ca"),
    ("report", "pva"),
    ("noise", "ca"),
)


@pytest.mark.runtime
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("plugin", "protocol"), PLAYED)
def test_a_plugin_answers_as_it_does_with_iocmng_but_for_its_defects(plugin, protocol):
    if why := refused(plugin):
        pytest.skip(f"{plugin} cannot run yet: {why}")
    theirs = RECORDED[plugin][protocol]
    ours = play_apart("ours", plugin, protocol, timed=False)["answers"]
    assert set(ours) == set(theirs)
    defects = BY_NAME[plugin].defects
    for label, answers in theirs.items():
        same = {name: value for name, value in answers.items() if (label, name) not in defects}
        assert {name: ours[label][name] for name in same} == same, label


def test_every_difference_is_on_the_page_and_about_something_that_is_looked_at():
    page = (Path(__file__).parents[2] / "docs" / "migration.md").read_text("utf-8")
    for script in BY_NAME.values():
        for (label, name), why in script.defects.items():
            assert f"| {why} |" in page, why
            looked = {step.name for step in script.steps if step.kind == "look"}
            assert label in looked and name in script.looks


@pytest.mark.runtime
@pytest.mark.timeout(120)
def test_run_starts_a_triggered_plugin_which_it_never_did_with_iocmng():
    if why := refused("triggered"):
        pytest.skip(f"triggered cannot run yet: {why}")
    answers = play_apart("ours", "triggered", "ca", timed=False)["answers"]
    assert answers["after RUN"]["RESULT"] == 10.0
    assert answers["after another"]["RESULT"] == 20.0
