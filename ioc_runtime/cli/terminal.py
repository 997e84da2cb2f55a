"""The terminal: colours where a person looks, plain text where a program reads."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console
from rich.text import Text

STYLES: Final = {
    "NO_ALARM": "green",
    "MINOR": "yellow",
    "MAJOR": "bold red",
    "INVALID": "bold magenta",
    "disconnected": "bold magenta",
}

STATES: Final = {
    "INIT": "cyan",
    "RUN": "bold green",
    "PAUSED": "bold yellow",
    "END": "dim",
    "ERROR": "bold red",
    "Running": "bold green",
    "Succeeded": "bold green",
    "Failed": "bold red",
    "AbortFailed": "bold red",
    "Stopping": "bold yellow",
    "Stopped": "bold yellow",
    "Aborting": "bold yellow",
    "Aborted": "bold yellow",
}
"""STATUS of a task, STATE of a job."""


def out() -> Console:
    """Standard output; rich leaves colours out when it is piped or NO_COLOR is set.

    No emoji: rich would draw a guardsman for the middle of `BL01:guard:alarm`.
    """
    return Console(file=sys.stdout, highlight=False, soft_wrap=True, emoji=False)


def err() -> Console:
    """Standard error, by the same rules."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True, emoji=False)


def note(text: str) -> None:
    """A line beside the output: what is going on."""
    err().print(text, style="dim", markup=False)


def printable(text: str) -> str:
    """`text` with control characters escaped: a PV must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def severity(name: str) -> Text:
    """An alarm severity in its colour; nothing at all for a value that is well."""
    return Text("" if name == "NO_ALARM" else name, STYLES.get(name, ""))


def examples(*lines: str) -> str:
    """The end of a command's help: one example per line."""
    return "Examples:\n\n" + "\n".join(f"* `{line}`" for line in lines)
