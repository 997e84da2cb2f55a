"""Where the requirements of an inline plugin are put before they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ioc_runtime.fetch.failure import FetchFailed
from ioc_runtime.fetch.packages import install
from ioc_runtime.plan import Plugin


def test_requirements_in_the_manifest_are_written_beside_the_task_and_never_into_the_shared_cache(
    tmp_path: Path,
) -> None:
    into, cache = tmp_path / "into", tmp_path / "cache"
    into.mkdir()
    plugin = Plugin(files={"r.txt": "not a requirement !"}, requirements_from="r.txt")
    with pytest.raises(FetchFailed) as error:
        install(plugin, None, "", into, cache, None, 5.0, lambda text: None)
    assert error.value.reason == "BadRequirement"
    assert (into / "r.txt").exists()
    assert not list(cache.rglob("r.txt"))
