"""Access security with real clients: who may write what, over both protocols."""

from __future__ import annotations

import getpass
from typing import Any

import pytest
from p4p.client.thread import RemoteError

from ioc_runtime.plan import Access, Input, Link, Output, Rule
from support.serving import Ca, CaRefused, Pva, Serve

SOURCE = Link("ca", "NOBODY:SERVES:THIS")
KINDS: tuple[Any, ...] = ("float", "int", "bool", "enum", "string")
STATES = {"bool": ("No", "Yes"), "enum": ("Off", "Auto")}
MIRRORS = tuple(Input(k, k, link=SOURCE, states=STATES.get(k, ())) for k in KINDS)
ARRAYS = tuple(Input(f"{k}s", k, link=SOURCE, length=4) for k in ("float", "int", "bool", "string"))
COMMON = ("DISP", "PROC", "SCAN", "PINI", "TSE", "TSEL", "FLNK", "DISA", "SDIS", "ASG", "PRIO")
COMMON += ("DESC", "UDF", "TPRO", "LCNT", "ACKS", "ACKT", "PHAS", "EVNT", "DTYP", "PUTF", "STAT")
OWN = {
    "float": ("VAL", "INP", "HIGH", "HHSV", "SIML", "SIMM", "SVAL", "EGU", "PREC", "MDEL"),
    "int": ("VAL", "INP", "HIGH", "SIMM", "SIOL"),
    "bool": ("VAL", "RVAL", "ZNAM", "OSV", "SIMM"),
    "enum": ("VAL", "RVAL", "ZRST", "ONSV", "SIMM"),
    "string": ("VAL", "VAL$", "INP", "SIZV", "SIMM"),
    "array": ("VAL", "NORD", "RARM", "BUSY", "INP", "SIMM"),
}


def test_no_field_of_a_published_record_can_be_written_over_ca_or_pva(
    serve: Serve, ca: Ca, pva: Pva
):
    serving = serve(
        inputs=(*MIRRORS, *ARRAYS),
        outputs=(Output("out", "float"),),
        rules=(Rule("r", "float > 1"),),
        ioc_stats=True,
    )
    tried = 0
    fields = {name: COMMON + OWN[name] for name in KINDS}
    fields |= {each.name: COMMON + OWN["array"] for each in ARRAYS}
    fields |= {"out": COMMON + OWN["float"], "RULE:r": COMMON + OWN["enum"]}
    operators = {"ENABLE", "CLEAR", "RESET", "LOG_LEVEL", "SILENCED_LOGGERS"}
    for name in serving.ready["names"]:
        short = name.removeprefix(serving.prefix)
        if short not in operators:
            fields.setdefault(short, COMMON + ("VAL",))
    fields["IOC:HEARTBEAT"] = (*COMMON, "VAL", "CALC", "OUT", "A")
    ca.search(f"{name}.{field}" for name, each in fields.items() for field in each)
    for name, each in fields.items():
        for field in each:
            assert not ca.pv(f"{name}.{field}").write_access, f"{name}.{field}"
            tried += 1
    assert tried > 500
    for name in ("float", "bool", "string", "floats", "out", "RULE:r", "STATUS"):
        for field in ("DISP", "VAL", "SCAN", "PROC"):
            with pytest.raises(RemoteError, match="(?i)not permitted|denied|disabled"):
                pva.put(f"{name}.{field}", [0] if (name, field) == ("floats", "VAL") else 0)
    with pytest.raises(CaRefused):
        ca.put("float.DISP", 0)


def test_of_a_set_point_the_value_alone_can_be_written(serve: Serve, ca: Ca, pva: Pva):
    serve(inputs=tuple(Input(k, k, states=STATES.get(k, ())) for k in KINDS))
    names = (*KINDS, "ENABLE", "CLEAR", "LOG_LEVEL", "SILENCED_LOGGERS")
    ca.search(f"{name}.{field}" for name in names for field in COMMON)
    for name in names:
        assert ca.pv(name).write_access, name
        for field in COMMON:
            assert not ca.pv(f"{name}.{field}").write_access, f"{name}.{field}"
    for name in ("float.DRVH", "float.OUT", "float.OMSL", "int.DOL", "bool.HIGH", "enum.ZRST"):
        assert not ca.pv(name).write_access, name
    with pytest.raises(RemoteError):
        pva.put("float.DRVH", 5)


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (Access(), True),
        (Access(hosts=("127.0.0.1",)), True),
        (Access(hosts=("localhost",)), True),
        (Access(hosts=("192.0.2.77",)), False),
        (Access(hosts=("192.0.2.77", "127.0.0.1")), True),
        (Access(users=((getpass.getuser(), "*"),)), True),
        (Access(users=(("somebody-else", "*"),)), False),
        (Access(users=((getpass.getuser(), "127.0.0.1"),)), True),
        (Access(users=((getpass.getuser(), "192.0.2.77"),)), False),
        (Access(acf="ASG(OPERATOR) { RULE(1, READ) }"), False),
        (Access(acf='UAG(me) {"nobody"}\n'), True),
    ],
)
def test_operators_are_whom_the_plan_names(
    serve: Serve, ca: Ca, pva: Pva, access: Access, allowed: bool
):
    serving = serve(inputs=(Input("f", "float"), Input("fa", "float", length=3)), access=access)
    assert serving.ready["warnings"] == []
    for name, value in (("f", 1.5), ("fa", [1.5]), ("CLEAR", 1)):
        assert ca.pv(name).write_access is allowed, name
        if allowed:
            pva.put(name, value)
        else:
            with pytest.raises(RemoteError):
                pva.put(name, value)
    assert not ca.pv("STATUS").write_access


def test_a_host_without_an_address_lets_nobody_in_and_is_reported(serve: Serve, ca: Ca):
    name = "no-such-host.invalid"
    serving = serve(access=Access(hosts=(name,)))
    assert serving.ready["warnings"] == [
        f"access: the address of host {name} cannot be found; nobody there can write"
    ]
    assert not ca.pv("ENABLE").write_access
