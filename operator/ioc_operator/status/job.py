"""The status of an IocJob: its present run, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ioc_operator import conditions as c
from ioc_operator.status import task
from ioc_operator.status import verdict as judging
from ioc_operator.status.history import last_words
from ioc_operator.status.outcome import Outcome, outcome_of, run_fields
from ioc_operator.status.report import Report, read_report
from ioc_operator.status.task import Status
from ioc_operator.status.verdict import Verdict
from ioc_operator.status.view import JobView, View

OF_THE_NEXT: Final = frozenset(
    (c.INVALID_SPEC, c.PV_CONFLICT, c.NAME_TAKEN, c.REFUSED, c.FORBIDDEN, c.PROGRESSING)
)
"""What concerns the next run, and so is told before how the last one ended."""


def job_status(view: JobView, previous: Mapping[str, Any] | None = None) -> Status:
    """The whole status that the operator writes.

    :param previous: the status as it stands in the object: times, the history and what
        is known of a run whose Job or pods are gone are taken over from it
    """
    before = previous if isinstance(previous, Mapping) else {}
    base = replace(view.base, pod=view.pods[-1] if view.pods else None)
    said = read_report(base.runtime)
    outcome = outcome_of(view, before)
    run = run_fields(view, said, outcome, before)
    words = str(run.get("message", ""))
    verdict = _judge(view, base, said, outcome, words)
    listed = task.of_verdict(base, verdict)
    if outcome is None:
        listed += task.aspects(base, said, before)
    else:
        listed.append((outcome.kind, "True", outcome.reason, words))
    conditions = task.with_times(listed, base, before)
    over = outcome.kind if outcome else ""
    told = over if verdict.reason not in OF_THE_NEXT else ""
    status: Status = {
        "observedGeneration": base.generation,
        "phase": told or task.phase(base, verdict, conditions),
        "conditions": conditions,
        "summary": task.summary(base, said, before, over),
    }
    return status | ({"run": run} if run else {}) | task.optional(base, list(view.pods), before)


def _judge(view: JobView, base: View, said: Report, outcome: Outcome | None, words: str) -> Verdict:
    early = judging.first(base, said, judging.of_manifest, judging.of_children)
    if early is not None:
        return early
    if outcome is None:
        return _waiting(view, base) or _running(base, said)
    if outcome.kind == c.COMPLETE:
        return Verdict("True", outcome.reason, words or "the run has ended well", "well")
    return Verdict("False", outcome.reason, words or "the run has failed", "stalled")


def _waiting(view: JobView, base: View) -> Verdict | None:
    """Why no pod of the run can be expected to run."""
    if base.suspend:
        return judging.of_pod(base, Report())
    if view.run is None or view.job is None:
        return Verdict("Unknown", c.PROGRESSING, "the run is being started", "coming")
    if view.job.suspended:
        return Verdict("False", c.QUEUED, "the run waits for its turn", "coming")
    pod = base.pod
    if pod is None or not pod.over:
        return None
    reason, how = (c.ENDING, "ended") if pod.phase == "Succeeded" else (c.RETRYING, "failed")
    return Verdict(
        "False", reason, f"pod {pod.name} has {how}: {last_words(pod.container)}", "coming"
    )


def _running(base: View, said: Report) -> Verdict:
    verdict = judging.judge(base, said)
    if verdict.reason == c.TASK_ENDED:
        return Verdict("False", c.ENDING, verdict.message, "coming")
    return verdict
