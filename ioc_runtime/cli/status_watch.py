"""`iocctl status --watch`: tasks and jobs as they change, until a signal."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from ioc_runtime.cli import terminal
from ioc_runtime.cli.cluster import Cluster, Object
from ioc_runtime.cli.condition_table import mapping, plain, row, table
from ioc_runtime.cli.failure import Exit
from ioc_runtime.cli.following import Following, Key
from ioc_runtime.cli.witness import Witness

REDRAW: Final = 1.0
"""Seconds between two pictures of a table that is followed: ages go on."""
AGAIN: Final = 5.0
"""Seconds between two looks for the operator and its pods."""


def follow(cluster: Cluster, place: str | None, name: str | None) -> Exit:
    """Show changes until a signal; whether all was well at the end.

    :raises Failure: the cluster cannot be read
    """
    following = Following(cluster, place, name)
    following.start()
    watching = _Watching(following, Witness(cluster, place), place)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if name is not None and not following.items:
            terminal.note(f"there is no task or job {name!r} in namespace {place} yet")
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            watching.draw()
        watching.tell()
    except KeyboardInterrupt:
        pass
    items = watching.items.values()
    well = all(row(item).well for item in items) and (name is None or bool(items))
    return Exit.OK if well else Exit.FAILED


def as_table(items: Sequence[Object], place: str | None) -> RenderableType:
    """The table of `status`; a column for the namespace where all are looked at."""
    return table([row(item) for item in items], datetime.now(UTC), namespaces=place is None)


class _Watching:
    """What is shown: the objects as far as they can be believed, and what there is to say."""

    def __init__(self, following: Following, witness: Witness, place: str | None) -> None:
        self._following, self._witness, self._place = following, witness, place
        self._looked = float("-inf")
        self._pods: dict[Key, object] = {}
        """The pods that statuses spoke of when we looked for them."""
        self._words = ""
        self.items: dict[Key, Object] = {}

    def draw(self) -> None:
        """For ever: a table that is redrawn."""
        from rich.live import Live

        keys = list(self._following.items)
        with Live(console=terminal.out(), auto_refresh=False) as live:
            while True:
                self._take(keys)
                trouble = self._following.trouble and f"old: {self._following.trouble}"
                lines = [Text(line, "bold yellow") for line in (trouble, self._words) if line]
                picture = as_table(list(self.items.values()), self._place)
                live.update(Group(picture, *lines), refresh=True)
                keys = self._following.changed(REDRAW)

    def tell(self) -> None:
        """For ever: a line with the time for each row that is not as it was."""
        shown: dict[Key, str] = {}
        keys, trouble, words = list(self._following.items), "", ""
        while True:
            keys = self._take(keys)
            if self._words not in ("", words):
                _say(self._words)
            words = self._words
            for key in keys:
                item = self.items.get(key)
                line = f"{key[2]} is deleted"
                if item is not None:
                    line = plain(row(item), namespaces=self._place is None)
                if shown.get(key) != line:
                    _say(line)
                shown[key] = line
            if self._following.trouble not in ("", trouble):
                _say(self._following.trouble)
            trouble = self._following.trouble
            keys = self._following.changed(REDRAW)

    def _take(self, keys: Sequence[Key]) -> list[Key]:
        """Take over what has changed, and now and then look whether the rest still holds.

        :returns: what may not be as it was
        """
        found = self._following.items
        if found and time.monotonic() >= self._looked + AGAIN:
            self._witness.look(found.values(), patience=0.0)
            self._looked = time.monotonic()
            self._pods = {key: _pod(item) for key, item in found.items()}
            self._words = self._witness.words(found.values())
            keys = [*found, *keys]
        for key in keys:
            if key in found:
                # Another pod is newer than our look.
                known = self._pods.get(key) == _pod(found[key])
                self.items[key] = self._witness.believed(found[key], pods=known)
            else:
                self.items.pop(key, None)
        return sorted(set(keys))


def _pod(item: Object) -> object:
    return mapping(mapping(item.get("status")).get("pod")).get("uid")


def _say(line: str) -> None:
    print(f"{datetime.now():%H:%M:%S}  {line}", flush=True)
