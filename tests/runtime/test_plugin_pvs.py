"""What a plugin reads and writes by name, against a real IOC over both protocols.

The plugin's `work` returns plain data, which goes to the log and from there to the test.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

import pytest

from runtime.field import Field
from runtime.source import HERE, wait_until
from support.spawn import Spawned

SPEC = """
prefixes: {src: "@", away: "@AWAY:"}
inputs:
  level: {type: float, value: 1.5, tags: [input, slow]}
  mode: {type: enum, states: ['Off', Auto], value: Auto, tags: [input]}
  source: {type: float, link: "ca://{src}F", tags: [input]}
  lost: {type: float, link: "ca://{away}F"}
outputs:
  own: {type: float, tags: [result]}
  alarm: {type: bool, link: "ca://@B"}
ruleDefaults: {alarm: 0}
rules: [{id: high, condition: level > 10, outputs: {alarm: 1}}]
"""
HEAD = """
import enum, json, sys, time
from ioc_runtime import *

def plain(results):
    if isinstance(results, (PvReading, PvWrite)):
        results = [results]
    return [[r.name, r.value, r.error] for r in results]

class Guard(TaskBase):
    def execute(self):
        if getattr(self, "over", False):
            return
        self.over = True
        began = time.monotonic()
        try:
            found = self.work()
        except TaskError as error:
            found = f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        self.logger.info("FOUND %s", json.dumps([found, took]))
"""


def work(field: Field, body: str, spec: str = SPEC, **options: Any) -> tuple[Any, float, Spawned]:
    """What `work` returned, the seconds it took, and the task."""
    lines = "".join(f"        {line}\n" for line in body.strip("\n").splitlines())
    code = f"{HEAD}    def work(self):\n{lines}"
    periodic = "mode: periodic\nperiod: 0.1\n" + spec
    task = field.start(periodic, "--no-search", code=code, **options)
    found, took = result(task)
    return found, took, task


def result(task: Spawned) -> tuple[Any, float]:
    def said() -> list[str]:
        texts = [line["text"] for line in task.said("log")]
        return [text for text in texts if text.startswith("FOUND ")]

    wait_until(said, 20)
    found, took = json.loads(said()[0].removeprefix("FOUND "))
    return found, took


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_row_25_two_good_pvs_are_read_and_the_missing_one_is_named(field: Field, scheme: str):
    field.source.start()
    found, took, _ = work(
        field,
        f"return plain(self.read(['{scheme}://{{src}}F', '{scheme}://{{away}}X',"
        f" '{scheme}://{{src}}I'], timeout=1.5))",
    )
    names = [f"{scheme}://{{src}}F", f"{scheme}://{{away}}X", f"{scheme}://{{src}}I"]
    assert [name for name, _, _ in found] == names
    assert [value for _, value, _ in found] == [0.25, None, 7]
    assert [bool(error) for _, _, error in found] == [False, True, False]
    assert "within 1.5 s" in found[1][2]
    assert 1.4 < took < 1.7


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_row_26_one_timeout_bounds_the_whole_call(field: Field, scheme: str):
    field.source.start()
    names = [f"{scheme}://{{away}}X{n}" for n in range(200)]
    found, took, _ = work(
        field,
        f"""
good = self.read(['{scheme}://{{src}}F'], timeout=5)
begin = time.monotonic()
bad = self.read({names!r} + ['{scheme}://{{src}}F'], timeout=2)
seconds = time.monotonic() - begin
begin = time.monotonic()
again = self.read(['{scheme}://{{src}}F', '{scheme}://{{src}}I', '{scheme}://{{src}}S'])
return [good[0].value, len(bad.failed), bad[-1].value, seconds, again.ok,
        time.monotonic() - begin]
""",
    )
    good, failed, last, seconds, ok, again = found
    assert (good, failed, last, ok) == (0.25, 200, 0.25, True)
    assert 1.9 < seconds <= 2.2
    assert again < 0.5  # what is open is not looked for again


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_row_27_a_bad_cast_or_state_is_none_and_an_error_and_the_cycle_goes_on(
    field: Field, scheme: str
):
    field.source.start()
    field.source.set("E", 9)
    found, _, task = work(
        field,
        f"""
class Mode(enum.IntEnum):
    LOW = 0
    HIGH = 1
names = {{'{scheme}://{{src}}E': None, '{scheme}://{{src}}S': float,
         '{scheme}://{{src}}I': Mode, '{scheme}://{{src}}B': Mode, '{scheme}://{{src}}F': int}}
