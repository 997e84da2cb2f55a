"""A package index of the test's own, and each installer that is here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.plugin.environments import (
    Environment,
    EnvironmentFailed,
    Tool,
    Wanted,
    build,
    find_tool,
)
from support.package_index import PackageIndex
from support.spawn import Spawn, Spawned

MODULE = "ioc_runtime.plugin.environments"
PATIENCE = 60.0
"""Seconds for one build on a loaded machine."""


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    """An index with a package, its dependency, and two that do not fit the image."""
    with PackageIndex() as found:
        found.add("alpha", "1.0", ["beta>=1"])
        found.add("beta", "1.0")
        found.add("beta", "2.0")
        found.add("wantsnumpy", "1.0", ["numpy>=1.20"])
        found.add("oldnumpy", "1.0", ["numpy<1.5"])
        found.add("numpy", "1.4.0")
        yield found


@pytest.fixture(params=["uv", "pip"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each tool in turn."""
    try:
        find_tool(only=request.param)
    except EnvironmentFailed as failure:
        pytest.skip(failure.sentence)
    return request.param


@pytest.fixture
def variables(index: PackageIndex, tmp_path: Path) -> dict[str, str]:
    """The environment of a builder: this index, and nothing of the machine's configuration."""
    # pip keeps what it downloads over http only for a host that is trusted.
    return surroundings(tmp_path) | {"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": "127.0.0.1"}


def surroundings(home: Path) -> dict[str, str]:
    """Without any index."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        "UV_HTTP_RETRIES": "0",
    }


@pytest.fixture
def tool(kind: str, variables: dict[str, str]) -> Tool:
    """The tool, pointed at the index."""
    return find_tool(environ=variables, only=kind)  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


class Builder:
    """Builds in this process, and keeps what was said."""

    def __init__(self, cache: Path, tool: Tool) -> None:
        self.cache = cache
        self.tool = tool
        self.said: list[str] = []

    def __call__(self, *requirements: str, **more: Any) -> Environment:
        options = {"timeout": PATIENCE, "tool": self.tool, "cache": self.cache}
        options |= {k: more.pop(k) for k in ("timeout", "tool", "limits", "cache") if k in more}
        wanted = Wanted(requirements, **more)
        return build(wanted, say=self.said.append, **options)

    def fails(self, *requirements: str, **more: Any) -> EnvironmentFailed:
        with pytest.raises(EnvironmentFailed) as found:
            self(*requirements, **more)
        return found.value


@pytest.fixture
def builder(cache: Path, tool: Tool) -> Builder:
    return Builder(cache, tool)


@pytest.fixture
def start(
    spawn: Spawn, cache: Path, kind: str, variables: dict[str, str]
) -> Callable[..., Spawned]:
    """Start a builder as a process: `python -m ioc_runtime.plugin.environments build`."""

    def starting(*requirements: str, env: dict[str, str] | None = None) -> Spawned:
        options = ["--cache", str(cache), "--tool", kind, "--json"]
        arguments = ["-m", MODULE, "build", *options, *requirements]
        return spawn(*arguments, env=variables | (env or {}))

    return starting


def result(process: Spawned) -> dict[str, Any]:
    """What a builder that ends well has found."""
    assert process.wait(PATIENCE) == 0, process.report("did not build")
    return json.loads(process.output)


def listing(cache: Path) -> list[str]:
    """What is in a cache, without what the tools keep."""
    return sorted(set(os.listdir(cache)) - {"locks", "downloads"})
