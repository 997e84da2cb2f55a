"""A directory of a Git repository at one commit, through GitPython and the git program."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from ioc_runtime.fetch.credentials import Credentials
from ioc_runtime.fetch.failure import (
    AUTH_FAILED,
    BAD_SOURCE,
    FETCH_FAILED,
    HOST_KEY_MISMATCH,
    REF_NOT_FOUND,
    FetchFailed,
)
from ioc_runtime.fetch.limits import Limits, Watch
from ioc_runtime.fetch.tree import inside, take
from ioc_runtime.fetch.wanted import GitSource, is_commit
from ioc_runtime.fetch.words import clean, failure

NETWORK: Final = "https:http:ssh:git"
"""Transports that a repository on the network, or a submodule of it, may come by."""
LOOK: Final = 0.1
"""Seconds between two looks at a git that runs."""
MOST_WORDS: Final = 20_000

Say = Callable[[str], None]


class Repository:
    """One address, and the credentials for it. Whatever git runs, it runs within limits."""

    def __init__(
        self, source: GitSource, credentials: Credentials, scratch: Path, limits: Limits, say: Say
    ) -> None:
        """`scratch` is a directory of ours, which the caller removes."""
        self._source, self._credentials = source, credentials
        self._work = scratch / "work"
        self._work.mkdir()
        self._watch = Watch(limits, scratch)
        self._limits, self._say = limits, say
        local = "://" not in source.url and ":" not in source.url.partition("/")[0]
        local = local or source.url.startswith("file://")
        # A submodule of a repository on the network is no file of this machine.
        allowed = f"file:{NETWORK}" if local else NETWORK
        self._environment = (
            os.environ | credentials.environment(source.url) | {"GIT_ALLOW_PROTOCOL": allowed}
        )

    def resolve(self) -> str:
        """The commit that the ref is at now.

        :raises FetchFailed: the server, the repository or the ref is not to be had
        """
        ref = self._source.ref
        if is_commit(ref):
            return ref
        self._say(f"asking {self._shown} for {ref}")
        wanted = _spellings(ref)
        patterns = [spelling for name in wanted for spelling in (name, f"{name}^{{}}")]
        listed = self._git("ls-remote", "--", self._source.url, *patterns, what=self._shown)
        found = {}
        for line in listed.splitlines():
            commit, _, name = line.partition("\t")
            if is_commit(commit):
                found[name] = commit
        for name in wanted:
            if name in found:  # of an annotated tag the commit, not the tag
                return found.get(f"{name}^{{}}", found[name])
        raise FetchFailed(REF_NOT_FOUND, self._no_ref())

    def fetch(self, commit: str, target: Path) -> None:
        """Put the plugin's files at this commit into the new directory `target`.

        :raises FetchFailed: they cannot be had, or are not what a plugin may be
        """
        self._say(f"fetching {commit[:12]} of {self._shown}")
        self._git("init", "--quiet", ".", what="git init")
        self._git("remote", "add", "--", "origin", self._source.url, what="git remote")
        try:
            self._shallow(commit)
        except FetchFailed as error:
            if error.reason not in (REF_NOT_FOUND, FETCH_FAILED):
                raise
            self._all(commit)  # some servers give no commit that is no tip of a branch
        self._check_out(commit)
        take(inside(self._work, self._source.path), target, self._limits)

    def _shallow(self, commit: str) -> None:
        # No tags, and of a large repository only the files that are checked out.
        some = ["--filter=blob:none"] if self._source.path else []
        options = ["--progress", "--depth=1", "--no-tags", *some]
        self._git("fetch", *options, "origin", commit, what=self._shown)

    def _all(self, commit: str) -> None:
        refs = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        self._git("fetch", "--progress", "origin", *refs, what=self._shown)
        try:
            self._git("cat-file", "-e", f"{commit}^{{commit}}", what=commit)
        except FetchFailed:
            raise FetchFailed(REF_NOT_FOUND, self._no_commit(commit)) from None

    def _check_out(self, commit: str) -> None:
        if self._source.path:
            self._git("sparse-checkout", "set", "--no-cone", f"/{self._source.path}/", what="git")
        self._git("checkout", "--progress", "--quiet", "--detach", commit, what=self._shown)
        if self._source.submodules:
            self._say("fetching its submodules")
            self._have_submodules()

    def _have_submodules(self) -> None:
        """Those of the plugin's directory; of a directory that is part of one, all there are."""
        path = self._source.path
        for below in (["--", path], []) if path else ([],):
            try:
                options = ["--init", "--recursive", "--depth=1", "--progress"]
                what = f"a submodule of {self._shown}"
                self._git("submodule", "update", *options, *below, what=what)
                return
            except FetchFailed as error:
                if below and "did not match any file" in str(error):
                    continue
                if error.reason == BAD_SOURCE:
                    text = f"{error} (expected submodules with addresses on the network)"
                    raise FetchFailed(BAD_SOURCE, text) from None
                raise

    @property
    def _shown(self) -> str:
        return clean(self._source.url, self._credentials.secrets)

    def _no_ref(self) -> str:
        return f"{self._shown} has no branch or tag {self._source.ref!r}"

    def _no_commit(self, commit: str) -> str:
        return (
            f"{self._shown} has no commit {commit}: a branch that was written anew does not "
            "keep the old ones"
        )

    def _git(self, *arguments: str, what: str) -> str:
        """Standard output of a git command in the work directory."""
        code, said, told = _run(self._work, arguments, self._environment, self._watch)
        if code == 0:
            return said
        told = told.replace(f"{self._work}/", "")  # nobody has ever seen that directory
        found = failure(told, what, self._credentials.secrets)
        if found.reason == AUTH_FAILED:
            raise FetchFailed(AUTH_FAILED, f"{found} ({self._had()})")
        if found.reason == HOST_KEY_MISMATCH and "known_hosts" not in self._credentials.files:
            raise FetchFailed(found.reason, f"{found} (there is no known_hosts to compare with)")
        raise found

    def _had(self) -> str:
        files = self._credentials.files
        return f"with {', '.join(files)}" if files else "no credentials were given"


