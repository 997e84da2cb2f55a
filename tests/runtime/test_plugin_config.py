"""A manifest that leaves the rest to the plugin's config.yaml: fetched, completed, served."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.compile import compile_document
from ioc_runtime.plan import from_json, to_json
from support.git_host import GitHost, git_host
from support.leaks import orphans_reaped
from support.spawn import ROOT

pytestmark = pytest.mark.runtime

CONFIG = """
arguments:
  inputs: {x: {type: float, value: 3}}
  outputs: {o: {type: bool}, n: {type: int}}
rules: [{id: high, condition: x > limit, outputs: {o: 1}}]
rule_defaults: {o: 0}
parameters: {limit: 1, interval: 0.1}
"""
CODE = """
from iocmng import TaskBase


class Mine(TaskBase):
    def initialize(self): pass
    def execute(self): self.set_pv("n", (self.get_pv("n") or 0) + 1)
    def cleanup(self): pass
"""


def manifest(source: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ioc-operator.dev/v1alpha1",
        "kind": "IocTask",
        "metadata": {"name": "mine", "namespace": "bl01"},
        "spec": {"plugin": {**source, "config": "config.yaml"}, **spec},
    }


def place(root: Path, document: dict[str, Any]) -> Path:
    """What a ConfigMap holds of a task; the plan."""
    root.mkdir()
    (root / "manifest.json").write_text(json.dumps(document))
    (root / "plan.json").write_text(to_json(compile_document(document).plan))
    return root / "plan.json"


def fetch(plan: Path, into: Path, *options: str) -> tuple[dict[str, Any], str]:
    command = [sys.executable, "-m", "ioc_runtime.fetch", str(plan), "--into", str(into), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    if done.returncode:
        return {"exit": done.returncode}, done.stderr
    return json.loads((into / "plugin.json").read_text()), done.stdout


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    directory = tmp_path / "plugin"
    directory.mkdir()
    (directory / "config.yaml").write_text(CONFIG)
    (directory / "mine.py").write_text(CODE)
    return directory


def test_the_fetch_makes_the_whole_plan(tmp_path, plugin):
    document = manifest({"image": {"path": str(plugin)}}, parameters={"limit": 5})
    plan = place(tmp_path / "config", document)
    said, out = fetch(plan, tmp_path / "into")
    whole = from_json(Path(said["plan"]).read_text())
    assert whole.parameters["limit"] == 5
    assert [rule.id for rule in whole.rules] == ["high"]
    assert whole.config_hash == from_json(plan.read_text()).config_hash
    assert "config.yaml: " in out


def test_a_config_that_cannot_be_converted_ends_the_fetch_in_words(tmp_path, plugin):
    (plugin / "config.yaml").write_text(CONFIG.replace("x > limit", "y > limit"))
    plan = place(tmp_path / "config", manifest({"image": {"path": str(plugin)}}))
    said, words = fetch(plan, tmp_path / "into")
    assert said == {"exit": 15}
    assert "config.yaml: rules[0].condition: y: expected the name of an input" in words
    assert "Traceback" not in words


def test_a_plan_whose_file_was_not_read_is_not_served(tmp_path, plugin):
    plan = place(tmp_path / "config", manifest({"image": {"path": str(plugin)}}))
    command = [sys.executable, "-m", "ioc_runtime", str(plan)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 15
    assert "config.yaml, which has not been read" in done.stderr


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with git_host(tmp_path_factory.mktemp("git")) as host:
        yield host


@pytest.mark.timeout(90)
def test_iocctl_runs_a_plugin_of_iocmng_from_git(tmp_path, host: GitHost):
    prefix = f"C{random.SystemRandom().randrange(10**6)}:"
    repo = host.repo("iocmng")
    repo.commit({"tasks/mine/config.yaml": CONFIG, "tasks/mine/mine.py": CODE})
    secret = tmp_path / "secret"
    secret.mkdir()
    for name, text in host.token_files().items():
        (secret / name).write_text(text)
        (secret / name).chmod(0o400)
    git = {"git": {"url": host.https_url("iocmng"), "ref": "main", "path": "tasks/mine"}}
    file = tmp_path / "task.json"
    file.write_text(json.dumps(manifest(git, prefix=prefix)))
    command = [sys.executable, "-m", "ioc_runtime.cli", "run", str(file), "--for", "2"]
    command += ["--credentials", str(secret), "--state", str(tmp_path / "state")]
    kept = {key: value for key, value in os.environ.items() if key.startswith("EPICS_")}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    with orphans_reaped():
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment | kept,
            capture_output=True,
            text=True,
            timeout=80,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"starts: prefix {prefix}" in done.stdout
    assert "high" in done.stdout, done.stdout  # a rule of the file, in the table of the plan
