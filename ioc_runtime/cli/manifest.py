"""A manifest file on the command line: read, changed by --set, compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ioc_runtime.cli import terminal
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.prove import located
from ioc_runtime.compile import (
    Compiled,
    ManifestError,
    compile_document,
    compile_text,
    parse_setting,
    prove,
)
from ioc_runtime.plan import Plan
from ioc_runtime.spec.plain import plain_document

OWN: Final = ("task.yaml", "job.yaml")
"""Manifests of a directory, by their names; else the only one in it."""
API: Final = "ioc-operator.dev/"


def _warn(text: str) -> None:
    terminal.err().print(f"warning: {text}", style="yellow", markup=False)


def load(
    file: Path, prefix: str | None, changes: list[str], warn: Callable[[str], None] = _warn
) -> Plan:
    """The plan of the one task in a file, or of a directory; warnings go to standard error
    unless `warn` is given.

    :raises Failure: with everything that is wrong with it
    """
    if file.is_dir():
        found = manifest_in(file)
        if found is None:
            return _from_iocmng(file, prefix, changes, warn)
        file = found
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
        raise _refused(name, error) from None
    if len(compiled) != 1:
        names = ", ".join(one.plan.name for one in compiled)
        raise Failure(
            f"{name}: expected one IocTask or IocJob in the file, got {len(compiled)} ({names})",
            Exit.BAD_SPEC,
        )
    for warning in compiled[0].warnings:
        warn(str(warning))
    _prove(compiled[0], name, warn if changes else None)
    return _complete(compiled[0], name, warn)


def document(file: Path, prefix: str | None, changes: list[str]) -> Mapping[str, Any]:
    """The manifest that `load` makes a plan of, as plain data."""
    place = (manifest_in(file) or file) if file.is_dir() else file
    overrides = _settings(prefix, changes)
    text = place.read_text(encoding="utf-8")
    return compile_text(text, file=str(place), overrides=overrides)[0].document.data


def file_of(path: Path) -> Path:
    """The file that is edited: the manifest, also of a directory, or the config for iocmng."""
    if not path.is_dir():
        return path
    from ioc_runtime.migrate import config_of

    return manifest_in(path) or config_of(path) or path


def manifest_in(directory: Path) -> Path | None:
    """The manifest in a directory: by its name, else the only one; None without any.

    :raises Failure: there are several
    """
    for name in OWN:
        if (directory / name).is_file():
            return directory / name
    found = [path for path in sorted(directory.glob("*.y*ml")) if _is_ours(path)]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise Failure(f"{directory}: expected one manifest, got {names}; name one", Exit.USAGE)
    return found[0] if found else None


def _is_ours(path: Path) -> bool:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    lines = (line.strip().strip("{").replace('"', "") for line in text.splitlines())
    return any(line.startswith(f"apiVersion: {API}") for line in lines)


def _from_iocmng(
    directory: Path, prefix: str | None, changes: list[str], warn: Callable[[str], None]
) -> Plan:
    """The plan of a directory that was written for iocmng."""
    from ioc_runtime.cli.iocmng import from_directory
    from ioc_runtime.migrate import Wanted, config_of

    config = config_of(directory)
    if config is None:
        names = f"{' or '.join(OWN)}, one other manifest, or the config.yaml of a plugin for iocmng"
        raise Failure(f"{directory}: expected {names} in it", Exit.USAGE)
    try:
        made = from_directory(config, Wanted("", prefix))
        settings = _settings(None, changes)
        plan = made.compiled.plan
        if settings:
            plan = compile_document(plain_document(made.document), overrides=settings).plan
    except ManifestError as error:
        raise _refused(str(config), error) from None
    except OSError as error:
        raise Failure(f"{config} cannot be read: {error.strerror or error}", Exit.USAGE) from None
    for note in made.notes:
        warn(f"{config}: {note}")
    return plan


def _complete(compiled: Compiled, name: str, warn: Callable[[str], None]) -> Plan:
    """The plan, with what `plugin.config` says where its directory is on this machine."""
    plugin = compiled.plan.plugin
    if plugin is None or plugin.config is None or plugin.directory is None:
        return compiled.plan
    from ioc_runtime.migrate import complete_plan

    try:
        plan, notes = complete_plan(Path(plugin.directory), compiled.document.data)
    except ManifestError as error:
        raise _refused(name, error) from None
    for note in notes:
        warn(f"{plugin.config}: {note}")
    return plan


def _prove(compiled: Compiled, name: str, warn: Callable[[str], None] | None) -> None:
    """Run the manifest's tests.

    :param warn: hears of those that fail, where a manifest was changed by --set: the tests
        may well speak of what stood there before
    :raises Failure: some fail, and there is no `warn`
    """
    failed = prove(compiled.plan, compiled.proofs)
    if warn is None and failed:
        lines = "\n".join(f"  {located(compiled, one)}" for one in failed)
        raise Failure(f"{name} cannot be run: its tests fail\n{lines}", Exit.BAD_SPEC)
    for one in failed if warn is not None else ():
        warn(f"with --set a test fails: {located(compiled, one)}")


def _refused(name: str, error: ManifestError) -> Failure:
    count = len(error.problems)
    head = f"{name} cannot be run: {count} problem{'s' * (count > 1)}"
    lines = "\n".join(f"  {problem}" for problem in error.problems)
    return Failure(f"{head}\n{lines}", Exit.BAD_SPEC)


def _settings(prefix: str | None, changes: list[str]) -> dict[str, Any]:
    try:
        settings = dict(parse_setting(change) for change in changes)
    except ManifestError as error:
        raise Failure(str(error.problems[0]), Exit.USAGE) from None
    return settings if prefix is None else settings | {"prefix": prefix}
