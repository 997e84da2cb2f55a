"""A recorded run with faults, and its replay: both must have the same effects.

    python benchmarks/replay_run.py [SECONDS] [--seed N] [--keep FILE]

A task with one of everything follows a source over CA and PVA, and writes a target. At
random the source floods it, freezes, is killed and comes back, says NaN or INVALID, and
an operator puts, clears, resets and pauses. SECONDS are 600 unless said. Ends with 1
when the replay differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.processes import (  # noqa: E402
    Ports,
    Process,
    client_environment,
    python,
    server_environment,
)
from ioc_runtime.compile import compile_text  # noqa: E402
from ioc_runtime.engine.recording import replay  # noqa: E402
from ioc_runtime.plan import to_json  # noqa: E402
from runtime.faulty import MANIFEST, PLUGIN  # noqa: E402

FIELD = "REPLAY:"
TASK = FIELD + "T:"
SCRIPTS = ROOT / "tests" / "runtime"


class Station:
    """Source, target and task, each in its own process."""

    def __init__(self, directory: Path, recording: Path) -> None:
        self._directory = directory
        self._fifo = directory / "commands"
        os.mkfifo(self._fifo)
        self._ports = [Ports(), Ports(), Ports()]
        self.frozen = False
        self.counts: Counter[str] = Counter()
        self.source = self.target = None  # type: Process | None
        self._start_source()
        self._start_target()
        plan = directory / "plan.json"
        plan.write_text(to_json(_plan()))
        options = ["--no-search", "--record", str(recording), "--state", str(directory / "state")]
        command = python("ioc_runtime", str(plan), *options)
        self.task = Process(command, self._environ(0), log=directory / "task.log")
        self.task.expect('"ready"')
        os.environ.update(client_environment(self._ports))
        from p4p.client.thread import Context

        self.client = Context("pva", nt=False)

    def _environ(self, place: int) -> dict[str, str]:
        return server_environment(self._ports[place]) | client_environment(self._ports)

    def _start_source(self) -> None:
        script = str(SCRIPTS / "ioc_source.py")
        command = [sys.executable, "-W", "ignore", script, FIELD, str(self._fifo)]
        self.source = Process(command, self._environ(1))
        self.source.expect("up")
        self.frozen = False

    def _start_target(self) -> None:
        script = str(SCRIPTS / "task_target.py")
        self.target = Process([sys.executable, "-W", "ignore", script, FIELD], self._environ(2))
        self.target.expect("up")

    def tell(self, what: str, **arguments: object) -> None:
        """Tell the source to do something; nothing while it is frozen or dead."""
        self.counts[what] += 1
        if self.source is None or self.frozen:
            return
        with self._fifo.open("w") as commands:
            commands.write(json.dumps({"do": what, **arguments}) + "\n")
        self.source.expect("done")

    def put(self, name: str, value: object) -> None:
        """An operator's put."""
        self.counts[f"put {name}"] += 1
        with suppress(Exception):  # a fault of the run is no fault of this script
            self.client.put(TASK + name, value, timeout=5)

    def freeze(self) -> None:
        """Stop the source for a while, or let it go on."""
        if self.source is None:
            return
        self.counts["freeze"] += 1
        os.kill(self.source.pid, signal.SIGCONT if self.frozen else signal.SIGSTOP)
        self.frozen = not self.frozen

    def kill_source(self) -> None:
        """End the source, or bring it back."""
        self.counts["kill"] += 1
        if self.source is None:
            self._start_source()
        else:
            self.source.stop(signal.SIGKILL)
            self.source = None

    def kill_target(self) -> None:
        """End the target, or bring it back."""
        self.counts["kill target"] += 1
        if self.target is None:
            self._start_target()
        else:
            self.target.stop(signal.SIGKILL)
            self.target = None

    def end(self) -> float:
        """End everything; seconds that the task took."""
        self.client.close()
        began = time.monotonic()
        self.task.stop()
        took = time.monotonic() - began
        for process in (self.source, self.target):
            if process is not None:
                process.stop(signal.SIGKILL)
        return took


def _plan():  # type: ignore[no-untyped-def]
    spec = {"prefix": TASK} | yaml.safe_load(MANIFEST.replace("@", FIELD))
    spec["plugin"] = {"inline": {"files": {"guard.py": PLUGIN}}, "functions": ["shifted"]}
    manifest = {
        "apiVersion": "ioc-operator.dev/v1alpha1",
        "kind": "IocTask",
        "metadata": {"name": "replay"},
        "spec": spec,
    }
    (compiled,) = compile_text(yaml.safe_dump(manifest, sort_keys=False))
    return compiled.plan


def disturb(station: Station, rng: random.Random) -> None:
    """One thing that happens."""
    match rng.randrange(20):
        case 0:
            station.tell("burst", name="F", count=rng.choice([10, 300, 2000]), rate=5000)
        case 1 | 2 | 3 | 4:
            station.tell("set", name="F", value=rng.choice([0.0, 20.0, 60.0, 200.0, -1.0]))
        case 5:
            station.tell("set", name="F", value=float("nan"))
        case 6 | 7:
            station.tell("set", name="E", value=rng.randrange(3))
        case 8 | 9:
            station.tell("set", name="AF", value=[rng.random()] * rng.randrange(1, 10))
        case 10:
            station.tell("set", name="AF", value=[1.0, float("nan")])
        case 11:
            station.freeze()
        case 12:
            station.kill_source()
        case 13:
            station.kill_target()
        case 14:
            station.put("limit2", rng.choice([10.0, 100.0, 5000.0]))
        case 15 | 16:
            station.put("CLEAR", {"value.index": 1})
        case 17:
            station.put("RESET", {"value.index": 1})
        case _:
            station.put("ENABLE", {"value.index": rng.choice([0, 1, 1, 1])})


def main() -> int:
    """Run, replay, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the recording in this file")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="replay-") as directory:
        recording = options.keep or Path(directory) / "recording"
        station = Station(Path(directory), recording)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end and station.task.running:
            disturb(station, rng)
            time.sleep(rng.choice([0.0, 0.1, 0.5, 1.0]))
        alive = station.task.running
        took = station.end()
        size = recording.stat().st_size / 2**20
        kinds = Counter(json.loads(line)["event"] for line in list(recording.open())[1:])
        began = time.monotonic()
        found = replay(recording)
        print(f"{options.seconds:g} s, {sum(station.counts.values())} disturbances")
        print(f"{found.events} events, {size:.1f} MiB; the task ended in {took:.2f} s")
        print(", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())))
        print(f"replayed in {time.monotonic() - began:.1f} s, {len(found.mismatches)} differ")
        for mismatch in found.mismatches[:3]:
            print(mismatch)
    if not alive:
        print("the task ended by itself")
    return 1 if found.mismatches or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
