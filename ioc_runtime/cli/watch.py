"""`iocctl run --watch`: what is saved comes into force in the running task.

The manifest is compiled here, in the parent. A plan that the process can take over is
exchanged as a whole. Where a new process is needed (other PVs, other code) it is tried first,
in a child that only loads the plugin, and then the process is started anew; latches and
set-points go over by the state file. What is wrong with an edit is shown, and the last good
one runs on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from ioc_runtime.cli.failure import Failure
from ioc_runtime.cli.plugin_files import Look, PluginFiles
from ioc_runtime.cli.terminal import printable
from ioc_runtime.plan import Plan, to_json
from ioc_runtime.shape import difference, plan_shape

PERIOD: Final = 0.1
"""Seconds between two looks at the files."""
LOADING: Final = 40.0
"""Seconds that loading a plugin may take, which gives up after 30 s by itself."""


class Running(Protocol):
    """The running task, as it is changed from here; every method from any thread."""

    def offer(self, plan: Plan) -> None:
        """Let it take over a plan of the same shape."""

    def restart(self, plan: Plan, why: str, since: float, made_ready: Sequence[str] = ()) -> None:
        """Start it anew with a plan; `since` is when the edit was seen, monotonic."""

    def tell(self, level: str, text: str) -> None:
        """Show a line."""


class Watcher:
    """Looks at a manifest and at the plugin's directory that it names."""

    def __init__(
        self,
        file: Path,
        plan: Plan,
        compiled: Callable[[], Plan],
        make_ready: Callable[[Plan], list[str]] = lambda plan: [],
    ) -> None:
        """Make it before the process is started, so that no edit falls in between.

        :param plan: what the process is started with
        :param compiled: makes a plan of what the file holds now, or raises `Failure`
        :param make_ready: has the plugin's code and packages there, and gives the options
            that name them; or raises `Failure`
        """
        self._file, self._plan, self._compiled = file, plan, compiled
        self._make_ready = make_ready
        self._files = _plugin_files(plan, file)
        self._seen: tuple[tuple[int, ...] | None, Look] | None = None
        self._judged = True
        self._since = 0.0

    def turn(self, running: Running) -> None:
        """One look; an edit is judged when the next look finds it unchanged."""
        found = (_look(self._file), self._files.look())
        if found[0] is None:
            return  # an editor is about to put another one in its place
        if found != self._seen:
            if self._judged:
                self._since = time.monotonic()
            self._seen, self._judged = found, False  # it may be half written: look again
        elif not self._judged:
            self._judged = True
            try:
                self._judge(running, found[1])
            except Failure as failure:
                for line in (*str(failure).splitlines(), "the last good one runs on"):
                    running.tell("ERROR", line)

    def _judge(self, running: Running, look: Look) -> None:
        saved = self._files.changed(look)
        plan = self._compiled()
        if not saved and plan_shape(plan) == plan_shape(self._plan):
            self._plan = plan
            running.offer(plan)
            return
        made_ready = self._make_ready(plan)
        if plan.plugin is not None:
            check(plan, made_ready)
        why = _names(saved) if saved else difference(self._plan, plan)
        if plan.plugin != self._plan.plugin:
            self._files = _plugin_files(plan, self._file)
        else:
            self._files.taken(look)
        self._plan = plan
        running.restart(plan, why, self._since, made_ready)


@contextmanager
def watching(watcher: Watcher, running: Running) -> Iterator[None]:
    """Keep looking until the block ends."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(PERIOD):
            watcher.turn(running)

    thread = threading.Thread(target=work, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)


def check(plan: Plan, made_ready: Sequence[str] = ()) -> None:
    """Load the plugin in a child that ends at once.

    :param made_ready: `--plugin FILE`, if it was fetched
    :raises Failure: it cannot be loaded: file, line and why
    """
    with tempfile.TemporaryDirectory(prefix="iocctl-") as directory:
        path = Path(directory, "plan.json")
        path.write_text(to_json(plan))
        command = [sys.executable, "-m", "ioc_runtime.plugin.check", str(path), *made_ready[1:]]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LOADING,
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"plugin: it is not loaded within {LOADING:g} s") from None
    if done.returncode:
        lines = [printable(line) for line in (done.stdout or done.stderr).splitlines() if line]
        raise Failure("plugin: " + ("\n".join(lines[:30]) or f"exit code {done.returncode}"))


def _plugin_files(plan: Plan, file: Path) -> PluginFiles:
    plugin = plan.plugin
    if plugin is None or plugin.directory is None:
        return PluginFiles(None, file)
    return PluginFiles(Path(plugin.directory), file, plugin.requirements_from)


def _names(files: list[str]) -> str:
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"{', '.join(map(printable, files[:3]))}{more} changed"


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
