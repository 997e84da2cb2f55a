"""`podTemplate` over our pod."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from ioc_operator.children.overlay import KEYS, merge


def test_maps_are_merged_and_the_overlay_wins():
    assert merge({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 9}, "e": 4}) == {
        "a": 1,
        "b": {"c": 9, "d": 3},
        "e": 4,
    }


def test_null_removes():
    assert merge({"a": 1, "b": 2}, {"a": None, "c": None}) == {"b": 2}


def test_containers_are_merged_by_name_and_strangers_come_after():
    base = {"containers": [{"name": "ioc", "image": "i"}]}
    over = {"containers": [{"name": "beside", "image": "b"}, {"name": "ioc", "stdin": True}]}
    assert merge(base, over)["containers"] == [
        {"name": "ioc", "image": "i", "stdin": True},
        {"name": "beside", "image": "b"},
    ]


def test_mounts_are_told_apart_by_their_path():
    base = {"volumeMounts": [{"name": "state", "mountPath": "/var/lib/ioc"}]}
    over = {"volumeMounts": [{"name": "mine", "mountPath": "/var/lib/ioc"}]}
    assert merge(base, over)["volumeMounts"] == [{"name": "mine", "mountPath": "/var/lib/ioc"}]


def test_a_volume_or_a_variable_takes_the_place_of_ours_whole():
    base = {"volumes": [{"name": "tmp", "emptyDir": {}}], "env": [{"name": "A", "value": "1"}]}
    over = {
        "volumes": [{"name": "tmp", "hostPath": {"path": "/x"}}],
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    }
    assert merge(base, over) == over


def test_tolerations_are_added_to_ours():
    base, over = {"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}
    assert merge(base, over)["tolerations"] == [{"key": "a"}, {"key": "b"}]


def test_other_lists_are_replaced():
    assert merge({"args": ["a", "b"]}, {"args": ["c"]}) == {"args": ["c"]}


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["a", "b"]))
WORDS = st.sampled_from([*KEYS, *KEYS.values(), "spec", "args", "tolerations"])
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
MAPS = st.dictionaries(WORDS, ANYTHING, max_size=4)


@given(MAPS, MAPS)
def test_any_overlay_can_be_laid_on_and_changes_neither_side(base: dict, over: dict):
    before = copy.deepcopy((base, over))
    merge(base, over)
    assert (base, over) == before


@given(MAPS)
def test_an_empty_overlay_changes_nothing(base: dict):
    assert merge(base, {}) == base
