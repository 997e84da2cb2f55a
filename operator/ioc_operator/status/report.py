"""What a runtime says of itself in `status.runtime`, read with care.

The field takes any JSON: the runtime may be newer than we are, older, or not ours at
all. Whatever is not as expected is None or left out here, never an error, and what is
None is not known: nothing good follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ioc_operator.conditions import cut, moment
from ioc_runtime.standard import JOB_STATES, STATUS_STATES

PLUGIN_STATES: Final = ("none", "loaded", "failed", "ended")
MOST_NAMES: Final = 20
_LONGEST_NAME: Final = 128
_LARGEST: Final = 1_000_000


@dataclass(frozen=True)
class Links:
    """How many links of one direction are up."""

    connected: int
    total: int
    disconnected: tuple[str, ...]
    """Some of their names, at most `MOST_NAMES`."""

    @property
    def complete(self) -> bool:
        """Whether all are up."""
        return self.connected == self.total


@dataclass(frozen=True)
class Refused:
    """A configuration that the runtime did not take over."""

    config_hash: str
    reason: str
    text: str


@dataclass(frozen=True)
class Report:
    """One report; `None` is what it does not say in a way we understand."""

    pod_uid: str | None = None
    config_hash: str | None = None
    time: datetime | None = None
    state: str | None = None
    message: str = ""
    inputs: Links | None = None
    rules_invalid: tuple[str, ...] | None = None
    """Ids; None when it says nothing of them."""
    plugin: str | None = None
    refused: Refused | None = None
    error: str = ""
    """The last error, in a sentence."""
    job_run: int | None = None
    job_state: str | None = None
    exit_code: int | None = None
    result: Any = None


def read_report(raw: object) -> Report:
    """The report in a value of any kind; an empty one where it is none."""
    if not isinstance(raw, Mapping):
        return Report()
    rules, plugin, error, job = (
        _map(raw.get(key)) for key in ("rules", "plugin", "lastError", "job")
    )
    return Report(
        pod_uid=_word(raw.get("podUID")),
        config_hash=_word(raw.get("configHash")),
        time=moment(raw.get("time")),
        state=_one_of(raw.get("state"), STATUS_STATES),
        message=_text(raw.get("message")),
        inputs=_links(raw.get("inputs")),
        rules_invalid=_names(rules.get("invalid")) if rules else None,
        plugin=_one_of(plugin.get("state"), PLUGIN_STATES),
        refused=_refused(raw.get("refused")),
        error=_text(error.get("text")) or _text(error.get("reason")),
        job_run=_count(job.get("run")),
        job_state=_one_of(job.get("state"), JOB_STATES),
        exit_code=_count(job.get("exitCode")),
        result=job.get("result"),
    )


def _links(raw: object) -> Links | None:
    fields = _map(raw)
    connected, total = _count(fields.get("connected")), _count(fields.get("total"))
    names = _names(fields.get("disconnected", []))
    if connected is None or total is None or names is None:
        return None
    if len(names) > total - connected:  # says both that it is up and that it is not
        return None
    return Links(connected, total, names)


def _refused(raw: object) -> Refused | None:
    fields = _map(raw)
    wanted = _word(fields.get("configHash"))
    if wanted is None:
        return None
    return Refused(wanted, _word(fields.get("reason")) or "", _text(fields.get("text")))


def _names(raw: object) -> tuple[str, ...] | None:
    """A list of names; None where it is none, for then it may have named something."""
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        return None
    return tuple(cut(item, _LONGEST_NAME) for item in raw[:MOST_NAMES])


def _map(raw: object) -> Mapping[str, Any]:
    return raw if isinstance(raw, Mapping) else {}


def _word(raw: object) -> str | None:
    return raw if isinstance(raw, str) and 0 < len(raw) <= _LONGEST_NAME else None


def _one_of(raw: object, known: tuple[str, ...]) -> str | None:
    return raw if isinstance(raw, str) and raw in known else None


def _text(raw: object) -> str:
    return cut(raw) if isinstance(raw, str) else ""


def _count(raw: object) -> int | None:
    whole = isinstance(raw, int) and not isinstance(raw, bool)
    return raw if whole and isinstance(raw, int) and 0 <= raw <= _LARGEST else None
