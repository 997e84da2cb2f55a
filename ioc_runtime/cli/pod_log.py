"""The lines that a runtime writes into its pod's log, for people.

Each line is a JSON object that says one thing (docs/architecture.md). Whatever is not,
the print of a plugin or a library's own words, is shown as it is.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from ioc_runtime.cli.child import CHATTER
from ioc_runtime.cli.terminal import STATES, printable
from ioc_runtime.cli.view import audit_text, log_text

LEVELS: Final = {
    "DEBUG": "dim",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "bold red",
    "error": "bold red",
}
_HIDDEN: Final = ("say", "time")


def readable(line: str) -> Text | None:
    """A line of a pod's log as it is shown; None for one that says nothing to people."""
    event = _event(line)
    if event is None:
        bare = line.rstrip()
        return Text(f"{'':12}  {printable(bare)}") if bare and not CHATTER.search(bare) else None
    text = _text(event)
    if text is None:
        return None
    level = str(event.get("level") or "") if event["say"] == "log" else str(event["say"])
    style = LEVELS.get(level) or STATES.get(str(event.get("state")), "")
    return Text.assemble((f"{_clock(event.get('time')):12}  ", "dim"), (printable(text), style))


def as_json(line: str) -> str:
    """A line as JSON: what the runtime has not said itself becomes a `printed`."""
    if _event(line) is not None:
        return line
    return json.dumps({"say": "printed", "text": line.rstrip()}, ensure_ascii=False)


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("say"), str) else None


def _text(event: dict[str, Any]) -> str | None:
    match event["say"]:
        case "log":
            text = log_text(event)
            return None if CHATTER.search(text) else f"{event.get('level') or 'INFO'} {text}"
        case "audit":
            return f"put {audit_text(event)}"
        case "state":
            message = event.get("message")
            return f"{event.get('state')}: {message}" if message else str(event.get("state"))
        case "error":
            return f"error {event.get('reason')}: {event.get('text')}"
        case "starting":
            return f"{event.get('name')} starts: prefix {event.get('prefix')}"
        case "ready":
            return f"ready after {_seconds(event)} with {event.get('records')} records"
        case "snapshot":
            return None
    return " ".join([event["say"], *_fields(event)])


def _fields(event: dict[str, Any]) -> list[str]:
    """What a kind of line says that has no words of its own here."""
    return [
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in event.items()
        if key not in _HIDDEN and value not in (None, "")
    ]


def _seconds(event: dict[str, Any]) -> str:
    seconds = event.get("seconds")
    return f"{seconds:.2f} s" if isinstance(seconds, int | float) else "an unknown time"


def _clock(time: object) -> str:
    """Local time of a line, to the millisecond."""
    if not isinstance(time, int | float) or isinstance(time, bool):
        return ""
    try:
        return f"{datetime.fromtimestamp(time):%H:%M:%S.%f}"[:12]
    except (ValueError, OverflowError, OSError):
        return ""
