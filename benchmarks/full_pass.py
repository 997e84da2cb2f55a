"""One pass of 500 rules on 500 changed inputs.

Method. Every rule reads one input of its own and drives one output of its own. All
inputs change, and one pass follows. Two kinds: "none fires" (the inputs change, no
rule changes its state) and "all fire" (every rule changes its state and its output).
Each device does it in its own process, alone, several hundred times with a pause in
between; the figure is the median.

| device | what is timed |
|---|---|
| C record | `dbProcess` of a chain of 500 calc records, each changing its value |
| iocmng | transforms and rules of 2.7.9, without records |
| ours, engine alone | `Engine.samples` with 500 samples, effects as tuples |
| ours, with record writes | the same through `Events` into 500 mirrors, and where rules fire 500 outputs and 500 rule states |
"""  # noqa: E501

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks import devices, peer
from benchmarks.figures import Row, chapter, failed
from benchmarks.processes import Ports, Process, client_environment, python, server_environment

SIZE = 500
GOALS = {"engine alone": 0.4, "with record writes": 1.2}


def run(quick: bool) -> list[Row]:
    """One device after the other."""
    count = 100 if quick else 500
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        chain = _chain(count, work)
        rows = [Row(_case("all fire"), "C record", f"{chain:.3f} ms", values={"ms": chain})]
        if python_of_peer := peer.interpreter():
            for kind, ms in _iocmng(str(python_of_peer), count, work).items():
                rows.append(
                    Row(
                        _case(kind),
                        "iocmng",
                        f"{ms:.2f} ms",
                        f"{ms / chain:.1f} × C",
                        values={"ms": ms},
                    )
                )
        try:
            rows += _ours(count, work, chain)
        except RuntimeError as error:
            rows.append(failed(_case("all fire"), "ours", error))
    return rows


def _case(kind: str) -> str:
    return f"pass of {SIZE} rules on {SIZE} changed inputs, {kind}"


def _chain(count: int, work: Path) -> float:
    lines = [
        devices.record(
            "calc", f"C:{k}", CALC="A:=!A;A", **({"FLNK": f"C:{k + 1}"} if k + 1 < SIZE else {})
        )
        for k in range(SIZE)
    ]
    ports = Ports()
    with devices.c_ioc("\n".join(lines), work, [ports], ports) as ioc:
        ioc.tell(f"time C:0 {count}")
        return float(ioc.expect("times").split()[1]) / 1000


def _iocmng(interpreter: str, count: int, work: Path) -> dict[str, float]:
    script = str(Path(__file__).with_name("iocmng_pass.py"))
    return _answer([interpreter, script, str(SIZE), str(count)], work, {})


def _ours(count: int, work: Path, chain: float) -> list[Row]:
    ports = Ports()
    environment = server_environment(ports) | client_environment([ports])
    found = _answer(python("benchmarks.our_pass", str(SIZE), str(count)), work, environment)
    rows = []
    for key, ms in found.items():
        kind, what = key.split("; ")
        rows.append(
            Row(
                _case(kind),
                f"ours, {what}",
                f"{ms:.3f} ms",
                f"{ms / chain:.2f} × C",
                f"≤ {GOALS[what]} ms",
                ms <= GOALS[what],
                {"ms": ms},
            )
        )
    return rows


def _answer(command: list[str], work: Path, environment: dict[str, str]) -> dict[str, float]:
    """What the process says on its one line of JSON."""
    with Process(command, environment, directory=work, log=work / "pass.log") as process:
        found: dict[str, float] = json.loads(process.expect("{", 120))
    return found


if __name__ == "__main__":
    chapter(run)
