"""Conditions: their times, their texts, and the tables that document them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_operator import conditions as c
from ioc_runtime.fetch import failure as fetch
from ioc_runtime.fetch.complete import BAD_CONFIG
from ioc_runtime.plugin.environments import failure as environments
from unit.operator.views import START, at


def one(status: c.Truth, reason: str, seconds: float, previous: list | None = None) -> dict:
    made: list[c.Condition] = []
    now = START + timedelta(seconds=seconds)
    c.set_condition(
        made, c.READY, status, reason, "text", generation=2, now=now, previous=previous or []
    )
    return made[0]


def test_a_condition_keeps_its_time_while_its_status_stays():
    first = one("False", c.STARTING, 0)
    assert first["lastTransitionTime"] == at(0)
    second = one("False", c.CRASH_LOOP, 50, [first])
    assert (second["reason"], second["lastTransitionTime"]) == (c.CRASH_LOOP, at(0))
    third = one("True", c.RUNNING, 60, [second])
    assert third["lastTransitionTime"] == at(60)


def test_setting_a_condition_again_replaces_it_in_its_place():
    made: list[c.Condition] = []
    for kind in (c.READY, c.SERVING, c.READY):
        c.set_condition(made, kind, "True", c.RUNNING, generation=1, now=START)
    assert [m["type"] for m in made] == [c.READY, c.SERVING]


def test_a_time_that_is_none_is_not_taken_over():
    broken = {"type": "Ready", "status": "True", "lastTransitionTime": "yesterday"}
    assert one("True", c.RUNNING, 9, [broken])["lastTransitionTime"] == at(9)


@given(st.text(max_size=3000))
def test_a_message_is_one_printable_line_of_at_most_a_kilobyte(text: str):
    message = c.cut(text)
    assert len(message.encode()) <= c.MESSAGE_BYTES
    assert message == "" or message.isprintable()
    assert c.cut(message) == message


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-03-01", "2026-03-01T00:00:00", "x" * 25, "0001-01-01T00:00:00+23:59", None],
)
def test_what_is_no_time_in_some_zone_is_no_time(text: object):
    assert c.moment(text) is None


def test_times_are_in_utc_and_whole_seconds():
    read = c.moment("2026-03-01T05:00:00.75+02:00")
    assert read is not None
    assert c.stamp(read) == "2026-03-01T03:00:00Z"


def constants() -> set[str]:
    text = Path(c.__file__).read_text()
    return set(re.findall(r'^[A-Z_]+: Final = "(\w+)"$', text, re.MULTILINE))


def test_every_type_and_reason_has_its_sentence_and_no_sentence_is_left_over():
    assert constants() == {*c.CONDITIONS, *c.REASONS}
    for meaning in (*c.CONDITIONS.values(), *c.REASONS.values()):
        assert re.fullmatch(r"[A-Z`].*\.", meaning)


def test_types_and_reasons_are_words_that_the_api_takes():
    for word in (*c.CONDITIONS, *c.REASONS):
        assert re.fullmatch(r"[A-Z][A-Za-z]{2,62}", word)


def test_every_reason_that_an_init_container_gives_is_one_of_a_plugin():
    given = {*fetch.REASONS, BAD_CONFIG, *environments.REASONS}
    assert given <= c.OF_PLUGINS <= set(c.REASONS)
