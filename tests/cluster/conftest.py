"""The cluster that a test asks for.

| fixture | gives |
|---|---|
| `control_plane` | etcd, API server, controllers and scheduler: no pods; 3 s |
| `rig` | a cluster with a node, the project's images and DNS |
| `cluster` | whatever there is: `IOC_TEST_KUBECONFIG`, else `control_plane` |
| `a_rig_can_run` | nothing, but skips where the test cannot bring up one of its own |
| `a_node_can_run` | the same, for one with a node |
| `prometheus_programs` | the directory of `prometheus` and `promtool` |
| `operator` | an operator of the checkout that leads in `rig`, with the shipped role |
| `tasks` | a new namespace of `rig` to apply tasks in; its invariants are checked at the end |
| `host`, `repo` | a Git host that pods can reach, and a repository on it with a plugin in `guard` |
| `argo_cd_program` | Argo CD's program, built in minutes where it is not there yet |
| `namespace` | a new namespace in `rig` if the test has that, else in `cluster` |

With `IOC_TEST_KUBECONFIG` the tests use that cluster and stay within namespaces of
their own; those that need a rig are skipped. Where no rig can run they are skipped
too, with the reason, except in CI (`CI=true`), where that is a failure.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.argocd.program import program
from cluster.from_git import CODE
from cluster.invariants import check
from cluster.operator_process import install
from cluster.prometheus import programs
from cluster.quiet import check_quiet
from cluster.rig import Rig, RigError, build, why_not
from cluster.running import Operator
from cluster.tasks import Tasks
from support.git_host import GitHost, Repo, git_host

PATIENCE = 240
"""Seconds for a test on a cluster: pods are started and ended in most of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        ours = item.path.is_relative_to(Path(__file__).parent)
        if ours and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENCE))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the tests to come need: it takes minutes once, and no test is to blame."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    node = bool(wanted & {"rig", "a_node_can_run"})
    capture = session.config.pluginmanager.getplugin("capturemanager")
    # What fails here fails again, and is reported, where a test asks for it.
    with capture.global_and_fixture_disabled(), suppress(RigError):
        if not given() and wanted & NEEDS_BUILDING and not why_not(node=node):
            build(node=node)
            if "prometheus_programs" in wanted:
                programs()
        if "argo_cd_program" in wanted:
            program()


@dataclass(frozen=True)
class Cluster:
    """A cluster that tests may use, theirs or somebody else's."""

    kubeconfig: Path
    kubectl_command: str

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [self.kubectl_command, "--kubeconfig", self.kubeconfig, *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


NEEDS_BUILDING = {"rig", "control_plane", "cluster", "a_rig_can_run", "a_node_can_run"}


def given() -> str | None:
    """The cluster that the caller wants the tests to use."""
    return os.environ.get("IOC_TEST_KUBECONFIG")


def skip_unless_a_rig_can_run(*, node: bool) -> None:
    if given():
        pytest.skip("IOC_TEST_KUBECONFIG is set, and this test needs a cluster of its own")
    if reason := why_not(node=node):
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(f"CI must run the cluster tests: {reason}")
        pytest.skip(reason)


@pytest.fixture(scope="session")
def a_rig_can_run() -> None:
    """For tests that bring up control planes of their own."""
    skip_unless_a_rig_can_run(node=False)


@pytest.fixture(scope="session")
def a_node_can_run() -> None:
    """For tests that bring up clusters with a node of their own."""
    skip_unless_a_rig_can_run(node=True)


@pytest.fixture(scope="session")
def argo_cd_program() -> Path:
    """The directory of Argo CD's program: only in tests that somebody has asked for."""
    return program()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Rig]:
    """A control plane without a node, one for the session."""
    skip_unless_a_rig_can_run(node=False)
    with Rig.up(control_plane=True) as rig:
        yield rig


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """A cluster with a node that runs pods, one for the session."""
    skip_unless_a_rig_can_run(node=True)
    with Rig.up() as rig:
        yield rig


@pytest.fixture(scope="session")
def prometheus_programs(a_rig_can_run: None) -> Path:
    """Where `prometheus` and `promtool` are."""
    return programs()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """For tests that need an API server and nothing else."""
    if path := given():
        return Cluster(Path(path), "kubectl")
    own: Rig = request.getfixturevalue("control_plane")
    return Cluster(own.kubeconfig, str(own.layout.binaries / "kubectl"))


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a new namespace, whose deletion begins when the test ends."""
    uses = "rig" if "rig" in request.fixturenames else "cluster"
    where: Rig | Cluster = request.getfixturevalue(uses)
    name = f"ioc-test-{secrets.token_hex(4)}"
    where.kubectl("create", "namespace", name)
    yield name
    where.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def installed(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CRDs, role and policy in `rig`; the kubeconfig of the operator's own account."""
    return install(rig, tmp_path_factory.mktemp("installed"))


@pytest.fixture
def operator(installed: Path, tmp_path: Path) -> Iterator[Operator]:
    """An operator that leads; ended with the test."""
    with Operator(installed, tmp_path) as running:
        yield running


@pytest.fixture
def tasks(rig: Rig, operator: Operator, namespace: str) -> Iterator[Tasks]:
    """A namespace with an operator that looks after it."""
    yield Tasks(rig.kubectl, namespace)
    check(rig.kubectl, namespace)
    check_quiet(rig, namespace)


@pytest.fixture
def host(rig: Rig, tmp_path: Path) -> Iterator[GitHost]:
    """A Git host that pods can reach."""
    with git_host(tmp_path / "host", rig.host_address) as host:
        yield host


@pytest.fixture
def repo(host: GitHost) -> Repo:
    """A repository on it, with a plugin."""
    repo = host.repo("tasks")
    repo.commit({"guard/guard.py": CODE.format(label="one")})
    return repo
