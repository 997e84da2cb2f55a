"""Loads the shared EPICS libraries without what they drag in.

`epicscorelibs` finds its libraries with `setuptools_dso`, whose package imports all
of setuptools: 0.2 s and, with some versions, a warning. Its `runtime` module alone
is enough.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def prepare() -> None:
    """Make the following imports of p4p and pyepics cheap and quiet.

    pyepics gets the libca of `epicscorelibs`: with its own, a process that uses
    both protocols dies at its end.
    """
    name = "setuptools_dso"
    if name not in sys.modules:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            package = ModuleType(name)
            package.__path__ = list(spec.submodule_search_locations)
            sys.modules[name] = package
            runtime = import_module(f"{name}.runtime")
            for each in ("find_dso", "dylink_prepare_dso"):
                setattr(package, each, getattr(runtime, each))
    import_module("epicscorelibs.path.pyepics")
