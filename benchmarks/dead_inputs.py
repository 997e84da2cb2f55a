"""Dead inputs: does a loop of 10 Hz keep its rate when half of its inputs are dead?

Method. A task has 100 inputs and a rule on each; the source IOC serves 50 of them,
nobody serves the rest. It runs periodically, ten times a second. After some seconds
of grace the client reads CYCLE_COUNT, waits, and reads it again; the rate is the
difference by the time between the two reads. The peer checks its inputs one by one
before its first cycle, 5 s for each dead one: within these seconds it does not get
that far.

"Delays nothing" is the reaction of a live input (as in benchmarks/reaction.py) of
this task and of the same task with all 100 inputs alive, in a second process beside
it, interleaved change by change: the ratio of the two.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import devices, peer
from benchmarks.figures import Row, apart, chapter, failed, percentile
from benchmarks.processes import Ports, Process, client_environment, server_environment

INPUTS, PERIOD = 100, 0.1
GRACE = 5.0


def run(quick: bool) -> Iterator[Row]:
    """Both protocols, ours and the peer."""
    seconds, n = (3.0, 100) if quick else (15.0, 1000)
    for protocol in ("ca",) if quick else ("ca", "pva"):
        case = f"50 of 100 inputs dead, {protocol.upper()}, loop of 10 Hz"
        for kind in ("ours",) if quick else ("iocmng", "ours"):
            if kind in devices.available():
                try:
                    yield from apart(_series, case, kind, protocol, seconds, n)
                except (RuntimeError, TimeoutError) as error:
                    yield failed(case, kind, error)


def _series(case: str, kind: str, protocol: str, seconds: float, n: int) -> list[Row]:
    from benchmarks import caclient

    tag = f"D{random.SystemRandom().randrange(10**6)}"
    source, half, whole = Ports(), Ports(), Ports()
    os.environ.update(client_environment([source, half, whole]))
    names = [f"{tag}:SRC:{k}" for k in range(INPUTS)]
    served = [*names[: INPUTS // 2], *(f"{name}B" for name in names)]
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = [devices.record("ao", name, VAL="0", PINI="YES") for name in served]
        stack.enter_context(devices.c_ioc("\n".join(database), work, [source], source))
        start = _start_ours if kind == "ours" else _start_iocmng
        stack.enter_context(start(f"{tag}:D:", names, protocol, work, source, half))
        try:
            count = caclient.Channel(f"{tag}:D:CYCLE_COUNT", 20.0)
        except TimeoutError:
            return [Row(case, kind, "does not serve yet after 20 s")]
        time.sleep(GRACE)
        first, at = count.get(), time.monotonic()
        time.sleep(seconds)
        rate = (count.get() - first) / (time.monotonic() - at)
        if kind != "ours":
            return [Row(case, kind, f"{rate:.2f} Hz", f"{rate / 10:.3f}", values={"rate": rate})]
        (work / "alive").mkdir()
        alive = [f"{name}B" for name in names]
        stack.enter_context(start(f"{tag}:E:", alive, protocol, work / "alive", source, whole))
        dead, calm = _reactions([(names[0], f"{tag}:D:y"), (alive[0], f"{tag}:E:y")], protocol, n)
    ratio = dead / calm
    values = {"rate": rate, "reaction_ratio": ratio, "p50": dead, "p50_alive": calm}
    figure = f"{rate:.2f} Hz, reaction p50 {dead:.0f} µs"
    text = f"{rate / 10:.3f}; reaction {ratio:.2f} × all alive"
    return [Row(case, kind, figure, text, "10.0 Hz", round(rate, 1) == 10.0, values)]


def _reactions(pairs: list[tuple[str, str]], protocol: str, n: int) -> list[float]:
    """p50 in µs of each (source, output), interleaved."""
    from benchmarks.reaction import Target

    targets = [Target(source, output, protocol, False) for source, output in pairs]
    for target in targets:
        target.settle()
    taken: list[list[float]] = [[] for _ in targets]
    for k in range(n):
        for found, target in zip(taken, targets, strict=True):
            time.sleep(0.001)
            found.append(target.change(float((k + 1) % 2)) or 1e6)
    return [percentile(found, 0.5) for found in taken]


def _start_ours(
    prefix: str, names: list[str], protocol: str, work: Path, source: Ports, own: Ports
) -> Process:
    from ioc_runtime import plan as p

    inputs = [
        p.Input(name=f"x{k}", type="float", link=p.Link(protocol, name))  # type: ignore[arg-type]
        for k, name in enumerate(names)
    ]
    plan = p.Plan(
        name="dead",
        namespace="",
        prefix=prefix,
        mode="periodic",
        period=PERIOD,
        inputs=tuple(inputs),
        outputs=tuple(
            p.Output(name=name, type="float", owner="rules", default=0.0) for name in ("y", "z")
        ),
        rules=(
            p.Rule("r0", "x0 > 0.5", {"y": 1.0}),
            *(p.Rule(f"r{k}", f"x{k} > 0.5", {"z": 1.0}) for k in range(1, len(names))),
        ),
    )
    return devices.run_plan(p.to_json(plan), work, [source], own)


def _start_iocmng(
    prefix: str, names: list[str], protocol: str, work: Path, source: Ports, own: Ports
) -> Process:
    import yaml

    inputs: dict[str, Any] = {
        f"x{k}": {"type": "float", "link": name, "link_mode": "monitor"}
        for k, name in enumerate(names)
    }
    config = {
        "parameters": {"mode": "continuous", "interval": PERIOD},
        "arguments": {
            "inputs": inputs,
            "outputs": {"y": {"type": "float"}, "z": {"type": "float"}},
        },
        "rules": [
            {"id": f"r{k}", "condition": f"x{k} > 0.5", "outputs": {"z" if k else "y": 1.0}}
            for k in range(len(names))
        ],
        "rule_defaults": {"y": 0.0, "z": 0.0},
    }
    (work / "config.yaml").write_text(yaml.safe_dump(config))
    return Process(
        peer.run_command(prefix, protocol),
        server_environment(own) | client_environment([source]),
        directory=work,
        log=work / "iocmng.log",
    )


if __name__ == "__main__":
    chapter(run)
