"""What the documents tell a reader to type, and which tests they point to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from ioc_runtime.cli.kubectl import app as kubectl_app
from ioc_runtime.cli.main import app
from support.pages import pages

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / page for page in pages()]
BEHAVIOUR = (ROOT / "docs" / "behaviour.md").read_text()
OPEN = {29}
"""Statements of docs/behaviour.md about what a task cannot do: no test shows them."""
STANDS_FOR = {"COMMAND": "run", "FILE": "guard.yaml", "FILE…": "guard.yaml", "NAME": "X"}
PARSER: Any = typer.main.get_command(app)
KUBECTL: Any = typer.main.get_command(kubectl_app)


def typed() -> Iterator[str]:
    """Every command line of ours in the documents and in the commands' own help."""
    for page in PAGES:
        for line in re.findall(
            r"^(?:\.venv/bin/)?((?:iocctl|kubectl ioc) .*)$|`((?:iocctl|kubectl ioc) [^`]+)`",
            page.read_text(),
            re.M,
        ):
            if "[OPTIONS]" not in (text := "".join(line)):  # how typer writes a usage
                yield text
    yield from examples(PARSER)
    yield from examples(KUBECTL)


def examples(command: Any) -> Iterator[str]:
    yield from re.findall(r"`((?:iocctl|kubectl ioc) [^`]+)`", f"{command.help} {command.epilog}")
    for inner in getattr(command, "commands", {}).values():
        yield from examples(inner)


@pytest.mark.parametrize("line", sorted(set(typed())))
def test_a_command_line_that_is_shown_is_one(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program, *words = shlex.split(re.split(" [|>] ", line)[0], comments=True)
    if program == "kubectl":
        words = words[1:]
    words = [STANDS_FOR.get(word, word).replace("*.yaml", "all.yaml") for word in words]
    words = [word.rstrip("/") for word in words]
    monkeypatch.chdir(tmp_path)
    for word in words:
        if word.endswith("my-interlock") or word == "DIR":
            Path(word).mkdir(exist_ok=True)
        if word.endswith(".yaml"):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
        elif word == "DIR" or word.endswith("/") or word.startswith("./"):
            Path(word).mkdir(parents=True, exist_ok=True)
    command = PARSER if program == "iocctl" else KUBECTL
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    if hasattr(command, "commands") or "--help" in words:
        assert set(words) <= known | {"--help"}
    elif words:  # else the text only names a command
        command.make_context(command.name, words)


def test_an_unknown_option_would_be_noticed():
    with pytest.raises(Exception, match="--nonsense"):
        PARSER.commands["demo"].make_context("demo", ["--nonsense"])


def test_the_statements_of_behaviour_are_numbered_and_each_has_its_tests():
    numbers = [int(n) for n in re.findall(r"^(\d+)\. ", BEHAVIOUR, re.MULTILINE)]
    assert numbers == [*range(1, len(numbers) + 1)]
    rows = [int(n) for n in re.findall(r"^\| (\d+) \|", BEHAVIOUR, re.MULTILINE)]
    assert rows == [n for n in numbers if n not in OPEN]


def test_every_test_that_a_document_names_is_there():
    named = {
        found for page in PAGES for found in re.findall(r"`([\w/]+\.py)::(\w+)`", page.read_text())
    }
    assert len(named) > 50
    missing = [
        f"{file}::{test}"
        for file, test in sorted(named)
        if not re.search(rf"^def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_the_exit_codes_of_run_are_those_of_the_runtime():
    codes = re.compile(r"^\| (\d+) \|", re.MULTILINE)
    reference = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()
    page = (ROOT / "docs" / "cli.md").read_text().split("exit code of `run`")[1].split("\n\n")[0]
    assert set(codes.findall(page)) == set(codes.findall(reference)) | {"2"}
    help_text = PARSER.commands["run"].help
    assert set(re.findall(r"\b1[0-9]\b", help_text)) == set(codes.findall(page)) - {"0", "2"}
