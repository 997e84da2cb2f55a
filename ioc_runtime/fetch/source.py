"""From a Git source to the plugin's files: what is kept first, the server last."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ioc_runtime.fetch.cache import Sources, exchange, storage_failed
from ioc_runtime.fetch.credentials import Credentials
from ioc_runtime.fetch.failure import SOURCE_NOT_FOUND, FetchFailed
from ioc_runtime.fetch.git import Repository
from ioc_runtime.fetch.limits import Limits
from ioc_runtime.fetch.wanted import GitSource

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fetcher:
    """Where sources go, and how they are had."""

    into: Path
    """Directory of one task; its `files` are the plugin's."""
    cache: Path | None = None
    credentials: Credentials = field(default_factory=lambda: Credentials(None))
    limits: Limits = field(default_factory=Limits)
    say: Say = lambda text: None

    @property
    def files(self) -> Path:
        """The plugin's files, once they are there."""
        return self.into / "files"

    def fetch(self, source: GitSource, kept: str | None, present: str | None) -> dict[str, Any]:
        """Have the plugin's files in `files`; returns what there is to say of them.

        :param kept: the commit that the ref was found to be at an earlier start
        :param present: `GitSource.entry` of what `files` hold now, if they are whole
        :raises FetchFailed: they cannot be had; `files` are as they were
        """
        if source.pinned and kept is not None:
            self._have(source, kept, present)
            return source.says(kept)
        try:
            with self._repository(source) as repository:
                commit = repository.resolve()
                self._have(source, commit, present, repository)
            return source.says(commit)
        except FetchFailed as error:
            if kept is None or not error.unreachable:
                raise
            try:
                self._have(source, kept, present, only_here=True)
            except FetchFailed:
                raise error from None
            note = f"{error.reason}: the server was not reached, so the last commit is used"
            self.say(f"{error}; using {kept[:12]}, as before")
            return source.says(kept, note)

    def _have(
        self,
        source: GitSource,
        commit: str,
        present: str | None,
        repository: Repository | None = None,
        *,
        only_here: bool = False,
    ) -> None:
        entry = source.entry(commit)
        if present == entry and self.files.is_dir():
            self.say(f"{commit[:12]} is here already")
            return
        sources = Sources(self.cache)
        try:
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.into) as scratch:
                new = Path(scratch, "files")
                cached = sources.find(entry)
                if cached is not None:
                    self.say(f"{commit[:12]} comes from the cache")
                    shutil.copytree(cached, new, symlinks=True)
                elif only_here:
                    raise FetchFailed(SOURCE_NOT_FOUND, f"{commit} is not kept here")
                elif repository is not None:
                    repository.fetch(commit, new)
                else:
                    with self._repository(source) as repository:
                        repository.fetch(commit, new)
                exchange(new, self.files)
        except OSError as error:
            raise storage_failed(error) from None
        if cached is None and (trouble := sources.keep(entry, self.files, source.says(commit))):
            self.say(trouble)

    def _repository(self, source: GitSource) -> _Scratch:
        return _Scratch(self, source)


class _Scratch:
    """A repository with its scratch directory, which goes with the block."""

    def __init__(self, fetcher: Fetcher, source: GitSource) -> None:
        self._fetcher, self._source = fetcher, source
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Repository:
        fetcher = self._fetcher
        try:
            self._directory = tempfile.TemporaryDirectory(prefix=".git-", dir=fetcher.into)
        except OSError as error:
            raise storage_failed(error) from None
        scratch = Path(self._directory.name)
        return Repository(self._source, fetcher.credentials, scratch, fetcher.limits, fetcher.say)

    def __exit__(self, *_: object) -> None:
        if self._directory is not None:
            self._directory.cleanup()
