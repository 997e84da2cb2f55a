"""What a plugin reads and writes by name, against a real IOC over both protocols."""

from __future__ import annotations

import pytest

from runtime.by_name import HEAD, SPEC, result, work
from runtime.field import Field
from runtime.source import HERE


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
