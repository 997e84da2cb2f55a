"""What the operator says of a task or job: conditions, reasons, Events."""

from __future__ import annotations

from collections.abc import Mapping

from ioc_operator.conditions import CONDITIONS, REASONS
from ioc_operator.status.transitions import EVENTS
from scripts.reference.markdown import code, table
from scripts.reference.remedies import REMEDIES


def conditions() -> str:
    """Types of conditions."""
    return _words("Condition", CONDITIONS)


def reasons() -> str:
    """Reasons of conditions, and what to do about each."""
    rows = [(code(word), text, REMEDIES[word]) for word, text in REASONS.items()]
    return table(("Reason", "Meaning", "Do"), rows)


def events() -> str:
    """Reasons of Events that are not those of conditions as well."""
    return _words("Event", EVENTS)


def _words(head: str, meanings: Mapping[str, str]) -> str:
    return table((head, "Meaning"), [(code(word), text) for word, text in meanings.items()])
