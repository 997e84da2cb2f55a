"""The serving process as its parent sees it: started, listened to, and never left behind."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

from ioc_runtime.cli.terminal import printable

Event = dict[str, Any]
"""What the process said (docs/architecture.md), or one of our own:

`{"say": "stderr", "text": ...}` for a line on its standard error, and, last,
`{"say": "ended", "code": ...}` with its exit code, negative for a signal.
"""


class Child:
    """`python -m ioc_runtime PLAN` with its lines in a queue.

    It has a process group of its own, so that Ctrl-C reaches it once, through us,
    and it leaves by itself when its standard input ends: a parent that is killed
    leaves nothing behind.
    """

    def __init__(
        self,
        plan: Path,
        options: Sequence[str],
        events: queue.SimpleQueue[Event] | None = None,
    ) -> None:
        """`events`: a queue to go on with, that of the child whose place this one takes."""
        self.events: queue.SimpleQueue[Event] = events or queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ioc_runtime", str(plan), *options, "--with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self._listeners = [
            threading.Thread(target=self._listen, args=(stream, take), daemon=True)
            for stream, take in (
                (self._process.stdout, _spoken),
                (self._process.stderr, _complained),
            )
        ]
        for thread in self._listeners:
            thread.start()
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once; a stopped process too."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process.poll() is None:
            self.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def _listen(self, stream: IO[bytes], take: Any) -> None:
        for raw in stream:
            event = take(raw.decode("utf-8", "replace").rstrip())
            if event is not None:
                self.events.put(event)

    def _wait(self) -> None:
        code = self._process.wait()
        for thread in self._listeners:
            # A plugin's own child may keep the pipe open: do not wait for it.
            thread.join(timeout=1.0)
        self.events.put({"say": "ended", "code": code})


CHATTER: Final = re.compile(
    r"^(##|Starting iocInit|iocRun: All init|INFO: PVXS QSRV2 is loaded|cas WARNING:)"
    r"|pvxs\.tcp\.setup Server unable to bind port"
)
"""What the EPICS libraries print at each start, and what `ports` says better."""


def _spoken(line: str) -> Event | None:
    """A line of standard output; what is not ours (a plugin's print) is shown as it is."""
    if not line:
        return None
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict) and isinstance(event.get("say"), str):
        chatter = event["say"] == "log" and CHATTER.search(str(event.get("text")))
        return None if chatter else event
    return {"say": "printed", "text": printable(line)}


def _complained(line: str) -> Event | None:
    if not line or CHATTER.search(line):
        return None
    return {"say": "stderr", "text": printable(line)}
