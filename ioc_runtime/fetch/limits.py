"""How much, how many and how long a source may be, and who watches over it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ioc_runtime.fetch.failure import TIMEOUT, TOO_LARGE, FetchFailed

MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What a source may take at most."""

    plugin_bytes: int = 100 * MIB
    """Of all files of the plugin."""
    plugin_files: int = 10_000
    transfer_bytes: int = 500 * MIB
    """On the disk while it is being fetched: the repository at one commit, packed and not."""
    seconds: float = 120.0
    quiet: float = 15.0
    """Seconds in which nothing arrives and nothing is said: within 30 s it stands in the status."""


class Watch:
    """One fetch against its limits. `check` is called often, while something runs."""

    def __init__(
        self, limits: Limits, directory: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`directory` is where the repository arrives."""
        self.limits, self._directory, self._clock = limits, directory, clock
        self._began = self._moved = clock()
        self._size = -1

    def moved(self) -> None:
        """There is a sign of life."""
        self._moved = self._clock()

    @property
    def left(self) -> float:
        """Seconds until the time is over."""
        return self._began + self.limits.seconds - self._clock()

    def check(self) -> None:
        """Look at time and size.

        :raises FetchFailed: `Timeout` or `TooLarge`
        """
        limits = self.limits
        size = bytes_below(self._directory)
        if size != self._size:
            self._size = size
            self.moved()
        if size > limits.transfer_bytes:
            raise FetchFailed(
                TOO_LARGE,
                f"the repository has more than {limits.transfer_bytes // MIB} MiB at this commit",
            )
        now = self._clock()
        if now - self._began >= limits.seconds:
            text = f"the source did not come within {limits.seconds:g} s"
            raise FetchFailed(TIMEOUT, text, unreachable=True)
        if now - self._moved >= limits.quiet:
            text = f"the server has said nothing for {limits.quiet:g} s"
            raise FetchFailed(TIMEOUT, text, unreachable=True)


def bytes_below(directory: Path) -> int:
    """Bytes of all files below a directory that is being written to."""
    total = 0
    for where, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total
