"""Errors that plugins raise and see. Each text is one sentence for a person."""

from __future__ import annotations

from collections.abc import Iterable

BAD_PLUGIN = 15
"""Exit code: the specification, the source or the environment is bad."""
TOO_MANY_FAILURES = 12
"""Exit code: the plugin failed `maxFailures` times in a row."""


class PluginError(Exception):
    """The plugin cannot be loaded; the process ends with `exit_code`.

    `traceback` holds the frames of the plugin's own files, or "".
    """

    exit_code = BAD_PLUGIN

    def __init__(self, sentence: str, traceback: str = "") -> None:
        super().__init__(sentence)
        self.traceback = traceback


class TaskError(Exception):
    """A call from a plugin to its task cannot be carried out."""


class UnknownName(TaskError, KeyError):
    """The task has no input, output or parameter of that name."""

    def __str__(self) -> str:  # KeyError would put quotes around the sentence
        return str(self.args[0]) if self.args else ""


class NotLinked(UnknownName):
    """The input or output exists, but follows or drives no other PV."""


class BadValue(TaskError, ValueError):
    """A value does not fit the PV that it was meant for."""


class NotYours(TaskError, PermissionError):
    """Somebody else owns the PV: rules, a transform, or the source of a link."""


class Paused(TaskError, RuntimeError):
    """ENABLE is 0: nothing may be written until it is 1 again."""


class Ended(TaskError, RuntimeError):
    """The plugin has been stopped; what still runs of it may not write."""


class Stopped(TaskError, RuntimeError):
    """The run of a job is to end; what waits is woken by it."""


class InvalidInput(TaskError, OSError):
    """An input that is needed has no value that may be relied on."""


class Skip(Exception):  # noqa: N818 - no error: `raise Skip("beam is off")`
    """Ends `triggered()`: there was nothing to do in this cycle (TASK_STATUS SKIPPED)."""


class PutFailed(TaskError, OSError):
    """A put to another PV was refused, timed out, or has no connection."""


class NotAvailable(TaskError, RuntimeError):
    """Something optional is not installed, or no parameter says where it is."""


class ReadFailed(TaskError, OSError):
    """A PV could not be read: no answer in time, or a value that does not fit."""


def nearest(name: str, names: Iterable[str]) -> str:
    """`; nearest: 'x'` for an error text, or what there is when nothing is near."""
    from difflib import get_close_matches  # only an error needs it

    known = sorted(names)
    folded = {item.casefold(): item for item in known}
    close = get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
    if close:
        return f"; nearest: {folded[close[0]]!r}"
    if not known:
        return "; there is none"
    return f"; there are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
