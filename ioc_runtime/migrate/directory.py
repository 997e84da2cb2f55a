"""A directory that was written for iocmng: its config, and the code beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ioc_runtime.compile.manifest import compile_document, config_hash
from ioc_runtime.migrate.code import Code, read_code
from ioc_runtime.migrate.config import (
    Converted,
    Wanted,
    check,
    convert,
    make_document,
)
from ioc_runtime.migrate.notes import Findings, Note
from ioc_runtime.migrate.reading import read
from ioc_runtime.plan import Plan
from ioc_runtime.spec.problem import NOTHING, ManifestError, Problem

CONFIGS: Final = ("config.yaml", "config.yml", "config.json")
REQUIREMENTS: Final = "requirements.txt"
MOST_MODULES: Final = 200
LARGEST_MODULE: Final = 2**20


@dataclass(frozen=True)
class Found:
    """What a directory holds."""

    config: dict[str, Any]
    code: Code | None
    file: str
    """Name of the config."""


def config_of(directory: Path) -> Path | None:
    """The config of a directory, if it has one of iocmng's names."""
    return next((path for name in CONFIGS if (path := directory / name).is_file()), None)


def read_directory(
    config: Path, class_name: str | None, findings: Findings, *, code: bool = True
) -> Found | None:
    """The config and what the modules beside it say; None with problems.

    :raises OSError: the config cannot be read
    """
    text = _text(config, findings)
    data = read(text, findings) if text is not None else None
    modules = modules_of(config.parent, findings) if code else {}
    found = read_code(modules, class_name, findings)
    return None if data is None else Found(data, found, config.name)


def convert_directory(
    config: Path, wanted: Wanted, class_name: str | None = None, *, file: str | None = None
) -> Converted:
    """The manifest of a directory (by its config) written for iocmng.

    :param file: what problems call the config
    :raises ManifestError: with everything that cannot be converted
    :raises OSError: the config cannot be read
    """
    findings = Findings(file or str(config))
    found = read_directory(config, class_name, findings)
    if found is None:
        raise ManifestError(findings.problems)
    if found.code is not None and not found.code.bare and wants_packages(config.parent):
        wanted = replace(wanted, source={**(wanted.source or {}), "requirementsFrom": REQUIREMENTS})
        text = (
            f"packages of {REQUIREMENTS}: installed before it starts, beside what the runtime's "
            "image has; what contradicts that is refused"
        )
        findings.note((), text, ("spec", "plugin"))
    return convert(found.config, found.code, wanted, findings)


def wants_packages(directory: Path) -> bool:
    """Whether a requirements.txt names packages: a server of iocmng has installed those."""
    try:
        text = (directory / REQUIREMENTS).read_text("utf-8-sig", errors="replace")
    except OSError:
        return False
    lines = (line.partition("#")[0].strip().lower() for line in text.splitlines())
    return any(line and not re.match(r"iocmng\b", line) for line in lines)


def complete_plan(directory: Path, manifest: Mapping[str, Any]) -> tuple[Plan, tuple[Note, ...]]:
    """The plan to serve of a manifest with `plugin.config`, once its directory is there.

    :param directory: the plugin's files, as fetched
    :param manifest: the document, as plain data; its prefix, hash and everything but what
        the file says is kept
    :raises ManifestError: with all that is wrong with the file, or with both together
    """
    stub = compile_document(manifest)
    plugin = stub.plan.plugin
    if plugin is None or plugin.config is None:
        raise ManifestError([Problem("spec.plugin.config", NOTHING, "this field")])
    findings = Findings(plugin.config)
    config = directory / plugin.config
    try:
        inside = config.resolve().is_relative_to(directory.resolve())
        found = read_directory(config, plugin.class_name, findings) if inside else None
    except OSError as error:
        reason = error.strerror or str(error)
        findings.wrong((), plugin.config, f"a file in the plugin's directory ({reason})")
        found = None
    if found is None:
        if not findings.problems:
            findings.wrong((), plugin.config, "a file inside the plugin's directory")
        raise ManifestError(findings.problems)
    spec = dict(manifest["spec"])
    wanted = Wanted(
        stub.plan.name,
        stub.plan.prefix,
        protocol=stub.manifest.spec.protocol,
        parameters=stub.plan.parameters,
    )
    made = make_document(found.config, found.code, wanted, findings)
    if made["kind"] != manifest["kind"]:
        expected = f"a class of an {manifest['kind']}, as the manifest says"
        findings.wrong((), made["kind"], expected)
    if plugin.requirements_from is None and not plugin.requirements and wants_packages(directory):
        text = "are not installed: the manifest has no plugin.requirementsFrom"
        findings.note((), f"packages of {REQUIREMENTS} {text}")
    if found.config.get("prefix"):
        text = f"{stub.plan.prefix} is the prefix: the manifest says it, not this file"
        findings.note(("prefix",), text)
    said = {**made["spec"], "plugin": _plugin(spec["plugin"], made["spec"].get("plugin", {}))}
    for key in ("mode", "period"):
        spec.pop(key, None)
    compiled = check({**manifest, "spec": {**spec, **said, "prefix": stub.plan.prefix}}, findings)
    plan = compiled.plan
    if plan.plugin is not None:
        whole = replace(plan.plugin, config=plugin.config, config_read=True)
        plan = replace(plan, plugin=whole)
    return replace(plan, config_hash=config_hash(manifest["spec"])), findings.close()


def _plugin(given: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's plugin, with the class and the functions that its code has."""
    functions = [*given.get("functions", ()), *made.get("functions", ())]
    plugin = {**given, **made}
    plugin.pop("config", None)
    if functions:
        plugin["functions"] = list(dict.fromkeys(functions))
    return plugin


def _text(path: Path, findings: Findings) -> str | None:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings.wrong((), f"line {line}", "text in UTF-8")
        return None


def modules_of(directory: Path, findings: Findings) -> dict[str, str]:
    """Text of the modules beside a config: those that iocmng would look at."""
    modules: dict[str, str] = {}
    for path in sorted(directory.glob("*.py")):
        name = path.stem
        if name.startswith(("_", "test_")) or name in ("setup", "conftest") or not path.is_file():
            continue
        if len(modules) == MOST_MODULES or path.stat().st_size > LARGEST_MODULE:
            findings.wrong(
                (), path.name, f"at most {MOST_MODULES} modules of {LARGEST_MODULE} bytes"
            )
            break
        modules[name] = path.read_text("utf-8", errors="replace")
    return modules
