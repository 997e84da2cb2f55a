"""What the API server takes and refuses of IocTasks and IocJobs."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.api import Api, path_of
from cluster.bad_objects import API, BAD, EDITS, GOOD, Bad, Edit
from cluster.rig import Rig
from ioc_runtime.compile import Compiled, ManifestError, compile_document, compile_text
from ioc_runtime.plan import to_json
from scripts.crds.definition import KINDS, definition
from scripts.crds.deprecated import policy
from unit.fuzz.generator import accepted, data

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
ACCEPTED = 120
BROKEN = 150
Object = dict[str, Any]


@pytest.fixture(scope="module")
def crds(control_plane: Rig) -> Rig:
    """A control plane that has the definitions of the checkout."""
    path = str(ROOT / "crds")
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", path)
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=20s", "-f", path)
    return control_plane


@pytest.fixture
def api(crds: Rig) -> Api:
    return Api(crds)


@pytest.fixture
def space(crds: Rig, namespace: str) -> str:
    """A namespace, where the definitions are there."""
    return namespace


def documents() -> Iterator[Object]:
    for path in EXAMPLES:
        for document in yaml.safe_load_all(path.read_text()):
            if document and document.get("apiVersion") == API:
                yield document


def create(
    api: Api, space: str, manifest: Object, *, dry: bool = True, strict: bool = True
) -> tuple[int, Object]:
    """Create it as kubectl does (`strict`), or with unknown fields dropped."""
    query = f"?fieldValidation={'Strict' if strict else 'Ignore'}" + "&dryRun=All" * dry
    path = path_of(manifest["kind"], space) + query
    made = manifest | {"metadata": {"name": manifest["metadata"]["name"]}}
    return api.call("POST", path, made)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_object_is_refused_with_the_reason(bad: Bad, api: Api):
    code, answer = create(api, "default", bad.object())
    assert (code, answer["reason"]) == (422, "Invalid"), answer
    assert bad.says in answer["message"]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_a_change_that_cannot_be_is_refused_with_the_reason(edit: Edit, api: Api, space: str):
    manifest = Bad("good", edit.before, "", edit.kind).object()
    code, answer = create(api, space, manifest, dry=False)
    assert code == 201, answer
    path = path_of(edit.kind, space, "bad")
    same = api.good("PATCH", path, {"spec": {"suspend": True}}, patch="merge")
    assert same["spec"]["suspend"] is True
    code, answer = api.call("PATCH", path, {"spec": edit.after}, patch="merge")
    assert code == 422
    assert edit.says in answer["message"]


def test_the_examples_are_taken_and_a_second_time_say_unchanged(crds: Rig, space: str):
    manifests = [
        manifest | {"metadata": {"name": f"example-{number}", "namespace": space}}
        for number, manifest in enumerate(documents())
    ]
    assert len(manifests) >= 5
    text = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    first = crds.kubectl("apply", "-f", "-", stdin=text)
    assert first.count(" created\n") == len(manifests)
    second = crds.kubectl("apply", "-f", "-", stdin=text)
    assert second.count(" unchanged\n") == len(manifests)
    for _ in range(2):
        before = versions(crds, space)
        said = crds.kubectl(
            "apply", "--server-side", "--field-manager=helm", "--force-conflicts", "-f", "-",
            stdin=text,
        )  # fmt: skip
        assert said.count(" serverside-applied\n") == len(manifests)
    assert versions(crds, space) == before


def versions(rig: Rig, space: str) -> dict[str, str]:
    items = json.loads(rig.kubectl("get", "ioc", "-n", space, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}


def test_both_kinds_are_listed_under_one_word_with_columns_of_their_own(crds: Rig, space: str):
    for kind, spec in GOOD.items():
        manifest = {"apiVersion": API, "kind": kind, "metadata": {"name": kind.lower()}}
        text = json.dumps(manifest | {"spec": spec})
        crds.kubectl("apply", "-n", space, "-f", "-", stdin=text)
    status = {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Running"}],
        "summary": {"state": "RUN", "inputs": "3/4", "permits": "ok"}
        | {"since": "2026-01-01T00:00:00Z"},
        "runtime": {"source": {"commit": "0123abc"}, "news": {"of": ["a", {"newer": "one"}]}},
    }
    patch = json.dumps({"status": status})
    for kind in GOOD:
        args = ("patch", kind, kind.lower(), "-n", space, "--subresource=status", "--type=merge")
        crds.kubectl(*args, "-p", patch)
    listed = crds.kubectl("get", "ioc", "-n", space)
    assert "ioctask.ioc-operator.dev/ioctask" in listed
    assert "iocjob.ioc-operator.dev/iocjob" in listed
    head, row = (line.split() for line in crds.kubectl("get", "ioct", "-n", space).splitlines())
    assert head == ["NAME", "READY", "STATE", "INPUTS", "PERMITS", "SINCE", "AGE"]
    assert row[:5] == ["ioctask", "True", "RUN", "3/4", "ok"]
    wide = crds.kubectl("get", "iocj", "-n", space, "-o", "wide").splitlines()
    assert wide[0].split()[-3:] == ["REVISION", "REASON", "AGE"]
    assert wide[1].split()[-3:-1] == ["0123abc", "Running"]
    kept = json.loads(crds.kubectl("get", "ioct", "ioctask", "-n", space, "-o", "json"))
    assert kept["status"]["runtime"]["news"] == {"of": ["a", {"newer": "one"}]}


def test_a_field_that_is_not_known_is_refused_by_name(api: Api):
    code, answer = create(api, "default", Bad("x", {"inptus": {}}, "").object())
    assert code == 400
    assert 'unknown field "spec.inptus"' in answer["message"]


def test_a_new_object_is_not_taken_for_one_that_was_seen(api: Api, space: str):
    code, answer = create(api, space, Bad("new", {}, "").object(), dry=False)
    assert code == 201
    assert answer["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    "field",
    ["ioctask", "ioctask.spec", "ioctask.spec.rules", "ioctask.spec.rules.condition"]
    + ["ioctask.spec.inputs.maxAge", "ioctask.spec.tests.steps", "ioctask.spec.tests.steps.set"]
    + ["ioctask.status", "ioctask.status.runtime.podUID", "iocjob.spec.schedule", "iocjob.status"],
)
def test_kubectl_explains_the_fields(crds: Rig, field: str):
    said = " ".join(crds.kubectl("explain", field).split())
    assert "<empty>" not in said
    assert "<no description>" not in said
    kind, *steps = field.split(".")
    (model,) = (name for name in KINDS if name.lower() == kind)
    node = definition(model)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in steps:
        node = node.get("additionalProperties", node.get("items", node))["properties"][step]
    assert f"DESCRIPTION: {' '.join(node['description'].split())}" in said
    inner = node.get("additionalProperties", node.get("items", node)).get("properties", {})
    for name, below in inner.items():
        assert f"{name} <" in said, "its fields are listed, each with its type"
        assert " ".join(below.get("description", "").split()) in said


def test_kubectl_warns_of_an_unknown_field_where_it_is_asked_not_to_refuse_it(
    crds: Rig, space: str
):
    manifest = json.dumps(Bad("x", {"inptus": {}}, "").object())
    words = ("apply", "-n", space, "--dry-run=server", "-f", "-")
    refused = run_kubectl(crds, *words, stdin=manifest)
    assert refused.returncode == 1
    assert 'strict decoding error: unknown field "spec.inptus"' in refused.stderr
    warned = run_kubectl(crds, *words, "--validate=warn", stdin=manifest)
    assert warned.returncode == 0
    assert 'Warning: unknown field "spec.inptus"' in warned.stderr


def test_the_server_warns_of_deprecated_fields_and_takes_them(crds: Rig, space: str):
    """Of fields that are not: as if they had been marked in the models."""
    paths = {
        **{("aliases",): "write `names`", ("inputs", "{}", "unit"): "write `units`"},
        **{("rules", "[]", "for"): "write `hold`", ("access", "operators"): "leave it out"},
    }
    made = policy("ioc-operator.dev", "IocTask", paths, space)
    for one in made:  # of this namespace alone
        if one["kind"] == "ValidatingAdmissionPolicyBinding":
            labels = {"matchLabels": {"kubernetes.io/metadata.name": space}}
            one["spec"]["matchResources"] = {"namespaceSelector": labels}
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    crds.kubectl("apply", "-f", "-", stdin=listed)
    spec = {
        "aliases": {"STATUS": "State"},
        "inputs": {"a": {"type": "float", "unit": "mbar"}, "b": {"type": "float"}},
        "outputs": {"o": {"type": "bool"}},
        "rules": [{"id": "r", "condition": "a > 1", "for": 1, "outputs": {"o": 1}}],
    }
    words = ("apply", "-n", space, "--dry-run=server", "-f", "-")
    try:
        until = time.monotonic() + 40
        while True:  # a policy is in force a little after it was made
            done = run_kubectl(crds, *words, stdin=json.dumps(Bad("x", spec, "").object()))
            assert done.returncode == 0, done.stderr
            if done.stderr.count("Warning") == 3 or time.monotonic() > until:
                break
            time.sleep(0.2)
        for text in ("spec.aliases will go: write `names`", "spec.rules[].for will go: write "):
            assert text in done.stderr
        assert "spec.inputs.NAME.unit will go: write `units`" in done.stderr
        assert "spec.access" not in done.stderr
        plain = run_kubectl(crds, *words, stdin=json.dumps(Bad("x", {}, "").object()))
        assert (plain.returncode, plain.stderr) == (0, "")
    finally:
        crds.kubectl("delete", "-f", "-", stdin=listed)


def run_kubectl(rig: Rig, *words: str, stdin: str) -> subprocess.CompletedProcess[str]:
    """kubectl with what it says on standard error, and its exit code."""
    command = [str(rig.layout.binaries / "kubectl"), "--kubeconfig", str(rig.kubeconfig), *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)


def test_the_server_takes_what_iocctl_takes_and_changes_nothing_of_its_meaning(api: Api):
    for seed, text in itertools.islice(accepted(first=10_000), ACCEPTED):
        for before in compile_text(text):
            code, answer = create(api, "default", json.loads(json.dumps(before.document.data)))
            assert code == 201, f"seed {seed}: {answer.get('message')}"
            spec = {key: answer[key] for key in ("apiVersion", "kind", "spec")}
            after = compile_document(spec | {"metadata": before.document.data["metadata"]})
            assert meaning(after) == meaning(before), f"seed {seed}"


def meaning(compiled: Compiled) -> Object:
    """A plan but for what the server does to a manifest: defaults, and the order of maps."""
    plan = json.loads(to_json(compiled.plan))
    by_name = {
        group: {s["name"]: s for s in plan.get(group, ())} for group in ("inputs", "outputs")
    }
    return plan | by_name | {"config_hash": ""}


def test_what_the_server_says_to_a_broken_object_is_never_an_error_of_its_own(api: Api):
    answers = {201: 0, 400: 0, 422: 0}
    for seed in range(BROKEN):
        made = data(seed)
        try:
            compiled = compile_document(made)
        except ManifestError:
            compiled = None
        try:
            text = json.dumps(made, allow_nan=False)
        except (TypeError, ValueError):
            continue
        manifest = json.loads(text)
        if not placeable(manifest):
            continue
        code, answer = create(api, "default", manifest, strict=False)
        assert code in answers, f"seed {seed}: {code} {answer.get('message')}"
        if compiled is not None:
            assert code == 201, f"seed {seed}: {answer.get('message')}"
        answers[code] += 1
    assert min(answers[201], answers[422]) > 10, answers


def placeable(manifest: Object) -> bool:
    """Whether there is a place in the API to send it to."""
    metadata = manifest.get("metadata")
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    return manifest.get("kind") in [*GOOD] and manifest.get("apiVersion") == API and named


def largest() -> Object:
    """As much as fits into the bounds: every rule of the definitions has most to do."""
    limits = {"low": -1.0, "high": 1.0}
    common = {"type": "float", "unit": "mbar", "description": "d" * 40, "display": limits}
    alarms = {"lolo": 0, "low": 1, "high": 2, "hihi": 3}
    inputs = {
        f"i{n}".ljust(54, "x"): common | {"alarms": alarms, "link": f"ca://A:{n}", "maxAge": 5}
        for n in range(1000)
    }
    outputs = {
        f"o{n}".ljust(54, "x"): {"type": "bool", "link": f"pva://B:{n}", "latch": "rise"}
        for n in range(1000)
    }
    rules = [
        {"id": f"r{n}".ljust(49, "x"), "condition": "1 > 0", "outputs": {name: 1}}
        for n, name in enumerate(outputs)
    ]
    files = {f"{'d' * 40}/f{n}.py": "x = 1\n" * 20 for n in range(100)}
    spec = {
        "prefix": "BIG:X:",
        "inputs": inputs,
        "outputs": outputs,
        "rules": rules,
        "ruleDefaults": dict.fromkeys(outputs, 0),
        "plugin": {"inline": {"files": files}},
    }
    return {"apiVersion": API, "kind": "IocTask", "metadata": {"name": "big"}, "spec": spec}


def test_the_rules_of_the_definitions_afford_the_largest_task(api: Api, space: str):
    code, answer = create(api, space, largest(), dry=False)
    assert code == 201, answer.get("message")
    path = path_of("IocTask", space, "big")
    edit = {"spec": {"suspend": True}}
    assert api.good("PATCH", path, edit, patch="merge")["spec"]["suspend"] is True
