"""`iocctl convert`, and directories given to `iocctl run`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.main import run
from ioc_runtime.cli.manifest import file_of, load, manifest_in
from ioc_runtime.compile import check_text

PLUGINS = Path(__file__).parents[2] / "data" / "iocmng"
OURS = "apiVersion: ioc-operator.dev/v1alpha1\nkind: IocTask\nmetadata: {name: mine}\nspec: {}\n"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_directory_becomes_a_manifest_that_passes(capsys):
    assert run(["convert", str(PLUGINS / "interlock"), "--prefix", "TEST:"]) == Exit.OK
    text = said(capsys)
    (compiled,) = check_text(text).compiled
    assert (compiled.plan.prefix, compiled.plan.name) == ("TEST:", "interlock")
    assert compiled.warnings == ()
    assert "# a new PV: what rules write to FIELD:PRESSURE" in text


def test_a_config_is_converted_with_the_code_beside_it(capsys):
    config = str(PLUGINS / "continuous" / "config.yaml")
    assert run(["convert", config, "--protocol", "ca", "--name", "lab"]) == Exit.OK
    (compiled,) = check_text(said(capsys)).compiled
    assert compiled.plan.plugin.class_name == "Monitor"
    assert compiled.plan.inputs[1].link.scheme == "ca"
    assert compiled.plan.prefix == "BEAMLINE:DEFAULT:LAB:"


def test_a_list_of_plugins_becomes_several_manifests(tmp_path, capsys):
    entries = [f"{{name: {n}, local_path: {PLUGINS / n}}}" for n in ("interlock", "report")]
    (tmp_path / "plugins.yaml").write_text(f"plugins: [{', '.join(entries)}]")
    arguments = ["convert", str(tmp_path / "plugins.yaml"), "--controller", "LAB"]
    assert run(arguments) == Exit.OK
    kinds = {c.plan.name: (c.plan.kind, c.plan.prefix) for c in check_text(said(capsys)).compiled}
    assert kinds == {
        "interlock": ("IocTask", "LAB:INTERLOCK:"),
        "report": ("IocJob", "LAB:REPORT:"),
    }


def test_standard_input_is_read(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("parameters: {interval: 2}"))
    assert run(["convert", "-"]) == Exit.OK
    assert check_text(said(capsys)).compiled[0].plan.period == 2


def test_a_file_is_written_whole_or_not_at_all(tmp_path, capsys):
    target = tmp_path / "task.yaml"
    assert run(["convert", str(PLUGINS / "noise"), "-o", str(target)]) == Exit.OK
    assert f"{target}: IocTask noise; " in said(capsys)
    assert check_text(target.read_text()).compiled
    before = target.read_text()
    (tmp_path / "config.yaml").write_text("parameters: {mode: x}")
    assert run(["convert", str(tmp_path), "-o", str(target)]) == Exit.FAILED
    assert target.read_text() == before
    missing = tmp_path / "nowhere" / "task.yaml"
    assert run(["convert", str(PLUGINS / "noise"), "-o", str(missing)]) == Exit.USAGE
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_all_that_cannot_be_converted_is_listed(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("parameters: {mode: x, interval: y}\nrules: [1]")
    assert run(["convert", str(tmp_path)]) == Exit.FAILED
    found = capsys.readouterr().err.replace("\n", " ")
    assert "cannot be converted: 3 problems" in found
    for place in ("parameters.mode", "parameters.interval", "rules[0]"):
        assert place in found


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_not_there_is_a_mistake_of_usage(tmp_path, monkeypatch, capsys, path):
    monkeypatch.chdir(tmp_path)
    assert run(["convert", path]) == Exit.USAGE
    assert capsys.readouterr().err


@pytest.mark.parametrize("name", ["task.yaml", "job.yaml", "anything.yaml"])
def test_a_directory_is_run_by_its_manifest(tmp_path, name):
    (tmp_path / name).write_text(OURS)
    (tmp_path / "config.yaml").write_text("parameters: {interval: 7}")
    (tmp_path / "values.yaml").write_text("a: 1")
    assert manifest_in(tmp_path) == tmp_path / name
    assert load(tmp_path, None, []).name == "mine"


def test_the_file_that_is_watched_is_the_one_that_is_edited(tmp_path):
    (tmp_path / "config.yml").write_text("{}")
    assert file_of(tmp_path) == tmp_path / "config.yml"
    (tmp_path / "task.yaml").write_text(OURS)
    assert file_of(tmp_path) == file_of(tmp_path / "task.yaml") == tmp_path / "task.yaml"


def test_two_manifests_in_a_directory_have_to_be_named(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(OURS)
    with pytest.raises(Failure, match=r"expected one manifest, got a.yaml, b.yaml"):
        load(tmp_path, None, [])


def test_a_directory_for_iocmng_is_run_and_what_changed_is_said_once():
    notes: list[str] = []
    plan = load(PLUGINS / "continuous", "TEST:", ["period=0.5", "protocol=ca"], notes.append)
    assert (plan.prefix, plan.period, plan.inputs[1].link.scheme) == ("TEST:", 0.5, "ca")
    assert len(notes) == len(set(notes)) == 2
    assert all(note.startswith(str(PLUGINS / "continuous" / "config.yaml")) for note in notes)


def test_a_directory_without_either_is_refused_in_words(tmp_path):
    with pytest.raises(Failure, match=r"task.yaml or job.yaml, one other manifest, or the config"):
        load(tmp_path, None, [])


def test_a_manifest_may_leave_the_rest_to_the_plugins_file(tmp_path):
    manifest = tmp_path / "task.yaml"
    plugin = f"plugin: {{image: {{path: {PLUGINS / 'interlock'}}}, config: config.yaml}}"
    manifest.write_text(OURS.replace("spec: {}", f"spec: {{prefix: 'T:', {plugin}}}"))
    notes: list[str] = []
    plan = load(manifest, None, [], notes.append)
    assert [rule.id for rule in plan.rules] == ["OVER_TEMP", "OVER_PRESSURE", "LOW_FLOW"]
    assert any(note.startswith("config.yaml: ") for note in notes)
    manifest.write_text(manifest.read_text().replace("config: config", "config: other"))
    with pytest.raises(Failure, match="a file in the plugin's directory"):
        load(manifest, None, [], notes.append)
