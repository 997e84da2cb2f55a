"""The repository itself: layout, versions, pins, and what a process loads."""

from __future__ import annotations

import importlib
import operator as standard_operator
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import ioc_operator
import ioc_runtime
from ioc_operator.__main__ import main as operator_main
from ioc_runtime.compile import ManifestError, compile_text
from ioc_runtime.version import __version__
from support.spawn import Spawn

ROOT = Path(__file__).parents[2]
CHECKED_BY_PARENTS = (
    "ioc_runtime.cli",
    "ioc_runtime.compile",
    "ioc_runtime.migrate",
    "ioc_runtime.spec",
    "ioc_runtime.testing",
)
"""What a serving process never imports; the rest of ioc_runtime it may."""
BY_TOOLS = set(
    ".git .venv .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache __pycache__".split()
)
"""Directories that no person writes in."""
HEAVY = ("asyncio", "bluesky", "pydantic", "pydantic_core", "rich", "setuptools", "typer", "yaml")


@cache
def files() -> tuple[Path, ...]:
    """Everything that is, or is about to be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # no git here, or a source archive
        paths = [path for path in ROOT.rglob("*") if not BY_TOOLS & {*path.relative_to(ROOT).parts}]
    return tuple(path for path in paths if path.is_file())


def places(pattern: str, *, skip: tuple[Path, ...] = ()) -> list[str]:
    """file:line of every match in a text file."""
    found = []
    for path in files():
        if path in skip:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if not re.search(pattern, text, re.MULTILINE):
            continue  # as most: line by line takes ten times as long
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    return found


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", text, re.MULTILINE))


def serving_modules() -> list[str]:
    modules = []
    for path in sorted((ROOT / "ioc_runtime").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not name.startswith(CHECKED_BY_PARENTS) and parts[-1] != "__main__":
            modules.append(name)
    return modules


def test_operator_does_not_shadow_the_standard_library():
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not Path(standard_operator.__file__).is_relative_to(ROOT)


def test_both_packages_come_from_this_repository():
    assert Path(ioc_runtime.__file__) == ROOT / "ioc_runtime" / "__init__.py"
    assert Path(ioc_operator.__file__) == ROOT / "operator" / "ioc_operator" / "__init__.py"


def test_the_operator_says_its_version_and_what_it_lacks(
    spawn: Spawn, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as end:
        operator_main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"ioc-operator {__version__}\n")
    bare = spawn("-m", "ioc_operator", "--kubeconfig", "/nowhere/config")
    assert bare.wait(20) == 1
    assert bare.errors.startswith("ioc-operator: No cluster: the kubeconfig /nowhere/config")


def test_a_serving_process_loads_nothing_heavy(spawn: Spawn, tmp_path: Path):
    script = tmp_path / "load.py"
    script.write_text(
        "import importlib, sys\n"
        f"heavy = {HEAVY!r} + {CHECKED_BY_PARENTS!r}\n"
        "seen = set()\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    for bad in heavy:\n"
        "        if bad in sys.modules and bad not in seen:\n"
        "            seen.add(bad)\n"
        "            print(name, 'loads', bad)\n"
    )
    loader = spawn(script, *serving_modules())
    assert loader.wait(30) == 0, loader.report("could not import the serving modules")
    assert loader.output == ""


def test_engine_and_plan_are_pure(spawn: Spawn, tmp_path: Path):
    script = tmp_path / "load.py"
    modules = [
        m for m in serving_modules() if m.startswith(("ioc_runtime.engine", "ioc_runtime.plan"))
    ]
    impure = {"epics", "p4p", "numpy", "softioc", "ctypes", "threading"}
    script.write_text(
        f"import importlib, sys\nbefore = set(sys.modules)\n"
        f"for m in {modules!r}: importlib.import_module(m)\n"
        f"print(sorted({impure!r} & (set(sys.modules) - before)))\n"
    )
    loader = spawn(script)
    assert loader.wait(30) == 0, loader.errors
    assert loader.output == "[]\n"


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 80
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_manifest_of_the_readme_is_valid(spawn: Spawn, tmp_path: Path):
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    iocctl = "from ioc_runtime.cli.main import main; main()"
    good = tmp_path / "good.yaml"
    good.write_text(text)
    validate = spawn("-c", iocctl, "validate", good)
    assert validate.wait(30) == 0, validate.report("does not take the README's manifest")
    with pytest.raises(ManifestError, match=r"spec\.rules\[0\]\.condition"):
        compile_text(text.replace("pressure > limit", "presure > limit"))


def test_ci_runs_the_test_command_of_the_readme():
    [command] = re.findall(r"^(make test)\b", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert re.search(rf"^{command}\b", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set()
    for path in files():
        if path.suffix == ".md" or path == ROOT / ".ci" / "run":
            named |= set(re.findall(r"(?:`|^)make ([a-z]+)", path.read_text(), re.MULTILINE))
    assert {"demo", "test", "check", "lock", "bench"} <= named | targets
    assert named - targets == set()


def test_nothing_is_left_half_done():
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3))
    assert places(rf"\b({marks})\b|^(<{{7}}|>{{7}}|={{7}})( |$)") == []


def test_no_path_of_somebodys_machine_is_in_the_repository():
    roots = "|".join(("wo" + "rk", "ro" + "ot", "home/(?!me/)[a-z]+", "Users", "tmp/p"))
    assert places(r"(?<![\w.})-])/(" + roots + ")/") == []


def test_requirements_name_no_index():
    assert places(r"://|--(extra-)?index-url|--find-links|@ file") != []  # the search works
    for path in (ROOT / "requirements").iterdir():
        assert not re.search(r"://|index-url|find-links", path.read_text()), path.name


@pytest.mark.parametrize("name", ["runtime", "operator", "operator-image", "plugins", "test", "uv"])
def test_every_requirements_file_has_the_versions_of_dev(name: str):
    assert pins(name)
    assert pins(name).items() <= pins("dev").items()


def test_every_dependency_is_pinned_and_has_a_reason():
    extras = project()["optional-dependencies"]
    reasons = (ROOT / "docs" / "decisions" / "0006-dependencies.md").read_text()
    for name, wanted in {"runtime": project()["dependencies"], **extras}.items():
        for requirement in wanted:
            package = re.match(r"[a-z0-9-]+", requirement)[0]
            if package != "ioc-operator":
                assert package in pins(name), f"{package} is missing in {name}.txt: make lock"
                if name in ("runtime", "operator", "plugins"):
                    assert re.search(rf"\b{package}\b", reasons), f"why {package}?"


def test_every_pin_has_hashes():
    for path in (ROOT / "requirements").glob("*.txt"):
        for block in re.split(r"\n(?=[a-z0-9])", path.read_text()):
            if re.match(r"[a-z0-9]", block):
                assert "--hash=sha256:" in block, f"{path.name}: {block.splitlines()[0]}"


def test_the_version_is_the_same_everywhere():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    section = "Unreleased" if "dev" in __version__ else __version__
    assert f"## [{section}]" in changelog
    assert ioc_operator.__version__ == __version__
    for chart in (ROOT / "helm").rglob("Chart.yaml"):
        assert re.search(rf'^appVersion: "?{re.escape(__version__)}"?$', chart.read_text(), re.M)


def test_the_console_command_exists():
    module, function = project()["scripts"]["iocctl"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def setup(*arguments: str | Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", ROOT / "scripts" / "setup.sh", *arguments],
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_setup_names_an_interpreter_that_is_too_old(tmp_path: Path):
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = setup(tmp_path / "venv", python=str(old))
    assert done.returncode == 1
    assert done.stderr == f"setup: PYTHON={old} is not a Python 3.11 or newer\n"


def test_setup_never_removes_a_directory_that_is_no_environment(tmp_path: Path):
    precious = tmp_path / "data" / "precious"
    precious.parent.mkdir()
    precious.write_text("kept")
    done = setup(precious.parent, python=sys.executable)
    assert done.returncode == 1
    assert "is no environment" in done.stderr
    assert precious.read_text() == "kept"
