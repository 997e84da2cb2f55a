"""PVs of a pod, seen from this machine: through a Service and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

SCRIPT: Final = Path(__file__).with_name("pv_process.py")


class PvError(Exception):
    """The client could not do what it was asked to."""


class PvClient:
    """Reads and writes PVs behind one or more addresses; use it in a `with` block."""

    def __init__(self, *addresses: str, ca_port: int = 5064, pva_port: int = 5075) -> None:
        """`addresses`: IP addresses or host names of Services."""
        epics = {
            "EPICS_CA_NAME_SERVERS": " ".join(f"{a}:{ca_port}" for a in addresses),
            "EPICS_PVA_NAME_SERVERS": " ".join(f"{a}:{pva_port}" for a in addresses),
            "EPICS_CA_ADDR_LIST": "",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_PVA_ADDR_LIST": "",
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        }
        environ = {k: v for k, v in os.environ.items() if not k.startswith("EPICS_")}
        repeater = os.environ.get("EPICS_CA_REPEATER_PORT")
        if repeater:
            epics["EPICS_CA_REPEATER_PORT"] = repeater
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT)],
            env=environ | epics,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> PvClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _ask(self, **command: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline() or '{"error": "the client died"}')
        if "error" in said:
            raise PvError(said["error"])
        return said["answer"]

    def get(self, name: str, scheme: str = "ca", timeout: float = 3.0) -> Any:
        """Value; PvError when it does not answer in `timeout` seconds."""
        return self._ask(do="get", scheme=scheme, name=name, timeout=timeout)["value"]

    def severity(self, name: str, scheme: str = "ca", timeout: float = 3.0) -> int:
        return self._ask(do="get", scheme=scheme, name=name, timeout=timeout)["severity"]

    def put(self, name: str, value: Any, scheme: str = "ca", timeout: float = 3.0) -> None:
        self._ask(do="put", scheme=scheme, name=name, value=value, timeout=timeout)

    def watch(self, name: str) -> None:
        """Follow a PV from now on, see `heard`."""
        self._ask(do="watch", name=name)

    def heard(self, name: str) -> list[tuple[float, Any]]:
        """What a watched PV brought: (time, value), and (time, "conn True|False")."""
        return [(at, value) for at, value in self._ask(do="heard", name=name)]

    def wait_for(self, name: str, value: Any, scheme: str = "ca", patience: float = 10.0) -> None:
        """Until the PV has this value; AssertionError with the last answer when it never has."""
        until, last = time.monotonic() + patience, ""
        while time.monotonic() < until:
            try:
                last = self.get(name, scheme, timeout=1.0)
            except PvError as error:
                last = str(error)
            if last == value:
                return
            time.sleep(0.05)
        raise AssertionError(f"{name} is {last!r} after {patience} s, not {value!r}")