read = self.read(names)
self.set_output("own", 5)
return plain(read)
""",
    )
    assert [value for _, value, _ in found] == [None, None, None, 0, 0]
    assert "expected one of Manual, Auto, Off (0 to 2), got the index 9" in found[0][2]
    assert found[1][2] == "expected float, got 'hello'"
    assert found[2][2] == "expected one of LOW (0), HIGH (1), got 7"
    field.shows("own", 5.0)
    warnings = [x["text"] for x in task.said("log") if x["level"] == "WARNING"]
    assert any("got the index 9" in text for text in warnings)
    assert any("got 'hello'" in text for text in warnings)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_row_28_the_result_of_a_write_lists_what_was_written(field: Field, scheme: str):
    field.source.start()
    found, took, task = work(
        field,
        f"""
done = self.write({{'{scheme}://{{src}}F': 2.5, '{scheme}://{{away}}X': 1,
                   '{scheme}://{{src}}I': 12, 'own': 3, 'alarm': 1}}, timeout=1.5)
try:
    done.raise_for_error()
except PutFailed as error:
    return [plain(done), str(error)]
""",
    )
    done, text = found
    assert [bool(error) for _, _, error in done] == [False, True, False, False, True]
    assert "within 1.5 s" in done[1][2] and "not written" in done[1][2]
    assert "belongs to rule 'high'" in done[4][2]
    assert text.startswith(f"2 of 5 PVs: {scheme}://{{away}}X: no ")
    assert 1.4 < took < 1.7
    assert (field.source.get("F"), field.source.get("I")) == (2.5, 12)
    logged = [(x["level"], x["text"]) for x in task.said("log") if "write" in x["logger"]]
    (good,) = [text for level, text in logged if level == "INFO"]
    (bad,) = [text for level, text in logged if level == "WARNING"]
    assert good == f"written: {scheme}://{{src}}F 2.5, {scheme}://{{src}}I 12, own 3"
    assert bad.startswith(f"not written: 1 to {scheme}://{{away}}X: no ") and "; 1 to " in bad


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_row_29_other_fields_of_a_record_come_in_the_same_batch(field: Field, scheme: str):
    field.source.start()
    field.source.do("field", name="F.EGU", value="mbar")
    field.source.do("field", name="F.DESC", value="a description of its own")
    found, took, _ = work(
        field,
        f"return plain(self.read(['{scheme}://{{src}}' + x for x in"
        " ('F', 'F.EGU', 'AF.NELM', 'F.HIHI', 'F.SCAN', 'F.DESC$')]))",
    )
    assert [value for _, value, _ in found] == [
        0.25,
        "mbar",
        10,
        0.0,
        0,
        "a description of its own",
    ]
    assert took < 1.5


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_row_32_every_type_goes_both_ways(field: Field, scheme: str):
    field.source.start()
    found, _, _ = work(
        field,
        f"""
def names(values):
    return {{'{scheme}://{{src}}' + name: value for name, value in values.items()}}
written = {{'F': -2.5, 'I': 2**31 - 1, 'E': 'Off', 'S': 'gr\\xfc\\xdfe', 'AF': [1.5, -2.0, 3e30],
           'AI': [1, -2, 3], 'AS': ['a', 'bc'], 'AC': [65, 66, 0]}}
done = self.write(names(written))
first = plain(self.read(list(names(written))))
e = self.read('{scheme}://{{src}}E')
self.write(names({{'E': 1, 'AF': [7.0]}})).raise_for_error()
texts = self.read(names({{'E': str, 'AC': str}}))
return [plain(done), first, [e.state, list(e.states), e.severity, e.timestamp > 1.7e9, e.valid],
        plain(texts), plain(self.read(['{scheme}://{{src}}AF']))]
""",
    )
    done, first, enum, texts, one = found
    assert [error for _, _, error in done] == [""] * 8
    assert [value for _, value, _ in first] == [
        *(-2.5, 2**31 - 1, 2, "grüße", [1.5, -2.0, 3e30], [1, -2, 3]),
        *(["a", "bc"], [65, 66, 0]),
    ]
    assert enum == ["Off", ["Manual", "Auto", "Off"], 0, True, True]
    assert [value for _, value, _ in texts] == ["Auto", "AB"]
    assert one[0][1] == [7.0]


def test_row_32_an_image_is_a_numpy_array_both_ways(field: Field):
    field.spawn(HERE / "pva_image.py", field.env.prefix, env=field.env.server(1), until="up")
    found, _, _ = work(
        field,
        """
