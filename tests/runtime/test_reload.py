"""A running task takes over another plan, and its clients are not disturbed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from p4p.util import ThreadedWorkQueue

from ioc_runtime.engine.recording import replay
from ioc_runtime.plan import Plan, Rule, to_json
from ioc_runtime.state import entry_name
from runtime.field import Field
from runtime.source import wait_until
from runtime.volume import Volume
from support.spawn import Spawn, Spawned

MANIFEST = """
parameters: {limit: 10}
inputs:
  level:
    {type: float, value: 3, unit: mm, precision: 1, display: {low: 0, high: 50},
     drive: {low: 0, high: 100}, alarms: {high: 40}, description: how full it is}
  late: {type: float, value: 0, buffer: 5}
outputs:
  alarm: {type: bool, states: [OK, HIGH], severity: {HIGH: MAJOR}}
  held: {type: bool, states: [OK, HIGH], latch: rise}
  mean: {type: float, unit: mm, alarms: {high: 1000}}
transforms: [{output: mean, expression: "2 * level"}]
ruleDefaults: {alarm: OK, held: OK}
rules:
  - {id: high, condition: "level > limit", outputs: {alarm: HIGH}, message: "level {level:.1f}"}
  - {id: slow, condition: "late > 1", for: 3, outputs: {held: HIGH}}
