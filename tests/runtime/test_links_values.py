"""Values of every type cross a link both ways, with severity, status and time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.plan import Input, Output
from runtime.source import Source, followed, linked, wait_until
from support.epics_env import EpicsEnv
from support.spawn import Spawn

STATES = ("Off", "Manual", "Auto")
"""Those of the source's E in another order: Manual, Auto, Off."""

READ = [
    ("F", "float", {}, 0.25),
    ("F", "int", {}, 0),
    ("F", "string", {}, "0.25"),
    ("I", "int", {}, 7),
    ("I", "float", {}, 7.0),
    ("I", "string", {}, "7"),
    ("B", "bool", {"states": ("OK", "HIGH")}, 1),
    ("B", "bool", {"states": ("HIGH", "OK")}, 0),
    ("B", "bool", {"states": ("No", "Yes")}, 1),
    ("B", "int", {}, 1),
    ("B", "string", {}, "HIGH"),
    ("E", "enum", {"states": STATES}, 2),
    ("E", "float", {}, 1.0),
    ("E", "string", {}, "Auto"),
    ("E", "bool", {"states": ("Manual", "Auto")}, 1),
    ("S", "string", {}, "hello"),
    ("L", "string", {}, "a long string"),
    ("AF", "float", {"length": 10}, [1.0, 2.5]),
    ("AF", "int", {"length": 2}, [1, 2]),
    ("AI", "int", {"length": 10}, []),
    ("F", "float", {"length": 3}, [0.25]),
]
UNFIT = [
    ("S", "float", {}),
    ("AF", "float", {}),
    ("AF", "float", {"length": 1}),
    ("E", "enum", {"states": ("Open", "Closed")}),
    ("F", "bool", {}),
]
WRITE: list[tuple[str, str, dict[str, Any], Any, Any]] = [
    ("F", "float", {}, 2.5, 2.5),
    ("I", "float", {}, 12.0, 12),
    ("I", "int", {}, -5, -5),
    ("F", "int", {}, 9, 9.0),
    ("B", "bool", {"states": ("HIGH", "OK")}, 1, 0),
    ("B", "bool", {}, 0, 0),
    ("E", "enum", {"states": STATES}, 0, 2),
    ("E", "int", {}, 0, 0),
    ("E", "string", {}, "Off", 2),
    ("S", "string", {}, "hällo", "hällo"),
    ("S", "enum", {"states": STATES}, 2, "Auto"),
    ("L", "string", {}, "x" * 120, "x" * 120),
    ("AF", "float", {"length": 3}, [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]),
    ("AI", "int", {"length": 3}, [7, -8], [7, -8]),
    ("F", "string", {}, "4.5", 4.5),
]
REFUSED: list[tuple[str, str, dict[str, Any], Any, str]] = [
    ("I", "float", {}, 2.0**40, "-2147483648 to 2147483647"),
    ("I", "float", {}, math.nan, "-2147483648 to 2147483647"),
    ("E", "enum", {"states": ("Open", "Auto")}, 0, "Manual, Auto, Off"),
    ("E", "string", {}, "Open", "Manual, Auto, Off"),
    ("RO", "float", {}, 1.0, "its server"),
]


