"""Traps of softioc and its records, each out of reach of any valid manifest.

They are known from soft IOCs in use: values that get lost, severities that stick, names
that end the process, states that vanish. Each test is one of them, on a whole task.
"""

from __future__ import annotations

import getpass
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from p4p.client.thread import RemoteError
from p4p.util import ThreadedWorkQueue

from ioc_runtime.compile import ManifestError
from ioc_runtime.state import entry_name
from runtime.field import INVALID, Field
from runtime.source import wait_until
from support.epics_env import EpicsEnv
from support.serving import Ca, CaRefused, Pva
from support.spawn import Spawn

Seen = list[tuple[Any, int, int]]
"""Value, severity and nanoseconds since 1970 of each update, in order."""

PULSES = 200
PULSER = f"""
import time
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def on_input_changed(self, key, value, old_value):
        for _ in range({PULSES}):
            self.set_output("pulse", 1)
            self.set_output("pulse", 0)
            time.sleep(0.002)
        self.set_output("done", 1)
"""


@contextmanager
def watched(field: Field, *names: str) -> Iterator[dict[str, Seen]]:
    """Follow PVs over both protocols: `ca://NAME` and `pva://NAME` -> updates so far."""
    ca, pva, seen = field.ca, field.pva(), dict[str, Seen]()
    queue = ThreadedWorkQueue(name="updates").start()
    with ExitStack() as stack:
        stack.callback(queue.stop)
        for name in names:
            stack.enter_context(over_ca(ca, name, seen.setdefault(f"ca://{name}", [])))
            stack.enter_context(over_pva(pva, name, seen.setdefault(f"pva://{name}", []), queue))
        wait_until(lambda: all(seen.values()))
        yield seen


@contextmanager
def over_ca(ca: Ca, name: str, seen: Seen) -> Iterator[None]:
    def update(value: Any, severity: int, posixseconds: float, nanoseconds: int, **_: Any) -> None:
        seen.append((value, severity, int(posixseconds) * 10**9 + nanoseconds))

    end = ca.watch(name, update)
    try:
        yield
    finally:
        end()


@contextmanager
def over_pva(pva: Pva, name: str, seen: Seen, queue: ThreadedWorkQueue) -> Iterator[None]:
    def update(whole: Any) -> None:
        value, stamp = whole["value"], whole["timeStamp"]
        value = value["index"] if hasattr(value, "getID") else value
        ns = stamp["secondsPastEpoch"] * 10**9 + stamp["nanoseconds"]
        seen.append((value, whole["alarm"]["severity"], ns))

    request = "record[queueSize=1000]field(value,alarm,timeStamp)"
    name = f"{pva._prefix}{name}"
    subscription = pva.context.monitor(name, update, request=request, queue=queue)
    try:
        yield
    finally:
        subscription.close()


# --- 1: records lose values that follow each other at once


def test_1_every_one_of_two_values_that_follow_at_once_is_seen(field: Field):
    field.start(
        """
        inputs: {go: {type: bool, value: 0}}
        outputs:
          pulse: {type: bool}
          done: {type: bool}
          trip: {type: bool, states: [OK, TRIP]}
        ruleDefaults: {trip: OK}
        rules: [{id: pulsed, condition: pulse, outputs: {trip: TRIP}}]
        """,
        "--no-search",
        code=PULSER,
    )
    with watched(field, "pulse", "trip") as seen:
        before = {name: len(updates) for name, updates in seen.items()}
        field.ca.put("go", 1)
        field.shows("done", 1, timeout=20)
        for name, updates in seen.items():
            # The first put of a 1 may find the output without any value.
            wait_until(lambda u=updates, n=name: len(u) >= before[n] + 2 * PULSES, 5)
            values = [value for value, _, _ in updates[before[name] :]]
            assert values == [1, 0] * PULSES, name


# --- 2 and 4: severities that are late or stick, times that are not those of the source


def test_2_and_4_value_severity_and_time_of_a_sample_arrive_together(field: Field):
    field.source.start()
    field.start(
        """
        inputs: {t: {type: float, link: "ca://@T"}}
        outputs: {twice: {type: float}}
        transforms: [{output: twice, expression: 2 * t}]
        """,
        "--no-search",
    )
    now = int(time.time())
    sent: Seen = []
    field.shows("SYS_CONN", "OK", timeout=30)
    with watched(field, "t", "twice") as seen:
        for number in range(1, 101):
            severity, seconds = number % 4, now - number % 40
            sent.append((float(number), severity, seconds * 10**9))
            field.source.do(
                "sample", name="T", value=number, severity=severity, status=3, time=seconds
            )
        wait_until(lambda: all(len(updates) > len(sent) for updates in seen.values()))
        for scheme in ("ca", "pva"):
            mirror = [update for update in seen[f"{scheme}://t"] if update[0] > 0]
            assert mirror == sent
            computed = [update for update in seen[f"{scheme}://twice"] if update[0] > 0]
            # INVALID spreads and keeps the value before; MINOR and MAJOR do not spread.
            good = [(2 * value, 0, ns) for value, severity, ns in sent if severity < INVALID]
            assert [update for update in computed if update[1] == 0] == good
            lost = [ns for _, severity, ns in sent if severity == INVALID]
            assert [ns for _, severity, ns in computed if severity == INVALID] == lost


