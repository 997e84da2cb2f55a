"""A running task as a live table on a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ioc_runtime.cli.child import Event
from ioc_runtime.cli.terminal import STATES, STYLES, printable, severity
from ioc_runtime.cli.view import Row, View
from ioc_runtime.standard import TASK_STATUS_SEVERITIES, TASK_STATUS_STATES

REFRESH: Final = 0.2
"""Seconds between two pictures at least: a table that flickers tells nothing."""
STEPS: Final = 3
"""Lines that show how far a script has come."""
_STATUSES: Final = {
    state: ("green", "yellow", "bold red")[severity]
    for state, severity in zip(TASK_STATUS_STATES, TASK_STATUS_SEVERITIES, strict=True)
}
LEVELS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "STDERR": "yellow"}


class LiveTable:
    """Draws the view in place; leaves the last picture on the screen."""

    def __init__(self, view: View, console: Console | None = None) -> None:
        self._view = view
        self._console = console or Console(highlight=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._drawn = 0.0
        self._steps: list[Text] = []

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()
        self._live.stop()

    def show(self, event: Event) -> None:
        """Draw again, unless that was just done; the view has learned the event already."""
        if event["say"] == "step":
            self._step(event)
        if time.monotonic() - self._drawn >= REFRESH or event["say"] in ("ready", "ended"):
            self._draw()

    def _step(self, event: Event) -> None:
        """The last steps of a script, one line each; an outcome replaces the announcement."""
        if self._steps and self._steps[-1].plain.startswith("… "):
            self._steps.pop()
        style = {"ok": "green", "FAILED": "bold red"}.get(event["mark"], "bold")
        self._steps.append(Text(f"{event['mark'] or ' '} ", style) + Text(event["text"]))
        del self._steps[:-STEPS]

    def say(self, text: str) -> None:
        """A line of the parent itself, among the log lines."""
        self._view.log.append((time.time(), "", text))
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        width, height = self._console.size
        self._live.update(picture(self._view, width, height, self._steps), refresh=True)


def picture(view: View, width: int, height: int, footer: Sequence[Text] = ()) -> RenderableType:
    """The whole table for a terminal of that size."""
    head = _head(view, with_environment=not footer)
    tail = [*_rules(view), *_progress(view, width), *_cycle(view), _figures(view), *footer]
    room = max(4, height - len(head) - len(tail) - 1)
    rows = len(view.inputs) + len(view.outputs)
    log_lines = min(len(view.log), max(2, room - rows - 2), 6)
    log = _log(view, log_lines)
    table = _signals(view, room - len(log), width)
    lines: list[Text | Table] = [*head, table, *tail, *log]
    for line in lines:
        if isinstance(line, Text):
            line.truncate(width, overflow="ellipsis")
    return Group(*lines)


def _head(view: View, with_environment: bool) -> list[Text]:
    title = Text()
    title.append(view.plan.name, "bold")
    title.append(f"  {view.plan.prefix}  ", "dim")
    title.append(view.state, STATES.get(view.state, "cyan"))
    title.append("  job" if view.plan.job is not None else f"  {view.plan.mode}", "dim")
    if view.since is not None:
        title.append(f"  up {_duration(time.monotonic() - view.since)}", "dim")
    lines = [title]
    if view.message:
        lines.append(Text(printable(view.message)))
    if view.note:
        lines.append(Text(view.note, "yellow"))
    if with_environment and view.environment():
        lines.append(Text(f"clients: {view.environment()}", "dim"))
    return lines


def _signals(view: View, room: int, width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, width=width)
    # Fixed widths: columns that move with each alarm cannot be read.
    longest = max((len(row.name) for row in (*view.inputs, *view.outputs)), default=0)
    table.add_column("name", no_wrap=True, width=min(longest + 2, max(18, width // 4)))
    table.add_column("value", no_wrap=True, width=max(18, width // 4))
    table.add_column("severity", no_wrap=True, width=13)
    table.add_column("link", no_wrap=True, ratio=1, style="dim")
    inputs, outputs = _fit(view.inputs, view.outputs, room)
    for title, rows, all_rows in (
        ("inputs", inputs, view.inputs),
        ("outputs", outputs, view.outputs),
    ):
        if all_rows:
            table.add_row(Text(title, "bold cyan"), _counts(all_rows), "", "")
        for row in rows:
            table.add_row(*_cells(row))
        left = len(all_rows) - len(rows)
        if left:
            table.add_row("", Text(f"… and {left} more", "dim"), "", "")
    return table


def _cells(row: Row) -> tuple[Text, Text, Text, Text]:
    value = Text(row.value)
    if row.unit:
        value.append(f" {row.unit}", "dim")
    state = severity(row.severity)
    if row.latched:
        state.append(" latched" if state else "latched", "yellow")
    link = Text(row.link)
    if row.connected is False:
        link = Text("down  ", STYLES["disconnected"]) + Text(row.link, "dim")
    return Text(f"  {row.name}"), value, state, link


def _counts(rows: Sequence[Row]) -> Text:
    linked = [row for row in rows if row.connected is not None]
    if not linked:
        return Text("")
    up = sum(1 for row in linked if row.connected)
    return Text(f"{up}/{len(linked)} connected", "dim" if up == len(linked) else "magenta")


def _fit(inputs: Sequence[Row], outputs: Sequence[Row], room: int) -> tuple[list[Row], list[Row]]:
    """The rows that find room, in the order of the manifest: those in trouble first to stay."""
    space = max(2, room - 2)
    if len(inputs) + len(outputs) <= space:
        return list(inputs), list(outputs)
    space = max(2, space - 2)  # for the lines that say how many are left out
    ranked = sorted([*outputs, *inputs], key=lambda row: -row.trouble)
    kept = {id(row) for row in ranked[:space]}
    return [r for r in inputs if id(r) in kept], [r for r in outputs if id(r) in kept]


def _rules(view: View) -> list[Text]:
    if not view.plan.rules:
        return []
    line = Text("rules  ", "bold cyan")
    shown = False
    for names, word, style in (
        (view.active, "active", "bold red"),
        (view.pending, "pending", "yellow"),
        (view.invalid, "invalid", "bold magenta"),
    ):
        if names:
            line.append(f"{word}: ", "dim")
            line.append(", ".join(names), style)
            line.append("   ")
            shown = True
    if not shown:
        line.append(f"none of {len(view.plan.rules)} active", "dim")
    return [line]


def _progress(view: View, width: int) -> list[Text]:
    """Of a job: a bar, and what the run says of itself."""
    if view.plan.job is None:
        return []
    percent = float(view.job.get("progress") or 0)
    room = max(10, min(40, width // 3))
    done = round(room * percent / 100)
    line = Text().append("progress  ", "bold cyan")
    line.append("━" * done, "green").append("━" * (room - done), "dim")
    line.append(f" {percent:3.0f} %  {_duration(float(view.job.get('seconds') or 0))}  ")
    line.append(printable(str(view.job.get("message") or "")))
    data = view.job.get("data")
    if data is None:
        return [line]
    return [line, Text(printable(f"result  {json.dumps(data, ensure_ascii=False)}"))]


def _cycle(view: View) -> list[Text]:
    """Of a task in triggered mode: what came of the last cycle, and whether one runs."""
    if view.plan.mode != "triggered":
        return []
    cycle = view.cycle
    status = str(cycle.get("status") or "")
    line = Text().append("cycle  ", "bold cyan").append(f"{cycle.get('count', 0)}  ")
    if status:
        line.append(status, _STATUSES.get(status, "green"))
        line.append(f" after {float(cycle.get('duration') or 0):.3g} s", "dim")
    if cycle.get("busy"):
        line.append("  busy", "bold")
    for word in ("waiting", "rejected"):
        if cycle.get(word):
            line.append(f"  {cycle[word]} {word}", "yellow")
    if cycle.get("text"):
        line.append(f"  {printable(str(cycle['text']))}", "dim")
    return [line]


def _figures(view: View) -> Text:
    if view.plan.job is not None:
        return Text(f"heartbeat {view.heartbeat}", "dim")
    parts = [f"{view.evaluations:.0f} evaluations/s"]
    if view.reaction is not None:
        parts.append(f"reaction {view.reaction[0]:.0f} µs (p99 {view.reaction[1]:.0f})")
    parts.append(f"heartbeat {view.heartbeat}")
    line = Text(" · ".join(parts), "dim")
    if view.errors:
        line.append(f" · {view.errors} errors", "bold red")
    return line


def _log(view: View, lines: int) -> list[Text]:
    out = []
    for stamp, level, text in list(view.log)[-lines:] if lines else []:
        line = Text(time.strftime("%H:%M:%S ", time.localtime(stamp)), "dim")
        if level not in ("", "INFO"):
            line.append(f"{level} ", LEVELS.get(level, "dim"))
        line.append(printable(text))
        out.append(line)
    return out


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
