"""A run happens once, wherever the operator dies."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ioc_operator.run import (
    MEANT,
    Begin,
    Create,
    Forget,
    Lost,
    Record,
    Recorded,
    Release,
    Remove,
    Step,
    Stop,
    Watch,
    next_step,
    spec_hash,
)
from ioc_operator.status import BatchJob

ROOT = Path(__file__).parents[3]
JOB = BatchJob(name="scan-1", uid="u1", suspended=True)
RUNNING = replace(JOB, suspended=False)
ENDED = replace(RUNNING, complete=True)
GOING = Recorded(1, "h", "u1", stopped=True)

TABLE: list[tuple[str, Recorded | None, BatchJob | None, str, bool, Step]] = [
    ("nothing yet", None, None, "h", False, Begin(1)),
    ("nothing yet, and suspended", None, None, "h", True, Watch()),
    ("recorded only", Recorded(1, "h"), None, "h", False, Create(1)),
    ("recorded only, and suspended", Recorded(1, "h"), None, "h", True, Watch()),
    ("created, not recorded", Recorded(1, "h"), JOB, "h", False, Record(1, "u1")),
    ("recorded, not released", Recorded(1, "h", "u1"), JOB, "h", False, Release(1)),
    ("recorded, suspended", Recorded(1, "h", "u1"), JOB, "h", True, Watch()),
    ("running", Recorded(1, "h", "u1"), RUNNING, "h", False, Watch()),
    ("running, to be suspended", Recorded(1, "h", "u1"), RUNNING, "h", True, Stop(1)),
    ("to go", GOING, RUNNING, "h", True, Remove(1)),
    ("to go, but resumed", GOING, RUNNING, "h", False, Remove(1)),
    ("going", GOING, replace(RUNNING, deleting=True), "h", True, Watch()),
    ("going, failed by that", GOING, replace(RUNNING, failure="x"), "h", True, Remove(1)),
    ("to go, but ended just before", GOING, ENDED, "h", True, Watch()),
    ("gone", GOING, None, "h", True, Forget(1)),
    ("ended, then suspended", Recorded(1, "h", "u1"), ENDED, "h", True, Watch()),
    ("running, edited", Recorded(1, "h", "u1"), RUNNING, "other", False, Watch()),
    ("ended", Recorded(1, "h", "u1"), ENDED, "h", False, Watch()),
    ("over", Recorded(1, "h", "u1", over=True), ENDED, "h", False, Watch()),
    ("over, cleaned up", Recorded(1, "h", "u1", over=True), None, "h", False, Watch()),
    ("over, edited", Recorded(1, "h", "u1", over=True), ENDED, "other", False, Begin(2)),
    ("over, edited, suspended", Recorded(1, "h", "u1", over=True), None, "o", True, Watch()),
    ("deleted while running", Recorded(1, "h", "u1"), None, "h", False, Lost(1)),
    ("replaced by a stranger", Recorded(1, "h", "u1"), replace(JOB, uid="x"), "h", False, Lost(1)),
]


@pytest.mark.parametrize(("case", "recorded", "job", "wanted", "suspend", "step"), TABLE)
def test_the_next_step_of_a_run(case, recorded, job, wanted, suspend, step):
    assert next_step(recorded, job, wanted, suspend=suspend) == step, case


AGAIN = Recorded(1, "h", "u1", over=True, restarted="noon")
RESTARTS: list[tuple[str, Recorded | None, BatchJob | None, str, bool, Step]] = [
    ("over, asked for again", replace(AGAIN, restarted=""), ENDED, "noon", False, Begin(2)),
    ("over, asked for anew", AGAIN, ENDED, "one", False, Begin(2)),
    ("over, asked for anew, suspended", AGAIN, ENDED, "one", True, Watch()),
    ("asked for before", AGAIN, ENDED, "noon", False, Watch()),
    ("the annotation was taken away", AGAIN, ENDED, "", False, Watch()),
    ("running", Recorded(1, "h", "u1"), RUNNING, "noon", False, Watch()),
    ("nothing yet", None, None, "noon", False, Begin(1)),
]


@pytest.mark.parametrize(("case", "recorded", "job", "restart", "suspend", "step"), RESTARTS)
def test_a_restart_that_was_not_known_begins_another_run(
    case, recorded, job, restart, suspend, step
):
    assert next_step(recorded, job, "h", suspend=suspend, restart=restart) == step, case


@dataclass
class World:
    """What a cluster keeps when the operator dies: the status and the Job."""

    recorded: Recorded | None = None
    job: BatchJob | None = None
    made: int = 0
    ran: int = 0
    removed: int = 0

    def carry_out(self, step: Step, wanted: str) -> None:
        """The one write of a step."""
        match step:
            case Begin(number):
                self.recorded, self.job = Recorded(number, wanted), None
            case Create(number):
                self.made += 1
                uid = f"u{self.made}"
                self.job = BatchJob(name=f"scan-{number}", uid=uid, suspended=True)
            case Record(_, uid):
                assert self.recorded
                self.recorded = replace(self.recorded, job=uid)
            case Release(_):
                assert self.job
                self.job = replace(self.job, suspended=False)
                self.ran += 1
            case Stop(_):
                assert self.recorded
                self.recorded = replace(self.recorded, stopped=True)
            case Remove(_):
                self.job = None
            case Forget(_):
                assert self.recorded
                self.recorded = replace(self.recorded, job="", stopped=False)
                self.removed += 1
            case Lost(_):
                assert self.recorded
                self.recorded = replace(self.recorded, over=True)
            case Watch():
                ended = self.job is not None and self.job.complete
                if ended and self.recorded:
                    self.recorded = replace(self.recorded, over=True)

    def step(self, wanted: str, *, suspend: bool = False) -> Step:
        step = next_step(self.recorded, self.job, wanted, suspend=suspend)
        self.carry_out(step, wanted)
        return step


def test_the_steps_lead_from_nothing_to_a_job_that_runs_and_make_it_once():
    world = World()
    steps = [type(world.step("h")) for _ in range(6)]
    assert steps == [Begin, Create, Record, Release, Watch, Watch]
    assert (world.made, world.ran) == (1, 1)


@pytest.mark.parametrize("deleted_after", range(6))
def test_a_run_happens_once_whenever_somebody_deletes_its_job(deleted_after: int):
    world = World()
    for number in range(12):
        if number == deleted_after:
            world.job = None
        world.step("h")
    assert world.ran <= 1
    assert world.job is None or not world.job.suspended
    ran_or_lost = world.ran == 1 or (world.recorded is not None and world.recorded.over)
    assert ran_or_lost


EVENTS = st.lists(
    st.sampled_from(["step", "step", "step", "end", "delete", "edit", "suspend", "resume"]),
    max_size=40,
)


@given(EVENTS)
def test_no_run_is_released_twice_nor_two_at_a_time_whatever_happens(events: list[str]):
    world, spec, suspend = World(), 0, False
    released: set[str] = set()
    stopped: set[str] = set()
    for event in events:
        if event == "step":
            step = world.step(str(spec), suspend=suspend)
            if isinstance(step, Begin):
                assert not suspend
                assert world.recorded and world.recorded.number == step.number
            if isinstance(step, Release):
                assert world.job and world.recorded and world.recorded.job == world.job.uid
                released.add(f"{step.number} {world.job.uid}")
            if isinstance(step, Stop):
                assert suspend and world.job
                stopped.add(f"{step.number} {world.job.uid}")
        elif event == "end" and world.job and not world.job.suspended:
            world.job = replace(world.job, complete=True)
        elif event == "delete":
            world.job = None
        elif event == "edit":
            spec += 1
        elif event in ("suspend", "resume"):
            suspend = event == "suspend"
    runs = [each.split()[0] for each in released - stopped]
    assert len(runs) == len(set(runs)), "one run had two Jobs that ran"


def test_no_state_of_the_world_lets_a_job_run_before_its_uid_is_recorded():
    jobs = [None, JOB, RUNNING, ENDED]
    runs = [None, Recorded(1, "h"), Recorded(1, "h", over=True)]
    for recorded, job in itertools.product(runs, jobs):
        assert not isinstance(next_step(recorded, job, "h", suspend=False), Release)


@pytest.mark.parametrize(
    "field", ["image", "resources", "env", "retries", "ttlSecondsAfterFinished"]
)
def test_how_it_is_run_is_no_part_of_what_is_meant(field: str):
    assert spec_hash({"runId": "1"}) == spec_hash({"runId": "1", field: "other"})


@pytest.mark.parametrize("field", ["prefix", "inputs", "plugin", "function", "runArgs", "runId"])
def test_what_is_meant_changes_the_hash(field: str):
    assert spec_hash({}) != spec_hash({field: "x"})


@pytest.mark.parametrize(
    "garbage", [None, 7, {}, {"number": "x"}, {"number": -1}, {"number": True}]
)
def test_a_run_that_makes_no_sense_is_none(garbage):
    assert Recorded.read(garbage) is None


def test_a_run_is_read_from_a_status():
    run = {"number": 3, "specHash": "h", "job": "u", "completionTime": "2026-01-01T00:00:00Z"}
    assert Recorded.read(run) == Recorded(3, "h", "u", over=True)
    going = {"number": 3, "specHash": "h", "job": "u", "stopped": "u"}
    assert Recorded.read(going) == Recorded(3, "h", "u", stopped=True)
    assert Recorded.read(going | {"job": "later"}) == Recorded(3, "h", "later")


def test_a_run_that_is_suspended_goes_on_later_with_its_number_and_another_job():
    world = World()
    for _ in range(5):
        world.step("h")
    steps = [type(world.step("h", suspend=True)) for _ in range(4)]
    assert steps == [Stop, Remove, Forget, Watch]
    steps = [type(world.step("h")) for _ in range(4)]
    assert steps == [Create, Record, Release, Watch]
    assert world.recorded == Recorded(1, "h", "u2")


def test_no_field_of_what_is_meant_has_a_default_that_an_upgrade_could_bring():
    crd = yaml.safe_load((ROOT / "crds" / "ioc-operator.dev_iocjobs.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert set(MEANT) <= set(properties)
    for name in MEANT:
        assert '"default"' not in json.dumps(schema_of(properties[name])), name


def schema_of(node: Any) -> Any:
    """A schema without the names of its properties: one may be called `default`."""
    if isinstance(node, list):
        return [schema_of(each) for each in node]
    if not isinstance(node, dict):
        return None
    return {
        word: [schema_of(each) for each in value.values()]
        if word == "properties"
        else schema_of(value)
        for word, value in node.items()
    }
