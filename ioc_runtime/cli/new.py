"""`iocctl new`: a directory that runs at once, to start from."""

from __future__ import annotations

import keyword
import os
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from ioc_runtime.cli import terminal
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.terminal import examples

LONGEST: Final = 30
"""Characters of a name: the prefix made of it leaves room for names of PVs."""
SCHEMA: Final = "ioc.schema.json"

app = typer.Typer(no_args_is_help=True, help="Make a task or job to start from, with a test.")

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Lower-case letters, digits and -, as vacuum-guard."),
]
Into = Annotated[
    Path,
    typer.Option(
        "--into", "-C", metavar="DIR", file_okay=False, help="Where the directory NAME is made."
    ),
]


@app.command(
    epilog=examples("iocctl new task vacuum-guard", "iocctl new task vacuum-guard --into plugins")
)
def task(name: Name, into: Into = Path(".")) -> None:
    """Make the directory NAME with a task: manifest, plugin, test.

    All of it runs as it is; its comments say what to change.
    """
    _made("task", name, into)


@app.command(epilog=examples("iocctl new job ramp", "iocctl new job ramp --into procedures"))
def job(name: Name, into: Into = Path(".")) -> None:
    """Make the directory NAME with a job, which runs once: manifest, code, test."""
    _made("job", name, into)


def _made(kind: str, name: str, into: Path) -> None:
    directory = make(kind, name, into)
    print(f"made {directory} with {', '.join(sorted(one.name for one in directory.iterdir()))}")
    print("now:")
    watch = " --watch" if kind == "task" else ""
    for line in (
        f"iocctl run {directory / f'{kind}.yaml'}{watch}",
        f"pytest {directory}",
        f"pytest {directory} --ioc-real",
    ):
        print(f"  {line}")


def make(kind: str, name: str, into: Path) -> Path:
    """Write the files of a new task or job; its directory.

    :param kind: task or job
    :raises Failure: the name cannot be one, or there is something of that name already
    """
    directory = into / name
    texts = _texts(kind, name)
    try:
        if directory.is_symlink() or directory.exists() and not directory.is_dir():
            raise Failure(f"{directory} is there already, and no directory", Exit.USAGE)
        if directory.exists() and any(directory.iterdir()):
            raise Failure(f"{directory} is there already, and not empty", Exit.USAGE)
        directory.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            with open(directory / file, "x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        raise Failure(f"{directory} cannot be made: {error.strerror}") from None
    return directory


def _texts(kind: str, name: str) -> dict[str, str]:
    """File -> text."""
    from ioc_runtime.spec.json_schema import schema_text

    words = _words(kind, name)
    place = files("ioc_runtime.cli") / "templates" / kind

    def text(file: str) -> str:
        found = (place / file).read_text(encoding="utf-8")
        return re.sub(r"@(\w+)@", lambda match: words[match[1]], found)

    return {
        f"{kind}.yaml": text(f"{kind}.yaml.in"),
        f"{words['module']}.py": text("plugin.py.in"),
        f"test_{words['module']}.py": text("test.py.in"),
        SCHEMA: schema_text("IocTask" if kind == "task" else "IocJob"),
    }


def _words(kind: str, name: str) -> dict[str, str]:
    """What stands for @word@ in the templates."""
    if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name) or len(name) > LONGEST:
        shown = terminal.printable(name[:60])
        raise Failure(
            f"{shown!r} cannot be a name: expected lower-case letters, digits and -, beginning "
            f"with a letter, at most {LONGEST}, as vacuum-guard",
            Exit.USAGE,
        )
    module, cls = name.replace("-", "_"), name.replace("-", " ").title().replace(" ", "")
    if module.startswith("test_"):
        module = f"{kind}_{module}"  # a test's name is none of a plugin's module
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or _taken(module):
        module = f"{module}_{kind}"
    if cls in ("TaskBase", "JobBase", "JobResult", "DeclarativeTask") or keyword.iskeyword(cls):
        cls += kind.title()
    return {
        "name": name,
        "prefix": f"{name.upper()}:",
        "module": module,
        "class": cls,
        "schema": SCHEMA,
        "kind": kind,
    }


def _taken(module: str) -> bool:
    """Whether a module of that name would stand in another one's place, or not be loaded."""
    from importlib.util import find_spec

    if module in ("setup", "conftest", "tests"):
        return True
    here = os.getcwd()
    path, sys.path[:] = sys.path[:], [one for one in sys.path if one not in ("", ".", here)]
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return True
    finally:
        sys.path[:] = path
