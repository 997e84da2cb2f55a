"""The state file: latches and set-points that outlive the process.

`save` hands over a snapshot and returns at once; a thread of the file's own writes
the newest one (temporary file, fsync, rename, fsync of the directory), so what is on
the disk is always one whole snapshot. A file that cannot be read is moved aside and
said, never trusted in part. A lock keeps a second process away.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1
BAD_KEPT: Final = 5
"""Damaged files that are kept for a look at them."""
SIZE_MAX: Final = 16 * 2**20
"""Bytes of a state file that is read at all."""

Latches = Mapping[str, tuple[Any, str]]
"""Output -> (latched value, id of the rule that latched it or "")."""
Setpoints = Mapping[str, tuple[Any, Any]]
"""Input -> (value, the manifest's value at that time)."""

_log = logging.getLogger(__name__)


class StateError(Exception):
    """The state cannot be used at all: no directory, or another process has it."""


@dataclass(frozen=True)
class Restored:
    """What a state file held."""

    latches: dict[str, tuple[Any, str]] = field(default_factory=dict)
    setpoints: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    problem: str | None = None
    """Why what was there cannot be used: one sentence. None also when there was nothing."""


def default_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's directory for states: $XDG_STATE_HOME or ~/.local/state, ioc-operator.

    :raises StateError: there is no home directory either.
    """
    given = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(given):  # the specification ignores a relative one
        return Path(given) / "ioc-operator"
    home = environ.get("HOME", "") or os.path.expanduser("~")
    if not os.path.isabs(home):
        raise StateError("there is no home directory for the state: give one by --state")
    return Path(home) / ".local" / "state" / "ioc-operator"


def entry_name(prefix: str) -> str:
    """A file name for a PV prefix; two prefixes never have the same one.

    Letters, digits, `-` and `_` stay; any other byte is written as `%XX`.
    """
    name = "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 or byte in b"-_" else f"%{byte:02X}"
        for byte in prefix.encode("utf-8", "surrogatepass")
    )
    if len(name) > 200:  # longer than a PV name; the file itself holds the whole prefix
        name = f"{name[:180]}%%{zlib.crc32(name.encode()):08X}"
    return name or "%"


class StateFile:
    """The state of one prefix in a directory. `save` may be called from any thread.

    `problem(sentence)` is called from the file's thread when saving begins to fail or
    fails in another way, `problem(None)` when it works again. Failed saves are tried
    again every `retry` seconds.

    :raises StateError: with one sentence; names the process that has the state.
    """

    def __init__(
        self,
        directory: Path | str,
        prefix: str,
        problem: Callable[[str | None], None] = lambda text: None,
        *,
        retry: float = 1.0,
    ) -> None:
        self.directory = Path(directory)
        self.prefix = prefix
        self.path = self.directory / f"{entry_name(prefix)}.json"
        self._problem = problem
        self._retry = retry
        self._said: str | None = None
        self._news = threading.Condition()
        self._pending: tuple[Latches, Setpoints] | None = None
        self._busy = self._hurry = self._closing = False
        self._written: bytes | None = None
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        self._lock: int | None = self._take_lock()

    # reading

    def load(self) -> Restored:
        """What was saved last. A file that cannot be used is moved aside."""
        try:
            with self.path.open("rb") as file:
                data = file.read(SIZE_MAX + 1)
            return _decode(data, self.prefix)
        except FileNotFoundError:
            return Restored()
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
        except _Damaged as error:
            why = str(error)
        aside = self._move_aside()
        return Restored(problem=f"the state file {self.path} {why}; {aside}")

    def _move_aside(self) -> str:
        """Keep a bad file under another name; of those the newest `BAD_KEPT`."""
        stem = f"{self.path.name}.bad-"
        try:
            numbers = sorted(
                int(entry.name[len(stem) :])
                for entry in self.directory.iterdir()
                if entry.name.startswith(stem) and entry.name[len(stem) :].isdecimal()
            )
            target = self.path.with_name(f"{stem}{numbers[-1] + 1 if numbers else 1}")
            self.path.rename(target)
            for number in numbers[: max(0, len(numbers) + 1 - BAD_KEPT)]:
                self.path.with_name(f"{stem}{number}").unlink(missing_ok=True)
        except OSError as error:
            return f"it could not be moved aside either: {error.strerror or error}"
        return f"it was moved to {target.name}"

    # saving

    def save(self, latches: Latches, setpoints: Setpoints) -> None:
        """Save this snapshot; an older one that still waits is left out. Never waits."""
        with self._news:
            if self._closing:
                return
            self._pending = (dict(latches), dict(setpoints))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="state", daemon=True)
                self._thread.start()
            self._news.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all is on the disk, at most so many seconds. False: it is not."""
        with self._news:
            self._hurry = True
            self._news.notify_all()
            done = self._news.wait_for(lambda: self._pending is None and not self._busy, timeout)
            self._hurry = False
            return done

    def close(self) -> None:
        """Stop saving and give the lock back. What is not on the disk yet is not saved."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join(0.5)  # a disk that hangs does not hold up the exit
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _run(self) -> None:
        while (snapshot := self._next()) is not None:
            failed = self._try(snapshot)
            with self._news:
                self._busy = False
                if failed and self._pending is None:
                    self._pending = snapshot
                self._not_before = time.monotonic() + self._retry if failed else 0.0
                self._news.notify_all()

    def _next(self) -> tuple[Latches, Setpoints] | None:
        """Wait for a snapshot and, after a failure, for its time; None when closing."""
        with self._news:
            self._news.wait_for(lambda: self._closing or self._pending is not None)
            self._news.wait_for(
                lambda: self._closing or self._hurry, self._not_before - time.monotonic()
            )
            if self._closing:
                return None
            snapshot, self._pending = self._pending, None
            self._busy, self._hurry = True, False
            return snapshot

    def _try(self, snapshot: tuple[Latches, Setpoints]) -> bool:
        """Write one snapshot; True when it has to be tried again."""
        said: str | None = None
        try:
            self._write(_encode(*snapshot, self.prefix))
        except Exception as error:  # also what JSON cannot carry: to be said, not to end us
            why = (error.strerror if isinstance(error, OSError) else None) or error
            said = (
                f"the state cannot be saved in {self.path}: {why}; "
                "a restart now would lose latches and set-points"
            )
        if said != self._said:
            self._said = said
            try:
                self._problem(said)
            except Exception:
                _log.exception("a callback of the state file failed")
        return said is not None

    def _write(self, data: bytes) -> None:
        if data == self._written:
            return
        temporary = self.path.with_suffix(".tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            file = os.open(temporary, flags, 0o600)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fsync(file)
            finally:
                os.close(file)
            os.replace(temporary, self.path)
        except OSError:
            _remove(temporary)  # it may be what fills the disk
            raise
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self._written = data

    # the lock

    def _take_lock(self) -> int:
        path = self.path.with_suffix(".lock")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = _open_lock(path)
        except OSError as error:
            raise StateError(
                f"the state directory {self.directory} cannot be used: {error.strerror or error}"
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held = os.pread(file, 32, 0).decode("ascii", "replace").strip()
            os.close(file)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise StateError(f"{path} cannot be locked: {error.strerror}") from None
            raise StateError(
                f"the state of {self.prefix} in {self.directory} is in use by process "
                f"{held or '?'}: a task runs once at a time"
            ) from None
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full or read-only disk: the lock holds without its text
        return file


class _Damaged(Exception):
    """The content of a state file cannot be used."""


def _encode(latches: Latches, setpoints: Setpoints, prefix: str) -> bytes:
    state = {
        "latches": {name: list(pair) for name, pair in latches.items()},
        "setpoints": {name: list(pair) for name, pair in setpoints.items()},
    }
    whole = {"format": FORMAT, "prefix": prefix, "check": _check(state), "state": state}
    return json.dumps(whole, indent=1, sort_keys=True).encode() + b"\n"


def _decode(data: bytes, prefix: str) -> Restored:
    if not data:
        raise _Damaged("is empty")
    if len(data) > SIZE_MAX:
        raise _Damaged(f"is larger than {SIZE_MAX} bytes")
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        raise _Damaged("is damaged: it is not JSON") from None
    if not isinstance(whole, dict):
        raise _Damaged("is damaged: it is no state")
    if whole.get("format") != FORMAT:
        raise _Damaged(f"has format {whole.get('format')!r:.20}, this runtime reads {FORMAT}")
    if whole.get("prefix") != prefix:
        raise _Damaged(f"belongs to the prefix {whole.get('prefix')!r:.80}, not to {prefix!r}")
    state: Any = whole.get("state")
    if whole.get("check") != _check(state):
        raise _Damaged("is damaged: its check sum is wrong")
    try:
        latches = {name: (value, str(rule)) for name, (value, rule) in state["latches"].items()}
        setpoints = {name: (value, old) for name, (value, old) in state["setpoints"].items()}
    except (TypeError, ValueError, KeyError, AttributeError):
        raise _Damaged("is damaged: it is no state") from None
    return Restored(latches, setpoints)


def _check(state: Any) -> int:
    return zlib.crc32(json.dumps(state, sort_keys=True).encode())


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # enough to hold a lock


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass
