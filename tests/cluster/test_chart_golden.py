"""What the chart makes of a few files of values, byte for byte, and which values it refuses.

Helm alone is needed, no cluster.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.chart import CASES, CHART, DATA
from cluster.conftest import skip_unless_a_rig_can_run
from cluster.rig import build
from ioc_runtime.compile import compile_document

Object = dict[str, Any]
Helm = Callable[..., subprocess.CompletedProcess[str]]

WRONG = {
    "replicaCount=two": "at '/replicaCount': got string, want integer",
    "replicaCount=0": "at '/replicaCount': minimum: got 0, want 1",
    "replicas=2": "additional properties 'replicas' not allowed",
    "image.name=x": "at '/image': additional properties 'name' not allowed",
    "image.digest=1234": "at '/image/digest'",
    "image.pullPolicy=Sometimes": "value must be one of 'Always', 'IfNotPresent', 'Never'",
    "log.level=loud": "value must be one of 'debug', 'info', 'warning', 'error'",
    "plugins.cache=shared": "at '/plugins/cache': 'shared' does not match pattern",
    "watchNamespaces={A}": "at '/watchNamespaces/0': 'A' does not match pattern",
    "labelSelector=a=b=c": "at '/labelSelector': 'a=b=c' does not match pattern",
    "labelSelector=a in b": "at '/labelSelector': 'a in b' does not match pattern",
    "labelSelector=a=b\\,": "at '/labelSelector': 'a=b,' does not match pattern",
    "resources.limit.cpu=1": "at '/resources': additional properties 'limit' not allowed",
    "resources.limits.memory=1 GB": "at '/resources/limits/memory': '1 GB' does not match",
    "fullnameOverride=A_b": "at '/fullnameOverride': 'A_b' does not match pattern",
    "fullnameOverride=1st": "at '/fullnameOverride'",
    "nameOverride=A_b": "at '/nameOverride': 'A_b' does not match pattern",
    "commonLabels.helm\\.sh/chart=x": "commonLabels has helm.sh/chart; expected none of",
    "metrics.serviceMonitor.interval=30": "at '/metrics/serviceMonitor/interval'",
    "leaderElection.leaseDuration=3": (
        "leaderElection.retryPeriod, renewDeadline and leaseDuration are 1, 4 and 3; "
        "expected each to be less than the next"
    ),
    "metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true": (
        "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true; "
        "expected one of them"
    ),
    "metrics.prometheusRule.enabled=true": (
        "metrics.prometheusRule.enabled is true; expected metrics.serviceMonitor.enabled or "
        "metrics.podMonitor.enabled too"
    ),
    "metrics.prometheusRule.disabled={IocStaled}": (
        "metrics.prometheusRule.disabled has IocStaled; expected some of IocOperatorAbsent, "
    ),
    "serviceAccount.create=false": "serviceAccount.name is needed with serviceAccount.create",
    "test.namespace=bl03,watchNamespaces={bl01}": (
        "test.namespace is bl03; expected one of watchNamespaces"
    ),
}
"""What is set, and part of what Helm says then."""


@pytest.fixture(scope="module")
def helm() -> Helm:
    """Runs Helm."""
    skip_unless_a_rig_can_run(node=False)
    binaries, _ = build(node=False)

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [binaries / "helm", *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="module")
def chart(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart packaged under other versions: a new version alone changes no golden file."""
    place = tmp_path_factory.mktemp("chart")
    versions = ("--version", "0.0.0", "--app-version", "APP")
    done = helm("package", CHART, *versions, "--destination", place)
    assert done.returncode == 0, done.stderr
    [package] = place.iterdir()
    return package


def render(helm: Helm, chart: Path, case: str) -> list[Object]:
    values = ("--values", CASES[case], "--namespace", "iocs")
    done = helm("template", "ioc-operator", chart, *values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def short(made: Object) -> Object:
    """Without what is a file of its own: a definition's schema, a script, a dashboard."""
    if made["kind"] == "CustomResourceDefinition":
        return {key: made[key] for key in ("kind", "metadata")}
    if made["kind"] == "ConfigMap":
        files = {path.read_text().strip(): path.name for path in (CHART / "files").glob("*.*")}
        data = made.get("data", {})
        return made | {
            "data": {
                k: f"FILE {files[v.strip()]}" if v.strip() in files else v for k, v in data.items()
            }
        }
    return made


def order(made: Object) -> tuple[str, ...]:
    meta = made["metadata"]
    return made["kind"], meta.get("namespace", ""), meta["name"]


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_file_of_values_becomes_its_golden_file(
    helm: Helm, chart: Path, case: str, request: pytest.FixtureRequest
):
    made = sorted(map(short, render(helm, chart, case)), key=order)
    text = yaml.safe_dump_all(made, sort_keys=True, allow_unicode=True, width=100)
    path = DATA / "golden" / f"{case}.yaml"
    if request.config.getoption("--regenerate"):
        path.write_text(text)
    assert path.read_text() == text, "pytest --regenerate writes it anew: look at the difference"


def test_there_is_no_golden_file_without_values():
    assert {path.stem for path in (DATA / "golden").iterdir()} == set(CASES)


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_operators_service_budget_and_policy_leave_the_pod_of_the_test_alone(
    helm: Helm, chart: Path, case: str
):
    made = render(helm, chart, case)
    [deployment] = [each for each in made if each["kind"] == "Deployment"]
    ours = deployment["spec"]["selector"]["matchLabels"]
    assert ours.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    for pod in (each for each in made if each["kind"] == "Pod"):
        assert not ours.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("case", sorted(set(CASES) - {"bare"}))
def test_the_task_of_the_test_is_a_good_one(helm: Helm, chart: Path, case: str):
    made = render(helm, chart, case)
    [text] = [each["data"]["task.json"] for each in made if "task.json" in each.get("data", {})]
    outputs = compile_document(json.loads(text)).plan.outputs
    assert [each.name for each in outputs] == ["value"]


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_value_is_refused_with_a_sentence(helm: Helm, what: str):
    done = helm("template", "ioc-operator", CHART, "--set", what)
    assert done.returncode != 0
    assert WRONG[what] in re.sub(r"\s+", " ", done.stderr)
