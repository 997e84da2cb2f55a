"""Helm: the one on PATH, else the one that the test cluster builds from source."""

from __future__ import annotations

import shutil

from tests.cluster.rig.binaries import binaries
from tests.cluster.rig.host import RigError, find


def find_helm() -> tuple[str | None, str | None]:
    """Helm's path, or why there is none."""
    if helm := shutil.which("helm"):
        return helm, None
    if not find("go"):
        return None, "there is neither helm nor go, to build it with, on PATH"
    try:
        return str(binaries() / "helm"), None
    except RigError as error:
        return None, f"helm cannot be built: {error}"
