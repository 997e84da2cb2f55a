"""Manifests as the API server would give them, and the objects that are made of each.

`tests/data/golden/NAME.yaml` is what `manifests/NAME.yaml` becomes, byte for byte;
`pytest --regenerate tests/unit/operator/test_golden.py` writes them anew.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from ioc_operator.children import job_children, task_children
from ioc_operator.desired import Judged, Wanted, judge, read
from ioc_operator.names import TASK
from ioc_operator.settings import Settings

Object = dict[str, Any]

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "tests" / "data" / "golden"
EXAMPLE: Final = ROOT / "examples" / "vacuum-guard.yaml"
CASES: Final = {path.stem: path for path in [*(FOLDER / "manifests").glob("*.yaml"), EXAMPLE]}
TASKS: Final = sorted(set(CASES) - {"job"})
SETTINGS: Final = Settings(runtime_image="ioc-runtime:1.0")
RUN: Final = 3


@cache
def _written(case: str) -> Object:
    made: Object = yaml.safe_load(CASES[case].read_text())
    return made


def given(case: str, **spec: Any) -> Object:
    """The manifest of a case as the API server has it."""
    raw = deepcopy(_written(case))
    raw["metadata"] |= {
        "uid": "6f3b1a52-0000-4000-8000-000000000001",
        "generation": 2,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    raw["spec"] |= spec
    return raw


def wanted(case: str, **spec: Any) -> Wanted:
    return read(given(case, **spec))


def judged(case: str, **spec: Any) -> tuple[Wanted, Judged]:
    want = wanted(case, **spec)
    found = judge(want)
    assert not found.problems, found.problems
    return want, found


def children(case: str, settings: Settings = SETTINGS, **spec: Any) -> list[Object]:
    """What is made of a case."""
    want, found = judged(case, **spec)
    if want.key.kind == TASK:
        return task_children(want, found, settings, settings.runtime_image)
    return job_children(want, found, settings, settings.runtime_image, RUN, suspended=True)


def template(case: str, **spec: Any) -> Object:
    """The pod of a case."""
    pod: Object = children(case, **spec)[-1]["spec"]["template"]
    return pod


def container(case: str, **spec: Any) -> Object:
    """The container that serves, of a case."""
    first: Object = template(case, **spec)["spec"]["containers"][0]
    return first


def as_yaml(objects: list[Object]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=True, allow_unicode=True, width=100)
