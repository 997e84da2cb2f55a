"""The record writer: layout checked before anything is served, nothing torn under load."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from ioc_runtime.plan import Input, Link, Output
from support.epics_env import EpicsEnv
from support.serving import Ca, Serve
from support.spawn import ROOT, Spawn

SOURCE = Link("ca", "NOBODY:SERVES:THIS")

TAMPERED = """
import sys
from pathlib import Path
from ioc_runtime.epics.libraries import without_setuptools
without_setuptools()
from softioc import imports
real = imports.get_field_offsets
record_type, field, change = sys.argv[3], sys.argv[4], sys.argv[5]
def tampered(name):
    table = real(name)
    if name == record_type:
        offset, size, kind = table[field]
        if change == "gone":
            del table[field]
        else:
            table[field] = {"offset": (offset + 8, size, kind), "size": (offset, size * 2, kind),
                            "type": (offset, size, kind + 1)}[change]
    return table
imports.get_field_offsets = tampered
from ioc_runtime.epics.served import LayoutError, Served
from ioc_runtime.plan import from_json
try:
    Served(from_json(Path(sys.argv[1]).read_text()), print).serve()
except LayoutError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize(
    ("record_type", "field", "change"),
    [
        ("ai", "VAL", "offset"),
        ("ai", "VAL", "size"),
        ("ai", "VAL", "type"),
        ("ai", "VAL", "gone"),
        ("longin", "TIME", "offset"),
        ("mbbi", "NSEV", "offset"),
        ("waveform", "BPTR", "offset"),
        ("waveform", "NORD", "size"),
        ("lsi", "LEN", "offset"),
        ("ao", "UDF", "offset"),
        ("int64in", "NSTA", "offset"),
    ],
)
def test_a_tampered_table_of_fields_refuses_to_start_and_names_the_field(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Any, record_type: str, field: str, change: str
):
    plan = _plan_of_every_type(epics_env.prefix)
    path = tmp_path / "plan.json"
    path.write_text(plan)
    process = spawn("-c", TAMPERED, path, "-", record_type, field, change)
    assert process.wait(20) == 0, process.report("failed")
    said = [line for line in process.lines if line.startswith("refused:")]
    assert said, process.report("served a tampered layout")
    assert f"record type {record_type}" in said[0]
    assert f"field {field}" in said[0]


def _plan_of_every_type(prefix: str) -> str:
    from ioc_runtime.plan import Plan, to_json

    inputs = (
        Input("f", "float", link=SOURCE),
        Input("i", "int", link=SOURCE),
        Input("s", "string", link=SOURCE),
        Input("a", "float", link=SOURCE, length=3),
        Input("p", "float"),
    )
    return to_json(Plan(name="t", namespace="n", prefix=prefix, inputs=inputs))


def test_an_alarm_that_follows_a_text_or_an_array_at_once_is_shown_in_the_end(serve: Serve, ca: Ca):
    """EPICS drops the second of two quick changes of these; they are posted again at rest."""
    import epics

    serving = serve(
        inputs=(Input("a", "float", link=SOURCE, length=1000),),
        outputs=(Output("s", "string"),),
    )
    shown: dict[str, int] = {}

    def changed(pvname: str = "", severity: int = -1, **_: Any) -> None:
        shown[pvname.removeprefix(serving.prefix)] = severity

    pvs = [
        epics.PV(serving.prefix + name, form="time", auto_monitor=5, callback=changed)
        for name in ("a", "s")
    ]
    for pv in pvs:
        assert pv.wait_for_connection(10)
    epics.ca.flush_io()  # pyepics leaves its last subscription unsent
    for number in range(5):
        time.sleep(0.3)
        serving.do("pair", name="a", value=[float(number)] * 1000)
        serving.do("pair", name="s", value=f"text {number}")
        deadline = time.monotonic() + 3
        while shown != {"a": 3, "s": 3} and time.monotonic() < deadline:
            time.sleep(0.01)
        assert shown == {"a": 3, "s": 3}, number
    for pv in pvs:
        pv.disconnect()


def test_nothing_is_torn_under_clients_of_both_protocols():
    """Ten seconds of benchmarks/stress_writer.py, which says how it judges."""
    words = [sys.executable, "-m", "benchmarks.stress_writer", "10"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing torn" in done.stdout
