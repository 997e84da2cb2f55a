"""What clients see of a served plan: values, alarms, times, fields, names."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ioc_runtime.plan import Access, Alarms, Input, Link, Output, Plan, Range, Rule, to_json
from ioc_runtime.standard import STANDARD
from support.epics_env import EpicsEnv
from support.serving import Ca, Pva, Serve
from support.spawn import Spawn

THEN = 1_600_000_000_123_456_789
SOURCE = Link("ca", "NOBODY:SERVES:THIS")
ODD_TEXT = 'a "quoted" \\ µ $(MACRO) text'


def mirror(name: str, kind: Any, **fields: Any) -> Input:
    return Input(name, kind, link=SOURCE, **fields)


TYPES = (
    mirror("f", "float"),
    mirror("i", "int"),
    mirror("b", "bool", states=("OK", "HIGH")),
    mirror("e", "enum", states=("Off", "Auto", "Manual")),
    mirror("s", "string"),
    mirror("fa", "float", length=5),
    mirror("ia", "int", length=5),
    mirror("ba", "bool", length=5),
    mirror("sa", "string", length=5),
)
VALUES: dict[str, list[Any]] = {
    "f": [1.5, -2e300],
    "i": [-(2**31), 2**31 - 1],
    "b": [1, 0],
    "e": [2, 1],
    "s": ["µ", "a text"],
    "fa": [[1.5, 2.5], [0.5, 1.0, 1.5, 2.0, 2.5]],
    "ia": [[-(2**31)], [1, 2, 3]],
    "ba": [[1, 0], [1]],
    "sa": [["one", "two"], ["µ"]],
}


def test_every_type_carries_value_severity_status_and_time_over_both(
    serve: Serve, ca: Ca, pva: Pva
):
    serving = serve(inputs=TYPES)
    for number in range(2):
        for name, values in VALUES.items():
            serving.post(name, values[number], severity=2, status=3, ns=THEN + number)
            assert ca.get(name) == (values[number], 2, 3, THEN + number), name
            assert pva.get(name) == (values[number], 2, "HIHI", THEN + number), name


def test_a_large_pass_under_one_lock_writes_what_single_writes_would(
    serve: Serve, ca: Ca, pva: Pva
):
    """Every type, twice; the filling makes the task large enough for one lock."""
    filling = tuple(mirror(f"filling{number}", "float") for number in range(120))
    rules = (Rule("r", "f > 1"),)
    serving = serve(inputs=(*TYPES, *filling, Input("setpoint", "float")), rules=rules)
    for number in range(2):
        posts: list[list[Any]] = [
            [name, values[number], 2, 3, THEN + number] for name, values in VALUES.items()
        ]
        posts += [[f"filling{k}", 0.5 + k, 0, 0, THEN] for k in range(120)]
        posts += [["setpoint", 4.0 + number, 0, 0, THEN]]
        serving.do("together", posts=posts, rules=[[0, 2 - number]])
        for name, values in VALUES.items():
            assert ca.get(name) == (values[number], 2, 3, THEN + number), name
            assert pva.get(name) == (values[number], 2, "HIHI", THEN + number), name
        assert ca.get("filling119") == (119.5, 0, 0, THEN)
        assert ca.get("setpoint")[0] == 4.0 + number
        assert ca.get("RULE:r")[0] == 2 - number
    unfit = [["f", float("nan"), 0, 0, THEN], ["i", 2**40, 0, 0, THEN], ["b", 2, 0, 0, THEN]]
    unfit += [["e", 3, 0, 0, THEN], ["filling0", None, 3, 14, THEN], ["s", "x" * 999, 0, 0, THEN]]
    serving.do("together", posts=unfit, rules=[])
    for name, value in (("f", -2e300), ("i", 2**31 - 1), ("b", 0), ("e", 1), ("filling0", 0.5)):
        found = ca.get(name)
        assert (found[0], found[1]) == (value, 3), name
    assert ca.get("s")[1] == 3


def test_records_start_invalid_and_undefined_with_the_present_time(serve: Serve, ca: Ca, pva: Pva):
    before = time.time_ns()
    serving = serve(
        inputs=(*TYPES, Input("setpoint", "float")),
        outputs=(Output("out", "bool", states=("No", "Yes")),),
        rules=(Rule("r", "f > 1"),),
    )
    written_at_start = {pv.name for pv in STANDARD if pv.value is not None}
    written_at_start |= {"CONN_INP", "CONN_OUT", "CONN_INP_NAMES", "CONN_OUT_NAMES", "SYS_CONN"}
    for name in serving.ready["names"]:
        short = name.removeprefix(serving.prefix)
        _, severity, status, ns = ca.get(short)
        expected = (0, 0) if short in written_at_start else (3, 17)
        if short != "SYS_CONN":
            assert (severity, status) == expected, short
        assert before <= ns <= time.time_ns(), short
        assert pva.get(short)[1] == severity, short


def test_none_keeps_the_value_and_is_undefined_only_until_the_first_value(serve: Serve, ca: Ca):
    serving = serve(inputs=TYPES)
    for name, (value, _) in VALUES.items():
        serving.post(name, None, severity=3, status=14, ns=THEN)
        assert ca.get(name)[1:] == (3, 14, THEN), name
        assert ca.get(f"{name}.UDF")[0] == 1, name
        serving.post(name, value, ns=THEN)
        assert ca.get(name)[1] == 0, name
        shown = ca.get(name)[0]
        serving.post(name, None, severity=3, status=14, ns=THEN + 1)
        assert ca.get(name) == (shown, 3, 14, THEN + 1), name
        assert ca.get(f"{name}.UDF")[0] == 0, name


@pytest.mark.parametrize(
    ("name", "unfit"),
    [
        ("f", float("nan")),
        ("i", 2**31),
        ("i", -(2**40)),
        ("b", 2),
        ("e", 3),
        ("e", -1),
        ("s", "x" * 256),
        ("s", "a\0b"),
        ("fa", [1.0] * 6),
        ("ia", [2**31]),
        ("sa", ["x" * 40]),
    ],
)
def test_what_does_not_fit_is_not_written_but_invalid(serve: Serve, ca: Ca, name: str, unfit: Any):
    serving = serve(inputs=TYPES)
    serving.post(name, VALUES[name][0])
    before = ca.get(name)
    serving.post(name, unfit, ns=THEN)
    assert ca.get(name) == (before[0], 3, 15, THEN)


def test_a_time_that_epics_cannot_hold_becomes_the_present(serve: Serve, ca: Ca):
    serving = serve(inputs=TYPES)
    for ns in (0, -1, 10**9, 2**63):
        before = time.time_ns()
        serving.post("f", float(ns), ns=ns)
        assert before <= ca.get("f")[3] <= time.time_ns()


def test_limits_units_and_descriptions_reach_the_fields(serve: Serve, ca: Ca, pva: Pva):
    alarms = Alarms(lolo=-2, low=-1, high=5, hihi=10, hysteresis=1, hihi_severity=3)
    serving = serve(
        inputs=(
            mirror(
                "f",
                "float",
                unit="µbar",
                precision=9,
                description=ODD_TEXT,
                display=Range(-5, 20),
                alarms=alarms,
            ),
            mirror("i", "int", alarms=Alarms(low=-1.5, high=4.5)),
            Input("sp", "float", drive=Range(0, 10), unit="V"),
        )
    )
    fields = {"EGU": "µbar", "PREC": 9, "DESC": ODD_TEXT, "LOPR": -5, "HOPR": 20, "HYST": 1}
    for field, value in fields.items():
        assert ca.get(f"f.{field}")[0] == value
    assert [ca.get(f"f.{field}")[0] for field in ("LOLO", "LOW", "HIGH", "HIHI")] == [-2, -1, 5, 10]
    assert [ca.get(f"f.{field}")[0] for field in ("LLSV", "LSV", "HSV", "HHSV")] == [2, 1, 1, 3]
    assert [ca.get(f"i.{field}")[0] for field in ("LOW", "HIGH")] == [-2, 5]
    assert [ca.get(f"sp.{field}")[0] for field in ("DRVL", "DRVH")] == [0, 10]
    display = pva.structure("f")["display"]
    assert (display["units"], display["description"]) == ("µbar", ODD_TEXT)
    assert (display["limitLow"], display["limitHigh"]) == (-5, 20)

    for value, severity in ((4.9, 0), (5.0, 1), (4.5, 1), (3.9, 0), (10.0, 3), (-2.0, 2)):
        serving.post("f", value)
        assert ca.get("f")[1] == severity, value
    serving.post("f", 5.0, severity=2, status=3)
    assert ca.get("f")[1:3] == (2, 3), "the worse of both alarms is shown"


def test_states_have_their_names_and_severities(serve: Serve, ca: Ca, pva: Pva):
    states = tuple(f"state {number}" for number in range(16))
    serving = serve(
        inputs=(
            mirror("b", "bool", states=("OK", "HIGH"), severities=(0, 2)),
            mirror("e", "enum", states=states, severities=(0, 1, 2, 3) * 4),
        ),
        rules=(Rule("hot", "b"),),
    )
    serving.post("b", 1)
    assert ca.get("b")[1:3] == (2, 7)
    assert pva.structure("b")["value"]["choices"] == ["OK", "HIGH"]
    for index in (0, 5, 14, 15):
        serving.post("e", index)
        assert pva.get("e")[:2] == (index, index % 4)
    assert tuple(pva.structure("e")["value"]["choices"]) == states
    for state, severity in ((2, 0), (4, 3), (0, 0)):
        serving.do("rule", index=0, state=state)
        assert ca.get("RULE:hot")[:2] == (state, severity)
    assert pva.structure("RULE:hot")["value"]["choices"][2] == "ACTIVE"


def test_long_texts_are_whole_over_pva_and_as_characters_over_ca(serve: Serve, ca: Ca, pva: Pva):
    serving = serve(inputs=TYPES)
    text = "µ" + "x" * 252 + "!"
    serving.post("s", text)
    assert pva.get("s")[0] == text
    assert bytes(ca.get("s.VAL$")[0]).rstrip(b"\0").decode() == text
    serving.do("standard", name="MESSAGE", value=text)
    assert pva.get("MESSAGE")[0] == text
    serving.post("s", "")
    assert pva.get("s")[0] == ""


def test_an_alias_is_the_same_record(serve: Serve, ca: Ca, pva: Pva):
    serving = serve(aliases={"ENABLE": "Enable", "MESSAGE": "Msg"})
    serving.do("standard", name="MESSAGE", value="hello")
    assert ca.get("Msg")[0] == pva.get("Msg")[0] == "hello"
    assert serving.prefix + "Enable" in serving.ready["names"]
    ca.put("Enable", 0)
    assert ca.get("ENABLE")[0] == 0
    assert serving.puts(1) == [("ENABLE", 0)]
    assert serving.audit(1)[0]["pv"] == serving.prefix + "ENABLE"


def test_connections_are_flags_names_and_one_text(serve: Serve, ca: Ca, pva: Pva):
    serving = serve(
        inputs=(*TYPES, Input("setpoint", "float")),
        outputs=(Output("free", "float"), Output("valve", "bool", link=SOURCE)),
    )
    names = [each.name for each in TYPES]
    assert pva.get("CONN_INP_NAMES")[0].split("\n") == names
    assert pva.get("CONN_OUT_NAMES")[0] == "valve"
    assert pva.get("CONN_INP")[0] == [0] * 9
    serving.do("inputs", flags=[True] * 8 + [False])
    assert pva.get("CONN_INP")[0] == [1] * 8 + [0]
    assert pva.get("SYS_CONN")[:2] == ("DISCONNECTED: sa, valve", 2)
    serving.do("inputs", flags=[True] * 9)
    serving.do("outputs", flags=[True])
    assert pva.get("SYS_CONN")[:2] == ("OK", 0)
    assert ca.get("CONN_OUT")[0] in (1, [1])


def test_a_thousand_names_fit_into_their_text(serve: Serve, pva: Pva):
    inputs = tuple(mirror(f"an_input_with_a_long_name_{n:04d}", "float") for n in range(1000))
    serve(inputs=inputs)
    assert pva.get("CONN_INP_NAMES")[0].split("\n") == [each.name for each in inputs]
    text = pva.get("SYS_CONN")[0]
    assert text.endswith(" more")
    assert len(text) < 256


def test_counters_count_beyond_32_bits(serve: Serve, ca: Ca, pva: Pva):
    serving = serve()
    serving.do("standard", name="EVAL:COUNT", value=2**40)
    assert ca.get("EVAL:COUNT")[0] == pva.get("EVAL:COUNT")[0] == 2**40


def test_log_lines_are_an_array_newest_first(serve: Serve, ca: Ca):
    serving = serve()
    serving.do("standard", name="LOG:INFO", value=["newest", "older"])
    assert ca.get("LOG:INFO")[0] == ["newest", "older"]
    serving.do("standard", name="LOG:INFO", value=["µ" * 30, "x" * 100] + ["old"] * 200)
    value, severity, *_ = ca.get("LOG:INFO")
    assert (value[:2], len(value), severity) == (["µ" * 19, "x" * 39], 100, 0)


def test_messages_that_are_too_long_are_cut(serve: Serve, pva: Pva):
    serving = serve()
    serving.do("standard", name="MESSAGE", value="µ" * 300)
    assert pva.get("MESSAGE")[:2] == ("µ" * 127, 0)


def test_ioc_stats_and_records_of_a_database_are_served_read_only(
    serve: Serve, ca: Ca, epics_env: EpicsEnv
):
    text = f'''
        record(ao, "{epics_env.prefix}OWN") {{ field(VAL, "4") }}
        record(ao, "{epics_env.prefix}OPEN") {{ field(ASG, "OPERATOR") }}
    '''
    serve(ioc_stats=True, database=(text,))
    assert ca.get("IOC:HEARTBEAT")[0] >= 0
    for name in ("IOC:SYSRESET", "IOC:ACCESS", "IOC:CA_UPD_TIME", "OWN"):
        assert not ca.pv(name).write_access, name
    assert ca.get("OWN")[0] == 4
    ca.put("OPEN", 7)
    assert ca.get("OPEN")[0] == 7


def test_a_serving_process_holds_nothing_heavy(serve: Serve):
    serving = serve(inputs=TYPES)
    heavy = {"setuptools", "numpy", "asyncio", "yaml", "pydantic", "ssl", "epicsdbbuilder"}
    assert not heavy & set(serving.do("modules"))


REFUSED = """
import sys
from pathlib import Path
from ioc_runtime.epics.access import AccessError
from ioc_runtime.epics.served import DatabaseError, NameTaken, Served
from ioc_runtime.plan import from_json
served = Served(from_json(Path(sys.argv[1]).read_text()), print, print)
asked = []
def search(names):
    asked.extend(names)
    return [(name, "opi1:5064") for name in names if name.endswith(":taken")]
