"""Between a plugin and its host: names, owners and values are checked here.

A call that cannot be right fails in the plugin's own line, with a sentence that
says what was found and what was expected, before it reaches the task.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from reprlib import Repr
from typing import Any

from ioc_runtime.engine import values
from ioc_runtime.plan import Input, Output, Plan, Signal
from ioc_runtime.plugin.anywhere import Anywhere
from ioc_runtime.plugin.callbacks import Table
from ioc_runtime.plugin.errors import (
    BadValue,
    Ended,
    NotLinked,
    NotYours,
    Paused,
    UnknownName,
    nearest,
)
from ioc_runtime.plugin.functions import refuse_inside_evaluation
from ioc_runtime.plugin.host import Host, Reading
from ioc_runtime.plugin.inputs import InputReading, Inputs

STATES = ("INIT", "RUN", "PAUSED", "END", "ERROR")

_short = Repr()
_short.maxstring = _short.maxother = 60


class Parameters(dict[str, Any]):
    """`spec.parameters`; an unknown one names the nearest."""

    def __missing__(self, name: str) -> Any:
        raise UnknownName(f"no parameter {name!r}{nearest(name, self)}")


class Prefixes(dict[str, str]):
    """`spec.prefixes`; an unknown one names the nearest."""

    def __missing__(self, name: str) -> str:
        raise UnknownName(f"no prefix {name!r}{nearest(name, self)}")


class Binding:
    """One plugin instance's access to its task. Safe from any thread."""

    def __init__(self, plan: Plan, host: Host) -> None:
        self.host = host
        self.kind = plan.kind
        self.logger = logging.getLogger(f"plugin.{plan.name}")
        self.reload(plan)
        self._ended = ""
        self.table = Table(lambda: self._inputs, time.monotonic, asynchronous=False)
        """What the plugin's thread calls; whoever runs that thread puts in a live one."""
        self._parameters: tuple[Any, Parameters] = (None, Parameters())
        self.inputs = Inputs(tuple(self._inputs), self._input_reading)

    def reload(self, plan: Plan) -> None:
        """Go on with a plan of the same shape."""
        self._plan = plan
        self._inputs = {signal.name: signal for signal in plan.inputs}
        self._outputs = {signal.name: signal for signal in plan.outputs}
        self.signals: dict[str, Signal] = {**self._inputs, **self._outputs}
        self.prefixes: Mapping[str, str] = Prefixes(plan.prefixes)
        self.protocol = plan.protocol

    @property
    def inputs_by_name(self) -> Mapping[str, Input]:
        """The inputs of the plan in force."""
        return self._inputs

    def end(self, why: str) -> None:
        """Refuse every later write: a sentence says why."""
        self._ended = why

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan

    @property
    def parameters(self) -> Parameters:
        """The task's parameters, as they are now."""
        given = self.host.parameters
        source, parameters = self._parameters
        if source is not given:
            parameters = Parameters(given)
            self._parameters = (given, parameters)  # one store: other threads read it
        return parameters

    # reading

    def value(self, name: str, among: str = "input or output") -> Any:
        """Last value; None before the first one. Lists are the caller's own."""
        return _own(self._read(self._find(name, among)).value)

    def link_values(self) -> dict[str, Any]:
        """Last values of all signals with a link."""
        return {
            name: self.value(name)
            for name, signal in self.signals.items()
            if _link(signal) is not None
        }

    def _input_reading(self, name: str) -> InputReading:
        signal = self._find(name, "input")
        reading = self._read(signal)
        return InputReading(
            name=name,
            value=_own(reading.value),
            severity=reading.severity,
            timestamp=reading.ns / 1e9,
            connected=reading.connected,
            states=signal.states,
            link=str(_link(signal) or ""),
        )

    def _read(self, signal: Signal) -> Reading:
        refuse_inside_evaluation()
        return self.host.read(signal.name)

    # several at once

    @cached_property
    def anywhere(self) -> Anywhere:
        """Any PV by name."""
        return Anywhere(self)

    def runs(self) -> bool:
        """Whether the task has not begun to stop."""
        return self.host.running

    def tagged(self, tags: Iterable[str], pattern: str = "*") -> list[str]:
        """Names of the signals with all these tags that fit a pattern."""
        refuse_inside_evaluation()
        wanted = set(tags)
        known = {tag for signal in self.signals.values() for tag in signal.tags}
        for tag in sorted(wanted - known):
            raise UnknownName(f"no input or output has the tag {tag!r}{nearest(tag, known)}")
        return [
            name
            for name, signal in self.signals.items()
            if wanted.issubset(signal.tags) and fnmatchcase(name, pattern)
        ]

    def with_tag(self, names: Any, tag: str | None) -> Any:
        """What `read` was given, with the signals of a tag at the end."""
        if tag is None:
            return names
        more = self.tagged([tag])
        if isinstance(names, Mapping):
            return {**dict.fromkeys(more), **names}
        return [*names, *(name for name in more if name not in set(names))]

    # writing

    def write(self, name: str, value: Any, among: str = "input or output") -> None:
        """Write an output of the plugin's, or a set-point."""
        if self._find(name, among).name in self._outputs:
            self._write_output(self._outputs[name], value)
        else:
            self._write_set_point(self._inputs[name], value)

    def _write_output(self, signal: Output, value: Any) -> None:
        self.owned(signal)
        fitting = _fit(signal, value)
        self.allowed(f"output {signal.name!r}")
        self.host.write(signal.name, fitting)

    def _write_set_point(self, signal: Input, value: Any) -> None:
        name = signal.name
        if signal.link is not None:
            raise NotYours(
                f"input {name!r} follows {signal.link} and cannot be set: "
                "expected a set-point (an input without link) or an output"
            )
        fitting = _in_range(signal, _fit(signal, value))
        self.allowed(f"input {name!r}")
        self.host.put(name, fitting)

    def put_link(self, name: str, value: Any, timeout: float) -> None:
        """Put to the PV behind a link."""
        signal = self._find(name, "input or output")
        link = _link(signal)
        if link is None:
            linked = [key for key, item in self.signals.items() if _link(item) is not None]
            raise NotLinked(f"{name!r} has no link{nearest(name, linked)}")
        if isinstance(signal, Output):
            self.owned(signal)
        if not 0 < timeout < float("inf"):
            raise BadValue(f"link_put({name!r}): expected a timeout above 0 s, got {timeout!r}")
        fitting = _fit(signal, value)
        self.allowed(str(link))
        self.host.put_link(name, fitting, float(timeout))

    def status(self, text: str) -> None:
        """Set STATUS."""
        wanted = str(text).upper()
        if wanted not in STATES:
            raise BadValue(f"set_status: expected one of {', '.join(STATES)}, got {text!r}")
        self.allowed("STATUS")
        self.host.status(wanted)

    def message(self, text: str) -> None:
        """Show a text in MESSAGE."""
        refuse_inside_evaluation()
        if not self._ended:
            self.host.message(str(text))

    def step_cycle(self) -> None:
        """Count a cycle."""
        self.allowed("CYCLE_COUNT")
        self.host.step_cycle()

    # checks

    def _find(self, name: str, among: str) -> Signal:
        known: Mapping[str, Signal] = {
            "input": self._inputs,
            "output": self._outputs,
        }.get(among, self.signals)  # type: ignore[assignment]
        try:
            return known[name]
        except (KeyError, TypeError):
            raise UnknownName(f"no {among} {name!r}{nearest(str(name), known)}") from None

    def owned(self, signal: Output) -> None:
        """Whether the plugin may write an output.

        :raises NotYours: somebody else owns it; says who.
        """
        if signal.owner == "plugin" or signal.otherwise == "plugin":
            return
        if signal.owner == "transform":
            by = next(
                (
                    f"the transform {t.expression!r}"
                    for t in self._plan.transforms
                    if t.output == signal.name
                ),
                "a transform",
            )
        else:
            ids = [repr(rule.id) for rule in self._plan.rules if signal.name in rule.outputs]
            more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
            by = f"{'rule' if len(ids) == 1 else 'rules'} {', '.join(ids[:3])}{more}"
        raise NotYours(f"output {signal.name!r} belongs to {by}, not to the plugin")

    def allowed(self, what: str) -> None:
        """Whether anything may be written now.

        :raises Ended, Paused: it may not; says what is not written.
        """
        refuse_inside_evaluation()
        refusal = self.refusal()
        if refusal:
            raise (Ended if self._ended else Paused)(f"{what} is not written: {refusal}")

    def refusal(self) -> str:
        """Why nothing may be written now, or ""."""
        if self._ended:
            return self._ended
        return "" if self.host.enabled else "the task is paused (ENABLE is 0)"


def _link(signal: Signal) -> Any:
    return getattr(signal, "link", None)


def _own(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value


def _fit(signal: Signal, value: Any) -> Any:
    plain = getattr(value, "tolist", None)  # numpy scalars and arrays, array.array
    if plain is not None:
        value = plain()
    try:
        return values.coerce(signal, value)
    except values.BadValue as error:
        expected = str(error)
    except (TypeError, ValueError, OverflowError):
        expected = f"expected {values.expectation(signal)}"
    got = "" if ", got " in expected else f", got {_short.repr(value)}"
    raise BadValue(f"{signal.name!r}: {expected}{got}")


def _in_range(signal: Input, value: Any) -> Any:
    drive = signal.drive
    if drive is None or isinstance(value, str):
        return value
    for number in value if isinstance(value, list) else (value,):
        if not drive.low <= number <= drive.high:
            raise BadValue(
                f"{signal.name!r}: expected {drive.low:g} to {drive.high:g}"
                f"{' ' + signal.unit if signal.unit else ''}, got {number!r}"
            )
    return value
