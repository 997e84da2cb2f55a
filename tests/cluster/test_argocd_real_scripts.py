"""The Lua of both kinds in Argo CD's own interpreter: `make test-argocd` (docs/argocd.md).

`argocd admin settings resource-overrides` reads our entries of argocd-cm and an object, and
runs the scripts on it with the code that the controller and the server run. No cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.argocd.program import program, skip_unless_asked_for
from cluster.argocd.recorded import (
    actions,
    after,
    changed,
    discovered,
    health,
    recorded,
    spoilt,
)
from cluster.argocd.states import JOB, STATES, TASK, State
from ioc_runtime.spec.document import read_documents
from scripts.argocd.__main__ import GROUP, TARGET
from scripts.argocd.lua import act

skip_unless_asked_for()
pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("argo_cd_program")]

Object = dict[str, Any]
ONE_BY_ONE = pytest.mark.parametrize(
    "state", STATES, ids=lambda state: f"{state.kind}-{state.name}"
)
SECOND_FILE = "sh -c 'cat \"$1\"'"
"""For Argo CD to show a difference with: the file of the object as it is afterwards."""


class ArgoCd:
    """`argocd admin settings resource-overrides`, with one argocd-cm."""

    def __init__(self, config_map: Path, directory: Path) -> None:
        self._argocd = program() / "argocd"
        self._config_map, self._directory = config_map, directory

    def ask(self, what: str, obj: Object, *words: str) -> subprocess.CompletedProcess[str]:
        file = self._directory / "object.json"
        file.write_text(json.dumps(obj))
        command = [self._argocd, "admin", "settings", "resource-overrides", what, file, *words]
        environment = os.environ | {
            "KUBECTL_EXTERNAL_DIFF": SECOND_FILE,
            "HOME": str(self._directory),
            "TMPDIR": str(self._directory),
        }
        return subprocess.run(
            [*command, "--argocd-cm-path", self._config_map],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )

    def told(self, what: str, obj: Object, *words: str) -> str:
        done = self.ask(what, obj, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def health(self, obj: Object) -> Object:
        status, _, message = self.told("health", obj).partition("\n")
        return {
            "status": status.removeprefix("STATUS: "),
            "message": message.removeprefix("MESSAGE: ").removesuffix("\n"),
        }

    def offers(self, obj: Object) -> dict[str, bool]:
        """Which actions there are, and whether a person can choose them."""
        head, *lines = self.told("list-actions", obj).splitlines()
        assert head.split() == ["NAME", "DISABLED"]
        words = [line.split() for line in lines]
        return {name: disabled == "false" for name, disabled in words}

    def act(self, obj: Object, action: str) -> Object:
        """The object as the action leaves it."""
        head, _, text = self.told("run-action", obj, action).partition("\n\n")
        assert head == "Following fields have been changed:"
        (document,) = read_documents(text)
        found: Object = document.data
        return found


@pytest.fixture(scope="module")
def argo_cd(tmp_path_factory: pytest.TempPathFactory) -> ArgoCd:
    return ArgoCd(TARGET / "argocd-cm.yaml", tmp_path_factory.mktemp("argocd"))


@ONE_BY_ONE
def test_every_state_is_called_what_it_is(argo_cd: ArgoCd, state: State):
    obj = recorded(state.kind, state.name)
    said = argo_cd.health(obj)
    assert said["status"] == state.health
    if "deletionTimestamp" in obj["metadata"]:
        assert said["message"] == "Pending deletion", "Argo CD asks no script of such an object"
    else:
        assert said == health(state.kind, obj), "the tests without Argo CD see the same"


@pytest.mark.parametrize(("what", "obj"), [pytest.param(*each, id=each[0]) for each in spoilt()])
def test_what_is_not_known_is_not_healthy(argo_cd: ArgoCd, what: str, obj: Object):
    assert argo_cd.health(obj) == health(TASK, obj)
    assert health(TASK, obj)["status"] != "Healthy"


@ONE_BY_ONE
def test_what_makes_sense_is_offered(argo_cd: ArgoCd, state: State):
    obj = recorded(state.kind, state.name)
    assert argo_cd.offers(obj) == discovered(state.kind, obj)


@ONE_BY_ONE
def test_an_action_changes_one_thing_and_leaves_all_else_as_it_was(argo_cd: ArgoCd, state: State):
    obj = recorded(state.kind, state.name)
    for action in actions(state.kind):
        assert changed(obj, argo_cd.act(obj, action)) == after(action, obj), action


def with_spec(obj: Object, **spec: Any) -> Object:
    return obj | {"spec": obj["spec"] | spec}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"parameters": {"limit": 1.0e-12, "n": 9007199254740991}}, id="numbers"),
        pytest.param({"plugin": {"inline": {"files": {"guard.py": 'x = "\\\n\té"\n'}}}}, id="text"),
        pytest.param({"inputs": {}, "rules": [], "tests": []}, id="empty"),
        pytest.param({"podTemplate": {"spec": {"volumes": [{"emptyDir": {}}]}}}, id="empty-map"),
        pytest.param({"inputs": {"1": {"type": "int"}, "2": {"type": "int"}}}, id="digits"),
        pytest.param({"inputs": {"x": {"type": "int", "length": 2, "value": [0, 1]}}}, id="list"),
    ],
)
def test_a_spec_goes_through_lua_and_back(argo_cd: ArgoCd, spec: Object):
    for kind in (TASK, JOB):
        obj = with_spec(recorded(kind, "running"), **spec)
        assert changed(obj, argo_cd.act(obj, "restart")) == after("restart", obj)


@pytest.mark.parametrize(
    ("spec", "then"),
    [
        ({"parameters": {"n": 2**53 + 1}}, {"parameters": {"n": 2**53}}),
        ({"runArgs": {"args": [{}]}}, {"runArgs": {"args": [[]]}}),
        ({"runArgs": {"args": [[{}]]}}, {"runArgs": {"args": [[[]]]}}),
    ],
)
def test_what_lua_cannot_hold_is_changed_as_the_documentation_says(
    argo_cd: ArgoCd, spec: Object, then: Object
):
    obj = with_spec(recorded(JOB, "complete"), **spec)
    known = after("restart", obj) | {"spec": then}
    assert changed(obj, argo_cd.act(obj, "restart")) == known
    assert changed(obj, act(actions(JOB)["restart"], obj)) == known


@pytest.mark.parametrize(
    "script",
    [
        *("return ('x'):upper()", "return string.upper('x')", "return math.floor(1.5)"),
        *("return os.getenv('HOME')", "return require('io')", "return io.open('x')"),
    ],
)
def test_a_script_has_no_more_libraries_than_the_tests_without_argo_cd_give(
    tmp_path: Path, script: str
):
    cm = yaml.safe_load((TARGET / "argocd-cm.yaml").read_text())
    cm["data"] = {f"resource.customizations.health.{GROUP}_{TASK}": script}
    (tmp_path / "cm.yaml").write_text(yaml.safe_dump(cm))
    done = ArgoCd(tmp_path / "cm.yaml", tmp_path).ask("health", recorded(TASK, "running"))
    assert done.returncode != 0
    assert any(words in done.stderr for words in ("nil", "not found", "non-table object"))


def test_without_our_entries_it_knows_nothing_of_the_kinds(tmp_path: Path):
    cm: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}}
    (tmp_path / "cm.yaml").write_text(yaml.safe_dump(cm | {"data": {"url": "https://x.test"}}))
    argo_cd = ArgoCd(tmp_path / "cm.yaml", tmp_path)
    asked: list[Callable[[], str]] = [
        lambda: argo_cd.told("health", recorded(TASK, "running")),
        lambda: argo_cd.told("list-actions", recorded(TASK, "running")),
    ]
    assert all("not configured" in ask() for ask in asked)


def test_its_roles_know_the_actions_by_the_names_of_the_documentation(tmp_path: Path):
    policy, kubeconfig = tmp_path / "policy.csv", tmp_path / "kubeconfig"
    action = f"action/{GROUP}/{TASK}/reset"
    policy.write_text(f"p, role:shift, applications, {action}, beamlines/*, allow\n")
    # It wants to know a cluster, and then has nothing to ask of it.
    config = {
        "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "none", "user": {"token": "none"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "current-context": "none",
    }
    kubeconfig.write_text(json.dumps(config))

    def may(action: str) -> str:
        command = [program() / "argocd", "admin", "settings", "rbac", "can", "role:shift", action]
        done = subprocess.run(
            [*command, "applications", "beamlines/bl01", "--policy-file", policy],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=os.environ | {"KUBECONFIG": str(kubeconfig)},
            timeout=60,
            check=False,
        )
        return done.stdout.strip() or done.stderr

    assert may(action) == "Yes"
    assert may(f"action/{GROUP}/{TASK}/suspend") == "No"
