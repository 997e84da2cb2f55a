"""Mode triggered with real clients: the cycle, what comes of it, and what is rejected."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from runtime.field import INVALID, Field, took
from runtime.source import wait_until
from runtime.triggered import (
    ANSWERS,
    DOUBLER,
    EXCEPTION,
    HOW,
    IO_FAILURE,
    LEVEL,
    LOGIC_FAILURE,
    SECONDS,
    SKIPPED,
    SLOW,
    STALLED,
    SUCCESS,
    UNDEFINED,
    P4p,
    Waited,
)
from support.spawn import Spawned


def test_rows_1_and_3_a_trigger_runs_one_cycle_and_is_acknowledged_over_both_protocols(
    field: Field,
):
    field.start(LEVEL, "--no-search", code=DOUBLER)
    assert (field.value("CYCLE"), field.value("TRIGGER"), field.value("BUSY")) == (0, 0, 0)
    pva = P4p(field)
    for cycle, put in enumerate(
        (
            lambda: field.ca.put("TRIGGER", 1),
            lambda: field.ca.put("RUN", 1),
            lambda: pva.put(wait=True),
            lambda: field.ca.pv("TRIGGER").put(1),
            lambda: pva.put(wait=False),
        ),
        1,
    ):
        field.ca.put("level", cycle)
        put()
        wait_until(lambda: field.value("CYCLE") == cycle)  # noqa: B023
        field.shows("TRIGGER", 0)
        assert (field.value("twice"), field.value("BUSY")) == (2 * cycle, 0)
        assert pva.client.get("twice")[0] == 2 * cycle
    assert field.ca.get("TASK_STATUS")[:2] == (SUCCESS, 0)
    field.shows("CYCLE_COUNT", 5)
    assert field.value("REJECTED") == 0


def test_row_2_busy_shows_while_the_cycle_runs_and_a_callback_comes_at_its_end(field: Field):
    field.start(SECONDS, "--no-search", code=SLOW)
    waited = Waited(field)
    wait_until(lambda: field.value("BUSY") == 1, 0.5)
    assert field.value("TRIGGER") == 1
    assert 0.45 < waited.seconds() < 1.0
    assert (field.value("BUSY"), field.value("TRIGGER"), field.value("done")) == (0, 0, 1)
    assert 0.45 < took(lambda: P4p(field).put(wait=True)) < 1.5
    assert (field.value("BUSY"), field.value("CYCLE")) == (0, 2)


@pytest.mark.parametrize("protocol", ["ca", "pva"])
def test_row_4_nobody_who_saw_the_ack_reads_an_old_result(field: Field, protocol: str):
    """By three acks in turn: the put's callback, TRIGGER at 0 by a monitor, BUSY at 0."""
    alternate = """
from ioc_runtime import TaskBase
class Guard(TaskBase):
    n = 0
    def triggered(self):
        self.n += 1
        self.set_output("twice", self.n)
        return self.n % 2 == 0
"""
    field.start(LEVEL, "--no-search", code=alternate)
    pva = P4p(field)
    seen = threading.Event()
    ends: list[Callable[[], None]] = []
    stale = []
    for name in ("TRIGGER", "BUSY"):
        ends.append(field.ca.watch(name, lambda value, **_: value == 0 and seen.set()))
    for cycle in range(1, 201):
        seen.clear()
        if cycle % 2:
            pva.put(wait=True) if protocol == "pva" else field.ca.put("TRIGGER", 1)
        else:
            pva.put(wait=False) if protocol == "pva" else field.ca.pv("TRIGGER").put(1)
            assert seen.wait(5), cycle
        read = pva.client.get if protocol == "pva" else field.ca.get
        found = [read(name)[0] for name in ("TASK_STATUS", "twice", "CYCLE", "BUSY", "TRIGGER")]
        if found != [cycle % 2, cycle, cycle, 0, 0]:
            stale.append((cycle, found))
        time.sleep(0.002)
    for end in ends:
        end()
    assert stale == []


