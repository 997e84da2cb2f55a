"""Which PVs a task or job has, as far as its manifest tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ioc_runtime.cli.condition_table import condition, mapping, text
from ioc_runtime.cli.live_values import prefix_of, signal_names

_MAY_SERVE_MORE: Final = ("plugin", "database", "permits")
"""Fields of a manifest that bring PVs which it does not name."""
_RUNTIME: Final = ("RULE:", "IOC:", "TRIGGER:")
"""Starts of names that are the runtime's to give."""


def known_names(item: Mapping[str, Any]) -> list[str]:
    """The PVs that the manifest names, and those that every task or job has; short names."""
    from ioc_runtime.standard import rule_pv, standard_of

    spec = mapping(item.get("spec"))
    standard = standard_of(str(item.get("kind")), text(spec.get("mode")) or "reactive")
    rules = spec.get("rules")
    return [
        *signal_names(item),
        *(name for one in standard for name in (one.name, *one.also)),
        *(text(second) for second in mapping(spec.get("aliases")).values()),
        *(rule_pv(text(mapping(rule).get("id"))) for rule in rules or () if rules),
    ]


def is_absent(item: Mapping[str, Any], full: str) -> bool:
    """Whether a PV is surely not there, so that nobody need wait for its answer.

    False wherever it might be: a plugin or a database may serve more than the manifest names,
    the pod may run an earlier manifest, and a runtime of another version may have standard PVs
    that this one does not know; those are in upper case.
    """
    short = full.removeprefix(prefix_of(item))
    name = short.split(".")[0].removesuffix("$")  # its fields are there with it
    if short == full or not name or name.startswith(_RUNTIME) or name == name.upper():
        return False
    if any(mapping(item.get("spec")).get(field) for field in _MAY_SERVE_MORE):
        return False
    return _is_in_force(item) and name not in known_names(item)


def _is_in_force(item: Mapping[str, Any]) -> bool:
    """Whether the pod runs what the manifest says, by the status."""
    generation = mapping(item.get("metadata")).get("generation")
    seen = mapping(item.get("status")).get("observedGeneration")
    changing = (condition(item, kind).get("status") for kind in ("Stalled", "Reconciling"))
    return generation == seen and generation is not None and "True" not in changing


def no_such(item: Mapping[str, Any], full: str) -> str | None:
    """What there is to say of a PV that the manifest does not name; None of one that it does."""
    from ioc_runtime.spec.problem import nearest

    short, known = full.removeprefix(prefix_of(item)), known_names(item)
    if short == full or short.split(".")[0].removesuffix("$") in known:
        return None
    name, near = item["metadata"]["name"], nearest(short, known)
    if near:
        return f"{name} has no PV {short} (did you mean {near}?)"
    if is_absent(item, full):
        return f"{name} has no PV {short}"
    return f"the manifest of {name} names no PV {short}"
