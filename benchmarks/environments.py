"""Environments of plugins: what a hit costs at the start of a process.

Method. An environment of many small files is put into a cache as a build would put it; then
it is asked for again and again, as an init container does: requirements read, the key made
from the installed packages, every file's size compared. "Whole process" is
`python -m ioc_runtime.plugin.environments build`, against a Python that does nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Row, chapter, median, percentile
from ioc_runtime.plugin.environments import Store, Wanted, build
from ioc_runtime.plugin.environments.wanted import asked, key

GOAL = 0.050
REQUIREMENTS = ("scipy>=1.14,<2", "lmfit", "h5py>=3; python_version > '3.8'")


def run(quick: bool) -> Iterator[Row]:
    """Hits of a small and of a large environment."""
    times = 20 if quick else 100
    for files in (100, 2000, 20_000):
        with tempfile.TemporaryDirectory() as place:
            yield from _hits(Path(place), files, times)


def _hits(cache: Path, files: int, times: int) -> Iterator[Row]:
    wanted = Wanted(REQUIREMENTS, commit="c" * 40)
    name = key(wanted, asked(wanted))
    store = Store(cache)
    with store.new(name) as building:
        for n in range(files):
            folder = building / "site" / f"p{n // 100}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"m{n}.py").write_text(f"x = {n}\n")
        store.publish(building, name, {"packages": {}})
    inside = _timed(lambda: build(wanted, cache, say=_nobody, timeout=10.0), times)
    case = f"environment from the cache, {files:,} files"
    p50, p99 = median(inside), percentile(inside, 0.99)
    yield Row(
        case,
        "ours",
        f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms",
        goal=f"≤ {GOAL * 1e3:.0f} ms" if files <= 2000 else "",
        reached=p50 <= GOAL if files <= 2000 else None,
        values={"p50": p50, "p99": p99},
    )
    module = ["-m", "ioc_runtime.plugin.environments", "build", "--cache", str(cache)]
    whole = [*module, "--commit", wanted.commit, *REQUIREMENTS]
    ours = median(_timed(lambda: _python(*whole), times // 4))
    bare = median(_timed(lambda: _python("-c", "pass"), times // 4))
    yield Row(f"{case}, whole process", "bare Python", f"p50 {bare * 1e3:.0f} ms")
    yield Row(
        f"{case}, whole process",
        "ours",
        f"p50 {ours * 1e3:.0f} ms",
        f"{ours / bare:.1f}",
        values={"p50": ours},
    )


def _timed(what: Callable[[], object], times: int) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        found.append(time.perf_counter() - began)
    return found


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, timeout=60)


def _nobody(text: str) -> None:
    if "cache hit" not in text:
        raise RuntimeError(text)


if __name__ == "__main__":
    chapter(run)
