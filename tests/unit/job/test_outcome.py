"""What a return value, an error or an order to end makes of a run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.job import outcome
from ioc_runtime.job.outcome import MOST_DATA, Outcome, ended, fitting, raised, returned
from ioc_runtime.plugin.api import JobResult
from ioc_runtime.plugin.errors import BadValue, NotYours, PutFailed
from ioc_runtime.standard import JOB_STATES


class Odd:
    """Nothing that JSON knows."""


@pytest.mark.parametrize(
    ("value", "exit_code", "data", "text"),
    [
        (None, 0, None, ""),
        (True, 0, None, ""),
        (False, 10, None, "the job says that it failed, and not why"),
        ({"a": 1}, 0, {"a": 1}, ""),
        ([1, (2, 3)], 0, [1, [2, 3]], ""),
        ("text", 0, "text", ""),
        (0, 0, 0, ""),
        (JobResult(True, {"a": 1}, "fine"), 0, {"a": 1}, "fine"),
        (JobResult(False, message="no beam"), 10, None, "no beam"),
        (JobResult(False, message="two\n lines"), 10, None, "two lines"),
        (JobResult(True, 1).to_dict(), 0, 1, ""),
        (JobResult(False, 1, "why").to_dict(), 10, 1, "why"),
        ({"success": False}, 10, None, "the job says that it failed, and not why"),
        ({"success": False, "other": 1}, 0, {"success": False, "other": 1}, ""),
        ({"success": "no"}, 0, {"success": "no"}, ""),
    ],
)
def test_what_execute_returns_decides(value: Any, exit_code: int, data: Any, text: str):
    found = returned(value)
    assert (found.exit_code, found.data, found.text, found.lost) == (exit_code, data, text, "")
    assert found.success == (exit_code == 0) == (found.state == "Succeeded")


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (OSError("x"), 11),
        (TimeoutError("x"), 11),
        (ConnectionResetError("x"), 11),
        (PutFailed("x"), 11),
        (NotYours("x"), 12),
        (BadValue("x"), 12),
        (ZeroDivisionError("x"), 12),
        (SystemExit(0), 12),
        (KeyboardInterrupt(), 12),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_input_or_output_is_told_from_a_mistake(error: BaseException, exit_code: int):
    found = raised(error, "scan.py:3: it broke")
    assert (found.exit_code, found.state, found.text) == (
        exit_code,
        "Failed",
        "scan.py:3: it broke",
    )
    assert found.reason == {11: "IOFailure", 12: "Exception"}[exit_code]


@pytest.mark.parametrize(
    ("why", "state", "exit_code"),
    [
        (outcome.ABORT, "Aborted", 14),
        (outcome.STOP, "Stopped", 16),
        (outcome.SIGTERM, "Stopped", 16),
        (outcome.TIMEOUT, "Failed", 13),
    ],
)
def test_a_run_that_was_ended_says_by_whom_and_is_no_success(why: str, state: str, exit_code: int):
    found = ended(why, "execute did not return")
    assert (found.state, found.exit_code, found.success) == (state, exit_code, False)
    assert found.text.endswith("; execute did not return")


def test_an_abort_that_failed_has_a_state_of_its_own_and_a_time_limit_has_not():
    assert ended(outcome.ABORT, abort_failed=True).state == "AbortFailed"
    assert ended(outcome.ABORT, abort_failed=True).exit_code == 14
    assert ended(outcome.TIMEOUT, abort_failed=True).state == "Failed"


def test_every_state_is_one_that_the_pv_can_show():
    found = [returned(None), returned(False), raised(OSError(), ""), outcome.not_written("x")]
    found += [ended(why) for why in (outcome.ABORT, outcome.STOP, outcome.TIMEOUT)]
    found += [ended(outcome.ABORT, abort_failed=True), outcome.BROKEN]
    assert {one.state for one in found} <= {*JOB_STATES}


def test_the_result_for_the_report_is_plain_and_bounded():
    found = Outcome("Failed", 10, "LogicFailure", "x" * 1000, data=[1])
    assert found.as_dict() == {"success": False, "message": "x" * 256, "data": [1]}
    assert "data" not in returned(None).as_dict()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("x" * (MOST_DATA - 1), f"{MOST_DATA + 1} bytes of JSON, at most {MOST_DATA}"),
        (Odd(), "a Odd is nothing that JSON can hold"),
        ({"a": [Odd()]}, "a Odd is nothing that JSON can hold"),
        (b"bytes", "a bytes is nothing that JSON can hold"),
        (range(10), "a range is nothing that JSON can hold"),
        ([0] * (MOST_DATA + 1), f"a list of more than {MOST_DATA} items"),
    ],
)
def test_data_that_cannot_be_kept_is_left_out_with_the_reason(data: Any, words: str):
    kept, lost = fitting(data)
    assert (kept, lost) == (None, f"the result's data is left out: {words}")


def test_data_without_an_end_is_left_out():
    endless: list[Any] = []
    endless.append(endless)
    kept, lost = fitting(endless)
    assert kept is None and "more than 20 levels" in lost


def test_numbers_that_json_has_not_become_text_and_numpy_becomes_lists():
    numpy = pytest.importorskip("numpy")
    assert fitting({"a": float("nan"), "b": [float("-inf")]}) == ({"a": "nan", "b": ["-inf"]}, "")
    data = {"array": numpy.array([[1, 2]]), "one": numpy.float64(0.5), "flag": numpy.bool_(True)}
    assert fitting(data) == ({"array": [[1, 2]], "one": 0.5, "flag": True}, "")
    assert fitting(numpy.zeros((100, 100)))[1].endswith(f"a ndarray of more than {MOST_DATA} items")


def test_data_as_large_as_may_be_is_kept():
    text = "x" * (MOST_DATA - 2)
    assert fitting(text) == (text, "")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(_JSON)
def test_what_is_kept_is_json_within_the_bound(data: Any):
    kept, lost = fitting(data)
    if lost:
        assert kept is None
    else:
        text = json.dumps(kept, allow_nan=False, ensure_ascii=False)
        assert len(text.encode()) <= MOST_DATA
        assert json.loads(text) == kept
