"""`podTemplate` over the pod that we make: the overlay wins, piece by piece.

Maps are merged; lists whose elements have a name of some kind are merged by it;
tolerations are added; other lists are replaced; null removes. An environment variable or
a volume takes the place of ours of that name: each has one kind of source, and two merged
would have two. Whether the result is a pod, the API server judges.
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
WHOLE: Final = frozenset({"env", "volumes"})
"""Lists whose elements are not merged, but replaced."""
ADDED: Final = frozenset({"tolerations"})
"""Lists that grow: without our own, a lost node would be worked around."""


def merge(base: Any, over: Any, field: str = "") -> Any:
    """`over` laid on `base`; neither is changed."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        merged = {name: value for name, value in base.items() if name not in over}
        for name, value in over.items():
            if value is not None:
                merged[name] = merge(base[name], value, name) if name in base else value
        return {name: merged[name] for name in [*base, *over] if name in merged}
    if isinstance(base, list) and isinstance(over, list) and field in KEYS:
        return _merge_by(field, base, over)
    if isinstance(base, list) and isinstance(over, list) and field in ADDED:
        return base + over
    return over


def _merge_by(field: str, base: list[Any], over: list[Any]) -> list[Any]:
    """Elements of the same key are merged in place, the others come after."""
    key, rest, merged = KEYS[field], list(over), []
    for element in base:
        own = _key(element, key)
        for other in [each for each in over if own is not None and _key(each, key) == own]:
            element = other if field in WHOLE else merge(element, other)
            rest.remove(other)
        merged.append(element)
    return merged + rest


def _key(element: Any, key: str) -> Any:
    return element.get(key) if isinstance(element, Mapping) else None
