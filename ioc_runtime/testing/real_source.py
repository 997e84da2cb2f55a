"""A PV of another IOC as the test has it, and the process that serves it: `Source`."""

from __future__ import annotations

import json
from typing import Any

from ioc_runtime.plan import Input, Link, Output, Plan, from_json, to_json
from ioc_runtime.testing.processes import START, Network, Talking


class Source:
    """A PV of another IOC, and its process."""

    def __init__(self, link: Link, signal: Input | Output, place: Any, network: Network) -> None:
        self.link, self._place, self._network = link, place, network
        self._what = {"name": link.name, "type": signal.type, "length": signal.length}
        self._what["states"] = list(signal.states)
        self.written: list[Any] = []
        self.sample: tuple[Any, int, int] | None = None
        self._refuses = False
        self._process: Talking | None = None

    @property
    def up(self) -> bool:
        return self._process is not None

    def launch(self) -> None:
        """Start it; `wait` for it."""
        environment = self._network.environment(self._place)
        self._process = Talking(["-m", "ioc_runtime.testing.source"], environment, self._heard)
        self._process.tell(**self._what)

    def wait(self) -> None:
        """Until it is there, with what it last held."""
        self._do("up")
        if self.sample is not None:
            self.set(*self.sample)
        self.refuse(self._refuses)

    def set(self, value: Any, severity: int, status: int) -> None:
        self.sample = (value, severity, status)
        if self._process is not None:
            self._do(value=value, severity=severity, status=status)

    def refuse(self, on: bool) -> None:
        self._refuses = on
        if self._process is not None:
            self._do(disp=int(on))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _do(self, *said: str, **command: Any) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker
        if command:
            self._process.tell(**command)
        self._process.answer(lambda line: line.get("did") == (said[0] if said else command), START)

    def _heard(self, line: dict[str, Any]) -> None:
        if "wrote" in line:
            self.written.append(line["wrote"])
            self.sample = (line["wrote"], 0, 0)


def as_served(plan: Plan) -> Plan:
    """The plan with links that the sources can stand for.

    A link to a field is one to a PV of its own: `X.SEVR` is `X:SEVR`. A readback is the PV that
    is written to, so that it agrees, as it does simulated: there is no device to move.
    """
    made = json.loads(to_json(plan))
    for signal in [*made.get("inputs", ()), *made.get("outputs", ())]:
        if "link" in signal:
            name = str(signal["link"]["name"]).removesuffix(".VAL")
            signal["link"]["name"] = name.replace(".", ":")
        if "readback" in signal:
            signal["readback"] = signal["link"]
    return from_json(json.dumps(made))
