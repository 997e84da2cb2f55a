"""Which fields go with which type of signal: found out by asking the compiler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from ioc_runtime.compile import ManifestError
from ioc_runtime.compile.manifest import compile_document
from ioc_runtime.engine.values import expectation
from ioc_runtime.epics.declare import declare
from ioc_runtime.plan import Plan, Signal, SignalType
from ioc_runtime.spec.task import API_VERSION
from scripts.reference.markdown import code, table

_TYPES: Final = tuple(f"{kind}{more}" for more in ("", "[]") for kind in get_args(SignalType))
_STATES: Final = ["A", "B"]
_VALUES: Final[Mapping[str, Any]] = {
    "float": 1.5,
    "int": 1,
    "bool": 1,
    "enum": 1,
    "string": "text",
}
_TRIED: Final[Mapping[str, Any]] = {
    "states": _STATES,
    "severity": {"B": "MINOR"},
    "unit": "V",
    "precision": 2,
    "display": {"low": 0, "high": 10},
    "alarms": {"high": 5},
    "buffer": 10,
    "drive": {"low": 0, "high": 10},
    "latch": "any",
    "tolerance": 0.5,
}
"""Fields that not every type has, with a value that fits those which do."""
_LINKED: Final = {"tolerance"}
_OUTPUTS: Final = {"latch", "tolerance"}


def types() -> str:
    """A table: fields by types; and the record that serves each type."""
    head = ("", *map(code, _TYPES))
    rows = [
        (code(field), *("yes" if _accepted(kind, field) else "" for kind in _TYPES))
        for field in _TRIED
    ]
    rows.append(("record, published", *(_record(kind, link="ca://X") for kind in _TYPES)))
    rows.append(("record, set-point", *(_record(kind) for kind in _TYPES)))
    return table(head, rows)


def values() -> str:
    """A table: what may be a value of each type."""
    rows = [
        (code(kind), expectation(Signal("x", kind)))  # type: ignore[arg-type]
        for kind in get_args(SignalType)
    ]
    return table(("Type", "A value is"), rows)


def _signal(kind: str, field: str = "") -> dict[str, Any]:
    base = kind.removesuffix("[]")
    signal: dict[str, Any] = {"type": base}
    if base != kind:
        signal["length"] = 3
    if base == "enum" or field == "severity":
        signal["states"] = _STATES
    if field:
        signal[field] = _TRIED[field]
    return signal


def _accepted(kind: str, field: str) -> bool:
    signal = _signal(kind, field)
    if field not in _OUTPUTS:
        return _plan({"inputs": {"x": signal}}) is not None
    value = _VALUES[kind.removesuffix("[]")]
    if kind.endswith("[]"):
        value = [value]
    if field in _LINKED:
        signal["link"] = "ca://X"
    rule = {"id": "r", "condition": "True", "outputs": {"x": value}}
    spec = {"outputs": {"x": signal}, "ruleDefaults": {"x": value}, "rules": [rule]}
    return _plan(spec) is not None


def _record(kind: str, **more: Any) -> str:
    plan = _plan({"inputs": {"x": _signal(kind) | more}})
    if plan is None:
        return "none"
    (record,), _, _ = declare(plan)
    return record.type


def _plan(spec: dict[str, Any]) -> Plan | None:
    document = {
        "apiVersion": API_VERSION,
        "kind": "IocTask",
        "metadata": {"name": "t"},
        "spec": spec,
    }
    try:
        return compile_document(document).plan
    except ManifestError:
        return None
