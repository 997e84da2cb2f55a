"""iocmng 2.7.9, the peer, in an environment of its own.

``python -m benchmarks.peer`` makes `.cache/peer-venv` from requirements/peer.txt
(hash-pinned). Without it everything that needs the peer is skipped, and says so.
IOC_PEER_VENV names another place.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.processes import ROOT

VERSION = "2.7.9"
MISSING = (
    f"iocmng {VERSION} is not there: its rows are left out (python -m benchmarks.peer installs it)"
)


def directory() -> Path:
    """Where the peer's environment is, or would be."""
    return Path(os.environ.get("IOC_PEER_VENV") or ROOT / ".cache" / "peer-venv")


def interpreter() -> Path | None:
    """The peer's Python, or None when the peer is not installed."""
    found = directory() / "bin" / "python"
    return found if (directory() / "bin" / "iocmng-run").exists() else None


def run_command(prefix: str, protocol: str, *arguments: str) -> list[str]:
    """`iocmng-run` for the config.yaml of the working directory.

    :raises FileNotFoundError: when the peer is not installed.
    """
    if interpreter() is None:
        raise FileNotFoundError(MISSING)
    return [
        str(directory() / "bin" / "iocmng-run"),
        *("--config", "config.yaml", "--prefix", prefix.rstrip(":")),
        *("--pva", "true" if protocol == "pva" else "false"),
        *(arguments or ("-m", "iocmng.declarative", "-c", "DeclarativeTask")),
    ]


def install() -> None:
    """Make the environment."""
    where = directory()
    print(f"peer: iocmng {VERSION} into {where}")
    venv.create(where, with_pip=True, clear=True)
    pip = [str(where / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    lock = ROOT / "requirements" / "peer.txt"
    subprocess.run([*pip, "install", "--quiet", "--require-hashes", "-r", str(lock)], check=True)


if __name__ == "__main__":
    try:
        install()
    except subprocess.CalledProcessError:
        sys.exit("peer: pip could not install it; its message stands above")
