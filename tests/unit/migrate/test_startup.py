"""Lists of plugins that a server of iocmng loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ioc_runtime.migrate import Findings, Wanted, convert_startup, is_startup
from ioc_runtime.spec.problem import ManifestError
from unit.migrate.support import directory

CODE = "from iocmng import DeclarativeTask\nclass Guard(DeclarativeTask): pass\n"


def manifests(text: str, root: Path) -> list[dict]:
    data = yaml.safe_load(text)
    found = convert_startup(data, root, Wanted(""), Findings("plugins.yaml"))
    return [one.document for one in found]


def local(root: Path, name: str, config: str = "{}") -> str:
    directory(root / name, config, guard=CODE)
    return f"{{name: {name}, local_path: {name}}}"


def test_each_plugin_of_the_list_is_a_manifest_in_the_order_of_its_start(tmp_path):
    one, two = local(tmp_path, "one"), local(tmp_path, "two", "prefix: SECOND")
    text = f"prefix: SPARC:CONTROL\nplugins: [{two}, {one.replace('}', ', autostart_order: 1}')}]"
    found = manifests(text, tmp_path)
    assert [each["metadata"]["name"] for each in found] == ["one", "two"]
    prefixes = [each["spec"]["prefix"] for each in found]
    assert prefixes == ["SPARC:CONTROL:ONE:", "SPARC:CONTROL:SECOND:"]


def test_beamline_and_namespace_make_the_prefix(tmp_path):
    text = f"beamline: sparc\nnamespace: lab\nplugins: [{local(tmp_path, 'one')}]"
    assert manifests(text, tmp_path)[0]["spec"]["prefix"] == "SPARC:LAB:ONE:"


def test_parameters_of_the_list_win(tmp_path):
    entry = local(tmp_path, "one", "parameters: {interval: 1}")
    text = f"plugins: [{entry.replace('}', ', parameters: {interval: 0.25}}')}]"
    assert manifests(text, tmp_path)[0]["spec"]["period"] == 0.25


def test_what_is_not_started_is_suspended(tmp_path):
    text = f"plugins: [{local(tmp_path, 'one').replace('}', ', auto_start: false}')}]"
    assert manifests(text, tmp_path)[0]["spec"]["suspend"] is True


def test_a_plugin_from_git_leaves_the_rest_to_its_file(tmp_path):
    text = """
plugins:
  - {name: Beam_Mon, git_url: "https://git.example/tasks.git", path: tasks/monitor/, pat: secret,
     parameters: {limit: 2}}
"""
    (found,) = manifests(text, tmp_path)
    assert found["metadata"]["name"] == "beam-mon"
    assert found["spec"] == {
        "prefix": "BEAMLINE:DEFAULT:BEAM_MON:",
        "protocol": "pva",
        "parameters": {"limit": 2},
        "plugin": {
            "git": {
                "url": "https://git.example/tasks.git",
                "ref": "main",
                "path": "tasks/monitor",
                "secretRef": {"name": "beam-mon-git"},
            },
            "config": "config.yaml",
        },
    }
    assert "secret" not in str({**found["spec"], "plugin": None})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plugins: []", "a list of plugins"),
        ("beamline: x", "a list of plugins"),
        ("plugins: [{git_url: x}]", "a map with a name"),
        ("plugins: [{name: a}]", "exactly one of git_url and local_path"),
        ("plugins: [{name: a, git_url: x, local_path: y}]", "exactly one of"),
        ("plugins: [{name: a, local_path: nowhere}]", "a directory with config.yaml"),
        ("plugins: [{name: a, local_pth: x}]", "a key that iocmng reads"),
    ],
)
def test_what_cannot_be_loaded_is_a_problem(tmp_path, text, expected):
    with pytest.raises(ManifestError, match=expected):
        manifests(text, tmp_path)


def test_a_name_that_is_there_twice_is_a_problem(tmp_path):
    entry = local(tmp_path, "one")
    with pytest.raises(ManifestError, match="a name of its own"):
        manifests(f"plugins: [{entry}, {entry}]", tmp_path)


def test_problems_of_all_plugins_are_told_at_once(tmp_path):
    one = local(tmp_path, "one", "parameters: {mode: x}")
    two = local(tmp_path, "two", "parameters: {interval: x}")
    with pytest.raises(ManifestError) as caught:
        manifests(f"plugins: [{one}, {two}]", tmp_path)
    assert len(caught.value.problems) == 2


def test_a_list_is_told_from_a_config():
    assert is_startup({"plugins": []}) and is_startup({"beamline": "x"})
    assert not is_startup({"parameters": {}, "arguments": {}})