import numpy
names = ['pva://{src}' + name for name in ('IMAGE', 'LONG', 'FLAG')]
image, long, flag = self.read(names)
before = [image.value.tolist(), str(image.value.dtype), long.value, flag.value]
done = self.write({names[0]: numpy.array([[1.5, 2], [3, 4], [5, 6]]), names[1]: -2**40,
                   names[2]: True, 'pva://{src}LONG.X': 1}, timeout=1)
image, long, flag = self.read(names).raise_for_error()
return [before, [r.error for r in done], image.value.tolist(), str(image.value.dtype),
        long.value, flag.value]
""",
    )
    before, errors, *after = found
    assert before == [[[0, 1, 2], [3, 4, 5]], "uint16", 2**40, False]
    assert errors[:3] == ["", "", ""] and "within 1 s" in errors[3]
    assert after == [[[1.5, 2.0], [3.0, 4.0], [5.0, 6.0]], "float64", -(2**40), True]


def test_row_31_all_that_has_a_tag_is_read_by_one_call(field: Field):
    field.source.start()
    found, _, _ = work(
        field,
        """
time.sleep(1)
def tagged(*tags, **more):
    try:
        return self.tagged(*tags, **more)
    except UnknownName as error:
        return str(error)
return [plain(self.read(tag='input')), tagged('input', 'slow'), tagged('input', name='*o*'),
        tagged('imput'), plain(self.read(['lost', 'ca://{src}I'], tag='slow'))]
""",
    )
    read, both, named, wrong, more = found
    assert [[name, value] for name, value, _ in read] == [
        ["level", 1.5],
        ["mode", 1],
        ["source", 0.25],
    ]
    assert both == ["level"]
    assert named == ["mode", "source"]
    assert wrong == "no input or output has the tag 'imput'; nearest: 'input'"
    assert [[name, value] for name, value, _ in more] == [
        ["lost", None],
        ["ca://{src}I", 7],
        ["level", 1.5],
    ]
    assert more[0][2].endswith("AWAY:F is not connected")


def test_row_30_prefixes_that_are_not_there_are_named_all_at_once(field: Field):
    found, _, _ = work(field, "return plain(self.read(['{man}X', 'ca://{sys}Y', '{src}F']))")
    assert found == "UnknownName: no prefixes 'man', 'sys' in spec.prefixes; there are: src, away"


def test_nothing_is_written_while_paused_not_even_what_waits_for_its_pv(field: Field):
    task = field.start(
        "mode: periodic\nperiod: 0.1\n" + SPEC,
        "--no-search",
        code=HEAD
        + """
    def work(self):
        self.set_message("waits")
        done = self.write({'ca://{src}F': 3.5, 'pva://{src}I': 8}, timeout=6)
        try:
            self.write({'ca://{src}F': 4.5})
        except Paused as error:
            return [plain(done), str(error)]
""",
    )
    field.shows("MESSAGE", "waits")
    field.ca.put("ENABLE", 0)
    field.shows("STATUS", 2)
    field.source.start()
    (done, text), took = result(task)
    assert took < 5.5
    assert all("ENABLE is 0" in error for _, _, error in done)
    assert text == "ca://{src}F is not written: the task is paused (ENABLE is 0)"
    assert (field.source.get("F"), field.source.get("I")) == (0.25, 7)


def test_a_write_that_timed_out_is_not_sent_when_its_pv_comes_later(field: Field):
    found, took, _ = work(field, "return plain(self.write({'{src}F': 9, 'pva://{src}I': 9}, 0.5))")
    assert all(error.endswith("it is not written") for _, _, error in found)
    assert took < 0.8
    field.source.start()
    wait_until(lambda: field.value("CYCLE_COUNT") > 40)
    assert (field.source.get("F"), field.source.get("I")) == (0.25, 7)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_pv_that_went_and_came_back_is_read_again(field: Field, scheme: str):
    field.source.start()
    task = field.start(
        "mode: periodic\nperiod: 0.2\n" + SPEC,
        "--no-search",
        code=HEAD
        + f"""
    def execute(self):
        reading = self.read('{scheme}://{{src}}I', timeout=0.15)
        self.set_output("own", -1 if reading.error else reading.value)
