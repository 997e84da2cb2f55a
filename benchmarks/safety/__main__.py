"""``python -m benchmarks.safety``: the stories, as a table for each system."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import peer
from benchmarks.processes import ROOT
from benchmarks.safety import driving, knowing
from benchmarks.safety.stage import Stage
from benchmarks.safety.story import STORIES, Seen

SYSTEMS = {"peer": f"iocmng {peer.VERSION}", "ours": "ioc-runtime"}
SIDES = {"peer": "iocmng", "ours": "ours"}
LONGEST = 120
"""Seconds after which one story is given up."""
AT_ONCE = 3

assert driving and knowing  # importing them registers the stories
KEYS = sorted(STORIES, key=lambda key: (int(key[1:].rstrip("b")), key))


def play(system: str, key: str, protocol: str, brief: bool) -> Seen:
    """One story, in this process."""
    with tempfile.TemporaryDirectory() as work:
        with Stage(SIDES[system], protocol, Path(work), brief) as stage:
            return STORIES[key].play(stage)


def play_apart(system: str, key: str, protocol: str, brief: bool = False) -> Seen:
    """One story in a process of its own (its client libraries keep their environment)."""
    command = [sys.executable, "-m", "benchmarks.safety", "--system", system]
    story = subprocess.Popen(
        [*command, "--play", key, protocol, *["--brief"] * brief],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'operator'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaints = story.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(story.pid, signal.SIGKILL)  # with the IOCs that it started
        story.communicate()
        return Seen(False, f"the story did not end within {LONGEST} s")
    if story.returncode:
        return Seen(False, "broke off: " + (complaints.strip().splitlines() or ["?"])[-1])
    return Seen(**json.loads(said.splitlines()[-1]))


def main() -> int:
    """Run what was asked for; returns 1 when our own system fails a story."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", choices=["peer", "ours", "both"], default="both")
    parser.add_argument("--only", nargs="+", choices=KEYS, metavar="A1")
    parser.add_argument("--save", action="store_true", help="write docs/comparison/")
    parser.add_argument("--brief", action="store_true", help="count less, wait less")
    parser.add_argument("--play", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        seen = play(options.system, *options.play, options.brief)
        print(json.dumps({"good": seen.good, "text": seen.text}), flush=True)
        return 0
    systems = ["peer", "ours"] if options.system == "both" else [options.system]
    failed = 0
    for system in systems:
        if system == "peer" and peer.interpreter() is None:
            print(f"SKIPPED: {peer.MISSING}\n")
            continue
        text, bad = compare(system, options.only or KEYS, options.brief)
        print(text, flush=True)
        failed += bad if system == "ours" else 0
        if options.save:
            name = "iocmng-2.7.9" if system == "peer" else "ioc-runtime"
            (ROOT / "docs" / "comparison").mkdir(parents=True, exist_ok=True)
            (ROOT / "docs" / "comparison" / f"{name}.txt").write_text(text)
    return int(failed > 0)


def compare(system: str, keys: list[str], brief: bool) -> tuple[str, int]:
    """The table of one system, and how many stories it failed."""
    jobs = [(key, protocol) for key in keys for protocol in STORIES[key].protocols]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(lambda job: play_apart(system, *job, brief), jobs))
    lines = [f"Safety stories, {SYSTEMS[system]}", ""]
    for key in keys:
        lines += textwrap.wrap(f"{key:4}{STORIES[key].defect}", 100, subsequent_indent="    ")
        lines += textwrap.wrap(f"    expected: {STORIES[key].expected}", 100,
                               subsequent_indent="    ")  # fmt: skip
        for (which, protocol), seen in zip(jobs, ends, strict=True):
            if which == key:
                verdict = "pass" if seen.good else "FAIL"
                lines.append(f"    {protocol.upper():4}{verdict}  {seen.text}")
        lines.append("")
    bad = sum(not seen.good for seen in ends)
    lines.append(f"{len(ends) - bad} of {len(ends)} pass, {bad} fail")
    return "\n".join(lines) + "\n", bad


if __name__ == "__main__":
    sys.exit(main())
