"""From what a test names (a manifest's file or text, a class) to a plan."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ioc_runtime.plan import Plan
from ioc_runtime.plugin.api import JobBase, TaskBase


class BadTest(Exception):
    """What a test asks for cannot be; one sentence for its author."""


def plan_of(
    what: str | Path | type, directory: Path, kind: str, changes: Mapping[str, Any]
) -> Plan:
    """The plan of a manifest or of a class.

    :param what: a file (a relative one counts from `directory`), the text of a manifest, or a
        subclass of TaskBase or JobBase, whose `spec` is then `changes` as a whole
    :param kind: IocTask or IocJob: what the test expects it to be
    :param changes: fields below `spec` of a manifest, by path (`parameters.limit`)
    :raises BadTest: with all that is wrong
    """
    from ioc_runtime.compile import ManifestError, compile_document, compile_text

    try:
        if isinstance(what, type):
            return compile_document(_document(what, kind, changes)).plan
        text, name = _text(what, directory)
        found = compile_text(text, file=name, overrides=dict(changes))
    except ManifestError as error:
        raise BadTest("\n".join(str(problem) for problem in error.problems)) from None
    if len(found) != 1 or found[0].plan.kind != kind:
        there = ", ".join(f"{one.plan.kind} {one.plan.name}" for one in found)
        raise BadTest(f"{name}: expected one {kind}, got {there}")
    return found[0].plan


def _text(what: str | Path, directory: Path) -> tuple[str, str]:
    if isinstance(what, str) and "\n" in what:
        return what, str(directory / "manifest of the test")
    file = directory / what
    try:
        return file.read_text(encoding="utf-8"), str(file)
    except OSError as error:
        raise BadTest(f"{file} cannot be read: {error.strerror}") from None


def _document(cls: type, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    base = TaskBase if kind == "IocTask" else JobBase
    if not issubclass(cls, base):
        raise BadTest(f"{cls.__name__} is no {base.__name__}: expected a subclass of it")
    source = inspect.getsourcefile(cls) or "."
    plugin = {"image": {"path": str(Path(source).parent)}, "class": cls.__name__}
    name = cls.__name__.lower().strip("_") or "plugin"
    return {
        "apiVersion": "ioc-operator.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"prefix": f"{name.upper()}:", "plugin": plugin, **spec},
    }
