"""`iocctl convert`: what was written for iocmng, as manifests with comments."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ioc_runtime.cli.failure import Exit, Failure

STANDARD_INPUT = "-"


def convert_command(
    path: Annotated[
        str,
        typer.Argument(
            metavar="DIR|FILE",
            help="Directory of a plugin, its config.yaml, or the list of plugins of a server; "
            "- reads standard input.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file.", dir_okay=False)
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", help="Prefix of the PVs, verbatim; by default as in iocmng."),
    ] = None,
    controller: Annotated[
        str | None,
        typer.Option("--controller", help="Prefix of the iocmng server (IOCMNG_PREFIX)."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the task; by default that of the class."),
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Class that runs, if there are several.")
    ] = None,
    protocol: Annotated[
        Literal["pva", "ca"],
        typer.Option("--protocol", help="Protocol of the links; iocmng's default is pva."),
    ] = "pva",
) -> None:
    """Turn what was written for iocmng into IocTasks and IocJobs.

    Prints YAML that passes `iocctl validate`. A comment stands where something means
    something else now (docs/migration.md says why). Nothing is run, and nothing is fetched.

    Exit code 0: done; 1: something cannot be converted, all of it is listed; 2: the file
    cannot be read.
    """
    from ioc_runtime.cli.iocmng import wanted_of
    from ioc_runtime.migrate import Converted, write_manifest

    made: list[Converted] = wanted_of(path, prefix, controller, name, class_name, protocol)
    text = "---\n".join(write_manifest(one.document, one.notes) for one in made)
    if output is None:
        sys.stdout.write(text)
        return
    _write(output, text)
    count = sum(len(one.notes) for one in made)
    names = ", ".join(f"{one.compiled.plan.kind} {one.compiled.plan.name}" for one in made)
    print(f"{output}: {names}; {count} comment{'s' * (count != 1)} to read")


def _write(path: Path, text: str) -> None:
    """Write the whole file or none of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Failure(f"{path} cannot be written: {error.strerror}", Exit.USAGE) from None
