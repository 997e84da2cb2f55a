"""Talks to a rig's supervisor."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from .host import NAMESPACES, RigError, find, full_path

SUPERVISOR: Final = Path(__file__).with_name("supervisor.py")
START_TIMEOUT: Final = 20.0


def start_supervisor(
    control: Path, data: Path, hold: int | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start process 1 of a rig; returns the process that carries it, and its own pid.

    It holds the descriptor `hold` open, and with it the lock of the rig's slot. It ends
    when its standard input does, unless it is told to detach.
    """
    unshare = find(NAMESPACES[0]) or NAMESPACES[0]
    with (data / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            [unshare, *NAMESPACES[1:], sys.executable, "-I", SUPERVISOR, control, data],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[] if hold is None else [hold],
            start_new_session=True,
            env=os.environ | {"PATH": full_path()},
        )
    deadline = time.monotonic() + START_TIMEOUT
    while not control.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.communicate()
            said = (data / "supervisor.log").read_text().strip()
            raise RigError(f"the rig's supervisor did not start: {said[-1000:]}")
        time.sleep(0.005)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return process, int(children.split()[0])


def ask(control: Path, timeout: float = 60.0, **request: Any) -> Any:
    """Have the supervisor carry out a request; RigError with its words when it cannot."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(control))
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps(request).encode() + b"\n")
                stream.flush()
                answer = json.loads(stream.readline() or b'{"error": "it ended"}')
    except (OSError, ValueError) as error:
        raise RigError(f"the rig does not answer: {error}") from error
    if "error" in answer:
        raise RigError(f"the rig could not {request['do']}: {answer['error']}")
    return answer["ok"]


def inside(pid: int, argv: Sequence[str | Path]) -> list[str]:
    """The command line that runs a command in the namespaces of a supervisor."""
    target = ["--target", str(pid), "--net", "--mount", "--pid"]
    return [find("nsenter") or "nsenter", *target, "--", *map(str, argv)]
