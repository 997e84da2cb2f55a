"""`--set` and `--prefix`: values put beside a manifest."""

from __future__ import annotations

import pytest

from ioc_runtime.compile import ManifestError, compile_document, compile_text, parse_setting
from unit.compile.support import compiled, task

SPEC = """
parameters: {limit: 1}
inputs: {a: {type: float, value: 1}}
rules: [{id: r, condition: a > limit}]
"""


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("parameters.limit=2", "parameters.limit", 2),
        ("spec.period=1e-1", "spec.period", 0.1),
        ("rules[0].condition=a > 2", "rules[0].condition", "a > 2"),
        ("suspend=yes", "suspend", True),
        ("parameters.names=[1, 2]", "parameters.names", [1, 2]),
        ('prefix="1"', "prefix", "1"),
        ("parameters.text=a=b", "parameters.text", "a=b"),
    ],
)
def test_a_setting_is_a_path_and_a_value_as_yaml_reads_it(text: str, path: str, value: object):
    assert parse_setting(text) == (path, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("limit", "PATH=VALUE"),
        ("=2", "PATH=VALUE"),
        ("a..b=2", "a path such as"),
        ("a.=2", "a path such as"),
        ("[0]=2", "a path such as"),
        ("a b=2", "a path such as"),
        ("a=[1", "JSON after a bracket or a quote"),
        ("a=" + "[" * 100_000, "JSON after a bracket or a quote"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, expected: str):
    with pytest.raises(ManifestError, match=expected):
        parse_setting(text)


def test_a_value_replaces_that_of_the_manifest():
    plan = compiled(
        SPEC, overrides={"parameters.limit": 2, "prefix": "X:", "inputs.a.value": 7}
    ).plan
    assert (plan.parameters, plan.prefix, plan.inputs[0].value) == ({"limit": 2}, "X:", 7.0)


def test_a_value_may_go_where_the_manifest_has_nothing_yet():
    plan = compiled("{}", overrides={"spec.parameters.new": "x"}).plan
    assert plan.parameters == {"new": "x"}


def test_an_entry_of_a_list_can_be_set():
    plan = compiled(SPEC, overrides={"rules[0].condition": "a < limit"}).plan
    assert plan.rules[0].condition == "a < limit"


def test_a_setting_counts_in_the_hash_of_the_config():
    assert compiled(SPEC, overrides={"parameters.limit": 2}).plan.config_hash != (
        compiled(SPEC).plan.config_hash
    )
    assert compiled(SPEC, overrides={"parameters.limit": 1}).plan.config_hash == (
        compiled(SPEC).plan.config_hash
    )


def test_a_bad_value_is_blamed_on_the_setting_and_not_on_the_file():
    with pytest.raises(ManifestError) as caught:
        compile_text(task(SPEC), file="t.yaml", overrides={"mode": "fast"})
    assert str(caught.value) == "--set: spec.mode: fast: expected reactive, periodic or triggered"


@pytest.mark.parametrize("path", ["rules[7].condition", "mode.x", "parameters[0]", "rules.x"])
def test_a_path_through_nothing_is_refused(path: str):
    with pytest.raises(ManifestError, match="--set"):
        compiled(SPEC + "mode: reactive", overrides={path: 1})


def test_the_data_given_is_left_as_it_was():
    data = {
        "apiVersion": "ioc-operator.dev/v1alpha1",
        "kind": "IocTask",
        "metadata": {"name": "t"},
        "spec": {"parameters": {"limit": 1}},
    }
    compile_document(data, overrides={"parameters.limit": 2})
    assert data["spec"] == {"parameters": {"limit": 1}}
