"""Environments of a test's own, from the pinned files in requirements/."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def new_environment(place: Path, requirements: str) -> Path:
    """An environment that holds what requirements/NAME.txt pins, and no more."""
    uv("venv", "--python", sys.executable, str(place))
    pinned = str(ROOT / "requirements" / f"{requirements}.txt")
    python = str(place / "bin" / "python")
    uv("pip", "install", "--python", python, "--require-hashes", "--requirements", pinned)
    return place


def uv(*words: str) -> None:
    """Run uv; without asking an index where its cache has everything."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    command = [sys.executable, "-m", "uv", "--quiet", *words]
    for offline in ("--offline",), ():
        done = subprocess.run([*command, *offline], env=env, capture_output=True, text=True)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)
