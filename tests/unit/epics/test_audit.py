"""Lines of the put log as entries of the audit."""

from __future__ import annotations

import pytest

from ioc_runtime.epics.audit import nameless, parse


def test_a_line_gives_who_what_before_and_after():
    entry = parse("alice@opi1 BL01:VAC:limit.VAL 1e-06 -> 2e-06")
    assert entry is not None
    assert entry[:6] == ("alice", "opi1", "BL01:VAC:limit", "VAL", "1e-06", "2e-06")


def test_empty_values_and_spaces_are_kept():
    entry = parse("a b@h P:s.VAL  -> some text")
    assert entry is not None
    assert (entry.user, entry.old, entry.new) == ("a b", "", "some text")


def test_a_text_put_as_characters_is_a_text():
    line = "a@h P:s.VAL [] -> [104, 105, 0, 0]"
    entry = parse(line, frozenset({"P:s"}))
    other = parse(line)
    assert entry is not None
    assert other is not None
    assert (entry.old, entry.new) == ("", "hi")
    assert other.new == "[104, 105, 0, 0]"


@pytest.mark.parametrize(
    "line", ["", "Starting iocInit", "a@b", "a@h P:x.VAL 1", "# EPICS 7", "a@h P:x.TOOLONG 1 -> 2"]
)
def test_anything_else_that_c_prints_is_no_entry(line: str):
    assert parse(line) is None


def test_a_put_without_an_author_says_so():
    assert nameless("P:x", None, [1.0])[:6] == ("", "", "P:x", "VAL", "None", "[1.0]")
