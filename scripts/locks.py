"""What the hash-pinned files in requirements/ hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from packaging.markers import Marker

DIRECTORY: Final = Path(__file__).resolve().parents[1] / "requirements"

TOOLS: Final = ("dev", "docs", "uv", "audit")
"""Files whose packages only build and test."""
ELSEWHERE: Final = ("peer",)
"""Files of what the benchmarks compare with, and nobody depends on."""
SHIPPED: Final = tuple(
    sorted({path.stem for path in DIRECTORY.glob("*.txt")} - {*TOOLS, *ELSEWHERE})
)
"""Files whose packages users get: by an extra of the wheel, or in an image."""

OLDEST: Final = {
    "os_name": "posix",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}
"""The markers of the oldest Python that we serve: it needs the most packages."""


def names() -> tuple[str, ...]:
    """All files whose packages we answer for."""
    return (*SHIPPED, *(name for name in TOOLS if (DIRECTORY / f"{name}.txt").exists()))


def pins(name: str, directory: Path = DIRECTORY) -> dict[str, str]:
    """Package -> version, of what the file `name`.txt installs on Linux."""
    text = (directory / f"{name}.txt").read_text()
    found = {}
    lines = r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)(?: ; ([^\\\n]+))?"
    for package, version, marker in re.findall(lines, text, re.MULTILINE):
        if not marker.strip() or Marker(marker.strip()).evaluate(OLDEST):
            found[package] = version
    return found
