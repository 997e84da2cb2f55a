"""Expression functions that a plugin brings: `register_function`.

They are collected while the plugin's modules are imported, because expressions
need them before the first evaluation. The thread that imports owns the collection,
so two plugins that load at the same time never see each other's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from ioc_runtime.plugin.errors import TaskError

Function = Callable[..., Any]


class _Thread(threading.local):
    collection: dict[str, Function] | None = None
    evaluating: bool = False


_here = _Thread()


def guarded(name: str, fn: Function) -> Function:
    """`fn` as the engine may call it: inside an evaluation, under the task's lock.

    A read or write of a PV would wait there for ever for the lock that its own thread
    holds, so it raises; and an exit becomes an error of the expression.
    """

    @wraps(fn)
    def call(*args: Any, **keywords: Any) -> Any:
        _here.evaluating = True
        try:
            return fn(*args, **keywords)
        except Exception:
            raise
        except BaseException as error:
            raise TaskError(f"the function {name} raised {type(error).__name__}") from None
        finally:
            _here.evaluating = False

    return call


def refuse_inside_evaluation() -> None:
    """Raise when an expression function is what runs in this thread.

    :raises TaskError: always then.
    """
    if _here.evaluating:
        raise TaskError("a function of an expression cannot read or write PVs: give it arguments")


@contextmanager
def collecting() -> Iterator[dict[str, Function]]:
    """Collect what this thread registers until the end of the block."""
    outer = _here.collection
    found: dict[str, Function] = {}
    _here.collection = found
    try:
        yield found
    finally:
        _here.collection = outer


def register_function(name: str, fn: Function | None = None) -> Any:
    """Make `fn` callable in expressions as `name`; also a decorator.

    The manifest declares the name in `plugin.functions`. Call it at the top level of
    a module. Expressions run it inside the evaluation, so it has to be quick and must
    not wait for anything; it gets plain values and returns one.

    :raises TaskError: not while the plugin is being loaded, the name is not an
        identifier or already taken, or `fn` cannot be called.
    """
    if not isinstance(name, str):
        raise TaskError(
            f"register_function: expected a name first, as in @register_function('torr'), got "
            f"{name!r:.60}"
        )
    if fn is None:

        def decorate(function: Function) -> Function:
            register_function(name, function)
            return function

        return decorate
    found = _here.collection
    if found is None:
        raise TaskError(
            f"register_function({name!r}) works only while the plugin is loaded: "
            "call it at the top level of a module"
        )
    if not name.isidentifier():
        raise TaskError(f"register_function: expected an identifier as name, got {name!r}")
    if not callable(fn):
        raise TaskError(f"register_function({name!r}): expected a function, got {fn!r:.60}")
    if found.setdefault(name, fn) is not fn:
        raise TaskError(f"register_function({name!r}): another function has that name already")
    return fn
