"""Manifests from a seed: good ones, broken ones and hostile ones.

The same seed always gives the same text. `manifest(seed)` picks a kind; `good(seed)`
makes one that ought to pass, `accepted(...)` gives those that really do.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from ioc_runtime.compile import ManifestError, compile_text
from unit.fuzz.hostile import HOSTILE_EXPRESSIONS, HOSTILE_TEXTS, HOSTILE_VALUES, hostile
from unit.fuzz.valid import valid

Data = dict[str, Any]


def manifest(seed: int) -> str:
    """The text of manifest number `seed`."""
    rng = random.Random(seed)
    kind = rng.choices((_good, _mutated, _bent_text, hostile), (25, 45, 15, 15))[0]
    return kind(rng)


def data(seed: int) -> Data:
    """Plain data, broken in places, as a program could hand it over."""
    rng = random.Random(seed)
    made = valid(rng)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        rng.choice(MUTATIONS)(rng, made)
    if rng.random() < 0.1:
        holder, key = _somewhere(rng, made)
        holder[key] = rng.choice((10**5000, {1: 2}, (1, 2), {"\ud800"}, b"x", object, "\ud800"))
    return made


def good(seed: int) -> str:
    """A manifest that ought to pass."""
    return _good(random.Random(seed))


def accepted(first: int = 0) -> Iterator[tuple[int, str]]:
    """Seeds and texts of manifests that pass, without end."""
    seed = first
    while True:
        text = good(seed)
        try:
            compile_text(text)
        except ManifestError:
            pass
        else:
            yield seed, text
        seed += 1


def _good(rng: random.Random) -> str:
    return _written(rng, valid(rng))


def _written(rng: random.Random, data: Any) -> str:
    """Data as YAML or JSON, in one of their styles."""
    style = rng.randrange(3)
    if style == 0:
        return json.dumps(data)
    if style == 1:
        return json.dumps(data, indent=rng.choice((1, 2, 4)), ensure_ascii=False)
    try:
        return yaml.dump(data, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    except (yaml.YAMLError, UnicodeError):
        return json.dumps(data)


def _mutated(rng: random.Random) -> str:
    """A good manifest with a few things wrong."""
    data = valid(rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(MUTATIONS)(rng, data)
    return _written(rng, data)


def _bent_text(rng: random.Random) -> str:
    """A good text with characters lost, doubled, swapped or put in."""
    text = list(_written(rng, valid(rng)))
    for _ in range(rng.choice((1, 2, 5, 30))):
        at = rng.randrange(len(text))
        match rng.randrange(4):
            case 0:
                del text[at : at + rng.choice((1, 1, 5, 200))]
            case 1:
                text.insert(at, rng.choice("{}[]:,-&*!|>'\"%@`#\t\n\0 \u00b5\ud800\x1f?~<"))
            case 2:
                text[at:at] = text[max(0, at - 40) : at]
            case _:
                text[at] = chr(rng.randrange(32, 0x3000))
        if not text:
            break
    return "".join(text)


def _places(data: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) of a manifest."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        found.append((data, key))
        if isinstance(value, dict | list):
            _places(value, found)
    return found


def _somewhere(rng: random.Random, data: Data) -> tuple[Any, Any]:
    return rng.choice(_places(data, []))


def _replace(rng: random.Random, data: Data) -> None:
    holder, key = _somewhere(rng, data)
    holder[key] = copy.deepcopy(rng.choice(HOSTILE_VALUES))


def _remove(rng: random.Random, data: Data) -> None:
    holder, key = _somewhere(rng, data)
    if len(data) > 1 or holder is not data:
        del holder[key]


def _rename(rng: random.Random, data: Data) -> None:
    holder, key = _somewhere(rng, data)
    if isinstance(holder, dict):
        value = holder.pop(key)
        typo = key[:-1] or "x"
        holder[rng.choice((typo, key + "s", key.upper(), key.lower(), "µ" * 20, "", "y"))] = value


def _swap(rng: random.Random, data: Data) -> None:
    a, b = _somewhere(rng, data), _somewhere(rng, data)
    try:
        one, two = a[0][a[1]], b[0][b[1]]
        if json.dumps(data).__len__() < 200_000 and one is not a[0] and not _inside(one, b[0]):
            a[0][a[1]] = json.loads(json.dumps(two))
    except (KeyError, IndexError, ValueError):
        pass


def _inside(outer: Any, inner: Any) -> bool:
    if outer is inner:
        return True
    children = outer.values() if isinstance(outer, dict) else outer
    return isinstance(outer, dict | list) and any(_inside(child, inner) for child in children)


def _spec(rng: random.Random, data: Data, group: str) -> Any:
    spec = data.get("spec")
    found = spec.get(group) if isinstance(spec, dict) else None
    if isinstance(found, dict) and found:
        return found[rng.choice(list(found))]
    return rng.choice(found) if isinstance(found, list) and found else None


def _expression(rng: random.Random, data: Data) -> None:
    group, field = rng.choice(
        (("rules", "condition"), ("transforms", "expression"), ("rules", "message"))
    )
    holder = _spec(rng, data, group)
    if isinstance(holder, dict):
        holder[field] = rng.choice((*HOSTILE_EXPRESSIONS, *HOSTILE_TEXTS))


def _cycle(rng: random.Random, data: Data) -> None:
    spec = data.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("transforms"), list):
        return
    names = [t.get("output") for t in spec["transforms"] if isinstance(t, dict)]
    for i, transform in enumerate(spec["transforms"]):
        if isinstance(transform, dict) and names:
            transform["expression"] = f"{names[(i + 1) % len(names)]} + 1"


def _clash(rng: random.Random, data: Data) -> None:
    spec = data.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("inputs"), dict):
        return
    names = [*spec["inputs"]] or ["x"]
    name = rng.choice(names)
    twin = rng.choice((name.upper(), name.swapcase(), "status", "ENABLE", f"{name}_buf", name))
    outputs = spec.setdefault("outputs", {})
    if isinstance(outputs, dict):
        outputs[twin] = {"type": "float"}
    if rng.random() < 0.5:
        spec["aliases"] = {"STATUS": rng.choice((name, "MESSAGE", "RULE:x", "a" * 60, "$(P)"))}


def _field(rng: random.Random, data: Data) -> None:
    """Any field of the API, with any value, on any signal or on the spec itself."""
    holder = rng.choice((data.get("spec"), _spec(rng, data, "inputs"), _spec(rng, data, "outputs")))
    if isinstance(holder, dict):
        holder[rng.choice(FIELDS)] = copy.deepcopy(rng.choice(HOSTILE_VALUES))


FIELDS = (
    "link poll readback tolerance timeout retries latch onInvalid safeValue maxAge invalidHold "
    "persist alarms display drive states severity unit precision description length buffer value "
    "type prefix protocol mode period parameters aliases database iocStats access network storage "
    "report podTemplate plugin permits tests ruleDefaults rules transforms inputs outputs suspend "
    "env resources tolerations image"
).split()

MUTATIONS: tuple[Callable[[random.Random, Data], None], ...] = (
    *(_replace,) * 6,
    *(_field,) * 4,
    *(_expression,) * 4,
    *(_rename,) * 2,
    _remove,
    _swap,
    _cycle,
    _clash,
)