"""


class Running:
    """A task that follows the plan of a volume."""

    def __init__(self, spawn: Spawn, field: Field, *options: str | Path) -> None:
        self._spawn, self.field, self._options = spawn, field, options
        self.volume = Volume(field.directory / "volume")
        self._offered = 0

    def start(
        self, spec: str = MANIFEST, code: str = "", env: dict[str, str] | None = None
    ) -> Running:
        self.plan = self.field.plan(spec, code)
        self.volume.write(self.plan)
        self.process = self._spawn(
            "-m",
            "ioc_runtime",
            self.volume.plan,
            "--follow",
            "--no-search",
            *self._options,
            env=env,
        )
        self.process.wait_said("ready")
        return self

    def edit(self, spec: str, *changes: tuple[str, str], code: str = "") -> None:
        """Change words of a manifest, and wait until that is in force."""
        for old, new in changes:
            assert old in spec, old
            spec = spec.replace(old, new)
        self.offer(self.field.plan(spec, code))

    def offer(self, plan: Plan) -> None:
        """Exchange the plan, and wait until that is in force."""
        self.volume.write(plan)
        wait_until(lambda: self.said("reload") and self.said("reload")[-1] == plan.config_hash)
        self.plan = plan

    def refuses(self, plan: Plan | str) -> dict[str, Any]:
        """Exchange the plan; what is said of it."""
        refused = len(self.process.said("refused"))
        self.volume.write(plan)
        wait_until(lambda: len(self.process.said("refused")) > refused)
        return self.process.said("refused")[-1]

    def said(self, kind: str) -> list[str]:
        return [each["config_hash"] for each in self.process.said(kind)]


@pytest.fixture
def running(spawn: Spawn, field: Field) -> Running:
    return Running(spawn, field, "--state", field.state)


class Watch:
    """Monitors of both protocols on some PVs, and all that they were told."""

    def __init__(self, running: Running, *names: str) -> None:
        self.ca: dict[str, list[tuple[Any, int]]] = {name: [] for name in names}
        self.pva: dict[str, list[tuple[Any, int]]] = {name: [] for name in names}
        self.units: dict[str, str] = {}
        self.lost: list[str] = []
        ca, pva = running.field.ca, running.field.pva()
        self._ends = []
        self._queue = ThreadedWorkQueue(name="watch", workers=1).start()
        for name in names:
            pv = ca.pv(name)
            pv.connection_callbacks.append(self._connection)
            self._ends.append(ca.watch(name, partial(self._on_ca, name)))
        self._subscriptions = [
            pva.context.monitor(
                running.plan.prefix + name,
                lambda value, name=name: self._on_pva(name, value),
                notify_disconnect=True,
                queue=self._queue,
            )
            for name in names
        ]
        wait_until(lambda: all(self.pva.values()))

    def _connection(self, pvname: str = "", conn: bool = False, **_: Any) -> None:
        if not conn:
            self.lost.append(f"{pvname} over CA")

    def _on_ca(self, name: str, value: Any, severity: int, **_: Any) -> None:
        self.ca[name].append((value, severity))

    def _on_pva(self, name: str, value: Any) -> None:
        if isinstance(value, Exception):
            if self.pva[name]:
                self.lost.append(f"{name} over PVA")
            return
        found = value["value"]
        found = found["index"] if hasattr(found, "getID") else found
        self.pva[name].append((found, value["alarm"]["severity"]))
        if "display" in value and "units" in value["display"]:
            self.units[name] = value["display"]["units"]

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._queue.stop()
        for end in self._ends:
            end()


@contextmanager
def watching(running: Running, *names: str) -> Iterator[Watch]:
    """No connection is lost until the end of the block."""
    watch = Watch(running, *names)
    try:
        yield watch
    finally:
        watch.close()
    assert watch.lost == []


def test_conditions_parameters_and_transforms_change_and_no_client_is_disturbed(running: Running):
    field = running.start().field
    field.shows("alarm", 0)
    with watching(running, "alarm", "mean", "level", "RULE:high", "HEARTBEAT") as watch:
        running.edit(MANIFEST, ("level > limit", "level > 2"))
        wait_until(lambda: watch.pva["alarm"][-1] == (1, 2))
        wait_until(lambda: watch.pva["RULE:high"][-1][0] == 2)
        running.edit(MANIFEST, ("limit: 10", "limit: 1"))
        running.edit(MANIFEST, ("limit: 10", "limit: 5"))
        wait_until(lambda: watch.pva["alarm"][-1] == (0, 0))
        running.edit(MANIFEST, ("2 * level", "level + limit"))
        wait_until(lambda: watch.pva["mean"][-1] == (13.0, 0))
        assert watch.pva["mean"] == [(6.0, 0), (13.0, 0)]
        assert watch.pva["alarm"] == [(0, 0), (1, 2), (0, 0)]
    field.shows("mean", 13.0)
    assert field.value("MESSAGE") == "level 3.0"


@contextmanager
def properties_of(field: Field, name: str) -> Iterator[list[dict[str, Any]]]:
    """What a client is told that asks for properties alone (DBE_PROPERTY)."""
    told: list[dict[str, Any]] = []
    end = field.ca.watch(name, lambda **found: told.append(found), use_ctrl=True, mask=8)
    try:
        yield told
    finally:
        end()


def test_what_records_say_of_themselves_changes_and_alarms_are_judged_at_once(running: Running):
    field = running.start().field
    field.shows("mean", 6.0)
    with watching(running, "mean", "level") as watch, properties_of(field, "mean") as told:
        wait_until(lambda: told)
        before = len(told)
        running.edit(
            MANIFEST,
            ("mm, alarms: {high: 1000}", "cm, precision: 5, alarms: {high: 5, hihi: 9}"),
            ("high: 50}", "high: 60}"),
            ("alarms: {high: 40}", "alarms: {high: 2, highSeverity: MAJOR}"),
            ("description: how full it is", f"description: {'µ' * 20}"),
        )
        wait_until(lambda: watch.pva["mean"][-1] == (6.0, 1))
        wait_until(lambda: watch.pva["level"][-1] == (3.0, 2))
        wait_until(lambda: len(told) > before and told[-1]["units"] == "cm")
        wait_until(lambda: watch.units["mean"] == "cm")
        fields = {"mean.EGU": "cm", "mean.PREC": 5, "mean.HIGH": 5, "mean.HIHI": 9}
        for name, value in (fields | {"level.HOPR": 60}).items():
            assert field.value(name) == value, name
        text = bytes(byte & 255 for byte in field.value("level.DESC$"))
        assert text.decode().strip("\0") == "µ" * 20
        structure = field.pva().structure("level")
        assert structure["display"]["limitHigh"] == 60
        assert structure["valueAlarm"]["highWarningLimit"] == 2
        running.edit(MANIFEST)
        wait_until(lambda: watch.pva["mean"][-1] == (6.0, 0))
        wait_until(lambda: watch.pva["level"][-1] == (3.0, 0))
        assert field.value("mean.HIHI") == field.value("mean.HHSV") == 0
        assert field.value("level.DESC") == "how full it is"
        running.edit(MANIFEST, ("mm, precision: 1", "km, precision: 1"))  # and nothing else
        wait_until(lambda: watch.units["level"] == "km")
        assert watch.pva["level"][-1] == (3.0, 0)


def test_the_severity_of_a_state_changes_while_the_state_stands(running: Running):
    field = running.start().field
    field.ca.put("level", 30)
    field.shows("alarm", 1, 2)
    running.edit(MANIFEST, ("{HIGH: MAJOR}", "{HIGH: MINOR}"))
    field.shows("alarm", 1, 1)
    assert field.value("MESSAGE") == "level 30.0"
    running.edit(MANIFEST, (", severity: {HIGH: MAJOR}", ""))
    field.shows("alarm", 1, 0)


def test_latches_buffers_timers_and_set_points_stay(running: Running):
    field = running.start(MANIFEST.replace("2 * level", "sum_of(late_buf)")).field
    manifest = MANIFEST.replace("2 * level", "sum_of(late_buf)")
    for value in (1, 1, 2):
        field.ca.put("late", value)
    field.ca.put("level", 7)
    field.shows("mean", 4.0)
    field.shows("RULE:slow", 1)
    began = time.monotonic()
    with watching(running, "RULE:slow", "mean", "level", "held") as watch:
        running.edit(manifest, ("limit: 10", "limit: 20"), ("buffer: 5", "buffer: 4"))
        wait_until(lambda: watch.pva["held"][-1] == (1, 0))
        assert 2 < time.monotonic() - began < 4
        assert [value for value, _ in watch.pva["RULE:slow"]] == [1, 2]
        assert watch.pva["level"] == [(7.0, 0)]
        assert watch.pva["mean"] == [(4.0, 0)]
        field.ca.put("late", 0)
        running.edit(manifest, ("limit: 10", "limit: 30"))
        field.shows("RULE:slow", 3)
        assert watch.pva["held"] == [(0, 0), (1, 0)]
    field.ca.put("CLEAR", 1)
    field.shows("held", 0)


def test_an_edited_value_moves_the_set_point_and_a_new_range_holds_puts(running: Running):
    field = running.start().field
    field.ca.put("level", 90)
    field.shows("alarm", 1, 2)
    with watching(running, "level") as watch:
        running.edit(MANIFEST, ("value: 3,", "value: 200,"), ("high: 100}", "high: 300}"))
        wait_until(lambda: watch.pva["level"][-1][0] == 200.0)
        field.ca.put("level", 250)
        field.shows("level", 250.0, 1)
        running.edit(MANIFEST, ("value: 3,", "value: 200,"), ("high: 100}", "high: 220}"))
        wait_until(lambda: watch.pva["level"][-1][0] == 220.0)
        field.ca.put("level", 240)
        field.shows("level", 220.0, 1)
    field.shows("mean", 440.0)
    path = field.state / f"{entry_name(field.prefix)}.json"
    wait_until(lambda: json.loads(path.read_text())["state"]["setpoints"]["level"] == [220.0, 200])
    assert running.process.stop() == 0
    again = running._spawn(
        "-m", "ioc_runtime", running.volume.plan, "--no-search", "--state", field.state
    )
    again.wait_said("ready")
    field.client()
    field.shows("level", 220.0, 1)


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        ({"prefix": "OTHER:"}, "ShapeDiffers", "a new process is needed: prefix is OTHER:"),
        ({"rules": (Rule("high", "level >"),)}, "ShapeDiffers", "rules.slow is gone"),
        (
            {"rules": (Rule("high", "level > nobody"), Rule("slow", "1"))},
            "BadPlan",
            "nobody: expected the name of an input, output or parameter",
        ),
    ],
)
def test_a_plan_that_cannot_be_taken_over_is_said_once_and_the_old_one_goes_on(
    running: Running, change: dict[str, Any], reason: str, text: str
):
    field = running.start().field
    bad = replace(running.plan, config_hash="b" * 64, **change)
    said = running.refuses(bad)
    assert (said["config_hash"], said["reason"]) == ("b" * 64, reason)
    assert text in said["text"]
    running.volume.write(bad)  # the same again
    running.edit(MANIFEST, ("limit: 10", "limit: 1"))
    field.shows("alarm", 1, 2)
    assert len(running.process.said("refused")) == 1
    assert running.process.said("error") == []


def test_what_is_no_plan_or_one_of_a_newer_format_is_refused(running: Running):
    field = running.start().field
    assert running.refuses("{}")["reason"] == "BadPlan"
    newer = json.loads(to_json(running.plan)) | {"format": 99, "config_hash": "c" * 64}
    said = running.refuses(json.dumps(newer))
    assert (said["reason"], said["config_hash"]) == ("RuntimeTooOld", "c" * 64)
    unknown = json.loads(to_json(running.plan)) | {"colour": "red"}
    assert "colour" in running.refuses(json.dumps(unknown))["text"]
    field.ca.put("level", 30)
    field.shows("alarm", 1, 2)


def test_a_file_that_is_written_in_place_is_taken_over_when_it_is_whole(spawn: Spawn, field: Field):
    plan = field.plan(MANIFEST)
    path = field.directory / "plan.json"
    path.write_text(to_json(plan))
    task = spawn("-m", "ioc_runtime", path, "--follow", "--no-search")
    task.wait_said("ready")
    text = to_json(field.plan(MANIFEST.replace("limit: 10", "limit: 1")))
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        time.sleep(0.3)
        file.write(text[len(text) // 2 :])
    task.wait_said("reload")
    field.shows("alarm", 1, 2)
    path.unlink()
    time.sleep(0.2)
    path.write_text(to_json(plan))
    field.shows("alarm", 0)
    assert task.said("refused") == []


def test_the_same_config_hash_is_nothing_new(running: Running):
    running.start()
    running.volume.write(running.plan)
    running.volume.write(replace(running.plan, parameters={"limit": 0.0}))
    running.edit(MANIFEST, ("limit: 10", "limit: 11"))
    assert len(running.said("reload")) == 1


def test_rules_that_change_places_keep_their_pvs(running: Running):
    field = running.start().field
    first, second = running.plan.rules
    swapped = replace(running.plan, rules=(second, first), config_hash="d" * 64)
    running.offer(swapped)
    field.ca.put("level", 30)
    field.shows("RULE:high", 2)
    field.shows("RULE:slow", 0)


PLUGIN = """
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def initialize(self):
        self.set_output("own", self.parameters["limit"])

    def on_input_changed(self, key, value, old):
        self.set_output("own", self.parameters["limit"])
        self.set_input("other", 5 * self.parameters["limit"])
