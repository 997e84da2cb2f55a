"""Custom resources, read and judged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_operator import desired
from ioc_operator.desired import LARGEST_CONFIG, LONGEST_MESSAGE, judge, read, sentence
from ioc_operator.names import RECONCILE, REQUESTED_AT, RESTARTED_AT
from unit.operator import golden
from unit.operator.golden import CASES, SETTINGS, Object


def raw(name: str = "guard", namespace: str = "bl01", **spec: Any) -> Object:
    given = golden.given("plain")
    given["metadata"] |= {"name": name, "namespace": namespace}
    given["spec"] |= spec
    return given


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_good_manifest_is_compiled_and_carries_the_hash_of_its_spec(case: str):
    want, found = golden.judged(case)
    assert found.compiled
    assert found.compiled.plan.config_hash == want.config_hash
    assert found.names


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_prefix_is_known_without_judging(case: str):
    want, found = golden.judged(case)
    assert found.compiled
    assert want.prefix == found.compiled.plan.prefix
    assert want.prefix + "ENABLE" in found.names or want.key.kind == "IocJob"


@given(
    st.from_regex(r"[a-z]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[a-z]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True),
)
def test_the_default_prefix_is_the_compilers(name: str, namespace: str):
    want = read(raw(name, namespace))
    found = judge(want)
    assert found.compiled
    assert found.compiled.plan.prefix == want.prefix


def test_a_bad_manifest_says_where_what_and_what_was_expected():
    found = judge(read(raw(mode="sometimes")))
    assert found.compiled is None
    assert found.problems.startswith("spec.mode: sometimes: expected reactive, ")
    assert found.shape == ""
    assert found.names == frozenset()


def test_a_message_has_the_first_problems_and_counts_the_rest():
    inputs = {f"x{i}": {"type": "flout"} for i in range(12)}
    text = judge(read(raw(inputs=inputs))).problems
    assert text.count("flout") == 5
    assert text.endswith("; and 7 more")


@given(st.lists(st.text(min_size=1, max_size=600), min_size=1, max_size=20))
def test_a_message_is_never_too_long_for_a_condition(problems: list[str]):
    assert len(sentence(problems)) <= LONGEST_MESSAGE


def test_a_name_that_no_pod_can_have_is_refused_here():
    assert judge(read(raw("a.b"))).problems.startswith("metadata.name: a.b: expected no dots")


def test_a_manifest_too_large_for_a_config_map_is_refused_in_words():
    tolerations = [{"key": "k" * 25_000, "operator": "Exists"} for _ in range(45)]
    found = judge(read(raw(tolerations=tolerations)))
    assert found.compiled is None
    assert found.problems.startswith(f"spec: expected at most {LARGEST_CONFIG} bytes")


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["report", "network", "suspend", "prefix", "image", "imagePolicy", "storage", "env", "plugin"]
)


@given(st.dictionaries(FIELDS, GARBAGE, max_size=4))
def test_reading_and_judging_never_fail_whatever_stands_there(spec: dict[str, Any]):
    given = raw()
    given["spec"] = spec
    want = read(given)
    facts = (want.suspend, want.disabled, want.reports, want.host_network, want.has_service)
    assert all(isinstance(fact, bool) for fact in facts)
    assert isinstance(want.image("d"), str)
    assert isinstance(want.prefix, str)
    assert len(want.input_hash(SETTINGS, want.default_image(SETTINGS))) == 32
    judge(want)


def test_annotations_say_hands_off_and_now():
    given = raw()
    given["metadata"]["annotations"] = {RECONCILE: "disabled", REQUESTED_AT: "noon"}
    want = read(given)
    assert want.disabled
    assert want.requested_at == "noon"


def test_a_restart_that_was_asked_for_is_part_of_what_children_are_made_from():
    given = raw()
    plain = read(given)
    given["metadata"]["annotations"] = {RESTARTED_AT: "2026-03-01T03:00:00Z"}
    asked = read(given)
    assert (plain.restarted, asked.restarted) == ("", "2026-03-01T03:00:00Z")
    assert plain.input_hash(SETTINGS, "i") != asked.input_hash(SETTINGS, "i")
    given["metadata"]["annotations"] = {RESTARTED_AT: "x" * 300_000}
    assert len(read(given).restarted) == 64


def test_an_object_without_a_spec_is_read_too():
    given = raw()
    del given["spec"]
    assert read(given).spec == {}


def test_the_manifest_for_the_pod_has_nothing_of_the_api_servers_own():
    given = raw()
    given["metadata"] |= {"managedFields": [{}], "resourceVersion": "7", "labels": {"a": "b"}}
    given["status"] = {"phase": "Running"}
    manifest = json.loads(read(given).manifest_json)
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(manifest["metadata"]) == {"name", "namespace", "uid", "generation"}


def test_another_version_of_the_operator_compiles_again(monkeypatch: pytest.MonkeyPatch):
    want = read(raw())
    before = want.input_hash(SETTINGS, "i")
    monkeypatch.setattr(desired, "__version__", "99")
    assert want.input_hash(SETTINGS, "i") != before
