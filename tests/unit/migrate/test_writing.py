"""Manifests as text: every reader sees what was meant, and comments stand where they belong."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ioc_runtime.migrate import Note, write_manifest
from ioc_runtime.migrate.writing import scalar
from ioc_runtime.spec.document import read_documents
from ioc_runtime.spec.plain import plain_document

WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
SCALARS = st.one_of(
    WORDS,
    st.sampled_from(["Off", "y", "1e-5", "1:30", "null", "~", "010", "-", "a: b", "#x", "{a", "é"]),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
)
KEYS = st.text("abcXYZ_09", min_size=1, max_size=6).filter(
    lambda k: not k[0].isdigit() and k != "y"
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@example({"message": "a text that is longer than a line of the file may be " * 3})
@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=4))
def test_what_is_written_is_read_again(document):
    text = write_manifest(document, ())
    (found,) = read_documents(text)
    assert found.data == plain_document(document).data
    assert found.warnings == ()


@pytest.mark.parametrize("value", [1e-6, 1e22, 0.1, -2.5e-300, 3.0])
def test_every_reader_takes_a_number_for_one(value):
    assert yaml.safe_load(scalar(value)) == value


def test_a_note_stands_above_what_it_is_about():
    document = {"spec": {"rules": [{"id": "a"}, {"id": "b", "outputs": {"x": 1}}]}}
    notes = [
        Note("rules[1]", "changed", ("spec", "rules", 1)),
        Note("rules[1].id", "another", ("spec", "rules", 1, "id")),
        Note("x", "of the whole"),
        Note("y", "of what is gone", ("spec", "nothing", "there")),
    ]
    assert write_manifest(document, notes).splitlines() == [
        "# x: of the whole",
        "# of what is gone",
        "spec:",
        "  rules:",
        "    - {id: a}",
        "    # changed",
        "      # another",
        "    - id: b",
        "      outputs: {x: 1}",
    ]


def test_no_note_can_leave_its_comment():
    text = write_manifest({"a": 1}, [Note("", "one\ntwo: 3\r\n\x85 four " + "long " * 60)])
    assert yaml.safe_load(text) == {"a": 1}
