"""`iocctl validate`: says what is wrong with manifests, before anything runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from ioc_runtime.cli.failure import Exit
from ioc_runtime.cli.terminal import printable

if TYPE_CHECKING:
    from ioc_runtime.compile import Checked, Problem

Output = Literal["text", "json"]
STANDARD_INPUT = "-"


def validate_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Manifests (YAML or JSON); - reads standard input."),
    ],
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, or for programs.")
    ] = "text",
) -> None:
    """Check manifests: fields, names, values, links, expressions.

    Exit code 0: all are good (warnings may be printed); 1: at least one is bad;
    2: a file cannot be read.
    """
    raise typer.Exit(validate(files, output, sys.stdout))


def validate(files: Sequence[str], output: Output, stream: TextIO) -> int:
    """Check files and write what was found to `stream`; the exit code."""
    found, code = check_files("validate", files)
    if not files:
        return code
    if output == "json":
        print(json.dumps(_report(found), indent=2), file=stream)
    else:
        for file, checked in found:
            for line in _lines(file, checked):
                print(line, file=stream)
    return code


def check_files(command: str, files: Sequence[str]) -> tuple[list[tuple[str, Checked]], Exit]:
    """What there is to say about each file that can be read, and the exit code so far."""
    # Here, not above: the compiler costs every other command 0.1 s and 18 MiB.
    from ioc_runtime.compile import Checked, check_text

    if not files:
        _unreadable(command, "no file given")
        return [], Exit.USAGE
    code = Exit.OK
    found: list[tuple[str, Checked]] = []
    for file in files:
        text, problem = _read(file)
        if text is None and problem is None:
            code = Exit.USAGE
            continue
        checked = Checked(problems=[problem]) if problem else check_text(text or "", file=file)
        found.append((file, checked))
        if checked.problems and code == Exit.OK:
            code = Exit.FAILED
    return found, code


def _read(file: str) -> tuple[str | None, Problem | None]:
    """Text of a file, or what is wrong with the text; neither when it cannot be read."""
    from ioc_runtime.spec.document import LARGEST_FILE
    from ioc_runtime.spec.problem import NOTHING, Problem

    limit = 4 * LARGEST_FILE + 1
    try:
        if file == STANDARD_INPUT:
            data = sys.stdin.buffer.read(limit)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(limit)
    except (OSError, ValueError) as error:
        _unreadable(file, getattr(error, "strerror", None) or str(error))
        return None, None
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, Problem("", NOTHING, "text in UTF-8", None, line, file)


def _unreadable(file: str, reason: str) -> None:
    print(f"iocctl: {printable(file)}: {reason}", file=sys.stderr)


def _lines(file: str, checked: Checked) -> list[str]:
    """What a person reads: warnings, problems, and what is good."""
    lines = [
        printable(f"{_place(warning)}: warning: {_said(warning)}") for warning in checked.warnings
    ]
    lines += [printable(str(problem)) for problem in checked.problems]
    if not checked.problems:
        for compiled in checked.compiled:
            plan = compiled.plan
            where = f"{plan.namespace}/{plan.name}" if plan.namespace else plan.name
            lines.append(
                f"{printable(file)}: good: {plan.kind} {where}, prefix {plan.prefix}, "
                f"{len(compiled.names)} PVs"
            )
    return lines


def _place(problem: Problem) -> str:
    return ":".join(str(part) for part in (problem.file, problem.line) if part is not None)


def _said(problem: Problem) -> str:
    return str(problem).removeprefix(f"{_place(problem)}: ")


def _report(found: Sequence[tuple[str, Checked]]) -> dict[str, Any]:
    return {
        "good": not any(checked.problems for _, checked in found),
        "problems": [p.as_dict() for _, checked in found for p in checked.problems],
        "warnings": [p.as_dict() for _, checked in found for p in checked.warnings],
        "tasks": [
            {
                "file": file,
                "name": compiled.plan.name,
                "namespace": compiled.plan.namespace,
                "prefix": compiled.plan.prefix,
                "pvs": len(compiled.names),
                "configHash": compiled.plan.config_hash,
            }
            for file, checked in found
            for compiled in checked.compiled
        ],
    }
