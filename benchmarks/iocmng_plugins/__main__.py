"""``python -m benchmarks.iocmng_plugins``: both systems side by side, as a table."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.iocmng_plugins.scripts import SCRIPTS, Script
from benchmarks.processes import ROOT

LONGEST = 120
SAVED = ROOT / "docs" / "comparison" / "iocmng-plugins.txt"
RECORDED = ROOT / "tests" / "data" / "iocmng" / "answers.json"
BY_NAME = {script.plugin: script for script in SCRIPTS}


def play_apart(system: str, plugin: str, protocol: str, timed: bool = True) -> dict[str, Any]:
    """One plugin on one system, in a process of its own.

    :raises RuntimeError: with the last thing it said
    """
    command = [sys.executable, "-m", "benchmarks.iocmng_plugins"]
    command += ["--play", system, plugin, protocol]
    child = subprocess.Popen(
        [*command, *["--brief"] * (not timed)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'operator'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaints = child.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # with the processes that it started
        child.communicate()
        raise RuntimeError(f"{plugin} did not end within {LONGEST} s") from None
    if child.returncode:
        lines = complaints.strip().splitlines() or said.strip().splitlines() or ["?"]
        raise RuntimeError(f"{plugin}, {system}, {protocol}: {lines[-1]}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def main() -> int:
    """Play what was asked for; 1 when an answer differs that should not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), metavar="PLUGIN")
    parser.add_argument("--protocol", choices=["ca", "pva"], nargs="+", default=["ca", "pva"])
    parser.add_argument(
        "--save", action="store_true", help="write docs/comparison/ and the answers"
    )
    parser.add_argument("--play", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--brief", action="store_true", help="no timing")
    options = parser.parse_args()
    if options.play:
        _play(*options.play, timed=not options.brief)
        return 0
    if peer.interpreter() is None:
        print(f"SKIPPED: {peer.MISSING}")
        return 0
    lines = [f"Plugins written for iocmng, by iocmng {peer.VERSION} and by this runtime", ""]
    recorded: dict[str, Any] = {}
    wrong = 0
    for plugin in options.only or BY_NAME:
        for protocol in options.protocol:
            theirs = play_apart("iocmng", plugin, protocol, not options.brief)
            if why := refused(plugin):
                more = [f"{plugin}, {protocol.upper()}", f"  SKIPPED  ours: {why}", ""]
                lines += more
                print("\n".join(more), flush=True)
                continue
            ours = play_apart("ours", plugin, protocol, not options.brief)
            recorded.setdefault(plugin, {})[protocol] = theirs["answers"]
            more, bad = compare(BY_NAME[plugin], protocol, theirs, ours)
            wrong += bad
            lines += more
            print("\n".join(more), flush=True)
    lines.append(
        "every answer is the same, but for what is marked" if not wrong else f"{wrong} differ"
    )
    print(lines[-1])
    if options.save and not options.only and not wrong:
        SAVED.write_text("\n".join(lines) + "\n")
        RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    return 1 if wrong else 0


def refused(plugin: str) -> str:
    """Why our runtime does not take a plugin yet; "" when it does."""
    from ioc_runtime.compile import ManifestError
    from ioc_runtime.migrate import Wanted, convert_directory

    config = ROOT / "tests" / "data" / "iocmng" / plugin / "config.yaml"
    try:
        convert_directory(config, Wanted("x", source={"image": {"path": str(config.parent)}}))
    except ManifestError as error:
        problems = [problem.expected for problem in error.problems]
        if all("not built yet" in text for text in problems):
            return "; ".join(problems)
    return ""


def compare(
    script: Script, protocol: str, theirs: dict[str, Any], ours: dict[str, Any]
) -> tuple[list[str], int]:
    """What there is to say of one plugin; how many answers differ without a reason."""
    lines, same, wrong = [f"{script.plugin}, {protocol.upper()}"], 0, 0
    for label, answers in theirs["answers"].items():
        for name, answer in answers.items():
            mine = ours["answers"].get(label, {}).get(name)
            if mine == answer:
                same += 1
                continue
            why = script.defects.get((label, name))
            wrong += why is None
            mark = why or "DIFFERS"
            lines.append(f"  {mark:8} {label}: {name}: iocmng {answer!r}, ours {mine!r}")
    lines.insert(1, f"  same     {same} answers")
    if "median" in theirs and "median" in ours:
        lines.append(
            f"  reaction iocmng {theirs['median'] * 1e3:.2f} ms (p99 {theirs['p99'] * 1e3:.1f}), "
            f"ours {ours['median'] * 1e3:.2f} ms (p99 {ours['p99'] * 1e3:.1f}): "
            f"{theirs['median'] / ours['median']:.0f} times as fast"
        )
    if theirs.get("cycles") is not None and script.period:
        lines.append(
            f"  cycles   {1 / script.period:g} a second are asked for: "
            f"iocmng {theirs['cycles']:.2f}, ours {ours['cycles']:.2f}"
        )
    if theirs.get("fastest") and ours.get("fastest"):
        lines.append(
            f"  fastest  with an interval of 1 ms: iocmng {theirs['fastest']:.0f} cycles a second, "
            f"ours {ours['fastest']:.0f}: {ours['fastest'] / theirs['fastest']:.1f} times"
        )
    return [*lines, ""], wrong


def _play(system: str, plugin: str, protocol: str, *, timed: bool) -> None:
    from benchmarks.iocmng_plugins.playing import Player

    with tempfile.TemporaryDirectory() as work:
        played = Player(BY_NAME[plugin], system, protocol, Path(work)).play(timed=timed)
    print(json.dumps(played.summary()), flush=True)
    sys.stdout.flush()
    os._exit(0)  # the CA client's own end is not waited for


if __name__ == "__main__":
    sys.exit(main())
