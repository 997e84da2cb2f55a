"""docs/versions.md names the versions that the code has."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cluster.argocd.program import version as argo_cd
from ioc_runtime import plan, state
from ioc_runtime.engine import recording
from scripts.crds.definition import GROUP, KINDS, definition
from scripts.release.base import locked
from tests.cluster.rig.images import SUITE
from unit.test_house import project

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "versions.md").read_text()


def cells(first: str) -> list[str]:
    """The row of a table that begins with `first`, without that."""
    [row] = re.findall(rf"^\| {re.escape(first)} \| (.*) \|$", PAGE, re.MULTILINE)
    return row.split(" | ")


def test_the_api_is_served_and_stored_as_the_page_says():
    for kind in KINDS:
        versions = definition(kind)["spec"]["versions"]
        [stored] = [each["name"] for each in versions if each["storage"]]
        assert f"`{GROUP}/{stored}` is what" in PAGE
        assert all(each["served"] for each in versions)


def test_formats_are_those_of_the_code():
    for row, module in (
        ("plan (`plan.json`)", plan),
        ("state (`--state`)", state),
        ("recordings (`--record`)", recording),
    ):
        assert cells(row)[0] == f"format {module.FORMAT}"


def test_kubernetes_and_helm_are_those_of_the_chart_and_the_rig():
    wanted = yaml.safe_load((ROOT / "helm/ioc-operator/Chart.yaml").read_text())["kubeVersion"]
    oldest, tested, *_ = cells("Kubernetes")
    assert wanted == f"{oldest.replace(' ', '')}.0-0"
    go_mod = (ROOT / "tests/cluster/rig/go/go.mod").read_text()
    assert re.search(rf"^\s*k8s.io/kubernetes v{re.escape(tested)}\.", go_mod, re.MULTILINE)
    helm = cells("Helm")[1]
    assert re.search(rf"^\s*helm.sh/helm/v3 v{re.escape(helm)}\.", go_mod, re.MULTILINE)


def test_argo_cd_is_the_release_that_the_page_of_it_names():
    assert f"in Argo CD itself, {argo_cd()}, on" in (ROOT / "docs" / "argocd.md").read_text()


def test_pythons_are_those_of_the_package():
    named = [c.rsplit(" :: ", 1)[-1] for c in project()["classifiers"] if ":: Python :: " in c]
    assert ", ".join(named) == cells("Python")[0]
    assert project()["requires-python"] == f">={named[0]}"


def test_the_images_stand_on_the_debian_that_the_page_names():
    [name] = [cells(row)[0] for row in ("Debian, below the images",)]
    assert f"({SUITE})" in name
    release = locked((ROOT / "images" / "base.lock").read_text()).versions["base-files"]
    assert release.split(".")[0] == name.split()[0]
