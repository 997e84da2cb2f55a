"""A served plan in a process of its own, and clients of both protocols in the test's."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from ioc_runtime.epics.libraries import without_setuptools
from ioc_runtime.plan import Plan, to_json
from support.epics_env import EpicsEnv
from support.spawn import Spawn, Spawned

SCRIPT = Path(__file__).parents[1] / "runtime" / "served_ioc.py"


class Serving:
    """The process that serves; each method waits until it has done what it was told."""

    def __init__(self, spawned: Spawned, fifo: Path, prefix: str) -> None:
        self.spawned = spawned
        self.prefix = prefix
        self.ready = spawned.wait_said("ready")
        self._commands = fifo.open("w", buffering=1)
        self._done = 0

    def do(self, what: str, **arguments: Any) -> Any:
        self.tell(what, **arguments)
        done = self._wait(lambda: self.spawned.said("done"), self._done)
        return done[-1]["answer"]

    def tell(self, what: str, **arguments: Any) -> None:
        """Give a command without waiting for its answer."""
        self._commands.write(json.dumps({"do": what} | arguments) + "\n")
        self._done += 1

    def post(self, name: str, value: Any, severity: int = 0, status: int = 0, ns: int = 0) -> None:
        self.do("post", name=name, value=value, severity=severity, status=status, ns=ns)

    def puts(self, count: int) -> list[tuple[str, Any]]:
        """The puts so far, once there are `count` of them."""
        return [(each["name"], each["value"]) for each in self._wait_said("put", count)]

    def audit(self, count: int) -> list[dict[str, Any]]:
        """The audit entries so far, once there are `count` of them."""
        return self._wait_said("audit", count)

    def end(self) -> int:
        """Let it end by itself; its exit code."""
        self._commands.close()
        return self.spawned.wait()

    def _wait_said(self, kind: str, count: int) -> list[dict[str, Any]]:
        return self._wait(lambda: self.spawned.said(kind), count)

    def _wait(self, find: Callable[[], list[Any]], count: int) -> list[Any]:
        deadline = time.monotonic() + 10
        while len(found := find()) < count:
            assert time.monotonic() < deadline, self.spawned.report(f"{len(found)} of {count}")
            assert self.spawned.popen.poll() is None, self.spawned.report("ended")
            time.sleep(0.002)
        return found


Serve = Callable[..., Serving]


@pytest.fixture
def serve(spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path) -> Iterator[Serve]:
    """Serve a plan; its prefix is that of the test."""
    running: list[Serving] = []

    def start(env: dict[str, str] | None = None, script: str = "", **fields: Any) -> Serving:
        plan = Plan(name="t", namespace="n", prefix=epics_env.prefix, **fields)
        path, fifo = tmp_path / "plan.json", tmp_path / "commands"
        path.write_text(to_json(plan))
        os.mkfifo(fifo)
        arguments = ("-c", script) if script else (SCRIPT,)
        serving = Serving(spawn(*arguments, path, fifo, env=env), fifo, epics_env.prefix)
        running.append(serving)
        return serving

    yield start
    for serving in running:
        if serving.spawned.popen.poll() is None:
            assert serving.end() == 0, serving.spawned.report("ended badly")


CONNECTS: Final = 20.0
"""Seconds for a channel of a client of the test's to connect. libca may give a new one to the
circuit of a server that has just ended at the same port, and looks for what a circuit has lost
after 10 s at the latest (seen once in 119 times)."""


class CaRefused(Exception):
    """The server, or the access rights of the channel, refuse a put."""


class Ca:
    """Channel Access by libca."""

    def __init__(self, prefix: str) -> None:
        without_setuptools()
        import_module("epicscorelibs.path.pyepics")
        import epics

        self._epics = epics
        self._prefix = prefix
        self._pvs: dict[str, Any] = {}

    def search(self, names: Iterable[str]) -> None:
        """Look for many at once; `pv` then finds each of them connected, or soon."""
        for name in names:
            if name not in self._pvs:
                self._pvs[name] = self._epics.PV(
                    self._prefix + name, form="time", auto_monitor=False
                )

    def pv(self, name: str) -> Any:
        self.search([name])
        assert self._pvs[name].wait_for_connection(CONNECTS), f"no {name} over CA"
        return self._pvs[name]

    def get(self, name: str) -> tuple[Any, int, int, int]:
        """Value, severity, status, nanoseconds since 1970."""
        found = self._epics.ca.get_with_metadata(
            self.pv(name).chid, ftype=self._time_type(name), timeout=10
        )
        assert found is not None, f"no answer for {name}"
        value = found["value"]
        if hasattr(value, "tolist"):
            value = value.tolist()
        if self.pv(name).nelm > 1 and not isinstance(value, list | str):
            value = [value]  # libca gives an array that holds one element as the element
        return value, found["severity"], found["status"], self._ns(found)

    def put(self, name: str, value: Any) -> None:
        pv = self.pv(name)
        if not pv.write_access:
            raise CaRefused(name)
        if pv.put(value, wait=True, timeout=10) != 1:
            raise CaRefused(name)

    def watch(self, name: str, heard: Callable[..., None], **how: Any) -> Callable[[], None]:
        """Subscribe to a PV, with its time stamps if nothing else is said; ends by a call.

        Never by `auto_monitor` of a PV that is being connected: pyepics then subscribes once
        here and once in libca's thread, and drops what libca calls for one of the two.
        """
        ca = self._epics.ca
        kept = ca.create_subscription(
            self.pv(name).chid, callback=heard, **(how or {"use_time": True})
        )

        def end() -> None:
            ca.clear_subscription(kept[2])

        return end

    def close(self) -> None:
        for pv in self._pvs.values():
            pv.disconnect()

    def forget(self) -> None:
        """Close, and end the channels too: libca looks ever less often for a lost one."""
        channels = [pv.chid for pv in self._pvs.values()]
        self.close()
        self._pvs.clear()
        for channel in channels:
            self._epics.ca.clear_channel(channel)

    def _time_type(self, name: str) -> int:
        return int(self._epics.ca.field_type(self.pv(name).chid)) + 14

    @staticmethod
    def _ns(found: dict[str, Any]) -> int:
        return int(found["posixseconds"]) * 1_000_000_000 + int(found["nanoseconds"])


class Pva:
    """PV Access by p4p."""

    def __init__(self, prefix: str) -> None:
        from p4p.client.thread import Context

        self._prefix = prefix
        self.context = Context("pva", nt=False)

    def structure(self, name: str) -> Any:
        return self.context.get(self._prefix + name, timeout=10)

    def get(self, name: str) -> tuple[Any, int, str, int]:
        """Value, severity, alarm message, nanoseconds since 1970."""
        found = self.structure(name)
        value = found["value"]
        value = value["index"] if hasattr(value, "getID") else value
        if hasattr(value, "tolist"):
            value = value.tolist()
        stamp, alarm = found["timeStamp"], found["alarm"]
        ns = stamp["secondsPastEpoch"] * 1_000_000_000 + stamp["nanoseconds"]
        return value, alarm["severity"], alarm["message"], ns

    def put(self, name: str, value: Any) -> None:
        """:raises RemoteError: the server refuses it."""
        enum = hasattr(self.structure(name)["value"], "getID")
        field = "value.index" if enum else "value"
        self.context.put(self._prefix + name, {field: value}, timeout=10)

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def ca(epics_env: EpicsEnv) -> Iterator[Ca]:
    client = Ca(epics_env.prefix)
    yield client
    client.close()


@pytest.fixture
def pva(epics_env: EpicsEnv) -> Iterator[Pva]:
    client = Pva(epics_env.prefix)
    yield client
    client.close()
