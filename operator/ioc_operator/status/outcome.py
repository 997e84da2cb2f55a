"""What became of a run of a job: how it ended, and the record of it in `status.run`.

What has ended stays ended: once a run is Complete or Failed, that and its record are
taken over from the previous status for as long as its number is that of the recorded
run, whether its Job and pods are still there or not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ioc_operator import conditions as c
from ioc_operator.status.history import last_words, termination
from ioc_operator.status.pod import Ended, Pod
from ioc_operator.status.report import Report
from ioc_operator.status.view import JobView, Run

RESULT_BYTES: Final = 2048


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    kind: str
    """The condition that is True: Complete or Failed."""
    reason: str


def outcome_of(view: JobView, before: Mapping[str, Any]) -> Outcome | None:
    """How the recorded run ended; None while it has not.

    :param before: the previous status
    """
    if view.run is None:
        return None
    return _settled(view.run, before) or _seen(view)


def _seen(view: JobView) -> Outcome | None:
    if view.job is not None and view.job.complete:
        return Outcome(c.COMPLETE, c.COMPLETED)
    stopped = view.run is not None and view.run.stopped
    if view.job is not None and view.job.failure is not None and not stopped:
        return Outcome(c.FAILED, c.RUN_FAILED)
    return Outcome(c.FAILED, c.JOB_DELETED) if view.deleted else None


def _settled(run: Run, before: Mapping[str, Any]) -> Outcome | None:
    if not _record(run, before):
        return None
    for kind, reason in ((c.COMPLETE, c.COMPLETED), (c.FAILED, c.RUN_FAILED)):
        known = c.find(c.conditions_of(before), kind)
        if known and known.get("status") == "True":
            deleted = kind == c.FAILED and known.get("reason") == c.JOB_DELETED
            return Outcome(kind, c.JOB_DELETED if deleted else reason)
    return None


def _record(run: Run, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the previous status says of this run; empty when it speaks of another."""
    known = before.get("run")
    if not isinstance(known, Mapping) or known.get("specHash") != run.spec_hash:
        return {}
    return known if known.get("number") == run.number else {}


def run_fields(
    view: JobView, said: Report, outcome: Outcome | None, before: Mapping[str, Any]
) -> dict[str, Any]:
    """`status.run`; empty before the first run."""
    if view.run is None:
        return {}
    last = _last_end(view.pods)
    found = _found(view, said, outcome, last)
    told = {key: value for key, value in found.items() if value is not None and value != ""}
    record = _record(view.run, before)
    known = {key: _kept(record[key]) for key in found if _fits(key, record.get(key))}
    if outcome is None:  # an attempt that failed is not the end, nor is one that was suspended
        known = {key: value for key, value in known.items() if key == "result"}
    head: dict[str, Any] = {"number": view.run.number, "specHash": view.run.spec_hash}
    if view.run.restarted:
        head["restartedAt"] = view.run.restarted
    if outcome:  # a run is over by its completionTime: there has to be one
        head["completionTime"] = c.stamp(view.base.now)
    if outcome and (last is None or view.job is None):  # what they said once, they say no more
        return head | told | known
    return head | known | told


def _found(
    view: JobView, said: Report, outcome: Outcome | None, last: tuple[Pod, Ended] | None
) -> dict[str, Any]:
    """What can be seen of the run now; None or "" where it cannot."""
    job = view.job
    exit_code = last[1].exit_code if last else None
    if exit_code is None and outcome and outcome.kind == c.COMPLETE:
        exit_code = 0
    ended = (job.completed_at or job.failed_at) if job else ""
    ended = ended or (last[1].finished_at if last else "")
    return {
        "job": view.run.job if view.run else "",
        "stopped": view.run.job if view.run and view.run.stopped and not outcome else "",
        "startTime": _time(job.started_at) if job else "",
        "completionTime": _time(ended) if outcome else "",
        "exitCode": exit_code,
        "message": _message(view, last, outcome),
        "result": _result(view, said, last),
    }


def _last_end(pods: tuple[Pod, ...]) -> tuple[Pod, Ended] | None:
    """The newest pod whose container has ended, and how."""
    for pod in reversed(pods):
        if pod.container is not None and pod.container.ended is not None:
            return pod, pod.container.ended
    return None


def _message(view: JobView, last: tuple[Pod, Ended] | None, outcome: Outcome | None) -> str:
    words = last_words(last[0].container) if last else ""
    if outcome is None or outcome.kind != c.FAILED:
        return words
    if view.job is not None and view.job.failure is not None:
        why = view.job.failure
        words = words or view.job.failure_message
    else:
        why = "its Job was deleted before it was over" if view.deleted else ""
    return c.cut("; ".join(part for part in (words, why) if part))


def _result(view: JobView, said: Report, last: tuple[Pod, Ended] | None) -> Any:
    """What the code has returned, as JSON; None when it is not known, or too large."""
    result = None
    number = view.run.number if view.run else None
    if said.pod_uid in {pod.uid for pod in view.pods} and said.job_run in (None, number):
        result = said.result
    if result is None and last is not None:
        result = termination(last[1].message).get("result")
    return result if _is_small(result) else None


def _is_small(result: Any) -> bool:
    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False)
        return len(text.encode()) <= RESULT_BYTES
    except (ValueError, TypeError, RecursionError):
        return False


def _fits(key: str, value: object) -> bool:
    """Whether what a previous status has in a field may stand there."""
    if value is None:
        return False
    if key == "result":
        return _is_small(value)
    if key == "exitCode":
        return isinstance(value, int) and not isinstance(value, bool)
    if key.endswith("Time"):
        return c.moment(value) is not None
    return isinstance(value, str)


def _kept(value: Any) -> Any:
    return c.cut(value) if isinstance(value, str) else value


def _time(text: str) -> str:
    read = c.moment(text)
    return c.stamp(read) if read else ""
