"""`kubectl ioc`: what names stand for, where a pod serves, and what is completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.cli.bypass import _why, is_as_asked
from ioc_runtime.cli.cluster import _not_forwarded
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.kubectl import app, completions
from ioc_runtime.cli.main import run
from ioc_runtime.cli.reach import port_of, resolve
from support.spawn import ROOT

GUARD = str(ROOT / "examples" / "vacuum-guard.yaml")


def item(name: str, prefix: str = "", kind: str = "IocTask", claim: str = "") -> dict[str, Any]:
    spec = {"inputs": {"pressure": {}}, "outputs": {"alarm": {}}}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "bl01"},
        "spec": spec | ({"prefix": prefix} if prefix else {}),
        "status": {"claim": {"prefix": claim}} if claim else {},
    }


ITEMS = [
    item("guard", "BL01:VAC:"),
    item("pump", "BL01:VAC:PUMP:"),
    item("plain"),
    item("edited", "NEW:", claim="OLD:"),
    item("scan", "BL01:SCAN:", kind="IocJob"),
]


@pytest.mark.parametrize(
    ("word", "owner", "names"),
    [
        ("guard/pressure", "guard", ("BL01:VAC:pressure",)),
        ("guard/RULE:high", "guard", ("BL01:VAC:RULE:high",)),
        ("BL01:VAC:alarm", "guard", ("BL01:VAC:alarm",)),
        ("BL01:VAC:PUMP:alarm", "pump", ("BL01:VAC:PUMP:alarm",)),
        ("plain/alarm", "plain", ("BL01:PLAIN:alarm",)),
        ("edited/alarm", "edited", ("OLD:alarm",)),
        ("OLD:alarm", "edited", ("OLD:alarm",)),
    ],
)
def test_a_pv_goes_by_its_task_or_by_its_full_name(word: str, owner: str, names: tuple[str, ...]):
    found = resolve(word, ITEMS, "bl01")
    assert (found.item["metadata"]["name"], found.names) == (owner, names)


def test_a_task_alone_is_its_state_inputs_and_outputs():
    assert resolve("guard", ITEMS, "bl01").names == (
        *("BL01:VAC:STATUS", "BL01:VAC:MESSAGE", "BL01:VAC:ENABLE"),
        *("BL01:VAC:pressure", "BL01:VAC:alarm"),
    )
    assert "BL01:SCAN:PROGRESS" in resolve("scan", ITEMS, "bl01").names


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gaurd", "there is no task or job 'gaurd' in namespace bl01; nearest: 'guard'"),
        ("BL02:x", "there is no PV of a task 'BL02:x' in namespace bl01"),
        ("guard/", "guard/: expected TASK/NAME, as guard/STATUS"),
    ],
)
def test_what_stands_for_nothing_is_said(word: str, said: str):
    with pytest.raises(Failure) as failed:
        resolve(word, ITEMS, "bl01")
    assert str(failed.value).startswith(said)


def test_the_port_is_what_the_pods_environment_says():
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "ioc"}]}}
    assert (port_of(pod, "ca"), port_of(pod, "pva")) == (5064, 5075)
    env = [
        {"name": "EPICS_CA_SERVER_PORT", "value": "6064"},
        {"name": "EPICS_PVA_SERVER_PORT", "value": "none"},
        {"name": "X", "valueFrom": {}},
    ]
    pod["spec"]["containers"][0]["env"] = env
    assert (port_of(pod, "ca"), port_of(pod, "pva")) == (6064, 5075)
    env.append({"name": "EPICS_CAS_SERVER_PORT", "value": "7064"})
    assert port_of(pod, "ca") == 7064


def test_a_handshake_that_fails_is_one_sentence():
    body = '{"kind":"Status","message":"pods \\"guard-0\\" is forbidden: User \\"eve\\" cannot"}'
    words = f"Handshake status 403 Forbidden -+-+- {{'date': 'x'}} -+-+- b'{body}'"
    failure = _not_forwarded("bl01/guard-0", words)
    assert failure.code == Exit.NO_CLUSTER
    assert str(failure) == (
        'no way to pod bl01/guard-0: pods "guard-0" is forbidden: User "eve" cannot; '
        "it takes the rights to get and create pods/portforward"
    )
    assert str(_not_forwarded("bl01/g-0", "[Errno 111] refused")) == (
        "no way to pod bl01/g-0: [Errno 111] refused"
    )


def test_kubectl_gets_completions_with_a_directive_at_the_end():
    found = completions([], "re")
    assert found[0].startswith("reset\t")
    assert found[-1] == ":4"
    assert completions(["get"], "--prot")[0].startswith("--protocol\t")
    assert completions(["get", "--protocol"], "p") == ["pva", ":4"]


def test_names_are_completed_as_nothing_where_there_is_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert completions(["get"], "gu") == [":4"]
    assert completions(["get"], "guard/pre") == [":4"]


def test_without_a_cluster_each_command_says_so_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    commands = (
        *(["get", "x"], ["put", "x/y", "1"], ["monitor", "x"], ["reset", "x"], ["test", "x"]),
        ["bypass", "x", "beam/vacuum"],
    )
    for words in commands:
        assert run(words, app, "kubectl ioc", "kubectl-ioc") == Exit.NO_CLUSTER
        said = capsys.readouterr().err
        assert said.startswith("kubectl-ioc: no cluster: the kubeconfig ")
        assert said.count("\n") == 1


def test_a_namespace_that_can_be_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    for words in (["status"], ["logs", "x"], ["get", "x"], ["put", "x/y", "1"], ["reset", "x"]):
        assert run([*words, "-n", "a/b"], app, "kubectl ioc", "kubectl-ioc") == Exit.USAGE
        said = capsys.readouterr().err
        assert said == "kubectl-ioc: --namespace a/b: expected small letters, digits and '-'\n"


def test_a_manifest_is_tested_without_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["test", GUARD], app, "kubectl ioc", "kubectl-ioc") == 0
    assert "2 tests, 2 passed" in capsys.readouterr().out
    missing = str(tmp_path / "none.yaml")
    assert run(["test", missing], app, "kubectl ioc", "kubectl-ioc") == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--for", "60"], "expected --for SECONDS and --reason TEXT together"),
        (["--reason", "tests"], "expected --for SECONDS and --reason TEXT together"),
        (["--for", "60", "--reason", " "], "expected --for SECONDS and --reason TEXT together"),
        (["--end", "--for", "60"], "--end: expected neither --for nor --reason with it"),
    ],
)
def test_a_bypass_has_a_time_and_a_reason_or_ends(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    code = run(["bypass", "guard", "beam/vacuum", *words], app, "kubectl ioc", "kubectl-ioc")
    assert code == Exit.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("permit", "condition", "said"),
    [
        ("baem", "vacuum", "guard has no permit 'baem'; nearest: 'beam'"),
        ("beam", "vacum", "permit beam has no condition 'vacum'; nearest: 'vacuum'"),
        ("beam", "door", "beam/door may not be bypassed: it has no `bypass`"),
        ("beam", "vacuum", "the pod does not serve it"),
    ],
)
def test_where_there_is_nothing_to_bypass_it_says_why(permit: str, condition: str, said: str):
    requires = [{"name": "vacuum", "bypass": {"maxDuration": 60}}, {"name": "door"}]
    task = item("guard") | {"spec": {"permits": [{"name": "beam", "requires": requires}]}}
    assert said in _why(task, permit, condition)
    assert _why(item("guard"), permit, condition) == "guard has no permits"


@pytest.mark.parametrize(
    ("left", "seconds", "so"),
    [
        *((600, 600, True), (597, 600, True), (1, 1, True), (0, 0, True)),
        *((0, 600, False), (0, 3, False)),
        *((300, 600, False), (900, 600, False)),  # that of a bypass before it
        (300, 0, False),
    ],
)
def test_what_is_left_is_what_was_asked_for(left: float, seconds: float, so: bool):
    assert is_as_asked(left, seconds) is so
