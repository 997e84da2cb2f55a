"""What an editor sees of the API: the page's examples and a sample, checked by mypy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ioc_runtime

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "plugins.md"
SAMPLE = """
from ioc_runtime import JobBase, TaskBase, every, on

class Guard(TaskBase):
    def execute(self) -> None:
        reveal_type(self.inputs.pressure)
        reveal_type(self.inputs.pressure.severity)
        reveal_type(self.inputs.pressure.timestamp)
        reveal_type(self.read("ca://X").severity)
        reveal_type(self.read(["ca://X", "Y"])[0])
        reveal_type(self.read({"ca://X": int, "Y": None})["Y"])
        reveal_type(self.write({"ca://X": 1}).raise_for_error().failed)
        reveal_type(self.tagged("slow", name="p*"))
        reveal_type(self.every(0.5, self.execute).overruns)

    @every(1.0)
    async def later(self) -> None:
        reveal_type((await self.aread(["X"])).values)

    @on("pressure")
    def seen(self, value: float, old_value: float) -> int:
        reveal_type(self.seen)
        return 1

class Scan(JobBase):
    def execute(self, n: int) -> bool:
        reveal_type(self.read(tag="slow").ok)
        return True
"""
REVEALED = [
    "InputReading",
    "int",
    "float",
    "int",
    "PvReading",
    "PvReading",
    "list[PvWrite]",
    "list[str]",
    "int",
    "dict[str, Any]",
    "def (value: float, old_value: float) -> int",
    "bool",
]


def check(directory: Path, *options: str) -> str:
    pytest.importorskip("mypy", reason="the checker is not installed")
    command = [sys.executable, "-m", "mypy", "--config-file=", "--no-error-summary", *options]
    done = subprocess.run(
        [*command, "--follow-imports=silent", "."],
        cwd=directory,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin", "MYPY_CACHE_DIR": str(directory)},
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(ioc_runtime.__file__).parent / "py.typed").is_file()


def test_a_checker_knows_the_types_of_what_plugins_use(tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text(SAMPLE)
    found = check(tmp_path, "--strict")
    assert "error" not in found, found
    types = re.findall(r'Revealed type is "(.*)"', found)
    short = [
        re.sub(r"\b(?:builtins|typing|ioc_runtime\.plugin\.\w+|guard)\.", "", t) for t in types
    ]
    assert short == REVEALED


def test_every_python_example_of_the_page_passes_a_checker(tmp_path: Path) -> None:
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 7
    for number, text in enumerate(examples):
        (tmp_path / f"example_{number}.py").write_text(text)
    assert check(tmp_path, "--check-untyped-defs") == ""
