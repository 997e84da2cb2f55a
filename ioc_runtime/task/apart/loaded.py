"""A plugin that was imported by a process of its own."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ioc_runtime.plan import Plan, to_json
from ioc_runtime.plugin.errors import PluginError
from ioc_runtime.plugin.fetched import Fetched
from ioc_runtime.task.apart.wire import Gone, Wire

LOADING: Final = 45.0
"""Seconds for an import, which gives up by itself after 30."""


class Process:
    """The plugin's process, once it has imported the plugin."""

    def __init__(self, plan: Plan, fetched: Fetched | None, directory: Path) -> None:
        """
        :param directory: for its temporary files; whoever made it removes it
        :raises PluginError: the plugin cannot be loaded
        """
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", __package__, str(theirs.fileno()), str(os.getpid())]
        with theirs:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | {"TMPDIR": str(directory)},
            )
        self.wire = Wire(ours)
        try:
            ours.settimeout(LOADING)
            said = fetched or Fetched()
            self.wire.send("load", to_json(plan), said.directory, said.site)
            self.cls, self.hooks, self.warnings = self._loaded()
            ours.settimeout(None)
        except BaseException:
            self.end(0.0)
            self.wire.close()
            raise

    def _loaded(self) -> tuple[str, frozenset[str], tuple[str, ...]]:
        while True:
            try:
                word, *given = self.wire.receive()
            except Gone:
                ended = self.end(1.0)
                how = self.how_it_ended() if ended else f"did not answer within {LOADING:g} s"
                raise PluginError(f"its process {how} while it was loaded") from None
            if word == "refused":
                raise PluginError(*given)
            if word == "loaded":
                name, hooks, warnings = given
                return name, frozenset(hooks), tuple(warnings)
            if word == "log":
                log(*given)

    def end(self, seconds: float) -> bool:
        """Wait until it has ended, and kill it then. False: it had to be killed."""
        try:
            self._popen.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            return False

    def how_it_ended(self) -> str:
        """`ended with exit code 3`, or `was ended by SIGSEGV`."""
        code = self._popen.returncode
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid


class LoadedApart:
    """Stands for `plugin.loader.Loaded` in the serving process, which imports nothing of it."""

    functions: Final[Mapping[str, Any]] = {}
    """A function of expressions runs in the evaluation: it cannot be elsewhere."""

    def __init__(self, plan: Plan, fetched: Fetched | None) -> None:
        """Import it.

        :raises PluginError: the plugin cannot be loaded
        """
        self.fetched = fetched
        try:
            self.directory = Path(tempfile.mkdtemp(prefix="ioc-plugin-"))
        except OSError as error:
            text = f"no temporary directory for the plugin's process: {error}"
            raise PluginError(text) from None
        try:
            self.process = Process(plan, fetched, self.directory)
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        self.warnings = self.process.warnings

    @property
    def name(self) -> str:
        """Of its class."""
        return self.process.cls

    def overrides(self, hook: str) -> bool:
        """Whether calling this hook does anything."""
        return hook in self.process.hooks

    def again(self, plan: Plan) -> Process:
        """Another process in place of one that has ended.

        :raises PluginError: the plugin cannot be loaded any more
        """
        self.process = Process(plan, self.fetched, self.directory)
        return self.process

    def close(self) -> None:
        """End the process and remove its temporary files."""
        self.process.end(0.0)
        self.process.wire.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def log(level: int, logger: str, text: str) -> None:
    """A line of the plugin's process."""
    found = logging.getLogger(logger)
    if found.isEnabledFor(level):
        found.log(level, "%s", text)
