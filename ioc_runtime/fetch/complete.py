"""What a file of the plugin says there is: the plan of a manifest with `plugin.config`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ioc_runtime.fetch.cache import storage_failed
from ioc_runtime.fetch.failure import FetchFailed
from ioc_runtime.plan import to_json

BAD_CONFIG = "InvalidSpec"


def complete(manifest: Path, directory: Path, into: Path, say: Callable[[str], None]) -> str:
    """Path of the complete plan, once the plugin's files are there.

    :param manifest: the manifest as JSON
    :raises FetchFailed: with what is wrong with the plugin's file, or with both together
    """
    from ioc_runtime.compile import ManifestError
    from ioc_runtime.migrate import complete_plan

    try:
        plan, notes = complete_plan(directory, json.loads(manifest.read_bytes()))
    except ManifestError as error:
        text = "; ".join(str(problem) for problem in error.problems[:5])
        raise FetchFailed(BAD_CONFIG, text) from None
    except (OSError, ValueError) as error:
        text = f"the manifest {manifest} cannot be read: {error}"
        raise FetchFailed("BadPlan", text) from None
    for note in notes:
        say(f"{plan.plugin.config}: {note}" if plan.plugin is not None else str(note))
    path = into / "complete.json"
    try:
        path.write_text(to_json(plan), encoding="utf-8")
    except OSError as error:
        raise storage_failed(error) from None
    return str(path)