""",
    )
    field.shows("own", 7.0)
    field.source.kill()
    field.shows("own", -1.0)
    field.source.start()
    field.shows("own", 7.0, timeout=20)
    assert task.stop() == 0


def test_async_code_goes_on_while_it_reads_and_writes(field: Field):
    field.source.start()
    task = field.start(
        "mode: periodic\nperiod: 0.1\n" + SPEC,
        "--no-search",
        code="import asyncio\n"
        + HEAD
        + """
    async def initialize(self):
        self.ticks = 0
        self.ticking = asyncio.create_task(self.tick())
    async def tick(self):
        while True:
            await asyncio.sleep(0.01)
            self.ticks += 1
    async def execute(self):
        if getattr(self, "over", False):
            return
        self.over = True
        began = time.monotonic()
        await self.awrite({'ca://{src}F': 1.25})
        read = await self.aread(['ca://{src}F', 'pva://{src}F', 'ca://{away}X'], timeout=1)
        found = [plain(read), self.ticks]
        self.logger.info("FOUND %s", json.dumps([found, time.monotonic() - began]))
    async def cleanup(self):
        self.ticking.cancel()
""",
    )
    (read, ticks), took = result(task)
    assert [value for _, value, _ in read] == [1.25, 1.25, None]
    assert took < 1.6
    assert ticks > 20
    assert task.stop() == 0


def test_a_job_reads_and_writes_any_pv_and_a_failure_is_exit_11(field: Field):
    field.source.start()
    job = field.start(
        "prefixes: {src: '@'}",
        "--no-search",
        kind="IocJob",
        code="""
from ioc_runtime import JobBase
class Copy(JobBase):
    def execute(self):
        found = self.read(["ca://{src}F", "pva://{src}I"]).raise_for_error()
        self.write({"{src}F": found.values["pva://{src}I"]}).raise_for_error()
        self.read(["ca://{src}F", "ca://{src}NOBODY"], timeout=0.5).raise_for_error()
""",
    )
    assert job.wait(10) == 11
    assert field.source.get("F") == 7.0
    (said,) = job.said("result")
    assert "1 of 2 PVs: ca://{src}NOBODY: no connection within 0.5 s" in said["message"]


def test_a_task_that_reads_nothing_by_name_loads_nothing_for_it(field: Field):
    found, _, _ = work(
        field,
        """
before = sorted(name for name in sys.modules if name.startswith("ioc_runtime.epics.remote")
                or name in ("asyncio.base_events", "p4p", "numpy"))
self.read("ca://{away}X", timeout=0.1)
return [before, sorted(name for name in sys.modules if "remote" in name or name == "p4p")]
""",
        spec="prefixes: {away: '@AWAY:'}\noutputs: {own: {type: float}}",
    )
    before, after = found
    assert before == []
    assert after == ["ioc_runtime.epics.remote", "ioc_runtime.epics.remote_ca"]


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_what_is_open_is_used_again_and_bounded(field: Field, scheme: str):
    field.source.start(many=60)
    found, _, _ = work(
        field,
        f"""
from ioc_runtime.epics.remote import Remote
remote = self._task.host._task.remote
remote._keep = 20
names = ['{scheme}://{{src}}N%d' % n for n in range(60)]
first = self.read(names, timeout=5)
second = self.read(names[:20], timeout=5)
begin = time.monotonic()
again = [self.read(names[:20]).ok for _ in range(50)]
took = time.monotonic() - begin
return [first.ok, second.ok, all(again), took, [n.rsplit('N')[-1] for n in remote.open()]]
""",
    )
    first, second, again, took, kept = found
    assert (first, second, again) == (True, True, True)
    assert took < 5
    assert kept == [str(n) for n in range(20)]


def test_row_35_the_log_lists_prefix_and_every_pv_with_its_type_once(field: Field):
    task = field.start(SPEC, "--no-search", code=HEAD)
    logged = [(x["level"], x["text"]) for x in task.said("log")]
    (first,) = [text for _, text in logged if text.startswith("serves ")]
    assert f"PVs below {field.prefix} " in first
    (inputs,) = [text for level, text in logged if text.startswith("inputs: ") and level == "INFO"]
    away = f"ca://{field.env.prefix}AWAY:F"
    assert inputs == (
        f"inputs: level float*, mode enum*, source float <- ca://{field.env.prefix}F, "
        f"lost float <- {away}"
    )
    text = " ".join(text for _, text in logged)
    for name in ("own float", "alarm bool", "HEARTBEAT", "ENABLE bool*", "RULE:high enum"):
        assert text.count(f" {name}") == 1


def test_timers_and_listeners_follow_a_real_input_and_rest_while_paused(field: Field):
    field.source.start()
    task = field.start(
        SPEC,
        "--no-search",
        code=HEAD
        + """
    ticks = 0
    @every(0.02)
    def tick(self):
        self.ticks += 1
        self.set_output("own", self.ticks)
    @on("source")
    def seen(self, value, old_value):
        self.set_message(f"{old_value} {value}")
