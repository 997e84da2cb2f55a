"""Which fields of running records an edit of the plan changes. Pure.

Only fields that say how a value is shown and judged; what a record is stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ioc_runtime.epics.declare import STATE_KEYS, Record

_TEXTS: Final = {"DESC": "", "EGU": ""}
_NUMBERS: Final = dict.fromkeys(("PREC", "LOPR", "HOPR", "DRVL", "DRVH"), "0")
_LIMITS: Final = dict.fromkeys(("LOLO", "LOW", "HIGH", "HIHI", "HYST"), "0")
_SEVERITIES: Final = dict.fromkeys(
    ("LLSV", "LSV", "HSV", "HHSV", "ZSV", "OSV", *(f"{key}SV" for key in STATE_KEYS)), "NO_ALARM"
)
_JUDGING: Final = _LIMITS.keys() | _SEVERITIES.keys()

CHANGEABLE: Final[dict[str, str]] = _TEXTS | _NUMBERS | _LIMITS | _SEVERITIES
"""Fields that may change while a record is served, and what they are when nothing is said."""


@dataclass(frozen=True)
class Edit:
    """New fields of one record."""

    record: str
    """Without the prefix."""
    slot: int
    """Of the engine."""
    fields: dict[str, str]

    @property
    def judges(self) -> bool:
        """Whether the alarm of the present value can be another one now."""
        return not _JUDGING.isdisjoint(self.fields)


@dataclass(frozen=True)
class Edits:
    """All that another plan of the same shape changes in the records of signals."""

    records: list[Record]
    """As they are then, in the order of the engine's slots."""
    changes: list[Edit]


def edits(old: Sequence[Record], new: list[Record]) -> Edits:
    """What has to change; both in the order of the engine's slots."""
    changes = [
        Edit(before.name, slot, changed)
        for slot, (before, after) in enumerate(zip(old, new, strict=True))
        if (changed := _changed(before.fields, after.fields))
    ]
    return Edits(new, changes)


def _changed(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    wanted = {
        name: new.get(name, CHANGEABLE[name]) for name in CHANGEABLE if name in old or name in new
    }
    return {name: text for name, text in wanted.items() if text != old.get(name, CHANGEABLE[name])}
