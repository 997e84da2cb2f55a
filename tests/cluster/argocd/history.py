"""Every state that objects of a kind go through, as a watch tells them: none is missed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from cluster.invariants import Object
from cluster.rig import Rig


class History:
    """A watch of one kind in one namespace; use it in a `with` block."""

    def __init__(self, rig: Rig, namespace: str, kind: str, directory: Path) -> None:
        self._file = directory / f"{kind}.json"
        kubectl = rig.layout.binaries / "kubectl"
        command = [kubectl, "--kubeconfig", rig.kubeconfig, "-n", namespace]
        with self._file.open("wb") as out:
            self._process = subprocess.Popen(
                [*command, "get", kind, "--watch", "-o", "json"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
            )

    def __enter__(self) -> History:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def of(self, name: str) -> list[Object]:
        """All that was seen of an object, in order."""
        text, at = self._file.read_text(), 0
        found: list[Object] = []
        decoder = json.JSONDecoder()
        while at < len(text):
            try:
                seen, at = decoder.raw_decode(text, at)
            except ValueError:
                break  # half of one
            at += len(text[at:]) - len(text[at:].lstrip())
            if seen["metadata"]["name"] == name:
                found.append(seen)
        return found

    def first(
        self, name: str, is_so: Callable[[Object], object], patience: float = 120.0
    ) -> Object:
        """The first state of an object of which something holds; waits for it."""
        until = time.monotonic() + patience
        while True:
            seen = self.of(name)
            for each in seen:
                if is_so(each):
                    return each
            if time.monotonic() > until:
                status = json.dumps(seen[-1].get("status") if seen else None, indent=1)
                raise AssertionError(f"{name} after {patience} s:\n{status}")
            time.sleep(0.2)