""",
    )
    wait_until(lambda: field.value("own") >= 5)
    field.source.set("F", 2.5)
    field.shows("MESSAGE", "0.25 2.5")
    field.ca.put("ENABLE", 0)
    field.shows("STATUS", 2)
    field.source.set("F", 3.5)
    before = field.value("own")
    beats = field.value("HEARTBEAT")
    wait_until(lambda: field.value("HEARTBEAT") >= beats + 2)
    assert field.value("own") == before
    assert field.value("MESSAGE") == "0.25 2.5"
    field.ca.put("ENABLE", 1)
    field.shows("MESSAGE", "2.5 3.5")
    wait_until(lambda: field.value("own") > before)
    assert task.stop() == 0


def test_a_job_hears_of_an_input_while_it_sleeps(field: Field):
    field.source.start()
    job = field.start(
        'inputs: {source: {type: float, link: "ca://@F"}}',
        "--no-search",
        kind="IocJob",
        code="""
from ioc_runtime import JobBase, every, on
class Wait(JobBase):
    seen = None
    ticks = 0
    @on("source")
    def heard(self, value, old_value):
        self.seen = value
    @every(0.05)
    def tick(self):
        self.ticks += 1
    def execute(self):
        self.progress(0.5, "waits")
        while self.seen != 9.5:
            self.sleep(0.5)
        return {"ticks": self.ticks > 0}
""",
    )
    field.shows("MSG", "waits")
    field.source.set("F", 9.5)
    assert job.wait(10) == 0
    assert job.said("result")[0]["data"] == {"ticks": True}


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_dead_pv_is_looked_for_no_more_often_when_it_is_asked_for_more(field: Field, scheme: str):
    place = field.env.places[3]  # nobody serves there; what comes is what clients look for
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", place.ca if scheme == "ca" else place.pva_search))
        ear.settimeout(0.1)
        heard: list[bytes] = []
        task = field.start(
            "mode: periodic\nperiod: 0.1\n" + SPEC,
            "--no-search",
            code=HEAD
            + f"""
    def work(self):
        end = time.monotonic() + 4
        calls = 0
        while time.monotonic() < end:
            calls += 1
            self.read('{scheme}://{{away}}NOBODY', timeout=0.02)
            self.write({{'{scheme}://{{away}}NOBODY': 1}}, timeout=0.02)
        return calls
""",
        )
        ended = time.monotonic() + 20
        while time.monotonic() < ended and "FOUND" not in task.output:
            with contextlib.suppress(TimeoutError):
                heard.append(ear.recv(65536))
    calls, _ = result(task)
    searches = sum(b"AWAY:NOBODY" in datagram for datagram in heard)
    assert calls > 60
    assert 1 <= searches <= 20


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_server_that_hangs_costs_the_timeout_and_rules_go_on(field: Field, scheme: str):
    field.source.start()
    task = field.start(
        "mode: periodic\nperiod: 0.1\n" + SPEC,
        "--no-search",
        code=HEAD
        + f"""
    def work(self):
        self.read('{scheme}://{{src}}I')
        self.set_message("ready")
        while not self.get_input("level") > 2:
            time.sleep(0.01)
        self.set_message("asks")
        began = time.monotonic()
        read = self.read(['{scheme}://{{src}}I', 'level'], timeout=1.5)
        wrote = self.write({{'{scheme}://{{src}}I': 3}}, timeout=1)
        return [plain(read), plain(wrote), time.monotonic() - began]
""",
    )
    field.shows("MESSAGE", "ready")
    field.source.process.freeze()
    field.ca.put("level", 3)
    field.shows("MESSAGE", "asks")
    field.ca.put("level", 11)
    field.shows("alarm", 1, timeout=1)
    (read, wrote, took), _ = result(task)
    field.source.process.thaw()
    assert read[0][1:] == [None, "no answer within 1.5 s"]
    assert read[1][1] in (3.0, 11.0)
    assert "within 1 s; it may have been written" in wrote[0][2] or "not written" in wrote[0][2]
    assert 2.4 < took < 3.0


def test_a_task_that_stops_does_not_wait_for_a_long_read(field: Field):
    task = field.start(
        "mode: periodic\nperiod: 0.1\n" + SPEC,
        "--no-search",
        code=HEAD
        + """
    def work(self):
        self.set_message("asks")
        return plain(self.read('{away}NOBODY', timeout=600))
    def cleanup(self):
        self.logger.info("CLEAN %s", self.read('level').value)
""",
    )
    field.shows("MESSAGE", "asks")
    began = time.monotonic()
    assert task.stop() == 0
    assert time.monotonic() - began < 2
    assert any(x["text"] == "CLEAN 1.5" for x in task.said("log"))
