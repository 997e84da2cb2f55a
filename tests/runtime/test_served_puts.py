"""What operators put: reported in order, refused where it cannot be, audited."""

from __future__ import annotations

import time
from typing import Any

from ioc_runtime.plan import Input, Range
from support.epics_env import EpicsEnv
from support.serving import Ca, Pva, Serve

SET_POINTS = (
    Input("f", "float", drive=Range(0, 10)),
    Input("i", "int"),
    Input("b", "bool", states=("No", "Yes")),
    Input("e", "enum", states=("Off", "Auto", "Manual")),
    Input("s", "string"),
    Input("fa", "float", length=1000),
    Input("sa", "string", length=3),
)
PUTS: list[tuple[str, Any]] = [
    ("f", 3.5),
    ("f", 3.5),
    ("i", -7),
    ("b", 1),
    ("e", 2),
    ("s", "a text"),
    ("fa", [1.0, 2.0, 3.0]),
    ("sa", ["one", "µ"]),
]


def test_puts_over_both_protocols_are_reported_in_order(serve: Serve, ca: Ca, pva: Pva):
    serving = serve(inputs=SET_POINTS)
    for name, value in PUTS:
        ca.put(name, value)
    ca.put("b", 0)
    ca.put("e", 0)
    expected = [*PUTS, ("b", 0), ("e", 0)]
    assert serving.puts(len(expected)) == expected
    for name, value in PUTS:
        pva.put(name, value)
    expected += PUTS
    assert serving.puts(len(expected)) == expected


def test_a_put_is_valid_at_once_and_held_to_the_drive_limits(serve: Serve, ca: Ca):
    serving = serve(inputs=SET_POINTS)
    assert ca.get("f")[1:3] == (3, 17)
    ca.put("f", 99)
    assert ca.get("f")[:3] == (10, 0, 0)
    assert serving.puts(1) == [("f", 10.0)]


def test_a_long_text_is_put_as_characters_over_ca_and_whole_over_pva(
    serve: Serve, ca: Ca, pva: Pva
):
    serving = serve(inputs=SET_POINTS)
    text = "µ" + "y" * 200
    ca.put("s.VAL$", list(text.encode()) + [0])
    pva.put("s", text + "!")
    assert serving.puts(2) == [("s", text), ("s", text + "!")]
    new = [entry["new"] for entry in serving.audit(2)]
    assert [text.startswith(each[:30]) for each in new] == [True, True]


def test_values_that_are_no_state_are_reported_and_can_be_put_back(serve: Serve, ca: Ca, pva: Pva):
    serving = serve(inputs=SET_POINTS)
    serving.do("refuse", name="b", values=[2], good=1)
    serving.do("refuse", name="e", values=[3, 9], good=None)
    ca.put("b", 1)
    ca.put("b", 2)
    pva.put("e", 9)
    ca.put("e", 3)
    assert serving.puts(4) == [("b", 1), ("b", 2), ("e", 9), ("e", 3)]
    _eventually(lambda: ca.get("b")[:2] == (1, 0))
    _eventually(lambda: ca.get("e")[1:3] == (3, 17))
    ca.put("e", 1)
    assert serving.puts(5)[-1] == ("e", 1)
    assert ca.get("e")[:2] == (1, 0)


def test_a_good_put_that_races_with_a_refusal_ends_in_the_record(serve: Serve, ca: Ca):
    """Refused and good values in one burst: record and reports end with the same value."""
    serving = serve(inputs=SET_POINTS)
    serving.do("refuse", name="i", values=[666], good=0)
    import epics

    chid = ca.pv("i").chid
    for last in (5, 6, 7, 8):
        for value in (666, 1, 666, 2, 666, last):
            epics.ca.put(chid, value, wait=False)
        epics.ca.poll()
        _eventually(lambda last=last: serving.puts(1)[-1] == ("i", last))
        _eventually(lambda last=last: ca.get("i")[0] == last)


def test_what_we_write_ourselves_is_no_put_and_no_newer_put_is_overwritten(serve: Serve, ca: Ca):
    serving = serve(inputs=SET_POINTS)
    for name, value in PUTS:
        serving.post(name, value)
        assert ca.get(name)[:2] == (value, 0), name
    ca.put("i", 1)
    assert serving.puts(1) == [("i", 1)]
    serving.post("i", 1)  # as the engine does in answer to the put
    ca.put("i", 2)
    assert serving.puts(2) == [("i", 1), ("i", 2)]
    assert ca.get("i")[0] == 2


