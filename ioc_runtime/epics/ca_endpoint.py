"""A ca:// link's channel, made anew when it is lost: `Endpoint`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ioc_runtime.epics.cabi import ca
from ioc_runtime.plan import Link

if TYPE_CHECKING:
    from ioc_runtime.epics.ca import CaClient

_ASK_AGAIN = (5.0, 5.0, 10.0, 10.0, *[30.0] * 19)
"""Seconds between searches for a lost PV that start anew; ten minutes in all."""


class Endpoint:
    """A channel that is made anew when it is lost.

    libca itself waits up to 10 s before it looks for a lost channel, and then asks at
    intervals that double: a server that was away for a minute is found a minute later.
    A new channel is asked for at once, and again after the times of `_ASK_AGAIN`.
    """

    def __init__(self, client: CaClient, link: Link) -> None:
        self._client, self._link = client, link
        self._up_since: float | None = None
        self._open()

    def _open(self) -> None:
        self._channel = ca.Channel(self._link.name, self._connection, self._access)
        self._channel.open()
        self._client.flush_later()

    def _lost_it(self) -> None:
        """The channel went down. One that a server refused never was up: libca asks again."""
        up, self._up_since = self._up_since, None
        now = time.monotonic()
        if up is not None and now - up > 1.0:
            self._look_again()
        elif up is not None:  # not faster than once a second, whatever the server does
            self._client.thread.at(now + 1.0, self._still_lost, self._channel, -1)

    def _look_again(self, turn: int = 0) -> None:
        self._channel.close()
        self._open()
        if turn < len(_ASK_AGAIN):
            due = time.monotonic() + _ASK_AGAIN[turn]
            self._client.thread.at(due, self._still_lost, self._channel, turn)

    def _still_lost(self, channel: ca.Channel, turn: int) -> None:
        if channel is self._channel and channel.native < 0:
            self._look_again(turn + 1)

    def _connection(self, up: bool) -> None:
        raise NotImplementedError

    def _access(self, read: bool, write: bool) -> None:
        raise NotImplementedError
