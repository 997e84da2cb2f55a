"""The wheel and the source archive: the same bytes from the same commit, wherever and whenever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .failure import ReleaseError


def build(source: Path, target: Path, time: int) -> list[Path]:
    """Build both from an exported commit; `time` is that of the files in them, since 1970.

    :raises ReleaseError: with the build backend's last line.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel"]
    # What a developer sets for their own builds must not be in a release.
    env = {name: value for name, value in os.environ.items() if not name.startswith("HATCH_")}
    env |= {"SOURCE_DATE_EPOCH": str(time), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, "-d", str(target)], cwd=source, env=env, capture_output=True, text=True
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ReleaseError(f"hatchling cannot build: {said[-1] if said else done.returncode}")
    return sorted([*target.glob("*.whl"), *target.glob("*.tar.gz")])