@pytest.fixture
def source(spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path) -> Source:
    return Source(spawn, epics_env, tmp_path).start()


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_inputs_of_every_type_follow_their_source(source: Source, scheme: str):
    inputs = [
        Input(f"i{n}", kind, link=linked(scheme, source.prefix + name), **more)
        for n, (name, kind, more, _) in enumerate(READ)
    ]
    with followed(*inputs) as (links, heard):
        wait_until(lambda: all(heard.last(i) for i in range(len(READ))))
        assert all(links.inputs)
        for i, (name, kind, _, wanted) in enumerate(READ):
            value, severity, status, ns = heard.last(i)
            assert (value, severity, status) == (wanted, 0, 0), (name, kind)
            assert type(value) is type(wanted)
            assert ns > 1_600_000_000 * 10**9


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_what_does_not_fit_is_invalid_and_never_a_value(source: Source, scheme: str):
    inputs = [
        Input(f"i{n}", kind, link=linked(scheme, source.prefix + name), **more)
        for n, (name, kind, more) in enumerate(UNFIT)
    ]
    with followed(*inputs) as (_, heard):
        wait_until(lambda: all(heard.last(i) for i in range(len(UNFIT))))
        for i, (name, kind, _) in enumerate(UNFIT):
            assert heard.last(i)[:2] == (None, 3), (name, kind)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_severity_status_and_time_come_from_the_source(source: Source, scheme: str):
    with followed(Input("t", "float", link=linked(scheme, source.prefix + "T"))) as (_, heard):
        wait_until(lambda: heard.last(0))
        assert heard.last(0)[3] == 0  # never set: a time of 1990 is no time
        for value, severity, status, time in [
            (1.0, 0, 0, 1_700_000_000.25),
            (2.0, 1, 4, 1_700_000_001.5),
            (3.0, 2, 3, 1_700_000_002.0),
            (4.0, 3, 9, 1_700_000_003.0),
        ]:
            source.do("sample", value=value, severity=severity, status=status, time=time)
            wait_until(lambda: heard.value(0) == value)  # noqa: B023
            assert heard.last(0) == (value, severity, status, round(time * 4) * 250_000_000)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_nan_is_invalid_in_a_number_and_in_an_array(source: Source, scheme: str):
    inputs = (
        Input("f", "float", link=linked(scheme, source.prefix + "F")),
        Input("a", "float", length=10, link=linked(scheme, source.prefix + "AF")),
        Input("i", "int", link=linked(scheme, source.prefix + "F")),
    )
    with followed(*inputs) as (_, heard):
        wait_until(lambda: heard.value(0) == 0.25 and heard.value(1) == [1.0, 2.5])
        source.set("F", math.nan)
        source.set("AF", [1.0, math.nan])
        wait_until(lambda: heard.severity(0) == heard.severity(1) == heard.severity(2) == 3)
        assert math.isnan(heard.value(0))
        assert heard.value(2) is None
        source.set("F", 1.0)
        wait_until(lambda: heard.last(0)[:2] == (1.0, 0))


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_state_names_that_change_while_connected_map_anew(source: Source, scheme: str):
    signal = Input("e", "enum", states=STATES, link=linked(scheme, source.prefix + "E"))
    with followed(signal) as (_, heard):
        wait_until(lambda: heard.value(0) == STATES.index("Auto"))
        source.do("field", name="E.ONST", value="Off")
        wait_until(lambda: heard.value(0) == STATES.index("Off"))


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_outputs_of_every_type_reach_their_target(source: Source, scheme: str):
    outputs = [
        Output(f"o{n}", kind, link=linked(scheme, source.prefix + name), **more)
        for n, (name, kind, more, _, _) in enumerate(WRITE)
    ]
    with followed(*outputs) as (links, heard):
        wait_until(lambda: all(links.outputs))
        for o, (name, kind, _, value, wanted) in enumerate(WRITE):
            links.write(o, value)
            wait_until(lambda: heard.results(o))  # noqa: B023
            assert heard.results(o) == [None], (name, kind)
            assert source.get(name) == wanted, (name, kind)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_what_a_target_cannot_hold_is_a_sentence_and_is_not_written(source: Source, scheme: str):
    outputs = [
        Output(f"o{n}", kind, retries=0, link=linked(scheme, source.prefix + name), **more)
        for n, (name, kind, more, _, _) in enumerate(REFUSED)
    ]
    with followed(*outputs) as (links, heard):
        wait_until(lambda: all(links.outputs))
        before = {name: source.get(name) for name, *_ in REFUSED}
        for o, (_, _, _, value, _) in enumerate(REFUSED):
            links.write(o, value)
        wait_until(lambda: all(heard.results(o) for o in range(len(REFUSED))))
        for o, (name, _, _, _, cause) in enumerate(REFUSED):
            (sentence,) = heard.results(o)
            assert sentence.startswith(f"o{o}: {scheme}://{source.prefix}{name} did not take ")
            assert cause in sentence
        assert before == {name: source.get(name) for name, *_ in REFUSED}


def test_text_longer_than_a_record_is_refused_over_channel_access(source: Source):
    outputs = (
        Output("s", "string", link=linked("ca", source.prefix + "S")),
        Output("l", "string", link=linked("ca", source.prefix + "L")),
        Output("a", "float", length=20, link=linked("ca", source.prefix + "AF")),
    )
    with followed(*outputs) as (links, heard):
        wait_until(lambda: all(links.outputs))
        links.write(0, "µ" * 20)
        links.write(1, "x" * 200)
        links.write(2, [0.0] * 11)
        wait_until(lambda: all(heard.results(o) for o in range(3)))
        assert "39 bytes" in heard.results(0)[0]
        assert "199 bytes" in heard.results(1)[0]
        assert "has 10 elements, this is 11" in heard.results(2)[0]
