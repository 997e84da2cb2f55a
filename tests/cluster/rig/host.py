"""What this machine must have, and how its commands are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PACKAGES_OF_COMMANDS: Final = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "openssl": "openssl",
}
"""Command -> Debian package, for a control plane alone."""

PACKAGES_OF_NODE_COMMANDS: Final = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "catatonit": "catatonit",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
}

GO: Final = "1.26"

NAMESPACES: Final = (
    "unshare",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
"""Runs a command where its network, mounts and processes end with it."""

ALONE: Final = ("setpriv", "--pdeathsig", "KILL", "--") + (
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
"""Runs a build: whoever kills the builder kills it too, and no mount stays."""


class RigError(Exception):
    """The rig cannot do it; the text is one sentence for a person."""


def why_not(*, node: bool = True) -> str | None:
    """Why no rig can run on this machine, in one sentence; None when one can."""
    if not sys.platform.startswith("linux"):
        return f"a test cluster needs Linux, this is {sys.platform}"
    if os.geteuid() != 0:
        return "a test cluster needs root, to make namespaces and network interfaces"
    wanted = PACKAGES_OF_COMMANDS | (PACKAGES_OF_NODE_COMMANDS if node else {})
    missing = sorted({package for command, package in wanted.items() if not find(command)})
    if missing:
        return (
            "a test cluster needs Debian packages that are missing: "
            f"apt-get install --no-install-recommends {' '.join(missing)}"
        )
    if not find("go"):
        return f"a test cluster is built with Go {GO} or newer, and there is no `go` on PATH"
    try:
        run([*NAMESPACES, "true"], timeout=10)
    except RigError as error:
        return f"a test cluster needs namespaces, which root may not make here: {error}"
    if node and not any(os.access(path, os.W_OK) for path in Path("/sys/fs/cgroup").glob("*")):
        return "pods need cgroups, and /sys/fs/cgroup cannot be written to here"
    return None


def full_path() -> str:
    """PATH, with the directories for root's commands that a user's PATH leaves out."""
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin"


def find(command: str) -> str | None:
    """The path of a command."""
    return shutil.which(command, path=full_path())


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | bytes | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command to its end; returns what it printed.

    Raises RigError with the end of what it said when it fails or takes too long.
    """
    command = find(str(argv[0])) or str(argv[0])
    try:
        done = subprocess.run(
            [command, *map(str, argv[1:])],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=(os.environ if env is None else env) | {"PATH": full_path()},
            cwd=cwd,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise RigError(f"there is no command {argv[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise RigError(f"{argv[0]} did not end within {timeout:g} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RigError(f"{' '.join(map(str, argv))[:200]} failed: {said[-2000:]}")
    return done.stdout.decode(errors="replace")


def say(text: str) -> None:
    """A line for the person who waits, on standard error."""
    print(f"rig: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    began = time.monotonic()
    say(text)
    yield
    say(f"{text}: {time.monotonic() - began:.1f} s")