"""
WITH_PLUGIN = """
parameters: {limit: 10}
inputs:
  level: {type: float, value: 3}
  other: {type: float, value: 3, drive: {low: 0, high: 100}}
outputs: {own: {type: float}}
"""


def test_a_plugin_sees_the_new_parameters_and_ranges_and_is_not_started_again(running: Running):
    field = running.start(WITH_PLUGIN, PLUGIN).field
    field.shows("own", 10.0)
    running.edit(WITH_PLUGIN, ("limit: 10", "limit: 40"), ("high: 100", "high: 1000"), code=PLUGIN)
    field.ca.put("level", 4)
    field.shows("own", 40.0)
    field.shows("other", 200.0)
    said = running.refuses(running.field.plan(WITH_PLUGIN, PLUGIN + "\n# another text\n"))
    assert said["reason"] == "ShapeDiffers"
    assert "plugin.files.guard.py" in said["text"]


LINKED = """
inputs:
  a: {type: float, link: "ca://@F"}
  b: {type: int, link: "pva://@I"}
outputs: {sum: {type: float}}
transforms: [{output: sum, expression: a + b}]
"""


def test_a_max_age_that_is_new_finds_a_steady_source_alive_and_a_hung_one_stale(running: Running):
    field = running.field
    field.source.start()
    running.start(LINKED, env={"EPICS_CA_CONN_TMO": "20", "EPICS_PVA_CONN_TMO": "20"})
    field.shows("sum", 7.25)
    with watching(running, "sum", "a", "b") as watch:
        for scheme in ("ca", "pva"):
            running.edit(LINKED, (f'link: "{scheme}://', f'maxAge: 0.5, link: "{scheme}://'))
            time.sleep(1.5)
        running.edit(LINKED, ('link: "', 'maxAge: 0.5, link: "'))
        time.sleep(1.5)
        assert watch.pva["sum"] == [(7.25, 0)]
        assert watch.pva["b"][-1] == (7, 0)
        field.source.process.freeze()
        wait_until(lambda: watch.pva["sum"][-1] == (7.25, 3), 5)
        field.source.process.thaw()
        wait_until(lambda: watch.pva["sum"][-1] == (7.25, 0), 15)
    field.source.set("F", 1.25)
    field.shows("sum", 8.25)


def test_another_period_is_kept_from_the_reload_on(running: Running):
    spec = "mode: periodic\nperiod: 5\ninputs: {level: {type: float, value: 3}}"
    field = running.start(spec).field
    first = field.value("CYCLE_COUNT")
    running.edit(spec, ("period: 5", "period: 0.1"))
    wait_until(lambda: field.value("CYCLE_COUNT") > first + 15, 4)
    assert field.value("OVERRUNS") <= 3


def memory(process: Spawned) -> int:
    """Bytes that only this process has."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return 1024 * sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))


