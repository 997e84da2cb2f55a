"""Compile many seeded manifests: none may crash, hang, or cost much.

    python benchmarks/fuzz_manifests.py [--count 20000] [--first 0] [--workers 2]

Each manifest has 1 s of CPU and 200 MiB (of the whole worker process). Whatever is
raised beside the project's own error fails the run and names the seed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from ioc_runtime.compile import ManifestError, compile_document, compile_text  # noqa: E402
from ioc_runtime.plan import from_json, to_json  # noqa: E402
from unit.fuzz.generator import data, manifest  # noqa: E402

CPU_LIMIT = 1.0
MEMORY_LIMIT = 200 * 2**20
HANG = 20
CHUNK = 100


@dataclass
class Result:
    """What a batch of seeds gave."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    cpu: float = 0.0
    worst: tuple[float, int] = (0.0, -1)
    memory: tuple[int, int] = (0, -1)


class Hang(BaseException):
    """The alarm went off."""


def _alarm(_signal: int, _frame: object) -> None:
    raise Hang


def peak() -> int:
    """Largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def batch(first: int) -> Result:
    """Seeds `first` to `first + CHUNK`."""
    result = Result()
    signal.signal(signal.SIGALRM, _alarm)
    for seed in range(first, first + CHUNK):
        plain = seed % 5 == 4
        made = data(seed) if plain else manifest(seed)
        start = time.process_time()
        signal.alarm(HANG)
        try:
            for compiled in (
                [compile_document(made)] if plain else compile_text(made, file=f"{seed}.yaml")
            ):
                if from_json(to_json(compiled.plan)) != compiled.plan:
                    result.failures.append(f"seed {seed}: the plan does not survive JSON")
            result.counts["accepted"] += 1
        except ManifestError as error:
            result.counts["refused"] += 1
            str(error).encode()
            if not error.problems:
                result.failures.append(f"seed {seed}: refused without a reason")
        except Hang:
            result.failures.append(f"seed {seed}: hangs")
        except BaseException:
            result.failures.append(f"seed {seed}: {traceback.format_exc(limit=-3)}")
        finally:
            signal.alarm(0)
        spent = time.process_time() - start
        result.cpu += spent
        result.worst = max(result.worst, (spent, seed))
        result.memory = max(result.memory, (peak(), seed))
        if spent > CPU_LIMIT:
            result.failures.append(f"seed {seed}: {spent:.2f} s of CPU")
    if result.memory[0] > MEMORY_LIMIT:
        result.failures.append(f"near seed {result.memory[1]}: {result.memory[0] >> 20} MiB")
    return result


def main() -> int:
    """Run, print a table, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    started, total = time.monotonic(), Result()
    starts = range(options.first, options.first + options.count, CHUNK)
    with multiprocessing.get_context("spawn").Pool(options.workers, maxtasksperchild=20) as pool:
        for result in pool.imap_unordered(batch, starts):
            total.counts += result.counts
            total.failures += result.failures
            total.cpu += result.cpu
            total.worst = max(total.worst, result.worst)
            total.memory = max(total.memory, result.memory)
    for failure in total.failures[:20]:
        print(failure)
    rows = {
        "manifests": total.counts.total(),
        "accepted": total.counts["accepted"],
        "refused with problems": total.counts["refused"],
        "failures": len(total.failures),
        "mean CPU, ms": f"{1000 * total.cpu / max(1, total.counts.total()):.1f}",
        "worst CPU, s (seed)": f"{total.worst[0]:.2f} ({total.worst[1]})",
        "worst process, MiB (seed)": f"{total.memory[0] >> 20} ({total.memory[1]})",
        "wall time, s": f"{time.monotonic() - started:.0f}",
    }
    for name, value in rows.items():
        print(f"{name:<28}{value:>16}")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
