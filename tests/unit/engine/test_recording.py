"""What was recorded replays to the same effects, and recording never costs the task."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.engine import recording
from ioc_runtime.engine.engine import Engine, EnginePaused, Restored
from ioc_runtime.engine.recording import Recorder, RecordingError, replay
from ioc_runtime.engine.values import BadValue
from ioc_runtime.plan import Plan
from ioc_runtime.task import record_file
from ioc_runtime.task.record_file import RecordFile
from unit.engine.bench import LINK, FakeClock, computed, driven, linked, plan_of, plugins, setpoint


def station(**more: Any) -> Plan:
    return plan_of(
        inputs={
            "x": linked(buffer=5, max_age=3.0),
            "y": linked(invalid_hold=1.0),
            "limit": setpoint(value=10.0),
        },
        outputs={
            "alarm": driven("bool", latch="rise", link=LINK),
            "valve": driven("bool", default=1, link=LINK, on_invalid="drive", safe_value=0),
            "mean": computed(),
            "own": plugins(),
        },
        transforms={"mean": "mean(x_buf) + 0 * x.age"},
        rules=[
            ("high", "x > limit and y < 5", {"alarm": 1, "valve": 0}, 0.5, "x is {x:.2f}"),
            ("jump", "rising(y > 3) or 1 / y > 100", {"valve": 0}),
        ],
        parameters={"pi": 3.25},
        **more,
    )


def ten_minutes(engine: Any, clock: FakeClock, seed: int = 4) -> None:
    """Samples, faults, commands and timers, at random."""
    rng = random.Random(seed)
    engine.start()
    for _ in range(1500):
        clock.to(clock.mono + rng.choice([0.01, 0.1, 0.2, 1.0]))
        match rng.randrange(14):
            case 0:
                engine.disconnected(rng.randrange(2))
            case 1:
                engine.alive(rng.randrange(2))
            case 2:
                engine.put(2, rng.choice([5.0, 20.0, "nonsense", float("nan")]))
            case 3:
                engine.clear()
            case 4:
                engine.enable(rng.random() < 0.8)
            case 5:
                try:
                    engine.write(3, rng.choice([1.5, "2", None, float("inf")]))
                except (BadValue, EnginePaused):
                    pass
            case 6:
                engine.link_up(rng.randrange(2))
            case 7:
                engine.samples(iter([(0, 1.0 + i, 0, 0, clock.wall) for i in range(3)]))
            case 8:
                engine.full_pass()
            case _:
                value = rng.choice([0.0, -0.0, 2.5, 11.0, 1e-300, float("nan"), None])
                severity = rng.choice([0, 0, 0, 1, 3])
                wall = clock.wall - rng.choice([0, 0, 3600 * 10**9])
                engine.sample(rng.randrange(2), value, severity, 0, wall)
        if engine.next_wake is not None and engine.next_wake <= clock.mono:
            engine.wake()
    engine.reset()
    engine.plugin_ended()


def recorder_to(
    path: Path, plan: Plan | None = None, clock: FakeClock | None = None, **more: Any
) -> tuple[Any, RecordFile]:
    """An engine that is recorded, and the file."""
    file = RecordFile(path)
    engine = Engine(plan or station(), clock or FakeClock(), **more)
    return Recorder(engine, file.keep), file


RESTORED = Restored({"alarm": (1, "high")}, {"limit": 12.0})


@pytest.fixture(scope="module")
def ten_minutes_recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path, clock = tmp_path_factory.mktemp("recording") / "events.jsonl", FakeClock()
    recorder, file = recorder_to(path, clock=clock, restored=RESTORED)
    ten_minutes(recorder, clock)
    file.close()
    return path.read_bytes()


@pytest.fixture
def recorded(ten_minutes_recorded: bytes, tmp_path: Path) -> Path:
    """The test's own copy, to look at or to damage."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(ten_minutes_recorded)
    return path


def test_a_recorded_run_with_faults_replays_to_identical_effects(recorded: Path) -> None:
    found = replay(recorded)
    assert found.mismatches == ()
    assert found.events == len(recorded.read_text().splitlines()) - 1 > 1500


def test_two_runs_over_the_same_events_record_the_same_file(recorded: Path, tmp_path: Path) -> None:
    path, clock = tmp_path / "again.jsonl", FakeClock()
    recorder, file = recorder_to(path, clock=clock, restored=RESTORED)
    ten_minutes(recorder, clock)
    file.close()
    assert path.read_bytes() == recorded.read_bytes()


def test_the_recorder_shows_the_effects_and_attributes_of_its_engine(tmp_path: Path) -> None:
    clock, other = FakeClock(), FakeClock()
    recorder, file = recorder_to(tmp_path / "r.jsonl", clock=clock)
    plain = Engine(station(), other)
    assert recorder.start() == plain.start()
    assert recorder.sample(0, 20.0, 0, 0, clock.wall) == plain.sample(0, 20.0, 0, 0, clock.wall)
    assert recorder.next_wake == plain.next_wake
    assert recorder.inputs[0].value == 20.0
    assert recorder.enabled and recorder.errors == 0 and recorder.latched() == {}
    assert recorder.plan.name == "bench"
    file.close()


def test_the_engine_sees_for_each_event_the_clock_that_is_recorded(tmp_path: Path) -> None:
    class Running(FakeClock):
        def monotonic(self) -> float:
            self.mono += 1
            return self.mono

    recorder, file = recorder_to(tmp_path / "r.jsonl", clock=Running())
    recorder.start()
    recorder.sample(0, 1.0, 0, 0, 1)
    file.close()
    lines = [json.loads(text) for text in (tmp_path / "r.jsonl").read_text().splitlines()[1:]]
    assert [line["mono"] for line in lines] == [1001.0, 1002.0]
    assert recorder.inputs[0].life == 1002.0


