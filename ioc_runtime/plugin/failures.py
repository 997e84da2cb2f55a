"""What is made of a plugin's exceptions: said once, counted, and at some point enough."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from ioc_runtime.plugin.errors import TOO_MANY_FAILURES, Ended, Paused

REPEAT: Final = 1.0
"""Seconds in which the same failure is reported once."""

# The runner's: people silence loggers by their names.
_log = logging.getLogger("ioc_runtime.plugin.runner")


class Failures:
    """The failures of one plugin; `failed`, `recovered` and `ended` as of `PluginRunner`."""

    def __init__(
        self,
        describe: Callable[[BaseException], tuple[str, str]],
        most: int | None,
        clock: Callable[[], float],
        *,
        failed: Callable[[str, str], None],
        recovered: Callable[[], None],
        ended: Callable[[int, str], None],
    ) -> None:
        """`describe` gives a sentence and a traceback; `most` in a row are too many."""
        self._describe, self._most, self._clock = describe, most, clock
        self._failed, self._recovered, self._ended = failed, recovered, ended
        self._in_a_row: dict[str, int] = {}
        self._last_report: tuple[Any, float] = (None, 0.0)
        self.count = 0
        """Failures so far, the ones that were not reported included."""
        self.gave_up = False
        """Whether there were too many in a row."""

    def report(self, label: str, error: BaseException) -> None:
        """What `label` names has raised."""
        if isinstance(error, Paused | Ended):
            _log.info("%s was cut short: %s", label, error)  # not the plugin's fault
            return
        self.count += 1
        in_a_row = self._in_a_row[label] = self._in_a_row.get(label, 0) + 1
        gives_up = self._most is not None and in_a_row >= self._most
        sentence = ""
        if self._news(label, error) or gives_up:
            sentence = self._publish(label, error)
        if gives_up and not self.gave_up:
            self.gave_up = True
            tell(
                self._ended,
                TOO_MANY_FAILURES,
                f"{sentence} (failure {in_a_row} in a row: maxFailures)",
            )

    def background(self, label: str, error: BaseException) -> None:
        """A failure that no hook raised; there is no success that could end it."""
        self.count += 1
        if self._news(label, error):
            self._publish(label, error)

    def worked(self, label: str) -> None:
        """What `label` names has raised nothing this time."""
        if self._in_a_row and self._in_a_row.pop(label, 0) and not self._in_a_row:
            self._last_report = (None, 0.0)
            tell(self._recovered)

    def _publish(self, label: str, error: BaseException) -> str:
        what, trace = self._describe(error)
        sentence = f"plugin: {label} failed: {what}"
        tell(self._failed, sentence, trace)
        return sentence

    def _news(self, label: str, error: BaseException) -> bool:
        """Whether this failure differs from the last one, or that one is a while ago."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        kind = (label, type(error), trace and (trace.tb_frame.f_code, trace.tb_lineno))
        now = self._clock()
        last, when = self._last_report
        if kind == last and now - when < REPEAT:
            return False
        self._last_report = (kind, now)
        return True


def tell(callback: Callable[..., None], *args: Any) -> None:
    """Call what the task gave us; an exception of its own ends nothing here."""
    try:
        callback(*args)
    except Exception:
        _log.exception("a callback of the plugin's runner failed")