# --- 3: records that are written from many sides at once


def test_3_puts_over_both_protocols_beside_a_flood_of_samples_lock_nothing_up(field: Field):
    field.source.start()
    field.start(
        """
        inputs:
          f: {type: float, link: "ca://@F"}
          a: {type: float, value: 0}
          b: {type: float, value: 0}
        outputs: {sum: {type: float}}
        transforms: [{output: sum, expression: a + b + f}]
        """,
        "--no-search",
    )
    pva, until = field.pva(), time.monotonic() + 2
    puts = 0

    def over_pva_too() -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            pva.put("b", float(number))
        pva.put("b", 2000.0)

    other = threading.Thread(target=over_pva_too)
    other.start()
    flood = threading.Thread(
        target=lambda: field.source.do("burst", name="F", count=5000, rate=2500)
    )
    flood.start()
    while time.monotonic() < until:
        puts += 1
        field.ca.put("a", float(puts))
    other.join()
    flood.join()
    field.ca.put("a", 100.0)
    field.shows("sum", 7100.0)
    assert puts > 100
    heartbeat = field.value("HEARTBEAT")
    wait_until(lambda: field.value("HEARTBEAT") > heartbeat)


# --- 5: what is too long, too many or out of range

TOO_MUCH = [
    ("prefix: P\ninputs: {NAME: {type: float}}", "spec.inputs.NAME", "at most 60 characters"),
    ("prefix: 'A.B:'", "spec.prefix", "the characters of a PV name"),
    ("prefix: 'A B:'", "spec.prefix", "the characters of a PV name"),
    ("inputs: {a: {type: float, unit: 'µµµµµµµµ'}}", "spec.inputs.a.unit", "at most 15 bytes"),
    ("inputs: {a: {type: float, unit: aaaaaaaaaaaaaaaa}}", "spec.inputs.a.unit", "at most 15"),
    ("inputs: {a: {type: float, description: DESC}}", "spec.inputs.a.description", "at most 40"),
    ("inputs: {a: {type: bool, states: [STATE, b]}}", "spec.inputs.a.states[0]", "at most 25"),
    ("inputs: {a: {type: enum, states: MANY}}", "spec.inputs.a.states", "at most 16 entries"),
    ("inputs: {a: {type: bool, value: 2}}", "spec.inputs.a.value", "0, 1, true"),
    ("inputs: {a: {type: enum, states: [b], value: 1}}", "spec.inputs.a.value", "one of b"),
    ("inputs: {a: {type: int, value: 2147483648}}", "spec.inputs.a.value", "a whole number of 32"),
    ("inputs: {a: {type: string, value: TEXT}}", "spec.inputs.a.value", "at most 255 bytes"),
    (
        "inputs: {a: {type: string, length: 2, value: [ELEMENT]}}",
        "spec.inputs.a.value",
        "at most 39 bytes",
    ),
]
WORDS = {
    "NAME": "n" * 60,
    "DESC": "d" * 41,
    "STATE": "s" * 26,
    "MANY": str([f"s{number}" for number in range(17)]),
    "TEXT": "µ" * 128,
    "ELEMENT": "µ" * 20,
}


@pytest.mark.parametrize(("spec", "path", "expected"), TOO_MUCH)
def test_5_what_no_record_could_hold_is_one_sentence_before_anything_is_served(
    field: Field, spec: str, path: str, expected: str
):
    for word, text in WORDS.items():
        spec, path = spec.replace(word, text), path.replace(word, text)
    with pytest.raises(ManifestError) as refused:
        field.plan(spec)
    (problem,) = refused.value.problems
    assert (problem.path, problem.expected[: len(expected)]) == (path, expected)


def test_5_what_is_just_short_enough_is_served(field: Field):
    longest = "n" * (60 - len(field.prefix))
    states = [f"{number:02d} {'s' * 20}" for number in range(16)]
    field.start(
        textwrap.dedent(f"""
            inputs:
              {longest}: {{type: float, value: 1, unit: µµµµµµµa, description: "{"d" * 40}"}}
              state: {{type: enum, states: {states}, value: 15}}
              text: {{type: string, value: "{"µ" * 127}!"}}
              texts: {{type: string, length: 2, value: ["{"µ" * 19}!"]}}
        """),
        "--no-search",
    )
    field.shows(longest, 1.0)
    pva = field.pva()
    display = pva.structure(longest)["display"]
    assert (display["units"], display["description"]) == ("µµµµµµµa", "d" * 40)
    assert pva.structure("state")["value"]["choices"] == states
    assert pva.get("state")[0] == 15
    assert pva.get("text")[0] == "µ" * 127 + "!"
    assert pva.get("texts")[0] == ["µ" * 19 + "!"]


