"""What was made ready before this process started (`ioc_runtime.fetch`)."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger("ioc_runtime")


class NotFetched(Exception):
    """The outcome of the fetch cannot be read; one sentence."""


@dataclass(frozen=True)
class Fetched:
    """The plugin's files and packages on this machine."""

    directory: str | None = None
    """Its files; None for inline ones."""
    site: str | None = None
    """Directory of the packages it needs beyond those that are installed."""
    plan: str | None = None
    """File with the plan to serve, if it is another than the one that was given."""
    source: dict[str, Any] = field(default_factory=dict)
    """Where the files come from: url, ref, commit, path, note."""

    @classmethod
    def read(cls, path: Path) -> Fetched:
        """The outcome in a file.

        :raises NotFetched: it is not there, or not what it should be
        """
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NotFetched(f"{path} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise NotFetched(f"{path} is not JSON: {error}") from None
        if not isinstance(said, dict):
            raise NotFetched(f"{path}: expected an object")
        source = said.get("source")
        return cls(
            directory=_text(said.get("directory")),
            site=_text(said.get("site")),
            plan=_text(said.get("plan")),
            source=source if isinstance(source, dict) else {},
        )

    def use_packages(self) -> None:
        """Let imports find the plugin's packages, after all that is installed."""
        if self.site is None or self.site in sys.path:
            return
        sys.path.append(self.site)
        # Held until this process ends: whoever makes room in the cache leaves it alone.
        try:
            handle = os.open(os.path.join(self.site, os.pardir, "in-use"), os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_SH)
        except OSError as error:
            log.warning("the plugin's packages in %s cannot be held: %s", self.site, error)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
