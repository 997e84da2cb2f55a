"""Functions of a plugin's own that its thread calls: `every` so many seconds, `on` an input.

`self.every` and `self.on` register them at any time; `@every` and `@on` mark methods of
the class, which are registered once `initialize` has worked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar, overload

from ioc_runtime.plan import Plan
from ioc_runtime.plugin.bound import Bound
from ioc_runtime.plugin.errors import BadValue, PluginError, UnknownName, nearest
from ioc_runtime.plugin.timers import Timer, Timers

SHORTEST: Final = 0.001
LONGEST: Final = 31_536_000.0
"""Seconds of a timer."""
MOST: Final = 1000
"""Callbacks of one plugin."""

_MARK: Final = "_ioc_runtime_calls"
Function = TypeVar("Function", bound=Callable[..., Any])
Mark = tuple[str, Any]
"""("every", seconds) or ("on", name of an input)."""


class Listener:
    """One function that hears of an input; what `self.on` returns."""

    def __init__(self, name: str, function: Callable[[Any, Any], Any]) -> None:
        self.name, self.function = name, function
        self.cancelled = False

    def cancel(self) -> None:
        """Call it no more. From any thread; a call that runs is finished."""
        self.cancelled = True

    def __call__(self, value: Any, old_value: Any) -> Any:
        """Call the function."""
        return self.function(value, old_value)


class Table:
    """The callbacks of one plugin instance.

    `heard(name)` is called when an input is listened to, `wake()` when a timer is new.
    """

    def __init__(
        self,
        inputs: Callable[[], Any],
        clock: Callable[[], float],
        *,
        asynchronous: bool,
        heard: Callable[[str], None] = lambda name: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.timers = Timers(clock)
        self._inputs, self._asynchronous = inputs, asynchronous
        self._heard, self._wake = heard, wake
        self._listeners: dict[str, list[Listener]] = {}
        self._count = 0
        self.used = False

    def every(self, seconds: float, function: Callable[[], Any]) -> Timer:
        """Call a function on a grid."""
        check_seconds(seconds)
        self._check(f"every({seconds:g})", function, ())
        timer = self.timers.add(float(seconds), function)
        self._wake()
        return timer

    def on(self, name: str, function: Callable[[Any, Any], Any]) -> Listener:
        """Call a function for each new value of an input."""
        known = self._inputs()
        if name not in known:
            raise UnknownName(f"no input {name!r}{nearest(str(name), known)}")
        self._check(f"on({name!r})", function, (None, None))
        listener = Listener(name, function)
        present = [one for one in self._listeners.get(name, ()) if not one.cancelled]
        self._listeners[name] = [*present, listener]  # one store: the thread may be reading
        self._heard(name)
        return listener

    def listeners(self, name: str) -> list[Listener]:
        """Who is to hear of an input."""
        return [one for one in self._listeners.get(name, ()) if not one.cancelled]

    def listens(self) -> bool:
        """Whether anybody hears of any input."""
        return bool(self._listeners)

    def add_marked(self, instance: Any) -> None:
        """Register the methods that its class has marked."""
        for name, marks in marked(type(instance)):
            for kind, what in marks:
                (self.every if kind == "every" else self.on)(what, getattr(instance, name))

    def _check(self, what: str, function: Any, args: tuple[Any, ...]) -> None:
        if not callable(function):
            raise BadValue(f"{what}: expected a function, got {function!r:.60}")
        if inspect.iscoroutinefunction(function) and not self._asynchronous:
            raise BadValue(
                f"{what}: expected a plain function: none of the plugin's hooks is `async def`, "
                "so it has no event loop"
            )
        try:
            inspect.signature(function).bind(*args)
        except TypeError as error:
            takes = "a function of (value, old_value)" if args else "a function without arguments"
            raise BadValue(f"{what}: expected {takes}: {error}") from None
        except ValueError:
            pass  # written in C
        if self._count >= MOST:
            raise BadValue(f"{what}: expected at most {MOST} callbacks in all")
        self._count += 1
        self.used = True


class Callbacks(Bound):
    """`every` and `on`, for tasks and jobs."""

    @overload
    def every(self, seconds: float, function: Callable[[], Any]) -> Timer: ...

    @overload
    def every(self, seconds: float) -> Callable[[Callable[[], Any]], Timer]: ...

    def every(self, seconds: float, function: Callable[[], Any] | None = None) -> Any:
        """Call a function every so many seconds, in the plugin's thread; also a decorator.

        On a fixed grid: what takes longer leaves times out, which the timer that is
        returned counts (`.overruns`), and never drifts. Nothing is called while ENABLE
        is 0. `.cancel()` ends it.

        :raises BadValue: not a function without arguments, or not such a time.
        """
        if function is None:
            check_seconds(seconds)
            return partial(self._task.table.every, seconds)
        return self._task.table.every(seconds, function)

    @overload
    def on(self, name: str, function: Callable[[Any, Any], Any]) -> Listener: ...

    @overload
    def on(self, name: str) -> Callable[[Callable[[Any, Any], Any]], Listener]: ...

    def on(self, name: str, function: Callable[[Any, Any], Any] | None = None) -> Any:
        """Call `function(value, old_value)` for new values of an input; also a decorator.

        As `on_input_changed`, after it. `.cancel()` of what is returned ends it.

        :raises UnknownName: no input has that name.
        :raises BadValue: not a function of two arguments.
        """
        if function is None:
            return partial(self._task.table.on, name)
        return self._task.table.on(name, function)


# marks in the body of a class


def every(seconds: float) -> Callable[[Function], Function]:
    """Mark a method: it is called every so many seconds, as by `self.every`.

    :raises BadValue: not such a time.
    """
    check_seconds(seconds)
    return partial(_mark, ("every", seconds))


def on(name: str) -> Callable[[Function], Function]:
    """Mark a method: it is called with (value, old_value) of an input, as by `self.on`."""
    if not isinstance(name, str):
        raise BadValue(
            f"on: expected the name of an input, as in @on('pressure'), got {name!r:.60}"
        )
    return partial(_mark, ("on", name))


def _mark(mark: Mark, function: Function) -> Function:
    setattr(function, _MARK, (*getattr(function, _MARK, ()), mark))
    return function


def marked(cls: type) -> Iterator[tuple[str, tuple[Mark, ...]]]:
    """Names of the methods of a class that are marked, with their marks."""
    for name in dir(cls):
        function = inspect.getattr_static(cls, name, None)
        if marks := getattr(function, _MARK, None):
            yield name, marks


def check_marked(cls: type, plan: Plan) -> None:
    """Whether the inputs that methods are marked with are there.

    :raises PluginError: one is not; with file and line.
    """
    inputs = [signal.name for signal in plan.inputs]
    for name, marks in marked(cls):
        for kind, what in marks:
            if kind == "on" and what not in inputs:
                code = getattr(getattr(cls, name), "__code__", None)
                at = (
                    f"{code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}: " if code else ""
                )
                raise PluginError(f"{at}@on({what!r}): no input {what!r}{nearest(what, inputs)}")


def check_seconds(seconds: Any) -> None:
    """Whether a timer can be had.

    :raises BadValue: it cannot.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise BadValue(f"every: expected seconds, as in every(0.5), got {seconds!r:.60}")
    if not SHORTEST <= seconds <= LONGEST:
        raise BadValue(f"every: expected {SHORTEST:g} to {LONGEST:.0f} s, got {seconds!r}")
