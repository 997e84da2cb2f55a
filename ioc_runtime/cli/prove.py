"""`iocctl test`: runs the tests that manifests bring, without EPICS and in no time."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from ioc_runtime.cli.failure import Exit
from ioc_runtime.cli.terminal import printable
from ioc_runtime.cli.validate import Output, check_files

if TYPE_CHECKING:
    from ioc_runtime.compile import Checked, Compiled, Failed

Found = list[tuple[str, "Checked"]]
"""File, or what else a manifest came from, and what it holds."""


def test_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Manifests (YAML or JSON); - reads standard input."),
    ],
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, or for programs.")
    ] = "text",
) -> None:
    """Run the `tests` of manifests: the rules alone, with a clock of their own.

    Nothing is served, and no plugin runs. Exit code 0: all pass; 1: one fails, or a
    manifest is bad; 2: a file cannot be read.
    """
    raise typer.Exit(run_tests(files, output, sys.stdout))


def run_tests(files: Sequence[str], output: Output, stream: TextIO) -> int:
    """Run the tests in files and write what came of them to `stream`; the exit code."""
    found, code = check_files("test", files)
    passed = show_tests(found, output, stream) if files else False
    return code if passed or code != Exit.OK else Exit.FAILED


def show_tests(found: Found, output: Output, stream: TextIO) -> bool:
    """Run the tests of manifests that were read; whether all is well."""
    from ioc_runtime.compile import prove

    results = [
        (name, compiled, prove(compiled.plan, compiled.proofs))
        for name, checked in found
        for compiled in checked.compiled
    ]
    good = not any(checked.problems for _, checked in found)
    good = good and not any(failed for _, _, failed in results)
    if output == "json":
        problems = [problem.as_dict() for _, checked in found for problem in checked.problems]
        tests = [one for result in results for one in _as_data(*result)]
        report = {"good": good, "problems": problems, "tests": tests}
        print(json.dumps(report, indent=2), file=stream)
        return good
    for _, checked in found:
        for problem in checked.problems:
            print(printable(str(problem)), file=stream)
    for result in results:
        for line in _lines(*result):
            print(printable(line), file=stream)
    return good


def located(compiled: Compiled, failed: Failed) -> str:
    """A failure, with file and line where they are known."""
    document = compiled.document
    line = document.line(_step(failed))
    place = ":".join(str(part) for part in (document.file, line) if part is not None)
    return f"{place}: {failed}" if place else str(failed)


def _step(failed: Failed) -> tuple[str | int, ...]:
    return ("spec", "tests", failed.proof, "steps", failed.step)


def _lines(name: str, compiled: Compiled, failed: Sequence[Failed]) -> list[str]:
    proofs, task = compiled.proofs, compiled.plan.name
    if not proofs:
        return [f"{name}: {task} has no tests"]
    bad = {one.proof for one in failed}
    lines = [
        f"{name}: passed: test {proof.name!r}, {_count(len(proof.steps), 'step')}"
        for index, proof in enumerate(proofs)
        if index not in bad
    ]
    lines += [f"{located(compiled, one)}" for one in failed]
    passed = len(proofs) - len(bad)
    return [*lines, f"{name}: {task}: {_count(len(proofs), 'test')}, {passed} passed"]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _as_data(name: str, compiled: Compiled, failed: Sequence[Failed]) -> list[dict[str, Any]]:
    return [
        {
            "file": name,
            "task": compiled.plan.name,
            "test": proof.name,
            "steps": len(proof.steps),
            "passed": not any(one.proof == index for one in failed),
            "failures": [_failure(compiled, one) for one in failed if one.proof == index],
        }
        for index, proof in enumerate(compiled.proofs)
    ]


def _failure(compiled: Compiled, one: Failed) -> dict[str, Any]:
    return {
        "step": one.step + 1,
        "path": one.path,
        "line": compiled.document.line(_step(one)),
        "expected": one.expected,
        "found": one.found,
        "why": one.why,
    }
