"""`iocctl run --watch`: what is saved in the manifest comes into force in the running task.

The manifest is compiled here, in the parent, and the plan exchanged as a whole. What is
wrong with an edit is shown, and the last good one runs on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ioc_runtime.cli.failure import Failure
from ioc_runtime.plan import Plan, to_json

PERIOD: Final = 0.1
"""Seconds between two looks at the manifest."""

Tell = Callable[[str, str], None]
"""Shows a line: its level (ERROR, ...) and the text."""


@contextmanager
def watching(
    file: Path, compiled: Callable[[], Plan], offer: Callable[[Plan], None], tell: Tell
) -> Iterator[None]:
    """Offer what `compiled` makes of the file each time it is saved, until the block ends."""
    ended = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(file, compiled, offer, tell, ended), name="watch", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)


def _watch(
    file: Path,
    compiled: Callable[[], Plan],
    offer: Callable[[Plan], None],
    tell: Tell,
    ended: threading.Event,
) -> None:
    seen, judged = None, True  # it may have been saved since it was compiled
    while not ended.wait(PERIOD):
        look = _look(file)
        if look is None:
            continue  # an editor is about to put another one in its place
        if look != seen:
            seen, judged = look, False  # it may be half written: look again
        elif not judged:
            judged = True
            try:
                offer(compiled())
            except Failure as failure:
                for line in (*str(failure).splitlines(), "the last good one runs on"):
                    tell("ERROR", line)


def _look(file: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def exchange(path: Path, plan: Plan) -> None:
    """Put a plan in place of the one in a file; nobody reads half of it."""
    new = path.with_name(f".{path.name}")
    new.write_text(to_json(plan))
    new.replace(path)