def test_a_refused_write_raises_and_replays(tmp_path: Path) -> None:
    recorder, file = recorder_to(tmp_path / "r.jsonl")
    recorder.start()
    with pytest.raises(BadValue):
        recorder.write(3, object())
    recorder.enable(False)
    with pytest.raises(EnginePaused):
        recorder.write(3, 1.0)
    file.close()
    assert replay(tmp_path / "r.jsonl") == recording.Replay(4, ())


def test_a_replay_needs_no_plugin_for_its_functions(tmp_path: Path) -> None:
    answers = iter([1.0, 7.0, 2.0])

    def weather(x: float) -> float:
        return next(answers)

    plan = plan_of(
        inputs={"x": linked()},
        outputs={"o": driven("bool")},
        rules=[("r", "weather(x) > 5", {"o": 1})],
        functions=["weather"],
    )
    clock = FakeClock()
    calls = {"weather": weather}
    recorder, file = recorder_to(tmp_path / "r.jsonl", plan, clock, functions=calls)
    recorder.start()
    for value in (1.0, 2.0, 3.0, 4.0):  # the last call raises StopIteration
        recorder.sample(0, value, 0, 0, clock.wall)
    assert recorder.errors == 1
    file.close()
    assert replay(tmp_path / "r.jsonl") == recording.Replay(5, ())


def test_the_command_needs_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert recording.main([]) == 2
    assert "usage" in capsys.readouterr().err


def run_main(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ioc_runtime.engine.recording", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_the_command_says_identical_and_exits_with_zero(recorded: Path) -> None:
    done = run_main(recorded)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("events, identical\n")


def test_the_command_shows_the_first_difference_and_exits_with_one(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = recorded.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if '"event":"sample"' in line and ",2.5," in line)
    first = lines[at].rindex("2.5")
    lines[at] = lines[at][:first] + "2.75" + lines[at][first + 3 :]
    recorded.write_text("\n".join(lines))
    assert recording.main([str(recorded)]) == 1
    shown = capsys.readouterr().out
    assert f"event {json.loads(lines[at])['sequence']} (sample) differs" in shown


def test_a_last_line_that_was_cut_off_is_left_out(recorded: Path) -> None:
    text = recorded.read_text()
    whole = replay(recorded).events
    recorded.write_text(text[: len(text) - 10])
    assert replay(recorded) == recording.Replay(whole - 1, ())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a recording"),
        ("no json\n", "not a recording"),
        ("[]\n", "not a recording"),
        ('{"recording": 1, "plan": {"format": 1}}\n', "first line is damaged"),
    ],
)
def test_a_file_that_is_no_recording_is_told_in_one_sentence(
    tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    path.write_text(content)
    with pytest.raises(RecordingError, match=said):
        replay(path)
    assert recording.main([str(path)]) == 1
    shown = capsys.readouterr().err
    assert said in shown and "Traceback" not in shown and len(shown.splitlines()) == 1


@pytest.mark.parametrize("line", ['{"event": "sample"}', "[]", "null"])
def test_a_line_that_is_no_event_is_an_error(recorded: Path, line: str) -> None:
    lines = recorded.read_text().splitlines()
    lines[5] = line
    recorded.write_text("\n".join(lines))
    with pytest.raises(RecordingError, match="damaged"):
        replay(recorded)


def test_an_event_that_the_engine_does_not_have_is_an_error(recorded: Path) -> None:
    recorded.write_text(recorded.read_text().replace('"event":"clear"', '"event":"build"'))
    with pytest.raises(RecordingError, match="unknown event: 'build'"):
        replay(recorded)


def test_a_line_damaged_in_the_middle_is_an_error(recorded: Path) -> None:
    lines = recorded.read_text().splitlines()
    lines[5] = lines[5][:20]
    recorded.write_text("\n".join(lines))
    with pytest.raises(RecordingError, match="damaged"):
        replay(recorded)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_recording_with_one_line_and_not_the_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    recorder, file = recorder_to(Path("/dev/full"), clock=clock)
    recorder.start()
    file.close()
    for i in range(10):
        assert recorder.sample(0, float(i), 0, 0, clock.wall)
    assert not file.recording
    assert [r.message.startswith("recording /dev/full ended: ") for r in caplog.records] == [True]


def test_a_directory_that_is_not_there_costs_only_the_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, file = recorder_to(tmp_path / "no" / "r.jsonl")
    file.close()
    assert recorder.start()
    assert len(caplog.records) == 1


def test_a_disk_that_does_not_keep_up_costs_no_memory_and_no_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_file, "MOST_WAITING", 10)
    blocked = threading.Event()

    def drain(self: RecordFile, file: Any) -> None:
        blocked.wait(10)

    monkeypatch.setattr(RecordFile, "_drain", drain)
    clock = FakeClock()
    recorder, file = recorder_to(tmp_path / "r.jsonl", clock=clock)
    recorder.start()
    for i in range(50):
        assert recorder.sample(0, float(i), 0, 0, clock.wall)
    assert len(file._queue) == 10
    assert [r.message for r in caplog.records] == [
        f"recording {tmp_path / 'r.jsonl'} ended: the disk does not keep up"
    ]
    blocked.set()
    file.close()
