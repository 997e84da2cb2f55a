"""Environments built from an index of the test's own, by each installer that is here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from ioc_runtime.plugin.environments import Limits, find_tool
from runtime.environments.conftest import MODULE, Builder, listing, result, surroundings
from support.leaks import orphans_reaped
from support.package_index import PackageIndex

NUMPY = version("numpy")


def test_an_environment_holds_what_is_missing_and_nothing_of_the_image(builder: Builder):
    built = builder("alpha", "wantsnumpy")
    assert built.packages == {"alpha": "1.0", "beta": "2.0", "wantsnumpy": "1.0"}
    assert not built.hit
    assert sorted(p.name for p in built.site.glob("*.py")) == [
        "alpha.py",
        "beta.py",
        "wantsnumpy.py",
    ]
    assert not (built.site / "numpy").exists()
    assert importlib.util.find_spec("alpha") is None


def test_its_packages_are_imported_from_the_end_of_the_path(builder: Builder):
    built = builder("alpha")
    code = f"import sys; sys.path.append({str(built.site)!r}); import beta; print(beta.version)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "2.0\n", done.stderr
    assert list(built.site.glob("__pycache__/beta.*.pyc"))


def test_a_second_run_is_a_hit_that_asks_nobody(builder: Builder, index: PackageIndex):
    first = builder("alpha", commit="c" * 40)
    asked = len(index.asked)
    second = builder("alpha", commit="c" * 40)
    assert (second.key, second.site, second.packages) == (first.key, first.site, first.packages)
    assert second.hit
    assert len(index.asked) == asked
    assert "cache hit" in builder.said[-1]


def test_what_stands_in_the_image_needs_no_package(builder: Builder):
    built = builder(f"numpy=={NUMPY}", "pyyaml")
    assert built.packages == {}
    assert built.site.is_dir()


def test_a_requirement_that_contradicts_the_image_is_named_with_what_it_contradicts(
    builder: Builder,
):
    failure = builder.fails("alpha", "numpy==1.4.0")
    assert failure.reason == "RequirementConflict"
    assert failure.sentence.startswith(
        "numpy==1.4.0 is asked for by spec.plugin.requirements[1], "
        f"the runtime's image has numpy {NUMPY}, which "
    )
    assert "p4p" in failure.sentence
    assert listing(builder.cache) == []


def test_a_dependency_that_contradicts_the_image_is_named_with_who_needs_it(builder: Builder):
    failure = builder.fails("oldnumpy")
    assert failure.reason == "RequirementConflict"
    assert failure.sentence.startswith(
        "oldnumpy needs numpy<1.5 and is asked for by spec.plugin.requirements[0], "
        f"the runtime's image has numpy {NUMPY}"
    )


def test_requirements_that_contradict_each_other_are_a_conflict(
    builder: Builder, index: PackageIndex
):
    index.add("pins", "1.0", ["beta==1.0"])
    failure = builder.fails("pins", "beta==2.0")
    assert failure.reason == "RequirementConflict"
    assert "beta" in failure.sentence
    assert "image" not in failure.sentence


@pytest.mark.parametrize("requirement", ["nosuchpackage", "alpha==7.0"])
def test_what_the_index_does_not_have_is_named_with_its_place(builder: Builder, requirement: str):
    failure = builder.fails("beta", requirement)
    assert failure.reason == "RequirementNotFound"
    assert failure.sentence.startswith(
        f"{requirement} is asked for by spec.plugin.requirements[1]:"
    )


def test_packages_of_the_image_that_only_the_path_shows_count_too(
    start, index: PackageIndex, tmp_path: Path
):
    info = tmp_path / "more" / "imagepackage-3.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: imagepackage\nVersion: 3.0\n")
    index.add("wantsimage", "1.0", ["imagepackage>=3"])
    index.add("wantsother", "1.0", ["imagepackage<3"])
    index.add("imagepackage", "2.0")
    root = Path(__file__).parents[3]
    env = {"PYTHONPATH": f"{root}:{info.parent}"}
    assert result(start("wantsimage", env=env))["packages"] == {"wantsimage": "1.0"}
    refused = start("wantsother", env=env)
    assert refused.wait(60) == 15
    assert "the runtime's image has imagepackage 3.0" in refused.errors


def test_a_pip_outside_of_the_interpreter_serves_it(
    index: PackageIndex, variables: dict[str, str], tmp_path: Path
):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True, timeout=60)
    python = bare / "bin" / "python"
    command = [python, "-m", MODULE, "build", "--tool", "pip", "--cache", tmp_path / "cache"]
    env = variables | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([*command, "alpha"], env=env, capture_output=True, text=True, timeout=60)
    if "no pip is here" in done.stderr:
        pytest.skip("neither the base interpreter nor ensurepip has a pip")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in Path(done.stdout.strip()).glob("*.py")) == ["alpha.py", "beta.py"]


def test_extras_and_markers_are_followed(builder: Builder, index: PackageIndex):
    index.add("gamma", "1.0", extras={"more": ["beta==1.0"]})
    built = builder("gamma[more]", "alpha; python_version < '3'")
    assert built.packages == {"gamma": "1.0", "beta": "1.0"}


def test_a_wheel_by_its_address_is_taken_with_its_hash_only(builder: Builder, index: PackageIndex):
    wheel = index.add("direct", "1.0")
    address = index.url.replace("/simple/", f"/files/{wheel}")
    good = index.page("direct").decode().partition("#sha256=")[2][:64]
    assert builder(f"direct @ {address}#sha256={good}").packages == {"direct": "1.0"}
    failure = builder.fails(f"direct @ {address}#sha256={'0' * 64}")
    assert failure.reason in ("BuildFailed", "RequirementNotFound")
    assert len(listing(builder.cache)) == 1


def test_hashes_of_a_requirements_file_bind(builder: Builder, index: PackageIndex, tmp_path: Path):
    good = index.page("beta").decode().partition("beta-1.0-py3-none-any.whl#sha256=")[2][:64]
    file = tmp_path / "requirements.txt"
    file.write_text(f"beta==1.0 \\\n    --hash=sha256:{good}\n")
    assert builder(files=(file,)).packages == {"beta": "1.0"}
    file.write_text(f"# pinned\nbeta==1.0 --hash=sha256:{'0' * 64}\n")
    failure = builder.fails(files=(file,))
    assert failure.sentence.startswith("requirements.txt line 2: no file of beta")


def test_an_index_that_is_not_there_is_told_from_a_package_that_is_not(
    builder: Builder, kind: str, tmp_path: Path
):
    nowhere = surroundings(tmp_path) | {"PIP_INDEX_URL": "http://127.0.0.1:9/simple/"}
    builder.tool = find_tool(environ=nowhere, only=kind)
    failure = builder.fails("alpha")
    assert failure.reason == "IndexUnreachable"
    assert "http://127.0.0.1:9" in failure.sentence
    assert "refused" in failure.sentence


def test_a_package_that_does_not_build_says_its_own_last_word(
    builder: Builder, index: PackageIndex
):
    index.add_source("broken", "1.0", "raise SystemExit('no Fortran here')\n")
    failure = builder.fails("broken")
    assert failure.reason == "BuildFailed"
    assert failure.sentence.startswith("broken is asked for by spec.plugin.requirements[0]")
    assert listing(builder.cache) == []


def test_a_failed_build_is_not_remembered(builder: Builder, index: PackageIndex):
    assert builder.fails("later").reason == "RequirementNotFound"
    index.add("later", "1.0")
    assert builder("later").packages == {"later": "1.0"}


def test_a_build_that_takes_too_long_is_ended_whole(builder: Builder, index: PackageIndex):
    index.add("large", "1.0", files={"large.bin": bytes(range(256)) * 400})
    index.slow = 30.0
    began = time.monotonic()
    with orphans_reaped():  # what the tool had started is killed with it, in any order
        failure = builder.fails("large", timeout=3.0)
    assert failure.reason == "Timeout"
    assert time.monotonic() - began < 15
    assert "after 3 s" in failure.sentence
    assert listing(builder.cache) == []


def test_an_environment_that_is_too_large_is_refused(builder: Builder, index: PackageIndex):
    index.add("large", "1.0", files={"large.bin": bytes(3_000_000)})
    failure = builder.fails("large", limits=Limits(largest=2_000_000))
    assert failure.reason == "TooLarge"
    assert listing(builder.cache) == []


def test_people_are_told_what_is_installed(builder: Builder):
    builder("alpha")
    assert builder.said[0].startswith("resolving 1 requirement with ")
    steps = [line for line in builder.said if " of 2: " in line]
    assert sorted(step.partition(": ")[2] for step in steps) == ["alpha", "beta"]
    assert [step[:18] for step in steps] == ["installing 1 of 2:", "installing 2 of 2:"]
