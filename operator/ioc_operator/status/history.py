"""The last ends of a task's containers: what happened, for whoever looks hours later.

An end is known by its time and exit code, which come from the cluster and not from us:
a restarted operator that sees it again adds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ioc_operator.conditions import NODE_LOST, cut, moment, stamp
from ioc_operator.status.pod import Container, Ended, Pod

Entry = dict[str, Any]
"""time, reason, exitCode (where there is one), message."""

LONGEST: Final = 10
_MESSAGE: Final = 512

EXIT_MEANINGS: Final[Mapping[int, str]] = {
    10: "its logic failed",
    11: "an input or output failed",
    12: "an exception, or a plugin that gave up",
    13: "it stalled",
    14: "it was aborted",
    15: "its configuration, plugin or environment is of no use",
    16: "it was stopped before its end",
    137: "it was killed",
    139: "it crashed (segmentation fault)",
    143: "it was ended by SIGTERM",
}
"""What exit codes of a runtime mean, where it left no words of its own."""


def history(pods: Iterable[Pod], previous: object) -> list[Entry]:
    """The last `LONGEST` ends, oldest first: those known before and those of `pods`."""
    entries: dict[tuple[str, int | None], Entry] = {}
    for entry in [*_known(previous), *(e for pod in pods for e in ends(pod))]:
        entries[entry["time"], entry.get("exitCode")] = entry
    return [entries[key] for key in sorted(entries, key=_order)][-LONGEST:]


def ends(pod: Pod) -> Iterator[Entry]:
    """The ends that a pod tells of; one that was asked for and went well is none."""
    main = pod.container
    was_to_end = pod.deleting or pod.phase == "Succeeded"
    for ended in (main.last, main.ended) if main else ():
        if ended is not None and not (was_to_end and ended.exit_code == 0):
            yield from _entry(pod, ended, is_newest=ended is (main.ended if main else None))
    for init in pod.inits:
        for ended in (init.last, init.ended):
            if ended is not None and ended.exit_code != 0:
                yield from _entry(
                    pod, ended, is_newest=False, prefix=f"init container {init.name}: "
                )
    known_end = main is not None and main.ended is not None
    if pod.over and pod.reason and not known_end:
        # Some evictions leave no container status behind.
        yield from _whole(pod, pod.reason, pod.message)
    if pod.lost:
        yield from _whole(pod, NODE_LOST, f"node {pod.node or '?'} does not answer")


def last_words(container: Container | None) -> str:
    """How a container ended last, in a sentence; "" when it never has."""
    ended = container and (container.ended or container.last)
    return sentence(ended) if ended else ""


def sentence(ended: Ended) -> str:
    """An end in words: the runtime's own, else what the exit code means."""
    own = termination(ended.message)
    text = str(own.get("text") or own.get("reason") or "")
    if not own and ended.message:
        text = ended.message
    if not text and ended.reason == "OOMKilled":
        text = "it used more memory than its limit"
    if not text and ended.exit_code is not None:
        text = EXIT_MEANINGS.get(ended.exit_code, "")
    code = "" if ended.exit_code is None else f"exit code {ended.exit_code}"
    head = " ".join(part for part in (code, _aside(ended)) if part)
    return cut(": ".join(part for part in (head, text) if part), _MESSAGE)


def termination(message: str) -> Mapping[str, Any]:
    """The JSON of a termination message `{reason, text, exit, result}`; empty if it is none."""
    if not message.startswith("{"):
        return {}
    try:
        read = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _aside(ended: Ended) -> str:
    return f"({ended.reason})" if ended.reason not in ("", "Error", "Completed") else ""


def _entry(pod: Pod, ended: Ended, *, is_newest: bool, prefix: str = "") -> Iterator[Entry]:
    own = termination(ended.message)
    reason = cut(str(own.get("reason") or ""), 64) or ended.reason or "Ended"
    if ended.reason == "OOMKilled":
        reason = ended.reason
    if is_newest and pod.over and pod.reason:
        reason = pod.reason
    text = sentence(ended)
    if is_newest and pod.over and pod.message:
        text = f"{text}; {pod.message}" if text else pod.message
    when = _first_time(ended.finished_at, pod.created_at)
    if when:
        code = {} if ended.exit_code is None else {"exitCode": ended.exit_code}
        yield {"time": when, "reason": reason, **code, "message": cut(prefix + text, _MESSAGE)}


def _whole(pod: Pod, reason: str, message: str) -> Iterator[Entry]:
    when = _first_time(pod.ready_since, pod.created_at)
    if when:
        yield {"time": when, "reason": reason, "message": cut(message, _MESSAGE)}


def _first_time(*texts: str) -> str:
    """The first that is a time: never our own, for that would be another each time."""
    times = (moment(text) for text in texts)
    return next((stamp(time) for time in times if time is not None), "")


def _known(previous: object) -> Iterator[Entry]:
    for entry in previous if isinstance(previous, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("reason"), str):
            continue
        time, code = moment(entry.get("time")), entry.get("exitCode")
        if time is None:
            continue
        whole = isinstance(code, int) and not isinstance(code, bool)
        yield {
            "time": stamp(time),
            "reason": entry["reason"],
            **({"exitCode": code} if whole else {}),
            "message": cut(str(entry.get("message") or ""), _MESSAGE),
        }


def _order(key: tuple[str, int | None]) -> tuple[str, int]:
    return key[0], -1 if key[1] is None else key[1]
