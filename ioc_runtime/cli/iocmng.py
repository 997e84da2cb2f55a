"""What was written for iocmng, on the command line: found, converted, refused in words."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.migrate import (
    Converted,
    Findings,
    Wanted,
    config_of,
    convert,
    convert_directory,
    convert_startup,
    is_startup,
)
from ioc_runtime.migrate.code import read_code
from ioc_runtime.migrate.directory import CONFIGS, modules_of
from ioc_runtime.migrate.reading import LARGEST, read
from ioc_runtime.spec.problem import ManifestError

STANDARD_INPUT: Final = "-"
TOO_LARGE: Final = 4 * LARGEST


def wanted_of(
    path: str,
    prefix: str | None = None,
    controller: str | None = None,
    name: str | None = None,
    class_name: str | None = None,
    protocol: str = "pva",
) -> list[Converted]:
    """All manifests of a directory, a config or a list of plugins.

    :raises Failure: with everything that cannot be converted
    """
    wanted = Wanted(name or "", prefix, controller, protocol=protocol)
    try:
        if path == STANDARD_INPUT:
            return _standard_input(wanted)
        place = Path(path)
        if place.is_dir():
            config = config_of(place)
            if config is None:
                expected = f"expected {', '.join(CONFIGS[:-1])} or {CONFIGS[-1]} in it"
                raise Failure(f"{path}: {expected}", Exit.USAGE)
            return [from_directory(config, wanted, class_name)]
        return _file(place, wanted, class_name)
    except ManifestError as error:
        raise Failure(_all(path, error), Exit.FAILED) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror or error}", Exit.USAGE) from None


def from_directory(config: Path, wanted: Wanted, class_name: str | None = None) -> Converted:
    """The manifest of a plugin's directory, by its config.

    :raises ManifestError: with everything that cannot be converted
    :raises OSError: the config cannot be read
    """
    directory = config.parent.resolve()
    if not wanted.name:
        found = read_code(modules_of(directory, Findings()), class_name, Findings())
        name = found.class_name.lower() if found is not None else directory.name
        wanted = replace(wanted, name=name)
    wanted = replace(wanted, source={"image": {"path": str(directory)}})
    return convert_directory(config, wanted, class_name)


def _file(place: Path, wanted: Wanted, class_name: str | None) -> list[Converted]:
    findings = Findings(str(place))
    if place.stat().st_size > TOO_LARGE:
        findings.wrong((), place.stat().st_size, f"a file of at most {LARGEST} bytes")
        raise ManifestError(findings.problems)
    data = read(place.read_text("utf-8-sig", errors="replace"), findings)
    if data is not None and is_startup(data):
        return convert_startup(data, place.parent.resolve(), wanted, findings)
    return [from_directory(place, wanted, class_name)]


def _standard_input(wanted: Wanted) -> list[Converted]:
    findings = Findings("standard input")
    data = read(sys.stdin.read(TOO_LARGE), findings)
    if data is None:
        raise ManifestError(findings.problems)
    if is_startup(data):
        return convert_startup(data, Path.cwd(), wanted, findings)
    return [convert(data, None, replace(wanted, name=wanted.name or "task"), findings)]


def _all(path: str, error: ManifestError) -> str:
    count = len(error.problems)
    lines = "\n".join(f"  {problem}" for problem in error.problems)
    return f"{path} cannot be converted: {count} problem{'s' * (count > 1)}\n{lines}"
