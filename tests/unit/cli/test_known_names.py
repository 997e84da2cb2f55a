"""A PV that is surely not there is refused at once; one that might be is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from ioc_runtime.cli.known_names import is_absent, no_such
from ioc_runtime.cli.live_values import pv_names
from ioc_runtime.cli.reach import Reached, hints
from ioc_runtime.cli.reading import Address
from ioc_runtime.standard import JOB_STANDARD, STANDARD, TRIGGERED

P = "BL01:VAC:"


def guard(conditions: tuple[str, ...] = (), seen: int = 3, **spec: Any) -> dict[str, Any]:
    signals = {"inputs": {"pressure": {}}, "outputs": {"alarm": {}}}
    more = {"rules": [{"id": "high"}], "aliases": {"TRIGGER": "go", "MESSAGE": "words"}}
    return {
        "kind": "IocTask",
        "metadata": {"name": "guard", "namespace": "bl01", "generation": 3},
        "spec": {"prefix": P, **signals, **more, **spec},
        "status": {
            "observedGeneration": seen,
            "conditions": [{"type": one, "status": "True"} for one in conditions],
        },
    }


@pytest.mark.parametrize("name", ["nope", "pressure2", "Alarm", "nope.DESC", "status", "CTX:nope"])
def test_what_neither_manifest_nor_runtime_names_is_surely_not_there(name: str):
    assert is_absent(guard(), P + name)


@pytest.mark.parametrize(
    "name",
    [
        *("pressure", "pressure.EGU", "pressure.VAL$", "alarm.DESC$", "go", "words"),
        *("RULE:high", "RULE:other", "IOC:x", "TRIGGER:hold"),
        *("NOPE", "NEW_IN_A_LATER_VERSION", ""),
    ],
)
def test_what_might_be_there_is_asked_for(name: str):
    assert not is_absent(guard(), P + name)


@pytest.mark.parametrize(
    "item",
    [
        guard(plugin={"builtin": "simulation"}),
        guard(database=['record(ao, "$(P)nope") {}']),
        guard(permits=[{"name": "beam"}]),
        guard(seen=2),
        guard(conditions=("Stalled",)),
        guard(conditions=("Reconciling",)),
        guard() | {"status": {}},
        guard(prefix="OTHER:"),
    ],
)
def test_what_a_manifest_does_not_tell_for_sure_is_asked_for(item: dict[str, Any]):
    assert not is_absent(item, P + "nope")


def test_no_pv_of_the_runtime_is_ever_refused():
    for one in (*STANDARD, *TRIGGERED, *JOB_STANDARD):
        for name in (one.name, *one.also):
            assert not is_absent(guard(), P + name), name
    assert not any(is_absent(guard(), name) for name in pv_names(guard()))


def test_a_name_that_is_like_no_other_is_told_too():
    assert no_such(guard(), P + "presure") == "guard has no PV presure (did you mean pressure?)"
    assert no_such(guard(), P + "xyz") == "guard has no PV xyz"
    plugin = guard(plugin={"builtin": "simulation"})
    assert no_such(plugin, P + "xyz") == "the manifest of guard names no PV xyz"
    assert no_such(guard(), P + "pressure.EGU") is None


def test_hints_are_of_the_silent_and_by_the_nearest_prefix():
    inner = guard(prefix=f"{P}PUMP:", plugin={"builtin": "simulation"})
    inner["metadata"]["name"] = "pump"
    names = (f"{P}PUMP:xyz", f"{P}PUMP:abc", f"{P}alarm")
    silent, answered, known = (Address("ca", name, name) for name in names)
    found = Reached([silent, answered, known], [guard(), inner])
    assert hints(found, {silent, known}) == ["the manifest of pump names no PV xyz"]