def _spellings(ref: str) -> list[str]:
    """What a ref may be on the server, the most likely first."""
    if ref == "HEAD" or ref.startswith("refs/"):
        return [ref]
    return [f"refs/heads/{ref}", f"refs/tags/{ref}"]


def _run(
    where: Path, arguments: Sequence[str], environment: Mapping[str, str], watch: Watch
) -> tuple[int, str, str]:
    """Run git in a process group of its own; (exit code, output, what it told)."""
    handle = _start(where, arguments, environment)
    process = handle.proc
    output, told = _Reader(process.stdout), _Reader(process.stderr, watch.moved)
    try:
        while True:
            watch.check()
            try:
                code = process.wait(LOOK)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        _end(process)
        handle.proc = None  # else it would look for the process once more
    return code, output.text(), told.text()


def _start(where: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> Any:
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from git import Git
    from git.exc import GitCommandNotFound

    try:
        return Git(where).execute(
            ["git", *arguments],
            as_process=True,
            env=dict(environment),
            start_new_session=True,
        )
    except GitCommandNotFound:
        text = "there is no git program here: expected one in the image, or on this machine"
        raise FetchFailed(FETCH_FAILED, text) from None


def _end(process: Any) -> None:
    """Make sure that git and all it has started are gone."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class _Reader:
    """Reads a pipe to its end, whoever holds it open, and keeps the last of it."""

    def __init__(self, stream: IO[bytes], moved: Callable[[], None] = lambda: None) -> None:
        self._stream, self._moved = stream, moved
        self._kept = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._stream.fileno(), 65536):
            self._moved()
            self._kept = (self._kept + chunk)[-MOST_WORDS:]

    def text(self) -> str:
        self._thread.join(2.0)
        if not self._thread.is_alive():
            self._stream.close()
        return self._kept.decode("utf-8", "replace")
