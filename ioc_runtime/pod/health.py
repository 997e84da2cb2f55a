"""Whether the task is ready, and whether it lives: what the probes are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

STUCK: Final = 10.0
"""Seconds without a turn of the loop after which the task does not live any more."""

Answer = tuple[int, str]
"""Status of HTTP, and a sentence."""


class Health:
    """Asked by the probes' thread at any time; told by the main thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_turn: Callable[[], float] | None = None
        self._late: Callable[[], str] = str
        self._stopping = False

    def serving(self, last_turn: Callable[[], float]) -> None:
        """Records are served and the first evaluation is done.

        :param last_turn: when the loop began its last turn (monotonic): the loop's own
            word, since a thread that answers probes proves nothing but itself
        """
        self._last_turn = last_turn

    def reporting(self, late: Callable[[], str]) -> None:
        """Reports are sent.

        :param late: why the status has not been true for too long, or ""
        """
        self._late = late

    def stopping(self) -> None:
        """The end has begun: not ready any more, but alive."""
        self._stopping = True

    def ready(self) -> Answer:
        """For the startup and the readiness probe. Clients find the PVs in either case: the
        Service has pods that are not ready, too.
        """
        if self._stopping:
            return 503, "the task is stopping"
        if self._last_turn is None:
            return 503, "the task is starting"
        if trouble := self._stuck(self._last_turn) or self._late():
            return 503, trouble
        return 200, "the task serves its PVs"

    def live(self) -> Answer:
        """For the liveness probe; a start takes as long as the startup probe lets it."""
        if self._last_turn is None or self._stopping:
            return 200, "the task is starting or stopping"
        stuck = self._stuck(self._last_turn)
        return (503, stuck) if stuck else (200, "the loop turns")

    def answer(self, path: str) -> Answer:
        """What a request for a path is told."""
        if path == "/ready":
            return self.ready()
        if path == "/live":
            return self.live()
        return 404, "expected /ready or /live"

    def _stuck(self, last_turn: Callable[[], float]) -> str:
        age = self._clock() - last_turn()
        return f"the loop has not turned for {age:.0f} s" if age > STUCK else ""
