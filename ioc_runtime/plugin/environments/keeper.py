"""Run as a script, `python -I -S keeper.py COMMAND …`: a tool that dies with its builder.

Standard input is a pipe that the builder holds. When it closes, because the builder was
killed, the keeper kills its process group: itself, the tool and what the tool started.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def watch() -> None:
    """Until the builder is gone; then all of us."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main(command: list[str]) -> int:
    """The command's exit code; 128 + signal if one ended it, 127 if it cannot be started."""
    threading.Thread(target=watch, daemon=True).start()
    nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    try:
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=nothing)
    except OSError as error:
        print(f"error: {command[0]} cannot be started: {error.strerror}", flush=True)
        return 127
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
