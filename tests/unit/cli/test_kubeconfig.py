"""Which cluster is meant; where none can be, one sentence says what to set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.kubeconfig import connect

ENTRY: dict[str, Any] = {
    **{"apiVersion": "v1", "kind": "Config"},
    "contexts": [{"name": "a", "context": {"cluster": "b", "user": "c", "namespace": "bl01"}}],
    "clusters": [{"name": "b", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "c", "user": {"token": "t"}}],
}
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
NO_PROGRAM = {"command": "no-such-program"}
WHOLE = json.dumps(ENTRY | {"current-context": "a"})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def why(kubeconfig: Path | None = None, context: str | None = None) -> str:
    with pytest.raises(Failure) as failed:
        connect(kubeconfig, context)
    assert failed.value.code == Exit.NO_CLUSTER
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize("variable", [None, ""])
def test_without_any_kubeconfig_it_says_what_to_set(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
):
    if variable is not None:
        monkeypatch.setenv("KUBECONFIG", variable)
    assert why() == (
        "no cluster: there is no kubeconfig: expected ~/.kube/config, or a file that "
        "--kubeconfig or the variable KUBECONFIG names"
    )


def test_a_file_that_the_variable_names_and_is_not_there_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KUBECONFIG", f"{home}/none")
    said = f"the kubeconfig {home}/none, which KUBECONFIG names, is not there"
    assert why() == f"no cluster: {said}"


def test_the_usual_file_is_read_where_the_variable_is_empty(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    (home / ".kube").mkdir()
    (home / ".kube" / "config").write_text(WHOLE)
    assert connect(None, None)[1] == "bl01"
    monkeypatch.setenv("KUBECONFIG", "")
    assert connect(None, "a")[1] == "bl01"
    monkeypatch.setenv("KUBECONFIG", f"{home}/none:{home}/.kube/config")
    assert connect(None, None)[1] == "bl01"


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        (WHOLE, "x", "it has no context 'x'"),
        (json.dumps(ENTRY), None, "it has no current-context: expected one there, or --context"),
        ("[1]", None, "it is no kubeconfig"),
        ("a: [", None, "while parsing a flow node"),
        (json.dumps(ENTRY | {"clusters": []}), "a", "Expected object with name b"),
        (
            json.dumps(ENTRY | {"users": [{"name": "c", "user": {"exec": EXEC | NO_PROGRAM}}]}),
            "a",
            "no credentials: [Errno 2] No such file or directory: 'no-such-program'",
        ),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_one_sentence(
    home: Path,
    text: str,
    context: str | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
):
    file = home / "file"
    file.write_text(text)
    assert said in why(file, context)
    assert capsys.readouterr().err == "", "what the package logs is told once"
