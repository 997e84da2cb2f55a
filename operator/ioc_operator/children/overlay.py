"""`podTemplate` over the pod that we make: the overlay wins, piece by piece.

Maps are merged; lists whose elements have a name of some kind are merged by it; other
lists are replaced; null removes. Whether the result is a pod, the API server judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
"""What tells the elements of a list apart."""


def merge(base: Any, over: Any, field: str = "") -> Any:
    """`over` laid on `base`; neither is changed."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        merged = {name: value for name, value in base.items() if name not in over}
        for name, value in over.items():
            if value is not None:
                merged[name] = merge(base[name], value, name) if name in base else value
        return {name: merged[name] for name in [*base, *over] if name in merged}
    if isinstance(base, list) and isinstance(over, list) and field in KEYS:
        return _merge_by(KEYS[field], base, over)
    return over


def _merge_by(key: str, base: list[Any], over: list[Any]) -> list[Any]:
    """Elements of the same key are merged in place, the others come after."""
    rest = list(over)
    merged = []
    for element in base:
        own = element.get(key) if isinstance(element, Mapping) else None
        for other in [each for each in rest if _key(each, key) == own and own is not None]:
            element = merge(element, other)
            rest.remove(other)
        merged.append(element)
    return merged + rest


def _key(element: Any, key: str) -> Any:
    return element.get(key) if isinstance(element, Mapping) else None