def test_a_burst_of_puts_arrives_in_order_and_ends_with_the_last(serve: Serve, ca: Ca):
    import epics

    serving = serve(inputs=SET_POINTS)
    chid = ca.pv("i").chid
    for value in range(1, 1001):
        epics.ca.put(chid, value, wait=False)
        if value % 20 == 0:
            epics.ca.poll(1e-3)
    ca.put("f", 1)
    _eventually(lambda: serving.puts(1)[-1] == ("f", 1.0))
    values = [value for name, value in serving.puts(1) if name == "i"]
    assert values == sorted(values)
    assert values[-1] == 1000
    assert len(serving.audit(1001)) == 1001


def test_each_put_of_one_counts_and_a_command_goes_back_to_zero(serve: Serve, ca: Ca, pva: Pva):
    serving = serve()
    for count in range(1, 6):
        ca.put("CLEAR", 1)
        assert serving.puts(count)[-1] == ("CLEAR", 1)
        _eventually(lambda: ca.get("CLEAR")[0] == 0)
    pva.put("RESET", 1)
    assert serving.puts(6)[-1] == ("RESET", 1)
    _eventually(lambda: pva.get("RESET")[0] == 0)
    ca.put("CLEAR", 0)
    ca.put("CLEAR", 2)
    _eventually(lambda: ca.get("CLEAR")[0] == 0)
    ca.put("CLEAR", 1)
    assert [name for name, _ in serving.puts(7)] == ["CLEAR"] * 5 + ["RESET", "CLEAR"]
    assert [entry["new"] for entry in serving.audit(9)][:6] == ["Clear"] * 5 + ["Reset"]


def test_standard_set_points_take_their_states_and_no_others(serve: Serve, ca: Ca, pva: Pva):
    serving = serve()
    assert (ca.get("ENABLE")[0], ca.get("LOG_LEVEL")[0]) == (1, 1)
    ca.put("ENABLE", "Off")
    ca.put("LOG_LEVEL", "DEBUG")
    ca.put("SILENCED_LOGGERS", "p4p,epics")
    ca.put("ENABLE", 2)
    pva.put("LOG_LEVEL", 9)
    _eventually(lambda: (ca.get("ENABLE")[0], pva.get("LOG_LEVEL")[0]) == (0, 0))
    ca.put("ENABLE", 1)
    assert serving.puts(4) == [
        ("ENABLE", 0),
        ("LOG_LEVEL", 0),
        ("SILENCED_LOGGERS", "p4p,epics"),
        ("ENABLE", 1),
    ]


def test_every_accepted_put_is_audited_with_who_what_and_when(
    serve: Serve, ca: Ca, pva: Pva, epics_env: EpicsEnv
):
    import getpass

    serving = serve(inputs=SET_POINTS)
    before = time.time_ns()
    ca.put("f", 1.5)
    ca.put("e", 1)
    ca.put("e", 2)
    pva.put("f", 2.5)
    ca.put("sa", ["x", "y"])
    entries = serving.audit(5)
    assert [(e["pv"].removeprefix(epics_env.prefix), e["old"], e["new"]) for e in entries] == [
        ("f", "0", "1.5"),
        ("e", "Off", "Auto"),
        ("e", "Auto", "Manual"),
        ("f", "1.5", "2.5"),
        ("sa", "[]", "[x, y]"),
    ]
    assert {entry["user"] for entry in entries} == {getpass.getuser()}
    assert all(entry["host"] and entry["field"] == "VAL" for entry in entries)
    assert entries[3]["host"] == "127.0.0.1"
    assert all(before <= entry["time_ns"] <= time.time_ns() for entry in entries)


def test_puts_of_float_arrays_are_audited_without_a_name(serve: Serve, ca: Ca):
    """The put log would read past the record; a thousand floats would show it."""
    serving = serve(inputs=SET_POINTS)
    ca.put("fa", [0.5] * 1000)
    ca.put("fa", [1.5, 2.5])
    first, second = serving.audit(2)
    assert (first["user"], first["old"], first["new"][:10]) == ("", "None", "[0.5, 0.5,")
    assert second["new"] == "[1.5, 2.5]"


def test_no_server_waits_for_python_when_somebody_puts_during_a_hang(
    serve: Serve, ca: Ca, pva: Pva
):
    """The interpreter lock is held for 2 s; puts and gets go on, and count afterwards."""
    serving = serve(inputs=SET_POINTS)
    ca.put("i", 0)
    pva.put("f", 0.5)
    serving.puts(2)
    serving.tell("hang", seconds=2.0)
    time.sleep(0.2)
    start = time.monotonic()
    for value in range(1, 11):
        ca.put("i", value)
        pva.put("f", float(value))
        assert (ca.get("i")[0], pva.get("f")[0]) == (value, value)
    assert time.monotonic() - start < 1.5
    puts = serving.puts(22)[2:]
    assert [value for name, value in puts if name == "i"] == list(range(1, 11))
    assert [value for name, value in puts if name == "f"] == list(range(1, 11))
    assert len(serving.audit(22)) == 22


def _eventually(true: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
