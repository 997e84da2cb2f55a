"""Parts of the API that are specified and not built yet: refused, never ignored.

The one table of them. A part that gets built loses its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from ioc_runtime.spec.job import IocJob
from ioc_runtime.spec.problem import NOTHING, Path
from ioc_runtime.spec.task import IocTask

Part = tuple[str, Path, Callable[[Any], Any]]
"""Words for it, where it stands, and what tells whether it is used."""


def _apart(spec: Any) -> bool:
    return spec.plugin is not None and spec.plugin.isolation == "process"


_COMMON: Final[tuple[Part, ...]] = (
    (
        "access security files from a ConfigMap are",
        ("access", "configMap"),
        lambda spec: spec.access.config_map,
    ),
)
_TASK: Final[tuple[Part, ...]] = (
    ("permits are", ("permits",), lambda spec: spec.permits),
    (
        "triggered cycles in a process of the plugin's own are",
        ("plugin", "isolation"),
        lambda spec: _apart(spec) and spec.mode == "triggered",
    ),
)
_JOB: Final[tuple[Part, ...]] = (
    ("runs other than Running are", ("run",), lambda spec: spec.run != "Running"),
    ("schedules are", ("schedule",), lambda spec: spec.schedule),
    ("code after an abort is", ("onAbort",), lambda spec: spec.on_abort),
    ("exclusive groups are", ("exclusive",), lambda spec: spec.exclusive),
    ("scans are", ("scan",), lambda spec: spec.scan is not None),
    ("jobs in a process of their own are", ("plugin", "isolation"), _apart),
)
PARTS: Final = (*_TASK, *_COMMON)
"""Those of a task; the reference prints them."""
JOB_PARTS: Final = (*_JOB, *_COMMON)
"""Those of a job."""


def unbuilt(manifest: IocTask | IocJob) -> Iterator[tuple[Path, Any, str]]:
    """Path, value and expectation of every part that is used and not built yet."""
    for words, path, used in JOB_PARTS if isinstance(manifest, IocJob) else PARTS:
        if used(manifest.spec):
            yield ("spec", *path), NOTHING, f"nothing here: {words} not built yet"
