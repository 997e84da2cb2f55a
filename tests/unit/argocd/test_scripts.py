"""The Lua that Argo CD runs, on objects that a real operator has left on a real cluster.

The files are those of Argo CD's own repository in name and form; what the objects are
called and how they came about stands in tests/cluster/argocd.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from cluster.argocd.recorded import (
    actions,
    after,
    changed,
    condition,
    discovered,
    folder,
    health,
    read,
    recorded,
    spoilt,
)
from cluster.argocd.states import JOB, STATES, TASK, State
from scripts.argocd.__main__ import GROUP, KINDS, ROOT, entries, texts
from scripts.argocd.lua import act, run

Object = dict[str, Any]

HEALTH = {"Healthy", "Progressing", "Degraded", "Suspended"}


# Health


@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.kind}-{state.name}")
def test_every_state_is_called_what_it_is(state: State):
    said = health(state.kind, recorded(state.kind, state.name))
    assert said["status"] == state.health, said["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tests_in_argo_cds_own_form_hold(kind: str):
    tests = read(folder(kind) / "health_test.yaml")["tests"]
    names = {f"testdata/{state.name}.yaml" for state in STATES if state.kind == kind}
    files = {f"testdata/{path.name}" for path in (folder(kind) / "testdata").iterdir()}
    assert {test["inputPath"] for test in tests} == names == files
    for test in tests:
        assert health(kind, read(folder(kind) / test["inputPath"])) == test["healthStatus"]


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (TASK, "invalid-spec", "InvalidSpec: spec.rules[0].condition"),
        (TASK, "invalid-edit", "What ran before runs on."),
        (TASK, "pv-conflict", "PvConflict: BL01:TASK:RUNNING: belongs to bl01/running"),
        (TASK, "input-disconnected", "Disconnected: 1 of 1 not connected: gauge"),
        (TASK, "image-pull", "localhost/no-such-image:1"),
        (TASK, "plugin-failed", "no_such_module"),
        (TASK, "running", "Running: pod running-0 on node"),
        (TASK, "node-lost", "NodeLost: node n0 does not answer"),
        (JOB, "failed", "no crystal"),
        (JOB, "plugin-failed", "no_such_module"),
    ],
)
def test_the_message_says_what_to_look_at(kind: str, name: str, words: str):
    assert words in health(kind, recorded(kind, name))["message"]


@pytest.mark.parametrize(("what", "obj"), [pytest.param(*each, id=each[0]) for each in spoilt()])
def test_what_is_not_known_is_not_healthy(what: str, obj: Object):
    assert health(TASK, recorded(TASK, "running"))["status"] == "Healthy"
    for kind in KINDS:
        said = health(kind, obj)
        assert said["status"] in HEALTH - {"Healthy"}
        assert said["message"]


def test_a_permit_that_has_tripped_says_nothing_of_what_was_deployed():
    obj = recorded(TASK, "running")
    obj["status"]["conditions"].append({"type": "PermitsOk", "status": "False", "reason": "X"})
    assert health(TASK, obj)["status"] == "Healthy"


def kstatus(obj: Object) -> str:
    """What the rules of kstatus for custom resources say."""
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    if obj.get("status", {}).get("observedGeneration") != obj["metadata"]["generation"]:
        return "InProgress"
    for kind, result in (("Reconciling", "InProgress"), ("Stalled", "Failed")):
        if condition(obj, kind).get("status") == "True":
            return result
    return "Current" if condition(obj, "Ready").get("status") == "True" else "InProgress"


@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.kind}-{state.name}")
def test_kstatus_says_the_same_where_it_has_a_word_for_it(state: State):
    said = kstatus(recorded(state.kind, state.name))
    words = {
        "Healthy": {"Current"},
        "Progressing": {"InProgress", "Terminating"},
        "Degraded": {"Failed"},
        "Suspended": {"InProgress"},
    }
    unlike = {
        (TASK, "input-disconnected"): "Current",
        (TASK, "rule-invalid"): "Current",
        (TASK, "paused"): "Current",
        (TASK, "node-lost"): "InProgress",
        (JOB, "running"): "Current",
    }
    assert said in {unlike.get((state.kind, state.name))} or said in words[state.health]


# Actions


@pytest.mark.parametrize("kind", KINDS)
def test_each_action_that_is_offered_is_there_and_the_other_way_round(kind: str):
    assert set(discovered(kind, recorded(kind, "running"))) == set(actions(kind))


def only(*names: str) -> set[str]:
    return set(names)


@pytest.mark.parametrize(
    ("kind", "name", "offered"),
    [
        (TASK, "running", only("suspend", "restart", "reset")),
        (TASK, "starting", only("suspend", "restart")),
        (TASK, "suspended", only("resume")),
        (TASK, "new", only("suspend", "restart")),
        (JOB, "running", only("suspend")),
        (JOB, "complete", only("restart")),
        (JOB, "failed", only("restart")),
        (JOB, "suspended", only("resume")),
        (JOB, "new", only("suspend")),
    ],
)
def test_what_makes_sense_is_offered(kind: str, name: str, offered: set[str]):
    found = discovered(kind, recorded(kind, name))
    assert {action for action, enabled in found.items() if enabled} == offered


@pytest.mark.parametrize("kind", KINDS)
def test_an_action_changes_one_thing_and_leaves_all_else_as_it_was(kind: str):
    for state in (state for state in STATES if state.kind == kind):
        old = recorded(kind, state.name)
        for action, script in actions(kind).items():
            assert changed(old, act(script, old)) == after(action, old), (state.name, action)


@pytest.mark.parametrize("kind", KINDS)
def test_actions_do_what_their_tests_in_argo_cds_own_form_say(kind: str):
    where = folder(kind) / "actions"
    made = read(where / "action_test.yaml")
    for test in made["discoveryTests"]:
        found = run((where / "discovery.lua").read_text(), read(where / test["inputPath"]))
        assert {each["name"]: each for each in test["result"]} == {
            name: {"name": name} | action for name, action in found.items()
        }
    assert {test["action"] for test in made["actionTests"]} == set(actions(kind))
    for test in made["actionTests"]:
        new = act(actions(kind)[test["action"]], read(where / test["inputPath"]))
        expected = read(where / test["expectedOutputPath"])
        for note in ("restartedAt", "resetAt"):
            for each in (new, expected):
                each["metadata"].get("annotations", {}).pop(f"{GROUP}/{note}", None)
        assert new == expected


# What is made of them


def test_the_files_to_copy_from_are_made_of_the_scripts():
    for path, text in texts().items():
        assert path.read_text() == text, "run `make argocd`"


def test_the_entry_of_argocd_cm_holds_each_action_in_the_form_that_argo_cd_reads():
    for kind in KINDS:
        made = yaml.safe_load(entries()[f"resource.customizations.actions.{GROUP}_{kind}"])
        assert set(made) == {"discovery.lua", "definitions"}
        assert {d["name"]: d["action.lua"] for d in made["definitions"]} == actions(kind)


# The interpreter of the tests


@pytest.mark.parametrize(
    "script",
    [
        *("return ('x'):upper()", "return string.upper('x')", "return math.floor(1.5)"),
        *("return os.getenv('HOME')", "return require('io')", "return io.open('x')"),
    ],
)
def test_a_script_has_no_more_libraries_than_in_argo_cd(script: str):
    with pytest.raises(Exception, match="nil value|not found"):
        run(script, {})


def test_empty_maps_and_lists_come_back_as_they_were():
    old = {"a": {}, "b": [], "c": [{"d": {}}], "n": 3, "f": 1.5e-6, "t": "x", "y": True}
    assert act("return obj", old) == old


def said(text: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "scripts.argocd.health"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, timeout=30)
    return done.returncode, done.stdout, done.stderr


def test_what_argo_cd_would_show_can_be_asked_without_it():
    running, cut = recorded(TASK, "running"), recorded(TASK, "input-disconnected")
    both = yaml.safe_dump({"kind": "List", "items": [running, cut]})
    code, out, err = said(both)
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "IocTask running: Healthy  Running: pod running-0 on node n0",
        "IocTask input-disconnected: Degraded  Disconnected: 1 of 1 not connected: gauge",
    ]
    assert said(json.dumps(running))[0] == 0
    for text, why in (("kind: Pod", "got 'Pod'"), ("", "got nothing"), ("- 3", "got 'int'")):
        code, out, err = said(text)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1 and why in err
