"""Flags and environment: the flag wins, and a mistake is one sentence."""

from __future__ import annotations

import dataclasses

import pytest

from ioc_operator.__main__ import main
from ioc_operator.flags import FLAGS, UsageError, parse, parser
from ioc_operator.settings import Settings


def test_every_setting_has_a_flag_a_variable_and_a_line_of_help() -> None:
    assert {flag.field for flag in FLAGS} == {each.name for each in dataclasses.fields(Settings)}
    page = parser().format_help()
    for flag in FLAGS:
        assert flag.option in page
        assert flag.env in page.replace("\n", "")


def test_without_anything_the_defaults_hold() -> None:
    found = parse([], {})
    want = Settings()
    for each in dataclasses.fields(Settings):
        if each.name not in ("identity", "lease_namespace"):
            assert getattr(found, each.name) == getattr(want, each.name), each.name
    assert found.lease_namespace == "default"
    assert found.identity != parse([], {}).identity, "another one at every start"


def test_the_flag_wins_over_the_variable() -> None:
    environment = {"IOC_OPERATOR_WORKERS": "3", "IOC_OPERATOR_LEADER_ELECTION": "false"}
    assert parse([], environment).workers == 3
    assert parse(["--workers", "4"], environment).workers == 4
    assert parse([], environment).leader_election is False
    assert parse(["--leader-election"], environment).leader_election is True


def test_namespaces_by_flag_and_by_variable() -> None:
    assert parse(["--namespace", "a", "--namespace", "b"], {}).namespaces == ("a", "b")
    assert parse([], {"IOC_OPERATOR_NAMESPACES": "a, b,"}).namespaces == ("a", "b")


def test_in_a_pod_the_lease_has_the_pod_s_name_and_namespace() -> None:
    found = parse([], {"POD_NAME": "ioc-operator-1", "POD_NAMESPACE": "iocs"})
    assert found.identity.startswith("ioc-operator-1_")
    assert found.lease_namespace == "iocs"


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--workers", "0"], {}, "--workers is '0'; expected a whole number from 1 to 100"),
        (["--http-port", "http"], {}, "--http-port is 'http'; expected a whole number"),
        (["--log-format", "xml"], {}, "--log-format is 'xml'; expected one of text, json"),
        (
            [],
            {"IOC_OPERATOR_LEADER_ELECTION": "maybe"},
            "is 'maybe'; expected true",
        ),
        (["--lease-duration", "2"], {}, "expected each to be less than the next"),
        (["--nonsense"], {}, "unrecognized arguments: --nonsense"),
        (["--runtime-image", " "], {}, "--runtime-image is ' '; expected something"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], environment: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(arguments, environment)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_flag_or_fault_ends_with_two_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--workers", "many"]) == 2
    monkeypatch.setenv("IOC_OPERATOR_FAULT", "explode")
    assert main([]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[1].startswith("ioc-operator: IOC_OPERATOR_FAULT is 'explode'; expected exit-before")


def test_no_cluster_ends_with_one_and_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    assert main(["--kubeconfig", f"{tmp_path}/none"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("ioc-operator: No cluster: ")
