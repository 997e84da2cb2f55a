"""What the documents tell a reader to type with a cluster is typed, page by page."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.conftest import skip_unless_a_rig_can_run
from cluster.rig import OPERATOR_IMAGE, RUNTIME_IMAGE, Rig
from support.pages import ROOT, run_on
from support.terminal import Terminal, follow

RELEASE = ("ioc-operator", "-n", "ioc-operator")
KINDS = ("ioctasks.ioc-operator.dev", "iocjobs.ioc-operator.dev")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A cluster of their own, with a node: pages install and uninstall the operator."""
    skip_unless_a_rig_can_run(node=True)
    with Rig.up() as rig:
        yield rig


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", run_on("cluster"))
def test_what_a_page_tells_to_type_does_what_it_says(page: str, rig: Rig, tmp_path: Path):
    prepare(rig, installs="helm install" in (ROOT / page).read_text())
    environ = {"KUBECONFIG": str(rig.kubeconfig)}
    if port := os.environ.get("EPICS_CA_REPEATER_PORT"):
        environ["EPICS_CA_REPEATER_PORT"] = port
    with Terminal(tmp_path / "page", "cluster", environ, (rig.layout.binaries,)) as terminal:
        for block, seconds in follow(page, terminal):
            print(f"{seconds:5.1f} s  {block}")


def prepare(rig: Rig, *, installs: bool) -> None:
    """The operator is there, or, for a page that installs it, is not."""
    there = "ioc-operator" in helm(rig, "list", "-n", "ioc-operator", "-q")
    if installs and there:
        helm(rig, "uninstall", *RELEASE, "--wait")
    if installs:
        rig.kubectl("delete", "crd", *KINDS, "--ignore-not-found", timeout=90)
        spaces = ("bl01", "bl02", "ioc-operator")
        rig.kubectl("delete", "namespace", *spaces, "--ignore-not-found", timeout=90)
    elif not there:
        images = {"image": OPERATOR_IMAGE, "runtime.image": RUNTIME_IMAGE}
        values = []
        for place, image in images.items():
            name, _, tag = image.rpartition(":")
            values += ["--set", f"{place}.repository={name},{place}.tag={tag}"]
        chart = str(ROOT / "helm" / "ioc-operator")
        helm(rig, "install", *RELEASE, chart, "--create-namespace", "--wait", *values)


def helm(rig: Rig, *words: str) -> str:
    """What Helm prints."""
    command = [rig.helm(), "--kubeconfig", rig.kubeconfig, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
