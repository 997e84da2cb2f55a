"""One expression in the engine: compiled, with its sites and its errors."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.engine.functions import FUNCTIONS, Uncertain, arithmetic, votes
from ioc_runtime.engine.grammar import Expression, Site

if TYPE_CHECKING:
    from ioc_runtime.engine.inputs import InputState

Globals = dict[str, Any]
"""What expressions read. A name whose value is not known is not in it."""

_NOTHING: Final = object()


class Moment:
    """The event that is being handled, as far as all parts share it."""

    __slots__ = ("errors", "mono", "wall")

    def __init__(self) -> None:
        self.mono = 0.0
        """Seconds of the monotonic clock."""
        self.wall = 0
        """Nanoseconds since 1970."""
        self.errors = 0
        """Expressions that raised so far."""


def make_globals(functions: dict[str, Callable[..., Any]]) -> Globals:
    """The globals of all expressions of an engine: functions, and no builtins."""
    values: Globals = {"__builtins__": {}}
    values |= {f"{name}()": function for name, function in FUNCTIONS.items()}
    values |= {f"{name}()": _guarded(function) for name, function in functions.items()}
    return values | {"votes()": votes, "arithmetic()": arithmetic}


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plugin's function as expressions call it.

    Its NameError is an error, not an unknown input; it cannot end the process; and
    what numpy gives becomes plain numbers.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
        except (NameError, Uncertain, SystemExit) as error:
            raise RuntimeError(str(error) or type(error).__name__) from None
        plain = getattr(result, "tolist", None)
        return result if plain is None else plain()

    return call


def compiled(tree: ast.expr, name: str, values: Globals) -> Callable[[], Any]:
    """The tree as a function without arguments that reads `values`."""
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    module = ast.fix_missing_locations(ast.Expression(body=ast.Lambda(args=nothing, body=tree)))
    function: Callable[[], Any] = eval(compile(module, f"<{name}>", "eval"), values)  # noqa: S307
    return function


def rebound(function: Callable[[], Any] | None, values: Globals) -> Callable[[], Any] | None:
    """The same code on other globals: costs a fiftieth of compiling it."""
    return None if function is None else FunctionType(function.__code__, values)


class Node:
    """An expression that is evaluated: a transform's or a rule's."""

    __slots__ = ("call", "error", "expression", "label", "moment", "pulsed", "site_error", "sites")

    def __init__(
        self,
        label: str,
        expression: Expression,
        values: Globals,
        inputs: dict[str, InputState],
        moment: Moment,
        like: Node | None = None,
    ) -> None:
        """`like`: a node of another engine with the same expression, whose code is taken."""
        self.label = label
        self.expression = expression
        known = like.sites if like is not None else (None,) * len(expression.sites)
        self.sites: tuple[SiteState, ...] = tuple(
            SiteState(site, values, inputs, moment, one)
            for site, one in zip(expression.sites, known, strict=True)
        )
        code = rebound(like.call, values) if like is not None else None
        self.call: Callable[[], Any] = code or compiled(expression.tree, label, values)
        self.error: str | None = None
        """The last evaluation's error; None if it had none."""
        self.site_error: str | None = None
        """The same of what its sites watch."""
        self.moment = moment
        self.pulsed = False
        """An edge was seen: true for this pass only, so another pass follows."""

    def prepare(self) -> str:
        """Bring the sites up to date; to be called before `call`.

        Returns an error that has not been said yet, or "".
        """
        self.pulsed = False
        said, error = self.site_error, None
        for site in self.sites:
            error = site.update() or error
            self.pulsed |= site.pulse
        if error is None:
            return ""
        self.site_error = error
        return error if error != said else ""

    def failed(self, error: Exception) -> str:
        """Count an error of `call`; its text if it has not been said yet, else ""."""
        self.moment.errors += 1
        said, self.error = self.error, explain(error)
        return self.error if self.error != said else ""

    def adopt(self, old: Node) -> None:
        """Go on where `old`, the same expression under another plan, has got to."""
        self.error, self.site_error = old.error, old.site_error
        for site, before in zip(self.sites, old.sites, strict=True):
            site.adopt(before)

    @property
    def due(self) -> float | None:
        """When the first for_ that is running out changes by itself."""
        return min((when for site in self.sites if (when := site.due) is not None), default=None)

    def forget(self) -> None:
        """Start timers and edges anew, as after a pause."""
        for site in self.sites:
            site.forget()


def explain(error: Exception) -> str:
    """An evaluation error as a person reads it."""
    return str(error) or type(error).__name__


UNKNOWN = (NameError, Uncertain)
"""What an expression raises when it depends on something that is not known."""


class SiteState:
    """A call that remembers: rising, falling, changed, for_, rate."""

    __slots__ = ("call", "form", "input", "key", "memory", "moment", "pulse", "seconds", "values")

    def __init__(
        self,
        site: Site,
        values: Globals,
        inputs: dict[str, InputState],
        moment: Moment,
        like: SiteState | None = None,
    ) -> None:
        self.key, self.form = site.key, site.form
        self.values, self.moment = values, moment
        self.call: Callable[[], Any] | None = None
        self.seconds: Callable[[], Any] | None = None
        if like is not None:
            self.call, self.seconds = rebound(like.call, values), rebound(like.seconds, values)
        else:
            if site.tree is not None:
                self.call = compiled(site.tree, site.key, values)
            if site.seconds is not None:
                self.seconds = compiled(site.seconds, site.key, values)
        self.input = inputs[site.name] if site.form == "rate" else None
        self.memory: Any = _NOTHING
        """Last known value of an edge; when the condition of for_ became true."""
        self.pulse = False

    @property
    def due(self) -> float | None:
        """When a for_ that is running out changes by itself."""
        if self.form != "for_" or self.memory is _NOTHING or self.values.get(self.key) is True:
            return None
        return float(self.memory + self.seconds())  # type: ignore[misc]

    def update(self) -> str | None:
        """Evaluate what is watched and store the result, or remove it if unknown.

        Returns what went wrong, if it was an error.
        """
        self.pulse = False
        try:
            result = self._result()
        except Exception as error:
            if self.form == "for_":
                self.memory = _NOTHING
            self.values.pop(self.key, None)
            if isinstance(error, UNKNOWN):
                return None
            self.moment.errors += 1
            return explain(error)
        self.values[self.key] = result
        return None

    def _result(self) -> Any:
        if self.input is not None:
            return self.input.rate(self.moment.mono)
        value = self.call()  # type: ignore[misc]
        if self.form == "for_":
            return self._held(value)
        if isinstance(value, deque):  # a buffer goes on changing
            value = tuple(value)
        before, self.memory = self.memory, value
        if before is _NOTHING:
            return False
        if self.form == "changed":
            self.pulse = bool(value != before)
        else:
            self.pulse = bool(value) is (self.form == "rising") and bool(value) != bool(before)
        return self.pulse

    def _held(self, value: Any) -> bool:
        if not value:
            self.memory = _NOTHING
            return False
        if self.memory is _NOTHING:
            self.memory = self.moment.mono
        # the same sum as in `due`: a timer that fires at it must find it reached
        return bool(self.moment.mono >= self.memory + self.seconds())  # type: ignore[misc]

    def adopt(self, old: SiteState) -> None:
        """Remember what `old` does."""
        self.memory = old.memory
        if old.key in old.values:
            self.values[self.key] = old.values[old.key]

    def forget(self) -> None:
        """Start anew, as if nothing had been seen."""
        self.memory = _NOTHING
        self.values.pop(self.key, None)
