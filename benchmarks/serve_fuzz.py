"""Serve seeded manifests that the compiler accepts: each to ready, and to its end.

    python benchmarks/serve_fuzz.py [--count 200] [--first 0]

Each is served on loopback, runs for a moment and gets SIGTERM. It fails when it does not
become ready, says an error or a traceback, or does not end with 0 within 2 s. Ends with
1 when any has failed, and names the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.processes import Ports, client_environment, server_environment  # noqa: E402
from ioc_runtime.compile import compile_text  # noqa: E402
from ioc_runtime.plan import Plan, to_json  # noqa: E402
from unit.fuzz.generator import accepted  # noqa: E402

READY = 20.0
STOP = 2.0
RUNS = 0.3
"""Seconds that each runs after it is ready."""


@dataclass
class Outcome:
    """How one task went."""

    fault: str
    """Empty: all was well."""
    ready: float = 0.0
    """Seconds from the start of the process, as it said."""
    stop: float = 0.0
    """Seconds from SIGTERM to the end."""


def serve(plan: Plan, directory: Path) -> Outcome:
    """Serve one plan and end it."""
    path, out = directory / "plan.json", directory / "out"
    path.write_text(to_json(plan))
    ports = Ports()
    environ = {key: v for key, v in os.environ.items() if not key.startswith("EPICS_")}
    environ |= server_environment(ports) | client_environment([ports])
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "operator")])
    command = [sys.executable, "-m", "ioc_runtime", str(path), "--no-search", "--snapshot", "0.1"]
    command += ["--state", str(directory / "state")]
    with out.open("wb") as said, (directory / "err").open("wb") as errors:
        process = subprocess.Popen(command, stdout=said, stderr=errors, env=environ)
        try:
            fault, ready = _until_ready(process, out)
            if fault:
                return Outcome(fault, ready)
            time.sleep(RUNS)
            began = time.monotonic()
            process.terminate()
            try:
                code = process.wait(STOP * 3)
            except subprocess.TimeoutExpired:
                return Outcome("did not end", ready)
            stop = time.monotonic() - began
        finally:
            process.kill()
            process.wait()
    fault = "" if code == 0 else f"ended with {code}"
    fault = fault or ("" if stop < STOP else f"took {stop:.1f} s to end") or _complaint(out)
    return Outcome(fault, ready, stop)


def _until_ready(process: subprocess.Popen[bytes], out: Path) -> tuple[str, float]:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline:
        ended = process.poll()
        for said in _said(out):
            if said["say"] == "ready":
                return "", float(said["seconds"])
            if said["say"] == "error":
                return str(said["text"]), 0.0
        if ended is not None:
            return f"ended with {ended} before it was ready", 0.0
        time.sleep(0.01)
    return "was not ready in time", 0.0


def _said(out: Path) -> list[dict[str, object]]:
    text = out.read_text(errors="replace")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _complaint(out: Path) -> str:
    for said in _said(out):
        text = str(said.get("text", ""))
        if "traceback" in said or "Traceback" in text or "effect (" in text:
            return f"{text} {str(said.get('traceback', ''))[-400:]}"
    return ""


def main() -> int:
    """Serve them all and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    good: list[Outcome] = []
    faults: list[str] = []
    for seed, text in islice(accepted(options.first), options.count):
        for compiled in compile_text(text):
            with tempfile.TemporaryDirectory(prefix="serve-fuzz-") as directory:
                outcome = serve(compiled.plan, Path(directory))
            if outcome.fault:
                faults.append(f"seed {seed}: {outcome.fault}")
                print(faults[-1], flush=True)
            else:
                good.append(outcome)
    ready, stop = sorted(o.ready for o in good), sorted(o.stop for o in good)
    print(f"{len(good)} served, {len(faults)} failed")
    if good:
        middle = len(good) // 2
        print(f"ready after {ready[middle]:.2f} s (median), {ready[-1]:.2f} s (longest)")
        print(f"ended within {stop[middle]:.2f} s (median), {stop[-1]:.2f} s (longest)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
