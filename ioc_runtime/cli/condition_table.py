"""IocTasks and IocJobs as rows of a table: what `kubectl get ioc` shows, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from ioc_runtime.cli.terminal import STATES, printable

COLUMNS: Final = ("KIND", "READY", "STATE", "INPUTS", "PERMITS", "SINCE", "REASON", "AGE")
OVER: Final = ("Complete", "Failed")
"""States of a job that has ended."""
READY_STYLES: Final = {"True": "bold green", "False": "bold red", "Unknown": "bold yellow"}


@dataclass(frozen=True)
class Row:
    """One task or job, as far as its status can be believed."""

    namespace: str
    name: str
    kind: str
    ready: str
    state: str
    inputs: str
    permits: str
    since: datetime | None
    reason: str
    message: str
    created: datetime | None
    suspended: bool

    @property
    def well(self) -> bool:
        """Whether it is as it was asked to be: Ready, or suspended."""
        return self.ready == "True" or self.suspended

    @property
    def key(self) -> tuple[str, str, str]:
        """By what rows are told apart and sorted."""
        return (self.namespace, self.name, self.kind)


def row(item: Mapping[str, Any]) -> Row:
    """The row of an object.

    A status of an earlier generation says nothing of the present one: then `Unknown` is
    shown, for the operator may be down.
    """
    meta, status = mapping(item.get("metadata")), mapping(item.get("status"))
    summary = mapping(status.get("summary"))
    ready = condition(item, "Ready")
    truth, reason, message = (text(ready.get(key)) for key in ("status", "reason", "message"))
    generation, seen = meta.get("generation"), status.get("observedGeneration")
    if not ready:
        truth, reason, message = "Unknown", "NotSeen", "no operator has written its status"
    elif seen != generation:
        truth, reason = "Unknown", "NotSeen"
        message = f"the operator has seen generation {seen} and not yet {generation}"
    return Row(
        namespace=text(meta.get("namespace")),
        name=text(meta.get("name")),
        kind=text(item.get("kind")).removeprefix("Ioc").lower(),
        ready=truth if truth in READY_STYLES else "Unknown",
        state=text(summary.get("state")) or "Unknown",
        inputs=text(summary.get("inputs")),
        permits=text(summary.get("permits")),
        since=moment(summary.get("since")),
        reason=reason,
        message=message,
        created=moment(meta.get("creationTimestamp")),
        suspended=condition(item, "Suspended").get("status") == "True",
    )


def table(rows: Sequence[Row], now: datetime, *, namespaces: bool) -> Table:
    """All rows, sorted by name; `namespaces` adds a column for theirs."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    head = [*(["NAMESPACE"] if namespaces else []), "NAME", *COLUMNS, "MESSAGE"]
    for name in head:
        made.add_column(name, no_wrap=name != "MESSAGE", overflow="fold")
    for one in sorted(rows, key=lambda one: one.key):
        place = [Text(one.namespace)] if namespaces else []
        made.add_row(*place, Text(one.name, "bold"), *_cells(one, now))
    return made


def _cells(one: Row, now: datetime) -> list[Text]:
    return [
        Text(one.kind),
        Text(one.ready, READY_STYLES[one.ready]),
        Text(one.state, STATES.get(one.state, "")),
        Text(one.inputs),
        Text(one.permits),
        Text(age(one.since, now)),
        Text(one.reason),
        Text(age(one.created, now)),
        Text("" if one.ready == "True" else one.message),
    ]


def plain(one: Row, *, namespaces: bool) -> str:
    """A row on one line, for a pipe that follows changes."""
    place = f"{one.namespace}/" if namespaces else ""
    words = [f"{one.kind} {place}{one.name}", f"Ready={one.ready}", one.reason, one.state]
    words += [one.inputs, one.permits]
    line = "  ".join(word for word in words if word)
    return line if one.ready == "True" or not one.message else f"{line}  {one.message}"


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, as kubectl writes it: 45s, 12m, 3h20m, 5d."""
    if then is None:
        return ""
    seconds = max(0, int((now - then).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 120:
        return f"{minutes}m"
    if hours < 10:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d"


def condition(item: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition of an object by its type; empty where it has none."""
    return next((c for c in conditions(item) if c.get("type") == kind), {})


def conditions(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All conditions of an object."""
    found = mapping(item.get("status")).get("conditions")
    return [c for c in found if isinstance(c, Mapping)] if isinstance(found, list) else []


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a map, else an empty one: a status may hold anything."""
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str:
    """The value as something that can be shown; "" for what is none."""
    return "" if value is None or isinstance(value, Mapping | list) else printable(str(value))


def moment(value: object) -> datetime | None:
    """The time in an RFC 3339 text; None where there is none."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        return read.astimezone(UTC) if read and read.tzinfo else None
    except (ValueError, OverflowError):
        return None