@pytest.mark.parametrize(
    ("how", "status", "severity", "text"),
    [
        ("none", SUCCESS, 0, ""),
        ("true", SUCCESS, 0, ""),
        ("result", SUCCESS, 0, ""),
        ("false", LOGIC_FAILURE, 1, "triggered() says that it failed"),
        ("why", LOGIC_FAILURE, 1, "no beam"),
        ("io", IO_FAILURE, 1, "ca://SOME:VALVE"),
        ("require", IO_FAILURE, 1, "NOWHERE"),
        ("raise", EXCEPTION, 2, "broken inside"),
        ("owner", EXCEPTION, 2, "belongs to rule 'r'"),
        ("number", EXCEPTION, 2, "expected nothing, True, False or a JobResult"),
        ("skip", SKIPPED, 0, "beam is off"),
    ],
)
def test_rows_7_to_11_what_triggered_returns_or_raises_is_task_status(
    field: Field, how: str, status: int, severity: int, text: str
):
    field.start(HOW, "--no-search", code=ANSWERS)
    assert field.ca.get("TASK_STATUS")[1:3] == (INVALID, UNDEFINED)
    field.ca.put("how", how)
    field.ca.put("TRIGGER", 1)
    assert field.ca.get("TASK_STATUS")[:2] == (status, severity)
    said = field.pva().structure("ERR:MSG")
    assert text in said["value"]
    assert said["alarm"]["severity"] == severity
    if severity:
        assert text in field.pva().get("MESSAGE")[0]
    field.ca.put("how", "none")
    field.ca.put("TRIGGER", 1)  # whatever it was, the next one runs
    assert field.ca.get("TASK_STATUS")[:2] == (SUCCESS, 0)
    assert (field.value("ERR:MSG"), field.value("CYCLE")) == ("", 2)
    field.shows("STATUS", 1)


def test_rows_11_and_13_a_skipped_cycle_leaves_the_duration_of_the_last_one(field: Field):
    code = SLOW.replace("TaskBase\n", "Skip, TaskBase\n", 1).replace(
        "        time.sleep", "        if self.inputs.seconds.value == 0:\n"
        "            raise Skip('no')\n        time.sleep"
    )  # fmt: skip
    field.start(SECONDS.replace("0.5", "1.0"), "--no-search", code=code)
    assert field.ca.get("TASK_DURATION")[1] == INVALID
    field.ca.put("TRIGGER", 1)
    duration = field.value("TASK_DURATION")
    assert 0.9 < duration < 1.2
    field.ca.put("seconds", 0)
    field.ca.put("TRIGGER", 1)
    assert (field.value("TASK_STATUS"), field.value("CYCLE")) == (SKIPPED, 2)
    assert field.value("TASK_DURATION") == duration


def test_row_15_a_trigger_while_busy_waits_for_a_cycle_of_its_own(field: Field):
    field.start(SECONDS, "--no-search", code=SLOW)
    first = Waited(field)
    field.shows("BUSY", 1)
    pva, done = P4p(field), []
    other = threading.Thread(target=lambda: done.append(took(lambda: pva.put(wait=True))))
    other.start()
    assert first.seconds() < 0.9
    assert field.value("CYCLE") == 1
    assert (field.value("TRIGGER"), field.value("BUSY")) == (1, 1)  # nobody may take it for theirs
    other.join(5)
    assert 0.6 < done[0] < 2
    assert (field.value("CYCLE"), field.value("TRIGGER"), field.value("BUSY")) == (2, 0, 0)
    assert field.value("REJECTED") == 0


def test_row_15_a_trigger_while_busy_is_rejected_and_counted_where_that_is_chosen(field: Field):
    field.start(SECONDS + "trigger: {whileBusy: reject}\n", "--no-search", code=SLOW)
    first = Waited(field)
    field.shows("BUSY", 1)
    assert took(lambda: P4p(field).put(wait=True)) < 0.4
    assert field.value("REJECTED") == 1
    assert field.value("MESSAGE") == "trigger rejected: a cycle runs"
    field.ca.pv("TRIGGER").put(1)
    field.shows("REJECTED", 2)
    assert (first.ended, field.value("TRIGGER"), field.value("BUSY")) == (None, 1, 1)
    first.seconds()
    assert (field.value("CYCLE"), field.value("TRIGGER"), field.value("BUSY")) == (1, 0, 0)
    field.ca.put("RESET", 1)
    field.shows("REJECTED", 0)
    assert field.value("CYCLE") == 1


def test_row_16_a_timer_runs_cycles_and_leaves_out_those_that_find_one_running(field: Field):
    spec = SECONDS.replace("0.5", "0") + "trigger: {period: 0.1}\n"
    field.start(spec, "--no-search", code=SLOW)
    wait_until(lambda: field.value("CYCLE") > 0)
    began, cycles = time.monotonic(), field.value("CYCLE")
    time.sleep(3)
    rate = (field.value("CYCLE") - cycles) / (time.monotonic() - began)
    assert 9 < rate < 11
    assert (field.value("OVERRUNS"), field.value("REJECTED"), field.value("TRIGGER")) == (0, 0, 0)
    field.ca.put("seconds", 0.35)
    field.ca.put("TRIGGER", 1)  # a client's trigger is served between
    wait_until(lambda: field.value("OVERRUNS") > 5)
    assert field.value("REJECTED") == 0