OUT_OF_RANGE = """
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def on_input_changed(self, key, value, old_value):
        said = []
        for name, bad in (("i", 2**40), ("b", 2), ("e", 2), ("s", "x" * 256), ("t", ["x" * 40])):
            try:
                self.set_output(name, bad)
            except ValueError:
                said.append(name)
        self.set_output("said", " ".join(said))
"""


def test_5_values_out_of_range_reach_no_record(field: Field):
    """From a source, from an operator, from a plugin."""
    field.source.start()
    field.start(
        """
        inputs:
          far: {type: int, link: "pva://@F"}
          mode: {type: enum, states: [Off, Auto], value: Auto}
          go: {type: bool, value: 0}
        outputs:
          i: {type: int}
          b: {type: bool}
          e: {type: enum, states: [Off, Auto]}
          s: {type: string}
          t: {type: string, length: 2}
          said: {type: string}
        """.replace("Off", "'Off'"),
        "--no-search",
        code=OUT_OF_RANGE,
    )
    field.shows("SYS_CONN", "OK", timeout=30)
    field.source.set("F", 7.0)
    field.shows("far", 7)
    field.source.set("F", 2.0**40)
    field.shows("far", 7, INVALID)
    field.ca.put("mode", 2)
    field.shows("mode", 1)
    assert field.pva().get("MESSAGE")[0] == "mode: refused 2, expected one of Off, Auto (0 to 1)"
    field.ca.put("go", 2)
    field.shows("go", 0)
    field.ca.put("go", 1)
    field.shows("said", "i b e s t")
    assert {name: field.ca.get(name)[1] for name in "ibest"} == dict.fromkeys("ibest", INVALID)


# --- 6: a kept state that stops the start, or is lost

LATCHING = """
inputs: {level: {type: float, value: 1}}
outputs: {alarm: {type: bool, latch: rise}}
ruleDefaults: {alarm: 0}
rules: [{id: high, condition: level > 10, outputs: {alarm: 1}}]
"""


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"alarm: !!python/object 1\n"])
def test_6_an_empty_or_damaged_state_file_does_not_stop_the_start(field: Field, content: bytes):
    field.state.mkdir()
    path = field.state / f"{entry_name(field.prefix)}.json"
    path.write_bytes(content)
    field.start(LATCHING, "--no-search", "--state", field.state)
    field.shows("alarm", 1)  # it may have been latched
    assert "the kept state could not be read" in field.value("MESSAGE")
    assert Path(f"{path}.bad-1").read_bytes() == content
    field.ca.put("CLEAR", 1)
    field.shows("alarm", 0)


def test_6_a_latch_is_on_the_disk_at_once_and_not_at_the_next_period(field: Field):
    task = field.start(LATCHING, "--no-search", "--state", field.state)
    path = field.state / f"{entry_name(field.prefix)}.json"
    field.ca.put("level", 11)
    field.shows("alarm", 1)
    wait_until(lambda: path.exists() and '"alarm"' in path.read_text(), 2)
    task.kill()
    field.start(LATCHING, "--no-search", "--state", field.state)
    field.client()
    field.shows("RULE:high", 2)  # the set-point came back too: level is 11
    field.shows("alarm", 1)


# --- 7: puts with a callback


BLOCKER = """
import threading
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def on_input_changed(self, key, value, old_value):
        threading.Event().wait(60)
"""


def test_7_a_put_callback_ends_with_the_value_in_the_record_and_rules_follow(field: Field):
    """Whatever the plugin does with it: its code runs in nobody's put."""
    field.start(
        """
        inputs: {level: {type: float, value: 1}}
        outputs: {twice: {type: float}}
        transforms: [{output: twice, expression: 2 * level}]
        """,
        "--no-search",
        code=BLOCKER,
    )
    pva = field.pva()
    for number in range(1, 51):
        field.ca.put("level", number)
        assert field.ca.get("level")[:2] == (number, 0)
        field.shows("twice", 2.0 * number)
        pva.put("level", float(-number))
        assert pva.get("level")[:2] == (-number, 0)
        field.shows("twice", -2.0 * number)


# --- 8: access rules and their log


