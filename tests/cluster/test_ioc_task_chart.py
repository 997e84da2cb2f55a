"""helm/ioc-task: what it makes of values, and that the API server and iocctl take it.

Also what helm/ioc-operator makes for Argo CD, since both need no more than Helm and an API
server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.rig import Rig
from scripts.argocd.__main__ import GROUP, KINDS, TARGET, entries

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "ioc-task"
DATA = ROOT / "tests" / "data" / "ioc-task"
BEAMLINE = ROOT / "examples" / "gitops" / "beamlines" / "bl01" / "values.yaml"
VALUES = [pytest.param(DATA / "values.yaml", id="data"), pytest.param(BEAMLINE, id="example")]

Object = dict[str, Any]


@pytest.fixture(scope="module")
def kinds(control_plane: Rig) -> Rig:
    """A control plane that knows the kinds."""
    control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"), timeout=60
    )
    for kind in KINDS:
        crd = f"crd/{kind.lower()}s.{GROUP}"
        control_plane.kubectl("wait", "--for=condition=Established", crd, "--timeout=20s")
    return control_plane


def helm(rig: Rig, *args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [rig.helm(), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def template(rig: Rig, *args: str | Path, space: str = "bl01", chart: Path = CHART) -> str:
    done = helm(rig, "template", "bl01", chart, "--namespace", space, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(rig: Rig, *args: str | Path) -> dict[str, Object]:
    found = [each for each in yaml.safe_load_all(template(rig, *args)) if each]
    return {f"{each['kind']} {each['metadata']['name']}": each for each in found}


def test_the_chart_is_without_fault(kinds: Rig):
    done = helm(kinds, "lint", CHART, "--strict")
    assert "0 chart(s) failed" in done.stdout, done.stdout


def test_without_values_it_makes_nothing(kinds: Rig):
    assert objects(kinds) == {}


def test_values_become_their_golden_file(kinds: Rig, request: pytest.FixtureRequest):
    text = template(kinds, "-f", DATA / "values.yaml")
    golden = DATA / "rendered.yaml"
    if request.config.getoption("--regenerate"):
        golden.write_text(text)
    assert golden.read_text() == text, "pytest --regenerate writes it anew: look at the difference"


def test_what_a_task_says_itself_wins_also_where_it_is_nothing(kinds: Rig):
    made = objects(kinds, "-f", DATA / "values.yaml")
    assert set(made) == {
        "IocTask plain",
        "IocTask overridden",
        "IocJob ramp",
        "ConfigMap ramp-code",
    }
    plain, own = made["IocTask plain"]["spec"], made["IocTask overridden"]["spec"]
    assert plain["prefix"] == "BL01:PLAIN:plain:"
    assert (plain["suspend"], own["suspend"]) == (True, False)
    assert own["parameters"] | {"small": 0} == {
        **{"limit": 0, "site": 0, "small": 0},
        **{"many": 10_000_000, "exact": 9_007_199_254_740_991},
    }
    assert (plain["tolerations"][0]["key"], own["tolerations"]) == ("hall", [])
    assert "nodeSelector" not in own
    assert own["resources"] == {
        "requests": {"cpu": "20m", "memory": "64Mi"},
        "limits": {"memory": "256Mi"},
    }
    labels = made["IocTask overridden"]["metadata"]["labels"]
    assert (labels["beamline"], labels["owner"], "shift" in labels) == ("bl01", "vacuum", False)
    assert set(own["inputs"]) == {"mode", "y", "text"}
    code = made["ConfigMap ramp-code"]["data"]["ramp.py"]
    assert 'return "{{ this is no template }}"' in code


def test_a_prefix_may_have_the_namespace_in_it(kinds: Rig):
    prefix = r"defaults.prefix=\{namespace\}:\{NAME\}:"
    made = objects(kinds, "-f", DATA / "values.yaml", "--set-string", prefix)
    assert made["IocTask plain"]["spec"]["prefix"] == "bl01:PLAIN:"
    assert made["IocTask overridden"]["spec"]["prefix"] == "BL01:VAC:"


def test_one_task_takes_nothing_from_another(kinds: Rig):
    alone = objects(kinds, "-f", DATA / "values.yaml", "--set", "tasks.overridden.enabled=false")
    both = objects(kinds, "-f", DATA / "values.yaml")
    assert alone["IocTask plain"] == both["IocTask plain"]


def test_a_file_of_its_own_goes_into_a_config_map(kinds: Rig, tmp_path: Path):
    file = tmp_path / "guard.py"
    file.write_text("limit = {'a': 1}\n\n\ttab = 'ü'\n")
    made = objects(kinds, "--set-file", rf"configMaps.code.files.guard\.py={file}")
    assert made["ConfigMap code"]["data"] == {"guard.py": file.read_text()}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("task.x.spec.mode=reactive", "'task' not allowed"),
        ("tasks.guard.image=x", "'image' not allowed"),
        ("tasks.guard.spec=x", "want object"),
        ("tasks.guard.enabled=maybe", "want boolean"),
        ("tasks.Guard_1.spec.mode=reactive", "tasks.Guard_1: expected a name of lower-case"),
        (f"tasks.{'x' * 53}.spec.mode=reactive", "xxx: expected a name"),
        (f"jobs.{'x' * 51}.spec.mode=reactive", "xxx: expected a name"),
        ("configMaps.Code.files.x=text", "configMaps.Code: expected a name of lower-case"),
        ("defaults.image=x", "'image' not allowed"),
        ("defaults.prefix=BL:{{nmae}}:", "does not match pattern"),
        ("configMaps.code.file=x", "'file' not allowed"),
    ],
)
def test_a_wrong_key_gets_a_sentence(kinds: Rig, tmp_path: Path, wrong: str, words: str):
    path, value = wrong.split("=")
    values: Any = {"true": True}.get(value, value.replace("{{", "{").replace("}}", "}"))
    for key in reversed(path.split(".")):
        values = {key: values}
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    done = helm(kinds, "template", "bl01", CHART, "-f", file)
    assert done.returncode != 0
    assert words in done.stderr


def test_a_parent_chart_may_share_values(kinds: Rig):
    assert objects(kinds, "--set", "global.site=north") == {}


@pytest.mark.parametrize("values", VALUES)
def test_what_it_makes_is_good(kinds: Rig, namespace: str, tmp_path: Path, values: Path):
    file = tmp_path / "rendered.yaml"
    file.write_text(template(kinds, "-f", values, space=namespace))
    command = [sys.executable, "-m", "ioc_runtime.cli", "validate", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = kinds.kubectl("apply", "-f", str(file), "-n", namespace, "--dry-run=server")
    assert said.count("created (server dry run)") == len(
        [each for each in yaml.safe_load_all(file.read_text()) if each]
    )


def test_helm_installs_upgrades_and_removes_them(kinds: Rig, namespace: str):
    common = ("--kubeconfig", kinds.kubeconfig, "-n", namespace)
    done = helm(kinds, "install", "bl01", CHART, *common, "-f", DATA / "values.yaml")
    assert done.returncode == 0, done.stderr
    assert "3 tasks and jobs: overridden, plain, ramp." in done.stdout
    off = ("--set", "tasks.plain.enabled=false")
    done = helm(kinds, "upgrade", "bl01", CHART, *common, "-f", DATA / "values.yaml", *off)
    assert done.returncode == 0, done.stderr
    left = kinds.kubectl("get", "ioc", "-n", namespace, "-o", "name").split()
    assert set(left) == {f"ioctask.{GROUP}/overridden", f"iocjob.{GROUP}/ramp"}
    assert helm(kinds, "uninstall", "bl01", *common, "--wait").returncode == 0
    assert kinds.kubectl("get", "ioc", "-n", namespace, "-o", "name") == ""


# What the operator's chart makes for Argo CD

OPERATOR = ROOT / "helm" / "ioc-operator"
ON = ("--set", "argocd.health.enabled=true", "--set", "argocd.actions.enabled=true")


def for_argo_cd(rig: Rig, *args: str) -> list[Object]:
    found = yaml.safe_load_all(template(rig, *args, chart=OPERATOR))
    return [each for each in found if each and each["metadata"].get("name", "").endswith("-argocd")]


def lines(script: str) -> list[str]:
    """A script without what its place in YAML does to empty lines and its end."""
    return [line.rstrip() for line in script.strip().splitlines()]


def same(one: str, other: str) -> bool:
    first, second = yaml.safe_load(one), yaml.safe_load(other)
    if not isinstance(first, dict):
        return lines(one) == lines(other)
    scripts = [
        {d["name"]: lines(d["action.lua"]) for d in each["definitions"]}
        | {"discovery": lines(each["discovery.lua"])}
        for each in (first, second)
    ]
    return scripts[0] == scripts[1]


def test_the_operators_chart_has_the_entries_when_it_is_asked(kinds: Rig):
    assert for_argo_cd(kinds) == []
    [made] = for_argo_cd(kinds, *ON)
    wanted = entries()
    assert set(made["data"]) == set(wanted)
    for key, text in wanted.items():
        if ".actions." in key:
            assert same(made["data"][key], text), key
        else:
            assert lines(made["data"][key]) == lines(text), key
    [health] = for_argo_cd(kinds, *ON[:2])
    assert {key.split(".")[2] for key in health["data"]} == {"health"}


def test_they_are_merged_into_a_config_map_of_somebody_else(kinds: Rig, namespace: str):
    space = ("-n", namespace)
    kinds.kubectl("create", "configmap", "argocd-cm", *space, "--from-literal=url=https://x.test")
    file = str(TARGET / "argocd-cm.yaml")
    text = Path(file).read_text().replace("namespace: argocd", f"namespace: {namespace}")
    kinds.kubectl("patch", "configmap", "argocd-cm", *space, "--patch", text)
    made = json.loads(kinds.kubectl("get", "configmap", "argocd-cm", *space, "-o", "json"))
    assert made["data"] == {"url": "https://x.test"} | entries()
    assert yaml.safe_load((TARGET / "values.yaml").read_text())["configs"]["cm"] == entries()


def test_kustomize_merges_them_too(kinds: Rig, tmp_path: Path):
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"url": "https://x.test"}}
    theirs["metadata"] = {"name": "argocd-cm", "namespace": "argocd"}
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(theirs))
    (tmp_path / "argocd-cm.yaml").write_text((TARGET / "argocd-cm.yaml").read_text())
    list_of = {"resources": ["theirs.yaml"], "patches": [{"path": "argocd-cm.yaml"}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(list_of))
    made = yaml.safe_load(kinds.kubectl("kustomize", str(tmp_path)))
    assert made["data"] == {"url": "https://x.test"} | entries()


def test_the_entries_of_the_chart_are_merged_by_the_command_of_the_docs(kinds: Rig, namespace: str):
    space = ("-n", namespace)
    [made] = for_argo_cd(kinds, *ON)
    made["metadata"]["namespace"] = namespace
    kinds.kubectl("apply", *space, "-f", "-", stdin=json.dumps(made))
    kinds.kubectl("create", "configmap", "argocd-cm", *space, "--from-literal=url=https://x.test")
    data = kinds.kubectl(
        "get", "configmap", made["metadata"]["name"], *space, "-o", "jsonpath={.data}"
    )
    patch = f'{{"data": {data}}}'
    kinds.kubectl("patch", "configmap", "argocd-cm", *space, "--type", "merge", "--patch", patch)
    merged = json.loads(kinds.kubectl("get", "configmap", "argocd-cm", *space, "-o", "json"))
    assert merged["data"] == {"url": "https://x.test"} | made["data"]
