"""The keys of an iocmng config, and the values that stand there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ioc_runtime.migrate.notes import Findings, Place
from ioc_runtime.spec.problem import nearest

TOP: Final = (
    "prefix", "parameters", "arguments", "pvs", "transforms", "rules", "rule_defaults", "type",
    "name", "description",
)  # fmt: skip
SIGNAL: Final = (
    "type", "value", "unit", "prec", "low", "high", "znam", "onam", "link", "link_mode", "mode",
    "poll_rate", "trigger", "buffer_size", "latch", "latch_dir", "alarm_on", "desc", "description",
)  # fmt: skip
RULE: Final = ("id", "condition", "message", "message_pv", "outputs", "actuators", "description")
TRANSFORM: Final = ("output", "expression", "description")
TYPES: Final = ("float", "int", "string", "bool")


def known_keys(
    given: Mapping[str, Any], known: Iterable[str], where: Place, findings: Findings
) -> None:
    """Say of each other key that it did nothing; one that looks like a mistake is a problem."""
    known = tuple(known)
    for key in given:
        if key in known:
            continue
        if nearest(key, known) is None:
            findings.note((*where, key), "left out: iocmng reads no such key")
        else:
            expected = "a key that iocmng reads"
            findings.wrong((*where, key), given[key], expected, known, name=key)


def mapping(config: Mapping[str, Any], key: str, where: Place, findings: Findings) -> Any:
    """A map, empty where there is none."""
    value = config.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        findings.wrong((*where, key), value, "a map")
        return {}
    return value


def items(config: Mapping[str, Any], key: str, findings: Findings) -> list[tuple[int, Any]]:
    """The maps of a list; iocmng leaves out what is no map."""
    value = config.get(key) or []
    if not isinstance(value, list):
        findings.wrong((key,), value, "a list")
        return []
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            findings.wrong((key, index), item, "a map")
    return [(index, item) for index, item in enumerate(value) if isinstance(item, dict)]


def number(
    given: Mapping[str, Any], key: str, where: Place, findings: Findings, least: float = 0.0
) -> float | None:
    """A number, None where there is none or no good one."""
    value = given.get(key)
    if value is None:
        return None
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < least:
        findings.wrong((*where, key), value, f"a number of at least {least:g}")
        return None
    return float(value) if isinstance(value, float) else int(value)


def flag(given: Mapping[str, Any], key: str, where: Place, findings: Findings) -> bool:
    """True or false; iocmng takes the text "false" for true."""
    value = given.get(key, False)
    if value in (0, 1, None) and not isinstance(value, str | float):
        return bool(value)
    findings.wrong((*where, key), value, "true or false")
    return False


def coerced(kind: str, value: Any, where: Place, findings: Findings) -> Any:
    """A value as iocmng's record of that type holds it; None with a problem."""
    try:
        if kind == "string":
            return "" if value is None else str(value)
        if kind == "float":
            return _finite(float(value))
        if kind == "int":
            return int(value)
        state = int(value)
    except (TypeError, ValueError, OverflowError):
        findings.wrong(where, value, f"a value that fits the type {kind}")
        return None
    if state not in (0, 1):
        findings.wrong(where, value, "0 or 1, as the type is bool")
        return None
    return state


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value