def test_a_burst_of_triggers_is_counted_to_the_last_one(field: Field):
    field.start(SECONDS.replace("0.5", "0.05"), "--no-search", code=SLOW)
    trigger = field.ca.pv("TRIGGER")
    for _ in range(100):
        trigger.put(1)
    wait_until(lambda: field.value("CYCLE") + field.value("REJECTED") == 100)
    assert field.value("CYCLE") >= 2
    field.shows("TRIGGER", 0)
    assert field.value("BUSY") == 0


def test_many_clients_that_wait_at_once_are_all_answered_and_none_too_early(field: Field):
    """Each in turn asks while another's cycle runs; every answer is one of a later cycle."""
    spec = SECONDS.replace("0.5", "0.01") + "trigger: {queueLength: 10}\n"
    field.start(spec, "--no-search", code=SLOW)
    field.ca.pv("CYCLE")
    clients = [field.pva() for _ in range(6)]
    early: list[tuple[int, int]] = []

    def ask(client: Any) -> None:
        for _ in range(15):
            before = client.get("CYCLE")[0]
            client.context.put(field.prefix + "TRIGGER", {"value.index": 1}, timeout=10, wait=True)
            after = client.get("CYCLE")[0]
            if after <= before:
                early.append((before, after))

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (early, field.value("CYCLE"), field.value("REJECTED")) == ([], 90, 0)


def test_a_client_that_goes_in_the_middle_of_its_cycle_disturbs_nobody(field: Field):
    field.start(SECONDS, "--no-search", code=SLOW)
    Waited(field)
    field.shows("BUSY", 1)
    field.client()  # the one that waits is gone
    wait_until(lambda: field.value("CYCLE") == 1)
    for _ in range(5):  # once round the ring of holds
        field.ca.put("TRIGGER", 1)
    assert (field.value("CYCLE"), field.value("REJECTED")) == (6, 0)


def test_a_0_put_while_a_cycle_runs_is_put_back_and_other_values_too(field: Field):
    field.start(SECONDS, "--no-search", code=SLOW)
    field.ca.put("TRIGGER", 2)
    field.shows("TRIGGER", 0)
    first = Waited(field)
    field.shows("BUSY", 1)
    field.pva().put("TRIGGER", 0)
    field.shows("TRIGGER", 1)
    assert first.seconds() > 0.4
    assert (field.value("CYCLE"), field.value("REJECTED"), field.value("TRIGGER")) == (1, 0, 0)


def test_a_set_point_that_was_put_before_the_trigger_is_known_in_the_cycle(field: Field):
    code = DOUBLER + (
        "    def on_input_changed(self, key, value, old_value):\n        self.heard = value\n"
    )
    code = code.replace("2 * self.inputs.level.value", "self.inputs.level.value + self.heard")
    field.start(LEVEL, "--no-search", code=code)
    for value in range(2, 102):
        field.ca.put("level", value)
        field.ca.put("TRIGGER", 1)
        assert field.value("twice") == 2 * value


def test_another_name_for_trigger_works_like_it(field: Field):
    field.start(LEVEL + "aliases: {TRIGGER: Start}\n", "--no-search", code=DOUBLER)
    for cycle, name in enumerate(("Start", "RUN", "TRIGGER"), 1):
        field.ca.put(name, 1)
        assert field.value("CYCLE") == cycle
    assert field.value("Start") == 0


def test_limits_of_the_cycle_change_in_the_running_task(field: Field, tmp_path: Any):
    from ioc_runtime.plan import to_json

    spec = SECONDS.replace("0.5", "60")
    plan = tmp_path / "followed.json"
    plan.write_text(to_json(field.plan(spec, SLOW)))
    task: Spawned = field._spawn(  # noqa: SLF001
        "-m", "ioc_runtime", plan, "--follow", "--no-search", env=field.env.server(0), until="ready"
    )
    field.ca.pv("TRIGGER").put(1)
    field.shows("BUSY", 1)
    plan.write_text(to_json(field.plan(spec + "trigger: {stallLimit: 0.2}\n", SLOW)))
    field.shows("TASK_STATUS", STALLED, 2)
    assert task.popen.poll() is None


def test_a_plugin_without_triggered_is_refused(field: Field):
    code = "from ioc_runtime import TaskBase\nclass Guard(TaskBase):\n    pass\n"
    task = field.start(LEVEL, "--no-search", code=code, ready=False)
    assert task.wait() == 15
    assert "Guard has no triggered()" in task.said("error")[0]["text"]


def test_nobody_writes_what_serves_the_trigger(field: Field):
    field.start(LEVEL, "--no-search", code=DOUBLER)
    for name in ("BUSY", "CYCLE", "TASK_STATUS", "TRIGGER:COUNT", "TRIGGER:HOLD1.PROC"):
        assert not field.ca.pv(name).write_access, name
