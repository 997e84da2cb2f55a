"""One run of a tool: bounded in time and in space, its lines as they come, nothing left of it."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, cast

from ioc_runtime.plugin.environments.failure import EnvironmentFailed

KEEPER: Final = Path(__file__).with_name("keeper.py")
MOST_OUTPUT: Final = 200_000
"""Characters of a tool's output that are kept; of more, the end."""
END: Final = 10.0
"""Seconds that a killed tool may take to be gone."""
LOOK: Final = 1.0
"""Seconds between two looks at what `check` checks."""


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    *,
    deadline: float,
    line: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> tuple[int, str]:
    """Exit code and output (both streams) of a command.

    :param deadline: on the monotonic clock; the command's process group is killed then
    :param line: called with each line as it comes
    :param check: called about once a second; what it raises ends the command
    :raises EnvironmentFailed: Timeout
    """
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", str(KEEPER), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env=dict(environ),
        start_new_session=True,
    )
    try:
        output = _follow(child, deadline, line, check)
        return child.wait(max(0.0, deadline - time.monotonic()) + 1), output
    except subprocess.TimeoutExpired:
        raise _late() from None
    finally:
        _end(child)


def _follow(
    child: subprocess.Popen[bytes],
    deadline: float,
    line: Callable[[str], None],
    check: Callable[[], None],
) -> str:
    """All that the child says, until it closes its output."""
    source = cast(IO[bytes], child.stdout).fileno()
    kept, rest = "", b""
    next_look = time.monotonic() + LOOK
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise _late()
            if now >= next_look:
                check()
                next_look = time.monotonic() + LOOK
            if not selector.select(max(0.0, min(deadline, next_look) - now)):
                continue
            piece = os.read(source, 65536)
            *lines, rest = (rest + piece).split(b"\n")
            if not piece and rest:
                lines = [rest]
            for raw in lines:
                text = raw.decode(errors="replace").rstrip("\r")
                line(text)
                kept = f"{kept}{text}\n"[-MOST_OUTPUT:]
            if not piece:
                return kept


def _end(keeper: subprocess.Popen[bytes]) -> None:
    """The keeper kills what it keeps when its input closes."""
    for pipe in (keeper.stdin, keeper.stdout):
        if pipe is not None:
            pipe.close()
    try:
        keeper.wait(END)
    except subprocess.TimeoutExpired:  # stopped by somebody, or the disk hangs
        keeper.kill()
        keeper.wait()


def _late() -> EnvironmentFailed:
    return EnvironmentFailed("Timeout", "the time for it was over")
