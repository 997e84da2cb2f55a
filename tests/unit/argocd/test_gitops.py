"""The GitOps repository that is there to be copied: what it says is what Argo CD reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "gitops"
APPS = [EXAMPLE / "root.yaml", *sorted((EXAMPLE / "apps").glob("*.yaml"))]
FIELDS = json.loads((ROOT / "tests" / "data" / "argocd-fields.json").read_text())
OURS = "https://git.example.org/controls/beamlines.git"
WAVE = "argocd.argoproj.io/sync-wave"
TYPES = {"string": str, "integer": int, "boolean": bool}

Object = dict[str, Any]


def read(path: Path) -> Object:
    (found,) = yaml.safe_load_all(path.read_text())
    return found


def differences(value: Any, fields: Any, path: str = "spec") -> Iterator[str]:
    """What of a value is not as Argo CD's definitions have it."""
    if fields == "any":
        return
    if isinstance(fields, str):
        if type(value) is not TYPES[fields]:
            yield f"{path}: {value!r} is no {fields}"
    elif isinstance(fields, list):
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for n, each in enumerate(value):
            yield from differences(each, fields[0], f"{path}[{n}]")
    elif not isinstance(value, dict):
        yield f"{path}: {value!r} is no map"
    else:
        known = {name.rstrip("!"): inner for name, inner in fields.items()}
        for name in (name.rstrip("!") for name in fields if name.endswith("!")):
            if name not in value:
                yield f"{path}.{name} is missing"
        for name, each in value.items():
            if name in known or "*" in known:
                yield from differences(each, known.get(name, known.get("*")), f"{path}.{name}")
            else:
                yield f"{path}.{name}: there is no such field"


def applications() -> dict[str, Object]:
    found = [read(path) for path in APPS]
    return {each["metadata"]["name"]: each for each in found if each["kind"] == "Application"}


def options(application: Object) -> set[str]:
    return set(application["spec"]["syncPolicy"].get("syncOptions", []))


def sources(application: Object) -> list[Object]:
    spec = application["spec"]
    return spec.get("sources") or [spec["source"]]


@pytest.mark.parametrize("path", APPS, ids=lambda path: path.name)
def test_each_object_has_the_fields_that_argo_cd_knows(path: Path):
    found = read(path)
    assert found["apiVersion"] == "argoproj.io/v1alpha1"
    assert found["metadata"]["namespace"] == "argocd"
    assert list(differences(found["spec"], FIELDS[found["kind"]])) == []


def test_a_field_that_argo_cd_does_not_know_is_found():
    spec = read(EXAMPLE / "apps" / "bl01.yaml")["spec"]
    spec["syncPolicy"]["automated"]["prun"] = True
    spec["syncPolicy"]["retry"]["limit"] = "five"
    del spec["project"]
    assert list(differences(spec, FIELDS["Application"])) == [
        "spec.project is missing",
        "spec.syncPolicy.automated.prun: there is no such field",
        "spec.syncPolicy.retry.limit: 'five' is no integer",
    ]


def test_the_kinds_come_before_the_operator_and_the_operator_before_the_beamlines():
    waves = {
        name: int(app["metadata"].get("annotations", {}).get(WAVE, 0))
        for name, app in applications().items()
    }
    assert waves == {"beamlines": 0, "ioc-operator-crds": -2, "ioc-operator": -1, "bl01": 0}


def test_nothing_in_git_can_delete_the_kinds():
    crds = applications()["ioc-operator-crds"]
    assert "finalizers" not in crds["metadata"]
    assert crds["spec"]["syncPolicy"]["automated"]["prune"] is False
    assert "ServerSideApply=true" in options(crds)
    assert read(EXAMPLE / "operator" / "values.yaml")["crds"]["enabled"] is False


def test_a_beamline_may_come_before_its_kinds():
    beamline = applications()["bl01"]
    assert "SkipDryRunOnMissingResource=true" in options(beamline)
    assert beamline["spec"]["syncPolicy"]["retry"]["limit"] > 0


def test_all_that_is_pointed_to_is_there():
    assert applications()["beamlines"]["spec"]["source"]["path"] == "apps"
    assert (ROOT / applications()["ioc-operator-crds"]["spec"]["source"]["path"]).is_dir()
    for application in applications().values():
        for source in sources(application):
            if "chart" in source:
                chart = ROOT / "helm" / source["chart"]
                version = read(chart / "Chart.yaml")["version"].removesuffix("-dev")
                assert source["targetRevision"] == version
            for file in source.get("helm", {}).get("valueFiles", []):
                assert (EXAMPLE / file.removeprefix("$values/")).is_file()
                assert any(each.get("ref") == "values" for each in sources(application))


def test_a_beamline_is_what_its_project_allows():
    beamline = applications()["bl01"]["spec"]
    project = read(EXAMPLE / "apps" / "project.yaml")
    assert beamline["project"] == project["metadata"]["name"]
    for source in beamline["sources"]:
        assert source["repoURL"] in project["spec"]["sourceRepos"]
    allowed = [each["namespace"] for each in project["spec"]["destinations"]]
    assert any(fnmatch(beamline["destination"]["namespace"], pattern) for pattern in allowed)


def known(values: Object, defaults: Object, path: str = "") -> Iterator[str]:
    for name, value in values.items():
        if name not in defaults:
            yield f"{path}{name}"
        elif isinstance(value, dict) and isinstance(defaults[name], dict) and defaults[name]:
            yield from known(value, defaults[name], f"{path}{name}.")


def test_the_operators_values_are_those_of_its_chart():
    defaults = read(ROOT / "helm" / "ioc-operator" / "values.yaml")
    assert list(known(read(EXAMPLE / "operator" / "values.yaml"), defaults)) == []
    assert list(known({"crds": {"enable": True}}, defaults)) == ["crds.enable"]
