"""Expression functions that a plugin brings: `register_function`.

They are collected while the plugin's modules are imported, because expressions
need them before the first evaluation. The thread that imports owns the collection,
so two plugins that load at the same time never see each other's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ioc_runtime.plugin.errors import TaskError

Function = Callable[..., Any]


class _Collection(threading.local):
    current: dict[str, Function] | None = None


_collection = _Collection()


@contextmanager
def collecting() -> Iterator[dict[str, Function]]:
    """Collect what this thread registers until the end of the block."""
    outer = _collection.current
    found: dict[str, Function] = {}
    _collection.current = found
    try:
        yield found
    finally:
        _collection.current = outer


def register_function(name: str, fn: Function | None = None) -> Any:
    """Make `fn` callable in expressions as `name`; also a decorator.

    The manifest declares the name in `plugin.functions`. Call it at the top level of
    a module. Expressions run it inside the evaluation, so it has to be quick and must
    not wait for anything; it gets plain values and returns one.

    :raises TaskError: not while the plugin is being loaded, the name is not an
        identifier or already taken, or `fn` cannot be called.
    """
    if fn is None:

        def decorate(function: Function) -> Function:
            register_function(name, function)
            return function

        return decorate
    found = _collection.current
    if found is None:
        raise TaskError(
            f"register_function({name!r}) works only while the plugin is loaded: "
            "call it at the top level of a module"
        )
    if not isinstance(name, str) or not name.isidentifier():
        raise TaskError(f"register_function: expected an identifier as name, got {name!r}")
    if not callable(fn):
        raise TaskError(f"register_function({name!r}): expected a function, got {fn!r:.60}")
    if found.setdefault(name, fn) is not fn:
        raise TaskError(f"register_function({name!r}): another function has that name already")
    return fn
