"""YAML documents: lines, separation, and everything that is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.spec.document import (
    LARGEST_DOCUMENT,
    LARGEST_FILE,
    MOST_DOCUMENTS,
    Document,
    read_documents,
)
from ioc_runtime.spec.plain import plain_document
from ioc_runtime.spec.problem import ManifestError


def one(text: str) -> Document:
    (document,) = read_documents(text, "x.yaml")
    assert isinstance(document, Document), document
    return document


def refused(text: str) -> list[tuple[str, int | None, str]]:
    (error,) = read_documents(text, "x.yaml")
    assert isinstance(error, ManifestError), error
    return [(p.path, p.line, p.expected) for p in error.problems]


def test_every_value_knows_its_line():
    document = one("a: 1\nb:\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n  f: >\n    long\n")
    lines = {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 4,
        ("b", "c", 1): 5,
        ("b", "c", 1, "d"): 5,
        ("b", "c", 1, "e"): 6,
        ("b", "f"): 7,
    }
    assert {path: document.line(path) for path in lines} == lines


def test_a_missing_field_has_the_line_of_what_should_hold_it():
    assert one("a: 1\nb:\n  c: 2\n").line(("b", "nothing", 3)) == 2


def test_documents_are_numbered_by_the_lines_of_the_file():
    text = "# head\n---\na: 1\n--- # second\n\nb: 2\n---\n---\nc: 3\n"
    documents = read_documents(text)
    assert [d.data for d in documents] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [d.line(tuple(d.data)) for d in documents] == [3, 6, 9]


def test_a_damaged_document_leaves_the_others_alone():
    good, bad, other = read_documents("a: 1\n---\nb: [\n---\nc: 3\n")
    assert good.data == {"a": 1}
    assert isinstance(bad, ManifestError)
    assert bad.problems[0].line in (3, 4)
    assert other.data == {"c": 3}


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n---\n", "\ufeff"])
def test_nothing_is_no_document(text: str):
    assert read_documents(text) == []


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm():
    assert one("\ufeffa: 1\r\nb: x\r\n").data == {"a": 1, "b": "x"}


def test_anchors_aliases_and_merges_are_followed():
    document = one("a: &a {q: 1, r: 2}\nb: {<<: *a, r: 3}\nc: {<<: [*a, {s: 9, q: 5}]}\nd: *a\n")
    assert document.data["b"] == {"q": 1, "r": 3}
    assert document.data["c"] == {"q": 1, "r": 2, "s": 9}
    assert document.data["d"] == {"q": 1, "r": 2}
    assert document.line(("d", "r")) == 1


def test_quoted_scalars_and_texts_with_a_tag_stay_texts():
    data = one("a: 'Off'\nb: \"1\"\nc: !!str 5\nd: |\n  yes\n").data
    assert data == {"a": "Off", "b": "1", "c": "5", "d": "yes\n"}


def test_all_duplicates_and_nulls_are_reported_at_once():
    text = "a: 1\na: 2\nb:\n  c: ~\n  d:\n  e: [null]\n  c: 1\n"
    assert refused(text) == [
        ("a", 2, "each key once (it stands on line 1 already)"),
        ("b.c", 4, "a value; leave the field out if there is none"),
        ("b.d", 5, "a value; leave the field out if there is none"),
        ("b.e[0]", 6, "a value; leave the field out if there is none"),
        ("b.c", 7, "each key once (it stands on line 4 already)"),
    ]


def test_metadata_and_status_may_hold_nulls_as_kubectl_writes_them():
    assert one("metadata: {creationTimestamp: null}\nstatus: {x: ~}\n").data["status"] == {
        "x": None
    }


@pytest.mark.parametrize(
    ("text", "path", "line", "expected"),
    [
        ("a: 1\n y: 2", "", 2, "YAML (mapping values are not allowed in this context)"),
        ("a: [1\nb: 2", "", 2, "YAML (while parsing a flow sequence did not find expected"),
        ("a: 'x", "", 1, "YAML ("),
        ("a:\n\t- x", "", 2, "YAML ("),
        ("a: \x00", "", 1, "YAML in UTF-8"),
        ("a: \ud800", "", 1, "YAML in UTF-8"),
        ("y: 1", "", 1, "quotes around this key (kubectl reads a boolean"),
        ("a:\n  5: 1", "a", 2, "quotes around this key (it is not a text)"),
        ("? [a]\n: 1", "", 1, "a plain text as the key"),
        ("a: .nan", "a", 1, "a finite number"),
        ("a: !!float 3", "a", 1, "no tag but !!str"),
        ("a: !!python/object/apply:os.system [x]", "a", 1, "no tag but !!str"),
        ("a: *b", "a", 1, "an anchor that stands before its alias"),
        ("a: &a\n  b: *a", "a.b", 2, "no alias inside what it stands for"),
        ("a: {<<: 5}", "a['<<']", 1, "a map, or a list of maps, to merge"),
        ("a: 1\n...\nb: 2\n", "", 3, "YAML (did not find expected <document start>)"),
        ("a: " + "[" * 41 + "]" * 41, "a" + "[0]" * 39, 1, "at most 40 levels"),
        ("[" + "1," * 60_001 + "]", "[59999]", 1, "at most 60000 values"),
        ("x" * (LARGEST_DOCUMENT + 1), "", 1, "a document of at most"),
    ],
)
def test_what_kubectl_could_misread_is_refused(text: str, path: str, line: int, expected: str):
    (found, *_) = refused(text)
    assert found[:2] == (path, line)
    assert found[2].startswith(expected), found


def test_a_billion_laughs_are_cut_short():
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    (found,) = refused("\n".join(lines))
    assert "aliases included" in found[2]


def test_long_texts_count_as_often_as_they_are_aliased():
    (found,) = refused(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 30)}]")
    assert "characters in a document's values" in found[2]


def test_a_file_is_bounded_in_size_and_documents():
    with pytest.raises(ManifestError, match="a file of at most"):
        read_documents("#" * (LARGEST_FILE + 1))
    with pytest.raises(ManifestError, match="at most 200 documents"):
        read_documents("---\na: 1\n" * (MOST_DOCUMENTS + 1))


def test_ambiguous_scalars_earn_a_warning_with_their_place():
    warnings = one("spec:\n  states: [Off, 'On']\n  limit: 1e-5\n").warnings
    assert [str(w) for w in warnings] == [
        "x.yaml:2: spec.states[0]: Off: expected quotes: kubectl reads a boolean, others a text",
        "x.yaml:3: spec.limit: 1e-5: expected another way to write it: "
        "kubectl reads a number, others a text",
    ]


@given(st.text(alphabet="ab01:-[]{},&*!|>'\"#\n ~<?%\t", max_size=120))
def test_any_text_gives_documents_or_problems_and_nothing_else(text: str):
    try:
        found = read_documents(text)
    except ManifestError as error:
        assert error.problems
        return
    for item in found:
        assert isinstance(item, Document) or item.problems


INTEGERS = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_plain_data_is_copied_or_refused_with_a_reason(data: dict):
    try:
        document = plain_document(data)
    except ManifestError as error:
        assert "expected" in str(error)
    else:
        assert document.data == data
        assert document.data is not data


def test_a_whole_number_of_more_than_64_bits_is_a_double_as_an_api_server_has_it():
    data = plain_document({"a": 2**63 + 1, "b": -(2**63) - 1, "c": 2**63 - 1}).data
    assert data == {"a": 2.0**63, "b": -(2.0**63), "c": 2**63 - 1}
    assert [type(value) for value in data.values()] == [float, float, int]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"a": {1: 2}}, "texts as the keys"),
        ({"a": object()}, "a value that JSON can carry"),
        ({"a": [10**400]}, "a number that a double can hold"),
        ({"a": float("nan")}, "a finite number"),
        ({"a": "\ud800"}, "text that UTF-8 can carry"),
        ({"a": ["x" * 1_000_000] * 3}, "characters in a document's values"),
        ({"a": [0] * 60_001}, "at most 60000 values"),
    ],
)
def test_plain_data_that_no_manifest_could_hold_is_refused(data: dict, expected: str):
    with pytest.raises(ManifestError, match=expected):
        plain_document(data)


def test_plain_data_that_holds_itself_is_refused():
    data: dict = {}
    data["a"] = data
    with pytest.raises(ManifestError, match="at most 40 levels"):
        plain_document(data)
