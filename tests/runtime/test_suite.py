"""scripts/suite: several pytest processes, one closing line, and nothing left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from runtime.source import wait_until
from support.spawn import ROOT, Spawn, Spawned

LONG = """
import time
import pytest

@pytest.fixture
def held(tmp_path_factory):
    yield
    open({place!r}, "a").write("ended ")

def test_long(held):
    open({place!r}, "a").write("begun ")
    time.sleep(60)
"""


@pytest.fixture
def suite(spawn: Spawn, tmp_path: Path):
    """`suite(one="def test_...", two="...")` runs these two as parts of a suite."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")

    def start(*options: str, one: str, two: str) -> Spawned:
        lines = [
            f"import sys; sys.path.insert(0, {str(ROOT)!r})",
            "from scripts.suite.__main__ import suite",
            "from scripts.suite.parts import Part",
            "if True:",
        ]
        for name, text in (("one", one), ("two", two)):
            (tmp_path / name).mkdir()
            path = tmp_path / name / f"test_{name}.py"
            path.write_text(text)
            words = [str(path), "-c", str(tmp_path / "pytest.ini"), f"--rootdir={tmp_path}"]
            lines.append(f"    {name} = Part({name!r}, {words!r})")
        script = tmp_path / "run.py"
        in_turn = f"in_turn={'in turn' in options}"
        script.write_text("\n".join([*lines, f"    sys.exit(suite([one, two], {in_turn}))", ""]))
        return spawn(script)

    return start


@pytest.mark.parametrize("how", ["at the same time", "in turn"])
def test_the_output_of_one_part_follows_that_of_the_other_and_one_line_closes(suite, how: str):
    text = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no')\n"
    run = suite(how, one=text, two="def test_c(): pass\n")
    assert run.wait(30) == 0, run.report("failed")
    assert run.output.index("one/test_one.py") < run.output.index("two/test_two.py")
    assert run.output.count(" session starts ") == 2
    last = run.output.splitlines()[-1]
    assert " 2 passed, 1 skipped in " in last
    assert last.startswith("==") and last.endswith("==")


@pytest.mark.parametrize("at", ["one", "two"])
def test_a_failure_in_any_part_fails_the_whole_and_is_named_at_the_end(suite, at: str):
    texts = {"one": "def test_a(): pass\n", "two": "def test_b(): pass\n"}
    texts[at] += "def test_bad(): assert False\n"
    run = suite(**texts)
    assert run.wait(30) == 1
    *_, name, first, second, last = run.output.splitlines()
    assert name == f"FAILED {at}/test_{at}.py::test_bad"
    said = {"one": first, "two": second}
    assert said.pop(at).startswith(f"{at}: exit code 1 after 0:0")
    assert all(line.startswith(f"{name}: exit code 0 ") for name, line in said.items())
    assert " 1 failed, 2 passed in " in last


@pytest.mark.parametrize("at", ["one", "two"])
def test_a_part_that_dies_is_an_error(suite, at: str):
    texts = {"one": "def test_a(): pass\n", "two": "def test_b(): pass\n"}
    texts[at] = "import os\ndef test_dies(): os.kill(os.getpid(), 9)\n"
    run = suite(**texts)
    assert run.wait(30) == 3
    assert f"ERROR {at}: pytest ended without a result" in run.output
    assert " 1 passed, 1 error in " in run.output.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_it_interrupts_all_and_their_fixtures_end(
    suite, tmp_path: Path, number: signal.Signals
):
    places = [tmp_path / "one.txt", tmp_path / "two.txt"]
    one, two = (LONG.format(place=str(place)) for place in places)
    run = suite(one=one, two=two)
    wait_until(lambda: all(place.exists() and place.read_text() for place in places), 30)
    run.popen.send_signal(number)
    assert run.wait(30) == 2
    assert [place.read_text() for place in places] == ["begun ended "] * 2
    assert run.output.count("KeyboardInterrupt") >= 2
