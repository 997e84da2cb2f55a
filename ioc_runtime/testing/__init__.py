"""Tests of plugins and manifests: the fixtures `ioc_task` and `ioc_job` of pytest.

```python
def test_a_high_pressure_raises_the_alarm(ioc_task):
    task = ioc_task("task.yaml")
    task.set(pressure=1e-3)
    task.after(0.5)
    assert task.output("alarm").state == "HIGH"
```

pytest finds them by itself once this project is installed. `pytest --ioc-real` runs the same
tests against a serving process and simulated sources, over Channel Access and PV Access.
docs/authors.md says more. Nothing of this is loaded by a serving process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ioc_runtime.plan import Plan
    from ioc_runtime.testing.simulated import SimulatedTask
    from ioc_runtime.testing.simulated_job import SimulatedJob


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--ioc-real`."""
    group = parser.getgroup("ioc-operator")
    group.addoption(
        "--ioc-real",
        action="store_true",
        help="run ioc_task and ioc_job in a serving process, over Channel Access and PV Access",
    )


@pytest.fixture
def ioc_task(request: pytest.FixtureRequest) -> Iterator[Callable[..., SimulatedTask]]:
    """Start a task under test: `ioc_task("task.yaml")`; it ends with the test.

    The first argument is a manifest's file (relative to the test's own), its text, or a
    subclass of TaskBase. Further ones are fields of `spec`: of a manifest changes by path
    (`ioc_task("task.yaml", **{"parameters.limit": 2})`), of a class all there is.
    """
    yield from _starting(request, "IocTask")


@pytest.fixture
def ioc_job(request: pytest.FixtureRequest) -> Iterator[Callable[..., SimulatedJob]]:
    """A job under test: `ioc_job("job.yaml").run()`; arguments as those of `ioc_task`."""
    yield from _starting(request, "IocJob")


def _starting(request: pytest.FixtureRequest, kind: str) -> Iterator[Callable[..., Any]]:
    started: list[Any] = []
    directory = Path(request.path).parent
    own = request.module.__name__
    real = bool(request.config.getoption("--ioc-real", default=False))

    def start(what: str | Path | type, **changes: Any) -> Any:
        from ioc_runtime.testing.manifest import plan_of

        plan = plan_of(what, directory, kind, changes)
        made = _made(plan, what if isinstance(what, type) else None, real, own)
        started.append(made)
        return made.start()

    yield start
    for each in reversed(started):
        each.stop()


def _made(plan: Plan, cls: type | None, real: bool, own: str) -> Any:
    if real:
        from ioc_runtime.testing.real import RealTask
        from ioc_runtime.testing.real_job import RealJob

        if cls is not None and cls.__module__ == own:
            pytest.skip(f"{cls.__name__} stands in the test's own file: it runs only simulated")
        return RealJob(plan) if plan.kind == "IocJob" else RealTask(plan)
    if plan.kind == "IocJob":
        from ioc_runtime.testing.simulated_job import SimulatedJob

        return SimulatedJob(plan, cls)
    from ioc_runtime.testing.simulated import SimulatedTask

    return SimulatedTask(plan, cls)
