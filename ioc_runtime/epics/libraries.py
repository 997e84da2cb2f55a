"""Loads the EPICS libraries of epicscorelibs and pvxslibs without setuptools.

Both find their libraries through `setuptools_dso`, whose package imports all of
setuptools: 20 MiB and 0.1 s in every process that serves. Two functions of it are
used, so two functions stand in for it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType


def without_setuptools() -> None:
    """Stand in for setuptools_dso; call it before anything of EPICS is imported.

    Does nothing where the real package is loaded already.
    """
    if "setuptools_dso" in sys.modules:
        return
    package, runtime = ModuleType("setuptools_dso"), ModuleType("setuptools_dso.runtime")
    package.__path__ = []
    for module in (package, runtime):
        module.find_dso = _find  # type: ignore[attr-defined]
        module.dylink_prepare_dso = _prepare  # type: ignore[attr-defined]
    package.runtime = runtime  # type: ignore[attr-defined]
    sys.modules["setuptools_dso"] = package
    sys.modules["setuptools_dso.runtime"] = runtime


def _find(dso: str, package: str | None = None, so: bool = True) -> str:
    """Path of a shared library; a relative name is one of the caller's package."""
    info = _prepare(dso, package or sys._getframe(1).f_globals["__name__"])  # noqa: SLF001
    return str(info.sofilename if so else info.filename)


def _prepare(dso: str, package: str | None = None) -> ModuleType:
    package = package or sys._getframe(1).f_globals["__name__"]  # noqa: SLF001
    return import_module(f"{dso}_dsoinfo", package)
