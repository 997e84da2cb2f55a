"""Run as a script, `python -I -S keeper.py COMMAND …`: a tool that dies with its builder.

Standard input is a pipe that the builder holds. When it closes, because the builder has had
enough or was killed, the tool and what it started (its process group) are killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def main(command: list[str]) -> int:
    """The command's exit code; 128 + signal if one ended it, 127 if it cannot be started."""
    nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    try:
        tool = os.posix_spawn(command[0], command, os.environ, file_actions=nothing, setpgroup=0)
    except OSError as error:
        print(f"error: {command[0]} cannot be started: {error.strerror}", flush=True)
        return 127
    threading.Thread(target=_watch, args=(tool,), daemon=True).start()
    # Not reaped yet, its id still names its group and nobody else's.
    os.waitid(os.P_PID, tool, os.WEXITED | os.WNOWAIT)
    _kill(tool)
    code = os.waitstatus_to_exitcode(os.waitpid(tool, 0)[1])
    return code if code >= 0 else 128 - code


def _watch(tool: int) -> None:
    """Until the builder is gone; then the tool goes too."""
    while os.read(0, 1):
        pass
    _kill(tool)


def _kill(tool: int) -> None:
    try:
        os.killpg(tool, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # ended, with all of its group
        return


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
