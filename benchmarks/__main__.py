"""``python -m benchmarks [--only NAME …] [--quick] [--json FILE]``: one table.

Each chapter runs in its own process, one after the other. What is asked of ours
stands beside what was measured; the methods stand in the chapters' docstrings.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks import peer
from benchmarks.figures import Row, failed, table
from benchmarks.processes import ROOT

CHAPTERS = {
    "reaction": 540,
    "trigger": 120,
    "throughput": 270,
    "dead_inputs": 120,
    "full_pass": 60,
    "startup": 120,
    "memory": 120,
    "reload": 300,
    "environments": 120,
}
"""Seconds after which a chapter is given up."""
LIBRARIES = ("softioc", "epicscorelibs", "pvxslibs", "p4p", "pyepics", "numpy")


def main() -> int:
    """Run the chapters that were asked for; returns 0 also when a goal is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CHAPTERS), metavar="NAME",
                        help=", ".join(CHAPTERS))  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few samples, < 2 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the bare figures too")
    options = parser.parse_args()
    began = time.monotonic()
    if peer.interpreter() is None:
        print(f"SKIPPED: {peer.MISSING}", file=sys.stderr)
    rows: list[Row] = []
    for name in options.only or CHAPTERS:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += _chapter(name, options.quick)
    print(machine())
    print()
    print(table(rows))
    missed = sum(row.reached is False for row in rows)
    asked = sum(row.reached is not None for row in rows)
    print(f"\n{asked - missed} of {asked} figures reached, {time.monotonic() - began:.0f} s")
    if options.json:
        result = {"machine": machine(), "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(result, indent=1))
    return 0


def _chapter(name: str, quick: bool) -> list[Row]:
    """Rows of a chapter; of one that fails or lasts too long, those it has given."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "rows.json"
        child = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{name}", "--json", str(file), *["--quick"] * quick],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'operator'}"},
            start_new_session=True,
        )
        problem = ""
        try:
            if code := child.wait(CHAPTERS[name]):
                problem = f"the chapter ended with {code}"
        except subprocess.TimeoutExpired:
            problem = f"given up after {CHAPTERS[name]} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # whatever it left, all of it its own
            child.wait()
        rows = [Row(**row) for row in json.loads(file.read_text())] if file.exists() else []
        return rows + [failed(name, "ours", RuntimeError(problem))] * bool(problem)


def machine() -> str:
    """Where it ran: cores, memory, kernel, versions."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.machine(),
    )  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = ".".join(platform.release().split(".")[:2])
    load = os.getloadavg()[0]
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, Linux {kernel}, "
        f"Python {platform.python_version()}, {libraries}; load {load:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
