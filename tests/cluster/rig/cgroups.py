"""The cgroups of a rig's pods: what no namespace takes away when the rig ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .host import RigError

CONTROLLERS: Final = "+cpu +memory +pids +cpuset"
REMOVE_TIMEOUT: Final = 10.0


def make(name: str) -> None:
    """Make the cgroup below which the kubelet puts pods, in every hierarchy."""
    try:
        for hierarchy, kind in _hierarchies():
            path = hierarchy / name
            path.mkdir(exist_ok=True)
            if kind == "cgroup2":
                _delegate(hierarchy)
                _delegate(path)
            for setting in ("cpuset.cpus", "cpuset.mems"):
                # A version 1 cpuset takes no process before it has both.
                if kind == "cgroup" and (path / setting).exists():
                    (path / setting).write_text((hierarchy / setting).read_text())
    except OSError as error:
        raise RigError(
            f"no cgroup {error.filename} can be made, which pods need: {error.strerror}"
        ) from error


def remove(name: str) -> None:
    """Remove the cgroup and all below it; waits for the last processes in them."""
    deadline = time.monotonic() + REMOVE_TIMEOUT
    for hierarchy, _ in _hierarchies():
        for directory, _, _ in os.walk(hierarchy / name, topdown=False):
            while not _removed(Path(directory)):
                if time.monotonic() > deadline:
                    raise RigError(f"the cgroup {directory} is still in use")
                time.sleep(0.02)


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _delegate(path: Path) -> None:
    """Let the children of a version 2 cgroup have controllers, as far as they are there."""
    try:
        available = set((path / "cgroup.controllers").read_text().split())
        wanted = [c for c in CONTROLLERS.split() if c.removeprefix("+") in available]
        (path / "cgroup.subtree_control").write_text(" ".join(wanted))
    except OSError:
        # The kubelet says which controller it misses; it says it better.
        return


def _hierarchies() -> Iterator[tuple[Path, str]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted_on, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield Path(mounted_on), kind
