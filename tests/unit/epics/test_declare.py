"""From plans to the text of a .db file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.epics.declare import database, declare, holds, late_texts, linked_names, quoted
from ioc_runtime.plan import Alarms, Input, Link, Output, Plan, Range, Rule, Trigger
from ioc_runtime.spec.task import MOST_WAITING
from ioc_runtime.standard import NAME_MAX, STANDARD, STATS_LONGEST, TRIGGERED, standard_names

LINK = Link("ca", "X")


def plan(**fields: Any) -> Plan:
    return Plan(name="t", namespace="n", prefix="P:", **fields)


def record(signal: Any) -> Any:
    where = "inputs" if isinstance(signal, Input) else "outputs"
    return declare(plan(**{where: (signal,)}))[0][0]


@pytest.mark.parametrize(
    ("kind", "published", "operator"),
    [
        ("float", "ai", "ao"),
        ("int", "longin", "longout"),
        ("bool", "bi", "bo"),
        ("enum", "mbbi", "mbbo"),
        ("string", "lsi", "lso"),
    ],
)
def test_a_link_or_none_decides_between_published_and_operators_records(
    kind: Any, published: str, operator: str
):
    states = ("a", "b") if kind == "enum" else ()
    mirror, set_point = (
        record(Input("x", kind, link=link, states=states)) for link in (LINK, None)
    )
    output = record(Output("x", kind, states=states))
    assert (mirror.type, set_point.type, output.type) == (published, operator, published)
    assert [r.fields["ASG"] for r in (mirror, set_point, output)] == ["RO", "OPERATOR", "RO"]
    assert mirror.fields["TSE"] == "-2"
    assert "TSE" not in set_point.fields


def test_no_record_processes_by_itself():
    signals, rules, standard = declare(plan(inputs=(Input("x", "float"),), rules=(Rule("r", "1"),)))
    for each in (*signals, *rules, *standard):
        assert not {"SCAN", "PINI", "DTYP", "INP", "OUT", "FLNK"} & each.fields.keys(), each.name


def test_set_points_that_are_arrays_of_floats_stay_out_of_the_put_log():
    array = record(Input("x", "float", length=3))
    assert (array.fields["ASG"], array.logged) == ("OPERATOR_ARRAYS", False)
    assert record(Input("x", "int", length=3)).logged
    assert record(Input("x", "float")).logged


def test_limits_of_whole_numbers_move_outwards():
    alarms = Alarms(lolo=-2.5, low=-1.5, high=1.5, hihi=2.5)
    fields = record(Input("x", "int", link=LINK, alarms=alarms)).fields
    assert [fields[key] for key in ("LOLO", "LOW", "HIGH", "HIHI")] == ["-3", "-2", "2", "3"]


def test_every_put_on_a_number_counts_and_is_held_to_its_range():
    fields = record(Input("x", "float", drive=Range(-1, 1e300))).fields
    assert (fields["MDEL"], fields["DRVL"], fields["DRVH"]) == ("-1", "-1.0", "1e+300")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_quoted_text_is_plain_and_means_the_text(text: str):
    shown = quoted(text)
    assert shown.isascii()
    assert "\n" not in shown
    assert shown.encode().decode("unicode_escape").encode("latin-1").decode() == text


def test_what_looks_like_a_macro_is_set_later():
    signal = Input("x", "float", link=LINK, description="$(P) and ${Q}", unit="$")
    records = declare(plan(inputs=(signal,)))[0]
    text = database("P:", records)
    assert "DESC" not in text
    assert 'field(EGU, "$")' in text
    assert list(late_texts("P:", records)) == [("P:x.DESC", "$(P) and ${Q}")]


def test_aliases_belong_to_their_record():
    text = database("P:", declare(plan(aliases={"ENABLE": "Enable"}))[2])
    assert text.count("alias(") == 1
    assert 'alias("P:Enable")' in text[text.index('"P:ENABLE"') :].partition("}")[0]


def test_names_of_links_are_in_the_order_of_the_plan():
    inputs = (Input("b", "int", link=LINK), Input("sp", "int"), Input("a", "int", link=LINK))
    assert linked_names(inputs) == ["b", "a"]


def test_every_declared_name_is_listed_for_those_who_check_names():
    the_plan = plan(rules=(Rule("r1", "1"),), aliases={"CLEAR": "Clr"})
    _, rules, standard = declare(the_plan)
    declared = [each.name for each in (*standard, *rules)] + ["Clr"]
    assert sorted(standard_names(the_plan)) == sorted(declared)


def test_every_name_of_a_task_in_triggered_mode_is_listed_with_its_second_name():
    the_plan = plan(
        mode="triggered", trigger=Trigger(waiting=3), aliases={"TRIGGER": "Go", "BUSY": "Busy:1"}
    )
    _, _, standard = declare(the_plan)
    declared = [
        name for each in (*standard, *holds(the_plan)) for name in (each.name, *each.aliases)
    ]
    assert sorted(standard_names(the_plan)) == sorted(declared)
    assert {"TRIGGER", "RUN", "Go", "Busy:1", "TRIGGER:HOLD5"} < set(declared)


def test_each_put_has_the_hold_that_the_calculation_names():
    count, pick, first, second = holds(plan(mode="triggered", trigger=Trigger(waiting=0)))
    assert "B%2+1" in count.fields["CALC"]
    links = [pick.fields[name] for name in ("LNK1", "LNK2")]
    assert links == [f"P:{first.name}", f"P:{second.name}"]
    assert "LNK0" not in pick.fields  # of the puts that count for nothing


def test_the_longest_ring_of_holds_finds_room_in_one_record():
    records = holds(plan(mode="triggered", trigger=Trigger(waiting=MOST_WAITING)))
    assert [name for name in records[1].fields if name.startswith("LNK")][-1] == "LNKC"
    assert all(len(each.fields["CALC"]) < 80 for each in records if "CALC" in each.fields)


def test_standard_names_leave_room_for_a_prefix_and_fit_their_fields():
    assert max(len(pv.name) for pv in STANDARD) <= STATS_LONGEST < NAME_MAX
    for pv in (*STANDARD, *TRIGGERED):
        assert len(pv.meaning.encode()) <= 40, pv.name
        assert len(pv.states) <= 16, pv.name
