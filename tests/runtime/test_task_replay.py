"""What happened to a task replays to the same effects (benchmarks/replay_run.py: 10 min)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from ioc_runtime.engine.recording import replay
from runtime.faulty import MANIFEST, PLUGIN
from runtime.field import INVALID, Field
from runtime.source import wait_until


def test_a_short_run_with_every_fault_replays_to_the_same_effects(field: Field):
    field.source.start()
    target = field.target()
    task = field.start(
        MANIFEST,
        *("--no-search", "--record", field.recording, "--state", field.state),
        code=PLUGIN,
        plugin={"functions": ["shifted"]},
    )
    field.shows("level", 0.25 + 0.375 + 3.5)
    field.source.do("burst", name="F", count=300, rate=1000)
    field.shows("alarm", 1)
    field.shows("valve", 0)
    field.ca.put("limit2", 2000)
    field.ca.put("CLEAR", 1)
    field.source.set("AF", [float("nan")])
    field.shows("level", field.value("level"), INVALID)
    field.ca.put("ENABLE", 0)
    field.source.set("AF", [1.0])
    field.ca.put("ENABLE", 1)
    field.source.process.freeze()
    field.shows("a", 300.0, INVALID)
    field.source.process.thaw()
    field.shows("a", 300.0)
    target.process.kill()
    field.source.kill()
    field.shows("b", 300.0, INVALID)
    field.ca.put("RESET", 1)
    field.source.start()
    field.shows("b", 0.25, timeout=25)
    wait_until(lambda: field.ca.get("own")[1] == INVALID)
    assert task.stop() == 0
    found = replay(field.recording)
    assert found.mismatches == ()
    assert found.events > 600
    kinds = events(field.recording)
    assert kinds.keys() >= {
        *("start", "sample", "disconnected", "alive", "put", "write", "link_up", "clear"),
        *("reset", "enable", "wake", "full_pass"),
    }


def events(recording: Path) -> Counter[str]:
    """How many events of each kind a recording has."""
    lines = recording.read_text().splitlines()[1:]
    return Counter(json.loads(line)["event"] for line in lines)
