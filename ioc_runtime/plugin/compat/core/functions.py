"""`iocmng.core.functions`: functions for expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ioc_runtime.engine.functions import FUNCTIONS
from ioc_runtime.plugin.functions import register_function

_registered: dict[str, Callable[..., Any]] = {}


def register(name: str, fn: Callable[..., Any]) -> None:
    """Make `fn` callable in expressions as `name`, at the top level of a module.

    :raises TaskError: the plugin is loaded already, or the name is no identifier
    """
    register_function(name, fn)
    _registered[name] = fn


def get_registry() -> dict[str, Callable[..., Any]]:
    """All functions of expressions, by name."""
    return {**FUNCTIONS, **_registered}