def counts(process: Spawned) -> tuple[int, int]:
    """Threads and open files."""
    proc = Path(f"/proc/{process.pid}")
    return len(list((proc / "task").iterdir())), len(list((proc / "fd").iterdir()))


def test_many_reloads_leave_nothing_behind(running: Running):
    rules = "".join(
        f'  - {{id: r{i}, condition: "level > limit + {i}", outputs: {{alarm: HIGH}}}}\n'
        for i in range(100)
    )
    spec = MANIFEST + rules
    running.start(spec)
    sizes = []
    with watching(running, "alarm", "level"):
        for turn in range(60):
            running.edit(
                spec,
                ("limit: 10", f"limit: {turn % 7}"),
                ("unit: mm", ("unit: cm", "unit: mm")[turn % 2]),
            )
            if turn == 9:
                before = counts(running.process)
            if turn % 10 == 9:
                sizes.append(memory(running.process))
        assert counts(running.process) == before
    # one plan of a hundred rules is about 1 MB: 50 of them would show
    assert sizes[-1] - sizes[0] < 1.5e6, sizes


def test_a_recording_with_reloads_replays(spawn: Spawn, field: Field):
    running = Running(spawn, field, "--record", field.recording)
    running.start()
    for limit in (1, 20, 2):
        running.edit(MANIFEST, ("limit: 10", f"limit: {limit}"))
        field.ca.put("level", limit + 1)
        field.shows("mean", 2.0 * limit + 2)
    assert running.process.stop() == 0
    found = replay(field.recording)
    assert found.mismatches == ()
    assert '"event":"reload"' in field.recording.read_text()
