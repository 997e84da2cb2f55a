"""What a task serves, for its log: the prefix, every PV and its type, once at the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.plan import Input, Plan

if TYPE_CHECKING:
    from ioc_runtime.epics.declare import Record

WIDTH: Final = 1500
"""Characters of a line, from which on the next begins: a task may serve thousands of PVs."""


def interface(plan: Plan, records: Iterable[Record]) -> Iterator[str]:
    """Lines with all PVs: inputs with their sources, outputs with their targets, the rest."""
    by_name = {record.name: record for record in records}
    inputs = [_signal(signal, by_name.pop(signal.name)) for signal in plan.inputs]
    outputs = [_signal(signal, by_name.pop(signal.name)) for signal in plan.outputs]
    others = [_record(record) for record in by_name.values()]
    count = len(inputs) + len(outputs) + len(others)
    yield f"serves {count} PVs below {plan.prefix} (name type; * clients may write)"
    for what, found in (("inputs", inputs), ("outputs", outputs), ("PVs of the runtime", others)):
        yield from _wrapped(what, found)


def _signal(signal: Any, record: Record) -> str:
    if signal.link is None:
        return _record(record)
    return f"{_record(record)} {'<-' if isinstance(signal, Input) else '->'} {signal.link}"


def _record(record: Record) -> str:
    text = f"{record.name} {record.holds}"
    if record.length is not None:
        text += f"[{record.length}]"
    if record.operator:
        text += "*"
    return text + "".join(f" = {alias}" for alias in record.aliases)


def _wrapped(what: str, items: Iterable[str]) -> Iterator[str]:
    line = ""
    for item in items:
        if line and len(line) + len(item) > WIDTH:
            yield f"{what}: {line}"
            line = ""
        line += f", {item}" if line else item
    if line:
        yield f"{what}: {line}"