try:
    served.serve(search)
except (AccessError, DatabaseError, NameTaken) as error:
    print(len(asked) == len(served.names), type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"outputs": (Output("taken", "float"),)},
            "True NameTaken these names are served already: {prefix}taken (by opi1:5064)",
        ),
        (
            {"database": ('record(ai, "x") { field(NOFIELD, "1") }',)},
            "False DatabaseError spec.database[0]: EPICS does not load it",
        ),
        (
            {"database": ('record(waveform, "w") { field(FTVL,"DOUBLE") field(ASG,"OPERATOR") }',)},
            "False DatabaseError spec.database: record w is an array of floats in access group "
            "OPERATOR, whose puts are trapped; expected OPERATOR_ARRAYS",
        ),
        (
            {"access": Access(acf="ASG(OPERATOR) { RULE(nonsense) }")},
            "True DatabaseError EPICS does not start with these records or access rules",
        ),
        (
            {"access": Access(acf="ASG(RO) { RULE(1, WRITE) }")},
            "False AccessError access: group RO is what the runtime publishes",
        ),
    ],
)
def test_what_cannot_be_served_is_one_sentence(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Any, fields: dict[str, Any], expected: str
):
    path = tmp_path / "plan.json"
    path.write_text(to_json(Plan(name="t", namespace="n", prefix=epics_env.prefix, **fields)))
    process = spawn("-c", REFUSED, path)
    assert process.wait(20) == 0, process.report("failed")
    assert process.lines[-1].startswith(expected.format(prefix=epics_env.prefix))
