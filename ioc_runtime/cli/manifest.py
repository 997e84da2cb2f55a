"""A manifest file on the command line: read, changed by --set, compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ioc_runtime.cli import terminal
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.compile import ManifestError, compile_text, parse_setting
from ioc_runtime.plan import Plan


def _warn(text: str) -> None:
    terminal.err().print(f"warning: {text}", style="yellow", markup=False)


def load(
    file: Path, prefix: str | None, changes: list[str], warn: Callable[[str], None] = _warn
) -> Plan:
    """The plan of the one task in a file; warnings go to standard error unless `warn` is given.

    :raises Failure: with everything that is wrong with it
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", Exit.USAGE) from None
    except UnicodeDecodeError as error:
        raise Failure(
            f"{file} is not text in UTF-8: byte {error.object[error.start]:#04x} at {error.start}",
            Exit.BAD_SPEC,
        ) from None
    return compile_one(text, str(file), prefix, changes, warn)


def compile_one(
    text: str,
    name: str,
    prefix: str | None,
    changes: list[str],
    warn: Callable[[str], None] = _warn,
) -> Plan:
    """The plan of the one task in a text that came from `name`.

    :raises Failure: with everything that is wrong with it
    """
    try:
        compiled = compile_text(text, file=name, overrides=_settings(prefix, changes))
    except ManifestError as error:
        count = len(error.problems)
        head = f"{name} cannot be run: {count} problem{'s' * (count > 1)}"
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise Failure(f"{head}\n{lines}", Exit.BAD_SPEC) from None
    if len(compiled) != 1:
        names = ", ".join(one.plan.name for one in compiled)
        raise Failure(
            f"{name}: expected one IocTask or IocJob in the file, got {len(compiled)} ({names})",
            Exit.BAD_SPEC,
        )
    for warning in compiled[0].warnings:
        warn(str(warning))
    return compiled[0].plan


def _settings(prefix: str | None, changes: list[str]) -> dict[str, Any]:
    try:
        settings = dict(parse_setting(change) for change in changes)
    except ManifestError as error:
        raise Failure(str(error.problems[0]), Exit.USAGE) from None
    return settings if prefix is None else settings | {"prefix": prefix}
