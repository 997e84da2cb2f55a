"""Start Python processes from a test, follow what they say, end them by their id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from ioc_runtime.plan import Plan, to_json
from support.epics_env import EpicsEnv

ROOT = Path(__file__).parents[2]
START = 30.0
"""Seconds that a process may take to say the line it is waited for: a loaded machine."""
STOP = 5.0
"""Seconds from SIGTERM to SIGKILL. A process that needs them fails the test."""


class SpawnError(AssertionError):
    """A process ended early, stayed silent or did not end; the text has its output."""


class Spawned:
    """A Python process of the test. Its output is in files: no thread, no full pipe."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str, directory: Path) -> None:
        self.popen = popen
        self.name = name
        self._directory = directory
        self._known_end = False

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        """All of its standard output so far."""
        return (self._directory / "stdout").read_text(errors="replace")

    @property
    def errors(self) -> str:
        """All of its standard error so far."""
        return (self._directory / "stderr").read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The whole lines of its standard output so far."""
        text = self.output  # read once: it may grow meanwhile
        return text[: text.rfind("\n") + 1].splitlines()

    def said(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The JSON lines so far; with `kind` those of one kind."""
        every = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in every if kind is None or line.get("say") == kind]

    def wait_for(self, text: str, timeout: float = START) -> str:
        """The first line of standard output that holds `text`.

        :raises SpawnError: when the process ends without it or the time is over.
        """
        found = self._wait(lambda: next((x for x in self.lines if text in x), None), timeout)
        if found is None:
            raise SpawnError(self.report(f"did not say {text!r}"))
        return found

    def wait_said(self, kind: str, timeout: float = START) -> dict[str, Any]:
        """The first JSON line of this kind ("ready", "error", ...)."""
        found = self._wait(lambda: next(iter(self.said(kind)), None), timeout)
        if found is None:
            raise SpawnError(self.report(f"did not say {kind!r}"))
        return found

    def wait(self, timeout: float = STOP) -> int:
        """Its exit code, once it has ended by itself (below 0: minus the signal).

        :raises SpawnError: when it still runs after `timeout` seconds.
        """
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise SpawnError(self.report(f"still ran after {timeout} s")) from None
        self._known_end = True
        return code

    def stop(self, timeout: float = STOP) -> int:
        """SIGTERM, and its exit code.

        :raises SpawnError: when it did not end in time; SIGKILL has ended it then.
        """
        self.thaw()
        self.popen.terminate()
        try:
            return self.wait(timeout)
        except SpawnError:
            self.kill()
            raise SpawnError(self.report(f"had to be killed {timeout} s after SIGTERM")) from None

    def kill(self) -> None:
        """SIGKILL, on purpose."""
        self.popen.kill()
        self.popen.wait()
        self._known_end = True

    def freeze(self) -> None:
        """SIGSTOP: alive, but it answers nobody."""
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.popen.send_signal(signal.SIGCONT)

    def report(self, what: str) -> str:
        """One sentence and the ends of both outputs."""
        state = self.popen.poll()
        ended = "" if state is None else f" (exit code {state})"
        return (
            f"{self.name} {what}{ended}\n--- standard output\n{self.output[-4000:]}"
            f"--- standard error\n{self.errors[-4000:]}"
        )

    def close(self) -> str:
        """End it if it runs; what was wrong with it, or nothing."""
        if self._known_end:
            return ""
        if self.popen.poll() is not None:
            return self.report("ended, and the test did not notice")
        try:
            code = self.stop(STOP)
        except SpawnError as error:
            return str(error)
        # A script without a handler ends by SIGTERM itself.
        return "" if code in (0, -signal.SIGTERM) else self.report("did not end well")

    def _wait(self, find, timeout: float):  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + timeout
        while True:
            ended = self.popen.poll() is not None  # before the look: its last line counts
            if (found := find()) is not None:
                return found
            if ended or time.monotonic() > deadline:
                return None
            time.sleep(0.005)


class Spawn(Protocol):
    """The `spawn` fixture."""

    def __call__(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        until: str | None = None,
        timeout: float = START,
    ) -> Spawned:
        """Start `python ARGUMENTS`; wait for a line that holds `until`."""

    def runtime(
        self,
        plan: Plan,
        *options: str,
        env: dict[str, str] | None = None,
        ready: bool = True,
    ) -> Spawned:
        """Start `python -m ioc_runtime PLAN OPTIONS`; wait until it is ready."""


class _Spawner:
    def __init__(self, directory: Path, epics_env: EpicsEnv) -> None:
        self._directory = directory
        self._epics_env = epics_env
        self._all: list[Spawned] = []

    def __call__(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        until: str | None = None,
        timeout: float = START,
    ) -> Spawned:
        words = [str(argument) for argument in arguments]
        spawned = self._start(words, {"PYTHONUNBUFFERED": "1"} | (env or {}))
        if until is not None:
            spawned.wait_for(until, timeout)
        return spawned

    def runtime(
        self,
        plan: Plan,
        *options: str,
        env: dict[str, str] | None = None,
        ready: bool = True,
    ) -> Spawned:
        path = self._directory / f"plan-{len(self._all)}.json"
        path.write_text(to_json(plan))
        spawned = self._start(["-m", "ioc_runtime", str(path), *options], env or {})
        if ready:
            spawned.wait_said("ready")
        return spawned

    def close(self) -> list[str]:
        return [fault for spawned in reversed(self._all) if (fault := spawned.close())]

    def _start(self, arguments: Sequence[str], env: dict[str, str]) -> Spawned:
        directory = self._directory / f"process-{len(self._all)}"
        directory.mkdir()
        with (directory / "stdout").open("wb") as out, (directory / "stderr").open("wb") as err:
            popen = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self._directory,
                env=self._environment() | env,
            )
        spawned = Spawned(popen, " ".join(["python", *arguments]), directory)
        self._all.append(spawned)
        return spawned

    def _environment(self) -> dict[str, str]:
        """As little as possible of ours: a path, a home of its own, EPICS on loopback."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._directory),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "operator")]),
            "LANG": "C.UTF-8",
        } | self._epics_env.environ


@pytest.fixture
def spawn(tmp_path: Path, epics_env: EpicsEnv) -> Iterator[Spawn]:
    """Start Python processes in the test's EPICS environment; all end with the test.

    ```python
    source = spawn(HERE / "source.py", epics_env.prefix, env=epics_env.server(1), until="up")
    task = spawn.runtime(plan)             # serves in place 0, is ready
    source.freeze()
    assert task.stop() == 0
    ```

    A process serves in place 0 unless `env` says another (`epics_env.server(1)`).
    What still runs gets SIGTERM; the test fails when it then has to be killed, when
    it ends with anything but 0 or SIGTERM, or when it had ended before by itself and
    the test did not ask for its exit code (`wait`, `stop`, `kill`).
    """
    spawner = _Spawner(tmp_path, epics_env)
    yield spawner
    if faults := spawner.close():
        pytest.fail("\n\n".join(faults))
