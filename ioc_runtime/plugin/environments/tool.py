"""The installer: uv if there is one, else a pip."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final, Literal

from ioc_runtime.plugin.environments.failure import EnvironmentFailed
from ioc_runtime.plugin.environments.settings import Settings, read_settings, trusted

_QUIET: Final = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_NO_COLOR": "1",
    "PIP_NO_PYTHON_VERSION_WARNING": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "NO_COLOR": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_LINK_MODE": "copy",
}
"""No questions, no colours, no escape codes; a plugin's files are its own, not the cache's."""
_PATIENCE: Final = {"PIP_DEFAULT_TIMEOUT": "30", "PIP_RETRIES": "2", "UV_HTTP_TIMEOUT": "30"}
"""Unless said otherwise."""
_LEFT_OUT: Final = (
    # They would change what is installed, or where.
    "PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_REQUIREMENT PIP_CONSTRAINT PIP_PYTHON "
    "PIP_NO_DEPS PIP_QUIET PIP_VERBOSE PIP_LOG PIP_REPORT PIP_DRY_RUN PIP_REQUIRE_HASHES "
    "PIP_IGNORE_INSTALLED PIP_UPGRADE PIP_FORCE_REINSTALL PIP_REQUIRE_VIRTUALENV "
    "UV_PYTHON UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE UV_TARGET UV_SYSTEM_PYTHON "
    "UV_REQUIRE_HASHES UV_OFFLINE UV_PROJECT_ENVIRONMENT UV_WORKING_DIRECTORY VIRTUAL_ENV "
    "PYTHONSTARTUP PYTHONHOME PYTHONWARNINGS"
).split()


@dataclass(frozen=True)
class Tool:
    """An installer, and what it is told of the index."""

    kind: Literal["uv", "pip"]
    command: tuple[str, ...]
    settings: Settings = field(default_factory=Settings)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment that it was found in."""

    def environ(self, scratch: Path, downloads: Path) -> dict[str, str]:
        """The variables of a run.

        :param scratch: directory for temporary files
        :param downloads: directory that keeps what was downloaded
        """
        own = self.settings.uv if self.kind == "uv" else self.settings.pip
        found = _PATIENCE | dict(self.variables)
        if self.kind == "pip":  # all of pip's settings have been read already
            found = {n: v for n, v in found.items() if n in _PATIENCE or not n.startswith("PIP_")}
            found |= {n: v for n, v in _PATIENCE.items() if n not in own}
        found |= own
        for name in _LEFT_OUT:
            found.pop(name, None)
        found |= _QUIET | {
            "TMPDIR": str(scratch),
            "PYTHONPATH": self.variables.get("PYTHONPATH", ""),
        }
        found.setdefault("HOME", str(scratch))
        found["UV_CACHE_DIR"] = self.variables.get("UV_CACHE_DIR", str(downloads / "uv"))
        found["PIP_CACHE_DIR"] = self.variables.get("PIP_CACHE_DIR", str(downloads / "pip"))
        if self.settings.certificates is not None:
            found |= trusted(self.settings.certificates, scratch / "trusted.pem")
        return found


def find_tool(
    credentials: Path | None = None,
    environ: Mapping[str, str] | None = None,
    only: Literal["uv", "pip"] | None = None,
) -> Tool:
    """The uv of the PATH or beside the interpreter, else pip.

    :param credentials: directory with pip.conf, uv.toml, ca.crt, netrc (settings.py)
    :param only: take this one or none
    :raises EnvironmentFailed: BuildFailed, when there is none
    """
    variables = dict(os.environ if environ is None else environ)
    settings = read_settings(credentials, variables)
    if only != "pip" and (uv := _uv(variables)):
        return Tool("uv", (uv,), settings, variables)
    if only != "uv" and (pip := _pip()):
        return Tool("pip", pip, settings, variables)
    what = only or "uv and no pip"
    raise EnvironmentFailed(
        "BuildFailed", f"no {what} is here to install packages with: expected one in the image"
    )


def _uv(variables: Mapping[str, str]) -> str | None:
    beside = Path(sys.executable).with_name("uv")
    found = shutil.which("uv", path=variables.get("PATH", os.defpath))
    return found or (str(beside) if os.access(beside, os.X_OK) else None)


def _pip() -> tuple[str, ...] | None:
    """A command that is pip for the running interpreter."""
    # Not by find_spec of importlib.util: setuptools has a finder there that warns of pip.
    if PathFinder.find_spec("pip") is not None:
        return (sys.executable, "-m", "pip")
    base = getattr(sys, "_base_executable", "") or ""
    if base and base != sys.executable and _has_pip(base):
        return (base, "-m", "pip", "--python", sys.executable)
    for wheel in _bundled():  # what ensurepip would install
        return (sys.executable, f"{wheel}/pip")
    return None


def _has_pip(interpreter: str) -> bool:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)"
    try:
        return subprocess.run([interpreter, "-I", "-c", code], timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _bundled() -> list[Path]:
    found = importlib.util.find_spec("ensurepip")
    if found is None or found.origin is None:
        return []
    return sorted(Path(found.origin).parent.glob("_bundled/pip-*.whl"))
