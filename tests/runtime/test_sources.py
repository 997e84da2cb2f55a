"""One plugin from every source that `iocctl run` knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.epics_env import EpicsEnv
from support.git_host import Repo
from support.package_index import PackageIndex
from support.spawn import Spawn

HEAD = "apiVersion: ioc-operator.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: one}}\n"
CODE = """\
def main(job, target=1.0):
    job.set_output("reached", target)
    return {"target": target}
"""


@pytest.mark.timeout(90)
def test_row_97_one_function_runs_from_every_source(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    files = tmp_path / "files"
    files.mkdir()
    (files / "scan.py").write_text(CODE)
    repo = Repo("scans", tmp_path / "checkout", tmp_path / "scans.git")
    repo.commit({"scan/scan.py": CODE})
    inline = "\n".join(f"          {line}" for line in CODE.splitlines())
    runs = []
    for place, (source, options) in enumerate(
        (
            (f"inline:\n      files:\n        scan.py: |\n{inline}", []),
            (f"image: {{path: {files}}}", []),
            ("configMap: {name: scan}", ["--plugin-files", str(files)]),
            (f"git: {{url: '{repo.bare}', path: scan}}", []),
        )
    ):
        manifest = tmp_path / f"{place}.yaml"
        manifest.write_text(
            HEAD.format(kind="IocJob") + f"spec:\n  prefix: '{epics_env.prefix}{place}:'\n"
            "  outputs: {reached: {type: float}}\n  runArgs: {kwargs: {target: 2.5}}\n"
            f"  plugin:\n    {source}\n"
        )
        words = ["-m", "ioc_runtime.cli", "run", str(manifest), *options]
        runs.append(spawn(*words, env=epics_env.server(place)))
    for run in runs:
        assert run.wait(40) == 0, run.report("did not run")
        assert 'result: {"target": 2.5}' in run.output


@pytest.mark.timeout(90)
def test_the_simulation_runs_here_too_with_packages_or_without(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    with PackageIndex() as index:
        index.add("alpha", "1.0")
        variables = {"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": "127.0.0.1"}
        runs = []
        for place, more in enumerate(("", ", requirements: [alpha]")):
            manifest = tmp_path / f"{place}.yaml"
            manifest.write_text(
                HEAD.format(kind="IocTask") + f"spec:\n  prefix: '{epics_env.prefix}{place}:'\n"
                "  parameters: {interval: 0.1, simulation: {lamp: {period: 0.8}}}\n"
                "  outputs: {lamp: {type: bool, states: [DARK, LIT]}}\n"
                f"  plugin: {{builtin: simulation{more}}}\n"
            )
            words = ["-m", "ioc_runtime.cli", "run", str(manifest), "--for", "3"]
            runs.append(spawn(*words, env=epics_env.server(place) | variables))
        for run in runs:
            assert run.wait(40) == 0, run.report("did not run")
            assert run.output.count("output lamp LIT") > 1, run.report("did not move")


@pytest.mark.timeout(90)
def test_a_directory_for_iocmng_gets_the_packages_of_its_requirements(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "config.yaml").write_text(
        "arguments:\n  outputs:\n    lamp: {type: bool, znam: DARK, onam: LIT}\n"
    )
    (place / "requirements.txt").write_text("iocmng>=2.7\nalpha==1.5\n")
    (place / "mine.py").write_text(
        "import alpha\nfrom iocmng import TaskBase\n\n"
        "class Mine(TaskBase):\n    def initialize(self):\n"
        "        self.set_pv('lamp', alpha.version == '1.5')\n"
        "    def execute(self): pass\n    def cleanup(self): pass\n"
    )
    with PackageIndex() as index:
        index.add("alpha", "1.5")
        variables = {"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": "127.0.0.1"}
        words = ["run", str(place), "--prefix", epics_env.prefix, "--for", "1"]
        run = spawn("-m", "ioc_runtime.cli", *words, env=epics_env.server(0) | variables)
        assert run.wait(40) == 0, run.report("did not run")
    assert "output lamp LIT" in run.output
    assert "iocmng is not installed, the runtime has its names" in run.errors
