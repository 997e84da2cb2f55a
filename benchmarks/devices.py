"""The devices under test: the same small task built four times.

| device | what it is |
|---|---|
| ours | `python -m ioc_runtime PLAN` |
| C record | `calc` records with CP links (CA or PVA) in a C IOC of its own process |
| softioc | what one writes by hand: `epics.PV` or p4p thread client, callback, `aIn.set` |
| iocmng | `iocmng-run` 2.7.9, reactive, from its own environment |

The task: an input x follows a source PV, a rule sets y to 1 while x > 0.5 and else
to 0. `rules` adds rules that do not depend on x. With `double` y is 2·x instead (a
transform) beside a rule on x, so that each value of the source makes another value
of the output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peer
from benchmarks.processes import (
    Ports,
    Process,
    client_environment,
    python,
    server_environment,
)

BURN = """
import threading
from {package} import DeclarativeTask

class Burner(DeclarativeTask):
    def initialize(self):
        threading.Thread(target=self.burn, daemon=True).start()

    def burn(self):
        n = 0
        while True:
            n += 1
"""


@dataclass(frozen=True)
class Load:
    """One task and where its input comes from."""

    prefix: str
    source: str
    protocol: str
    """Of the link: ca or pva."""
    rules: int = 1
    others: tuple[str, ...] = ()
    """Source PVs that the rules which do not read x follow."""
    double: bool = False
    burn: bool = False
    """A thread of the plugin burns a core."""

    @property
    def output(self) -> str:
        """The PV that a client watches."""
        return f"{self.prefix}y"

    def spare(self) -> list[tuple[str, str, float]]:
        """Name, input and limit of each rule that does not read x."""
        return [
            (f"r{k}", f"o{k % len(self.others)}", k / 10)
            for k in range(self.rules - 1)
            if self.others
        ]


Start = Callable[[Load, Path, Sequence[Ports], Ports], Process]
"""Task, working directory, servers that its links may find, own ports -> process."""


def start_c_record(load: Load, work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    lines = [
        record("calc", load.output, INPA=cp(load.source, load.protocol), CALC=_calc(load)),
        *(
            record("calc", f"{load.prefix}{name}", INPA=cp(_other(load, name_in), load.protocol),
                   CALC=f"A>{limit}")
            for name, name_in, limit in load.spare()
        ),
    ]  # fmt: skip
    return c_ioc("\n".join(lines), work, servers, ports)


def _calc(load: Load) -> str:
    return "A*2" if load.double else "A>0.5"


def _other(load: Load, name: str) -> str:
    return load.others[int(name[1:])]


def record(kind: str, name: str, **values: str) -> str:
    """One record of a .db file; a value that starts with { is JSON and stays as it is."""
    text = "".join(
        f" field({key}, {value if value.startswith('{') else json.dumps(value)})"
        for key, value in values.items()
    )
    return f'record({kind}, "{name}") {{{text} }}'


def cp(source: str, protocol: str) -> str:
    """A link of a C record that processes it on every change of `source`."""
    if protocol == "ca":
        return f"{source} CP NMS"
    return "{pva: {pv: " + json.dumps(source) + ', proc: "CP", Q: 4}}'


def c_ioc(database: str, work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    """A C IOC with these records, ready."""
    file = work / f"c-{ports.ca}.db"
    file.write_text(database + "\n")
    return _ready(python("benchmarks.c_ioc", str(file)), work, servers, ports)


def start_softioc(load: Load, work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    task = {
        "prefix": load.prefix.rstrip(":"),
        "protocol": load.protocol,
        "inputs": {"x": load.source},
        "double": load.double,
        "burn": load.burn,
    }
    return _ready(python("benchmarks.bare_softioc", json.dumps(task)), work, servers, ports)


def start_iocmng(load: Load, work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    import yaml

    def follow(name: str, source: str) -> dict[str, object]:
        return {"type": "float", "link": source, "link_mode": "monitor", "trigger": name == "x"}

    rules: list[dict[str, object]] = [
        {"id": "x", "condition": "x > 0.5", "outputs": {"z" if load.double else "y": 1.0}}
    ]
    rules += [
        {"id": name, "condition": f"{other} > {limit}", "outputs": {"z": 1.0}}
        for name, other, limit in load.spare()
    ]
    inputs = {"x": follow("x", load.source)}
    inputs |= {f"o{k}": follow(f"o{k}", source) for k, source in enumerate(load.others)}
    config = {
        "parameters": {"mode": "reactive", "interval": 1.0},
        "arguments": {
            "inputs": inputs,
            "outputs": {"y": {"type": "float"}, "z": {"type": "float"}},
        },
        "transforms": [{"output": "y", "expression": "x * 2"}] if load.double else [],
        "rules": rules,
        "rule_defaults": {"z": 0.0} if load.double else {"y": 0.0, "z": 0.0},
    }
    (work / "config.yaml").write_text(yaml.safe_dump(config))
    arguments = []
    if load.burn:
        (work / "burner.py").write_text(BURN.format(package="iocmng"))
        arguments = ["-m", "burner", "-c", "Burner"]
    command = peer.run_command(load.prefix, load.protocol, "--log-level", "ERROR", *(
        arguments or ["-m", "iocmng.declarative", "-c", "DeclarativeTask"]
    ))  # fmt: skip
    return Process(
        command,
        server_environment(ports) | client_environment(servers),
        directory=work,
        log=work / "iocmng.log",
    )


def start_ours(load: Load, work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    from ioc_runtime import plan as p

    def follow(name: str, source: str) -> p.Input:
        return p.Input(name=name, type="float", link=p.Link(load.protocol, source))

    rules = [p.Rule("x", "x > 0.5", {"z" if load.double else "y": 1.0})]
    rules += [p.Rule(name, f"{other} > {limit}", {"z": 1.0}) for name, other, limit in load.spare()]
    spare = p.Output(name="z", type="float", owner="rules", default=0.0)
    output = (
        p.Output(name="y", type="float", owner="transform")
        if load.double
        else p.Output(name="y", type="float", owner="rules", default=0.0)
    )
    plan = p.Plan(
        name="bench",
        namespace="",
        prefix=load.prefix,
        inputs=(
            follow("x", load.source),
            *(follow(f"o{k}", source) for k, source in enumerate(load.others)),
        ),
        outputs=(output, spare) if load.double or load.rules > 1 else (output,),
        transforms=(p.Transform("y", "x * 2"),) if load.double else (),
        rules=tuple(rules),
        plugin=p.Plugin(files={"burner.py": BURN.format(package="ioc_runtime")})
        if load.burn
        else None,
    )
    return run_plan(p.to_json(plan), work, servers, ports)


def run_plan(plan: str, work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    """Our runtime with this plan; returns when it says that it is ready."""
    process = launch_plan(plan, work, servers, ports)
    try:
        process.expect('"ready"')
    except RuntimeError:
        process.stop()
        raise
    return process


def launch_plan(plan: str, work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    """Our runtime with this plan, just started."""
    file = work / "plan.json"
    file.write_text(plan)
    flags = ["--ca-port", str(ports.ca), "--pva-port", str(ports.pva), "--state", str(work)]
    return Process(
        python("ioc_runtime", str(file), *flags),
        server_environment(ports) | client_environment(servers),
        directory=work,
        log=work / "ours.log",
    )


def _ready(command: list[str], work: Path, servers: Sequence[Ports], ports: Ports) -> Process:
    process = Process(
        command,
        server_environment(ports) | client_environment(servers),
        directory=work,
        log=work / f"{command[2].rpartition('.')[2]}.log",
    )
    try:
        process.expect("ready")
    except RuntimeError:
        process.stop()
        raise
    return process


DEVICES: dict[str, Start] = {
    "C record": start_c_record,
    "softioc": start_softioc,
    "iocmng": start_iocmng,
    "ours": start_ours,
}


def available() -> list[str]:
    """The devices that this installation can start."""
    return [
        name
        for name in DEVICES
        if not (name == "iocmng" and peer.interpreter() is None)
        and not (name == "ours" and not _have_runtime())
    ]


def _have_runtime() -> bool:
    from importlib.util import find_spec

    return find_spec("ioc_runtime.__main__") is not None
