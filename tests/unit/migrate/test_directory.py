"""Directories written for iocmng, and manifests that leave the rest to such a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ioc_runtime.compile import compile_document, config_hash
from ioc_runtime.migrate import Wanted, complete_plan, config_of, convert_directory
from ioc_runtime.shape import plan_shape
from ioc_runtime.spec.problem import ManifestError
from unit.migrate.support import IMAGE, directory, directory_problems

PLUGINS = Path(__file__).parents[2] / "data" / "iocmng"
CONFIG = """
prefix: OTHER
parameters: {interval: 0.5, limit: 1, deep: {a: 1}}
arguments:
  inputs: {x: {link: X}}
  outputs: {o: {type: int}, free: {type: int}}
rules: [{id: r, condition: x > limit, outputs: {o: 1}}]
"""
CODE = """
from iocmng import TaskBase
from iocmng.core.functions import register

register("twice", lambda x: 2 * x)

class Mine(TaskBase):
    def initialize(self): pass
    def execute(self): self.set_pv("free", 1)
    def cleanup(self): pass
"""


def manifest(root: Path, **more: object) -> dict:
    plugin = {"image": {"path": str(root)}, "config": "config.yaml"}
    return {
        "apiVersion": "ioc-operator.dev/v1alpha1",
        "kind": "IocTask",
        "metadata": {"name": "guard", "namespace": "bl01"},
        "spec": {"plugin": plugin, **more},
    }


@pytest.mark.parametrize(
    "name", ["interlock", "reactive", "triggered", "continuous", "report", "noise"]
)
def test_the_plugins_of_the_comparison_convert_without_an_edit(name):
    config = config_of(PLUGINS / name)
    converted = convert_directory(config, Wanted(name, source=IMAGE))
    assert converted.compiled.plan.prefix == f"BEAMLINE:DEFAULT:{name.upper()}:"


def test_the_manifest_and_the_file_make_one_plan(tmp_path):
    directory(tmp_path, CONFIG, mine=CODE)
    given = manifest(tmp_path, prefix="T:", parameters={"limit": 7, "deep": {"b": 2}})
    plan, notes = complete_plan(tmp_path, given)
    assert (plan.name, plan.namespace, plan.prefix) == ("guard", "bl01", "T:")
    assert (plan.mode, plan.period) == ("periodic", 0.5)
    assert plan.parameters == {"interval": 0.5, "limit": 7, "deep": {"a": 1, "b": 2}}
    assert [signal.name for signal in plan.signals] == ["x", "o", "free"]
    assert [output.owner for output in plan.outputs] == ["rules", "plugin"]
    assert plan.plugin.class_name == "Mine" and plan.plugin.functions == ("twice",)
    assert plan.plugin.config == "config.yaml" and plan.plugin.config_read
    assert plan.config_hash == config_hash(given["spec"])
    assert any("is the prefix: the manifest says it" in str(note) for note in notes)


def test_without_a_prefix_the_manifests_default_counts_as_the_operator_claimed_it(tmp_path):
    directory(tmp_path, CONFIG, mine=CODE)
    plan, _ = complete_plan(tmp_path, manifest(tmp_path))
    assert plan.prefix == compile_document(manifest(tmp_path)).plan.prefix == "BL01:GUARD:"


def test_the_links_protocol_is_the_manifests(tmp_path):
    directory(tmp_path, CONFIG, mine=CODE)
    for protocol in ("ca", "pva"):
        plan, _ = complete_plan(tmp_path, manifest(tmp_path, protocol=protocol))
        assert plan.inputs[0].link.scheme == protocol


def test_what_an_api_server_fills_in_does_not_count_as_written(tmp_path):
    directory(tmp_path, CONFIG, mine=CODE)
    plan, _ = complete_plan(tmp_path, manifest(tmp_path, mode="reactive", protocol="ca"))
    assert plan.mode == "periodic"


def test_any_edit_of_such_a_manifest_is_another_shape(tmp_path):
    one = compile_document(manifest(tmp_path, parameters={"limit": 1})).plan
    other = compile_document(manifest(tmp_path, parameters={"limit": 2})).plan
    assert plan_shape(one) != plan_shape(other)
    assert plan_shape(one) == plan_shape(replace(one, format=7))


def test_a_job_in_a_manifest_of_a_task_is_a_problem(tmp_path):
    directory(tmp_path, "{}", mine=CODE.replace("TaskBase", "JobBase"))
    with pytest.raises(ManifestError, match="expected a class of an IocTask"):
        complete_plan(tmp_path, manifest(tmp_path))


def test_problems_of_the_file_are_told_by_their_places_in_it(tmp_path):
    directory(tmp_path, CONFIG.replace("x > limit", "y > limit"), mine=CODE)
    with pytest.raises(ManifestError) as caught:
        complete_plan(tmp_path, manifest(tmp_path))
    (problem,) = caught.value.problems
    assert str(problem).startswith("config.yaml: rules[0].condition: y: expected the name of an")


def test_a_file_that_is_not_there_or_not_inside_is_a_problem(tmp_path):
    with pytest.raises(ManifestError, match="a file in the plugin's directory"):
        complete_plan(tmp_path, manifest(tmp_path))
    (tmp_path / "outside.yaml").write_text("{}")
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "config.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(ManifestError, match="a file inside the plugin's directory"):
        complete_plan(tmp_path / "plugin", manifest(tmp_path))


def test_a_manifest_without_such_a_file_is_told(tmp_path):
    given = manifest(tmp_path)
    del given["spec"]["plugin"]["config"]
    with pytest.raises(ManifestError, match=r"spec.plugin.config: expected this field"):
        complete_plan(tmp_path, given)


def test_a_module_that_is_no_python_is_a_problem(tmp_path):
    config = directory(tmp_path, "{}", mine="class A(")
    assert "mine.py:1: expected Python" in directory_problems(config)[0]


def test_scripts_and_tests_beside_the_plugin_are_not_looked_at(tmp_path):
    config = directory(tmp_path, "{}", mine=CODE, setup="(", test_mine="(", _old="(")
    assert convert_directory(config, Wanted("mine", source=IMAGE)).compiled.plan.plugin


def test_other_names_of_the_config_are_found(tmp_path):
    assert config_of(tmp_path) is None
    for name in ("config.json", "config.yml", "config.yaml"):
        (tmp_path / name).write_text("{}")
        assert config_of(tmp_path).name == name


@pytest.mark.parametrize(
    ("listed", "wants"),
    [
        ("numpy\n", True),
        ("# of the server\niocmng>=2.7\nscipy  # a fit\n", True),
        ("iocmng==2.7.9\n\n# nothing else\n", False),
        ("", False),
    ],
)
def test_packages_that_a_server_would_install_are_installed_here_too(tmp_path, listed, wants):
    config = directory(tmp_path, CONFIG, mine=CODE)
    (tmp_path / "requirements.txt").write_text(listed)
    converted = convert_directory(config, Wanted("mine", source=IMAGE))
    plugin = converted.compiled.plan.plugin
    assert plugin.requirements_from == ("requirements.txt" if wants else None)
    words = "packages of requirements.txt"
    assert [words in str(note) for note in converted.notes].count(True) == wants

    _, notes = complete_plan(tmp_path, manifest(tmp_path))
    assert [f"{words} are not installed" in str(note) for note in notes].count(True) == wants
    given = manifest(tmp_path)
    given["spec"]["plugin"]["requirementsFrom"] = "requirements.txt"
    plan, notes = complete_plan(tmp_path, given)
    assert plan.plugin.requirements_from == "requirements.txt"
    assert words not in "".join(map(str, notes))