def test_8_access_rules_are_on_without_being_asked_for_and_each_put_is_said(field: Field):
    task = field.start(
        """
        inputs: {level: {type: float, value: 1}}
        outputs: {twice: {type: float}}
        transforms: [{output: twice, expression: 2 * level}]
        """,
        "--no-search",
    )
    pva = field.pva()
    field.ca.put("level", 5)
    pva.put("level", 6.5)
    with pytest.raises(CaRefused):
        field.ca.put("twice", 1)
    with pytest.raises(RemoteError):
        pva.put("twice", 1.0)
    wait_until(lambda: len(task.said("audit")) >= 2)
    said = task.said("audit")
    assert [(each["pv"], each["old"], each["new"]) for each in said] == [
        (f"{field.prefix}level", "1", "5"),
        (f"{field.prefix}level", "5", "6.5"),
    ]
    assert {each["user"] for each in said} == {getpass.getuser()}
    assert all(each["host"] for each in said)
    assert field.value("twice") == 13


def test_8_operators_who_are_named_are_the_only_ones(field: Field):
    field.start(
        "inputs: {level: {type: float, value: 1}}\naccess: {operators: [192.0.2.77]}",
        "--no-search",
    )
    with pytest.raises(CaRefused):
        field.ca.put("level", 5)
    with pytest.raises(RemoteError):
        field.pva().put("level", 6.5)
    assert field.value("level") == 1


# --- 9: what PV Access clients see


def test_9_pva_structures_have_units_limits_choices_and_texts(field: Field):
    field.start(
        """
        inputs:
          level:
            {type: float, value: 7, unit: mm, precision: 2, description: of the tank,
             display: {low: 0, high: 10}, drive: {low: 1, high: 9},
             alarms: {low: 2, high: 6, hihi: 8}}
          mode: {type: enum, states: ["Off", Auto], value: Auto}
          text: {type: string, value: TEXT}
          row: {type: float, length: 5, value: [1, 2.5], unit: V}
        """.replace("TEXT", "x" * 200),
        "--no-search",
    )
    pva = field.pva()
    field.shows("level", 7.0, 1)
    level = pva.structure("level")
    assert level.getID().startswith("epics:nt/NTScalar:")
    display, control, alarm = level["display"], level["control"], level["valueAlarm"]
    assert (display["units"], display["description"], display["precision"]) == (
        "mm",
        "of the tank",
        2,
    )
    assert (display["limitLow"], display["limitHigh"]) == (0, 10)
    assert (control["limitLow"], control["limitHigh"]) == (1, 9)
    assert (alarm["lowWarningLimit"], alarm["highWarningLimit"], alarm["highAlarmLimit"]) == (
        2,
        6,
        8,
    )
    assert (level["alarm"]["severity"], level["alarm"]["message"]) == (1, "HIGH")
    mode = pva.structure("mode")
    assert mode.getID().startswith("epics:nt/NTEnum:")
    assert (mode["value"]["index"], mode["value"]["choices"]) == (1, ["Off", "Auto"])
    assert pva.get("text")[0] == "x" * 200
    row = pva.structure("row")
    assert row.getID().startswith("epics:nt/NTScalarArray:")
    assert (list(row["value"]), row["display"]["units"]) == ([1, 2.5], "V")


# --- 10: records of the IOC itself


def test_10_statistics_of_the_ioc_are_served_where_they_are_asked_for(field: Field):
    field.start("iocStats: true\ninputs: {level: {type: float, value: 1}}", "--no-search")
    beat = field.value("IOC:HEARTBEAT")
    assert field.value("IOC:STARTTOD")
    changes(lambda: field.value("IOC:HEARTBEAT"), beat)
    assert field.pva().get("IOC:HEARTBEAT")[0] > beat
    with pytest.raises(CaRefused):
        field.ca.put("IOC:SYSRESET", 1)


def changes(read: Callable[[], Any], before: Any) -> None:
    wait_until(lambda: read() != before)


# --- clients that wait for a server which is not there

NOWHERE = {"EPICS_CA_NAME_SERVERS": "127.0.0.1:9", "EPICS_PVA_NAME_SERVERS": "127.0.0.1:9"}
WAIT = 30
"""Seconds that libca waits."""


def test_a_name_server_that_is_not_there_delays_neither_start_nor_end(field: Field):
    """libca would wait half a minute for it, whenever one of its clients ends."""
    field.source.start()
    task = field.start(
        'inputs: {f: {type: float, link: "ca://@F"}}', env=field.env.environ | NOWHERE
    )
    assert task.said("ready")[0]["seconds"] < WAIT / 2
    field.shows("f", 0.25)
    assert task.stop() == 0


def test_a_name_server_that_is_not_there_does_not_delay_the_end_of_a_command(
    spawn: Spawn, epics_env: EpicsEnv
):
    name = f"{epics_env.prefix}NOBODY"
    words = ("-m", "ioc_runtime.cli", "pv", "get", name, "--timeout", "0.5")
    get = spawn(*words, env=NOWHERE)
    assert get.wait(WAIT / 2) == 1
    assert f"{name}  no answer over Channel Access within 0.5 s" in get.errors
