"""A running task as plain lines, for pipes and log files: what changed, once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Final

from ioc_runtime.cli.child import Event
from ioc_runtime.cli.terminal import printable
from ioc_runtime.cli.view import UNKNOWN, Row, View, audit_text, log_text

QUIET: Final = 10.0
"""Seconds in which a log line that repeats is only counted."""
SETTLING: Final = 2.0
"""Seconds after the start before a link that is down is worth a line."""


class PlainLines:
    """Prints one line per change: states, messages, links, alarms, rules, logs."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rows: dict[str, Row] = {}
        self._active: list[str] = []
        self._state = ("", "")
        self._progress: tuple[int, str] = (0, "")
        self._cycle = ("", "")
        self._rejected = 0
        self._last = ""
        self._last_at = 0.0
        self._repeated = 0
        self._is_settled = False

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._tell_repeats()

    def show(self, event: Event) -> None:
        """Print what is new with this event; the view has learned it already."""
        for text in self._new(event):
            self.say(text)

    def say(self, text: str) -> None:
        """One line with the local time; the same again within a while is only counted."""
        now = time.monotonic()
        if text == self._last and now - self._last_at < QUIET:
            self._repeated += 1
            return
        self._tell_repeats()
        self._last, self._last_at = text, now
        _print(text)

    def _tell_repeats(self) -> None:
        if self._repeated:
            _print(f"(the last line came {self._repeated} more times)")
            self._repeated = 0

    def _new(self, event: Event) -> Iterator[str]:
        view = self._view
        match event["say"]:
            case "starting":
                what = "a job" if view.plan.job is not None else f"mode {event.get('mode')}"
                yield (
                    f"{event.get('name')} starts: prefix {event.get('prefix')}, "
                    f"{what}, pid {event.get('pid')}"
                )
            case "ports":
                yield "serves on " + ", ".join(f"{k} port {v}" for k, v in view.ports.items())
                if view.note:
                    yield view.note
                if view.environment():
                    yield f"clients need: export {view.environment()}"
            case "ready":
                yield f"ready after {view.ready:.2f} s with {event.get('records')} records"
            case "log":
                yield f"{event.get('level')} {log_text(event)}"
            case "audit":
                yield f"put {audit_text(event)}"
            case "step":
                yield f"== {event['text']} {event['mark']}"
            case "printed":
                yield event["text"]
            case "stderr":
                yield f"stderr: {event['text']}"
            case "state":
                yield from self._state_change()
            case "result":
                yield from self._result(event)
            case "snapshot":
                yield from self._state_change()
                yield from self._job_progress()
                yield from self._cycle_change()
                yield from self._row_changes()
                yield from self._rule_changes()

    def _state_change(self) -> Iterator[str]:
        new = (self._view.state, self._view.message)
        if new != self._state:
            same = self._view.plan.job is not None and new[1] == self._state[1]
            self._state = new
            yield f"{new[0]}: {new[1]}" if new[1] and not same else new[0]

    def _job_progress(self) -> Iterator[str]:
        """A line for each new message, and for each ten per cent."""
        job = self._view.job
        if "data" in job:
            return  # the run is over
        new = (int(float(job.get("progress") or 0) // 10), printable(str(job.get("message") or "")))
        if new != self._progress:
            self._progress = new
            text = f"{float(job.get('progress') or 0):.0f} % done"
            yield f"{text}: {new[1]}" if new[1] else text

    def _cycle_change(self) -> Iterator[str]:
        """A line where the outcome of cycles changes, or triggers were rejected."""
        cycle = self._view.cycle
        new = (str(cycle.get("status") or ""), printable(str(cycle.get("text") or "")))
        if new[0] and new != self._cycle:
            text = f"cycle {cycle.get('count')} {new[0]} after {float(cycle['duration']):.3g} s"
            yield f"{text}: {new[1]}" if new[1] else text
        self._cycle = new
        rejected, self._rejected = self._rejected, int(cycle.get("rejected") or 0)
        if self._rejected > rejected:
            yield f"{self._rejected} triggers rejected so far"

    def _result(self, event: Event) -> Iterator[str]:
        if event.get("success") and self._progress[0] < 10:
            yield "100 % done"
        yield f"the run took {float(event.get('seconds') or 0):.1f} s"
        if event.get("data") is not None:
            yield printable(f"result: {json.dumps(event['data'], ensure_ascii=False)}")

    def _row_changes(self) -> Iterator[str]:
        """Links that come and go, alarms that change, states of what has few values."""
        if not self._settled():
            return
        discrete = {s.name for s in self._view.plan.outputs if s.type in ("bool", "enum")}
        rows = [("input", row) for row in self._view.inputs]
        rows += [("output", row) for row in self._view.outputs]
        for kind, row in rows:
            old = self._rows.get(row.name)
            self._rows[row.name] = row
            if old is None and row.trouble == 0 and not (kind == "output" and row.name in discrete):
                continue
            watched = row.name in discrete and kind == "output"
            if old is None or _worth(old, watched) != _worth(row, watched):
                yield f"{kind} {describe(row)}"

    def _settled(self) -> bool:
        """Whether links had their time to connect: until then all are down, which is no news."""
        rows = (*self._view.inputs, *self._view.outputs)
        since = self._view.since
        late = since is not None and time.monotonic() - since > SETTLING
        self._is_settled |= late or all(row.trouble < UNKNOWN for row in rows)
        return self._is_settled

    def _rule_changes(self) -> Iterator[str]:
        old, new = self._active, self._view.active
        self._active = list(new)
        for rule in new:
            if rule not in old:
                yield f"rule {rule} is active"
        for rule in old:
            if rule not in new:
                yield f"rule {rule} is no longer active"


def describe(row: Row) -> str:
    """A row in words: name, value, and what is not as it should be."""
    words = [row.name, row.value, row.unit]
    if row.severity != "NO_ALARM":
        words.append(row.severity)
    if row.latched:
        words.append("latched")
    if row.connected is False:
        words.append(f"({row.link} is not connected)")
    return " ".join(word for word in words if word)


def _worth(row: Row, watched: bool) -> tuple[object, ...]:
    """The part of a row whose change is worth a line."""
    return (row.severity, row.connected, row.latched, row.value if watched else "")


def _print(text: str) -> None:
    now = time.time()
    stamp = time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1e3):03d}"
    print(f"{stamp}  {text}", file=sys.stdout, flush=True)
