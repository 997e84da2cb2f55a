"""A field for a task: source and target IOCs, the task under test, and clients.

In a manifest `@` stands for the prefix of source and target; the task's own prefix is
that plus `T:`. The task serves in place 0, the source in 1, the target in 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ioc_runtime.compile import compile_text
from ioc_runtime.plan import Plan
from runtime.source import HERE, Source, wait_until
from support.epics_env import EpicsEnv
from support.serving import Ca, Pva
from support.spawn import Spawn, Spawned

INVALID = 3


class Field:
    """What a test of a whole task works with."""

    def __init__(self, spawn: Spawn, env: EpicsEnv, directory: Path) -> None:
        self.env, self.directory = env, directory
        self.prefix = env.prefix + "T:"
        self.source = Source(spawn, env, directory)
        self.state = directory / "state"
        self.recording = directory / "recording"
        self._spawn = self.spawn = spawn
        self._clients: list[Ca | Pva] = []
        self.ca = self.client()

    def client(self) -> Ca:
        """A new CA client in place of the last one, which would look for a PV ever less often."""
        if self._clients:
            self.ca.forget()
        self.ca = Ca(self.prefix)
        self._clients.append(self.ca)
        return self.ca

    def pva(self) -> Pva:
        """A PVA client."""
        pva = Pva(self.prefix)
        self._clients.append(pva)
        return pva

    def target(self) -> Target:
        """Start the IOC that is written to."""
        script = HERE / "task_target.py"
        environ = self.env.server(2)
        arguments = ("-W", "ignore", script, self.env.prefix)
        return Target(self._spawn(*arguments, env=environ, until="up"))

    def plan(self, spec: str, code: str = "", *, kind: str = "IocTask", **plugin: Any) -> Plan:
        """The plan of a manifest's spec in YAML; `code` is that of a plugin."""
        fields = {"prefix": self.prefix} | yaml.safe_load(spec.replace("@", self.env.prefix))
        if code:
            fields["plugin"] = {"inline": {"files": {"guard.py": code}}} | plugin
        whole = {
            "apiVersion": "ioc-operator.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "guard"},
            "spec": fields,
        }
        (compiled,) = compile_text(yaml.safe_dump(whole, sort_keys=False))
        return compiled.plan

    def start(
        self,
        spec: str,
        *options: str | Path,
        code: str = "",
        env: dict[str, str] | None = None,
        ready: bool = True,
        plugin: dict[str, Any] | None = None,
        kind: str = "IocTask",
    ) -> Spawned:
        """Start the task, or job; a manifest that is not good fails the test."""
        plan = self.plan(spec, code, kind=kind, **(plugin or {}))
        words = [str(option) for option in options]
        return self._spawn.runtime(plan, *words, env=env, ready=ready)

    def value(self, name: str) -> Any:
        """What a PV of the task holds."""
        return self.ca.get(name)[0]

    def shows(self, name: str, value: Any, severity: int = 0, timeout: float = 10.0) -> None:
        """Wait until a PV of the task has this value and severity."""
        seen: list[Any] = []

        def right() -> bool:
            seen[:] = self.ca.get(name)[:2]
            return seen == [value, severity]

        try:
            wait_until(right, timeout)
        except AssertionError:
            raise AssertionError(
                f"{name} is {seen} after {timeout} s, not {[value, severity]}"
            ) from None

    def close(self) -> None:
        """End the clients."""
        for client in self._clients:
            client.close()


class Target:
    """The IOC that is written to."""

    def __init__(self, process: Spawned) -> None:
        self.process = process

    def puts(self, name: str) -> list[Any]:
        """Every value that was put, in order."""
        return [said["value"] for said in self.process.said("put") if said["name"] == name]

    def gets(self, name: str, values: list[Any], timeout: float = 10.0) -> None:
        """Wait until it got these values, and see that nothing else comes."""
        wait_until(lambda: len(self.puts(name)) >= len(values), timeout)
        time.sleep(0.2)
        puts = self.puts(name)
        assert puts == values


def took(what: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.monotonic()
    what()
    return time.monotonic() - began


@pytest.fixture
def field(spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path) -> Iterator[Field]:
    """A field in the test's EPICS environment; source, target and task are started by the test."""
    field = Field(spawn, epics_env, tmp_path)
    yield field
    field.close()
