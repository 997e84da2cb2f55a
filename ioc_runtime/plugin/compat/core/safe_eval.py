"""`iocmng.core.safe_eval`: an expression over values that are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ioc_runtime.engine.grammar import Scope, parse
from ioc_runtime.engine.node import compiled, make_globals
from ioc_runtime.plugin.compat.core.functions import _registered


def safe_eval(
    expression: str,
    variables: Mapping[str, Any],
    extra_functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Any:
    """The value of an expression, in the grammar of rules.

    :raises ValueError: it is not in the grammar, or reads a name that is not there
    """
    own = {**_registered, **(extra_functions or {})}
    values = {name: _plain(value) for name, value in variables.items()}
    found = parse(expression, Scope(parameters=values, functions=tuple(own)))
    if found.sites:
        raise ValueError(
            f"{expression}: expected nothing that remembers, such as rising() or rate()"
        )
    return compiled(found.tree, "expression", {**make_globals(own), **values})()


def _plain(value: Any) -> Any:
    """Arrays and buffers as lists."""
    plain = getattr(value, "tolist", None)
    if plain is not None:
        return plain()
    if isinstance(value, int | float | str | dict) or value is None:
        return value
    return list(value) if hasattr(value, "__iter__") else value
