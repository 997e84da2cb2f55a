"""`python -m ioc_runtime.task.apart DESCRIPTOR PID`: the process of one plugin.

DESCRIPTOR is this end of a socket, PID the serving process. What is said on it, as (word, ...):

| from the task | |
|---|---|
| load, plan, directory, packages | first: import the plugin; answered by loaded or refused |
| start, enabled | begin with `initialize` |
| changed, key, value, old / execute | what there is to do |
| pause / resume / reload, plan / stop, seconds | as of the runner |
| answer, number, error, value | to a call |

| from here | |
|---|---|
| loaded, class, hooks, warnings / refused, sentence, traceback | once |
| call, number, method, arguments | of `RemoteHost` |
| failed, sentence, traceback / recovered / ended, code, sentence | as of the runner |
| executed | the execute that was asked for is done |
| state, {…} | of the runner, when it has changed |
| log, level, logger, text | |

The process ends when the task does, or when it is told to.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from typing import Any, Final

from ioc_runtime.epics.cabi.parent import end_with
from ioc_runtime.plan import Plan, from_json
from ioc_runtime.plugin.api import HOOKS
from ioc_runtime.plugin.errors import PluginError
from ioc_runtime.plugin.fetched import Fetched
from ioc_runtime.plugin.loader import Loaded, load
from ioc_runtime.plugin.runner import PluginRunner
from ioc_runtime.task.apart.host import RemoteHost
from ioc_runtime.task.apart.wire import Gone, Wire

LOOK: Final = 0.05
"""Seconds between two looks at the runner's state."""
BUSY: Final = 0.5
"""Seconds after which it is told where a hook is."""


def main(descriptor: int, parent: int) -> int:
    """Serve one plugin; returns the exit code."""
    end_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the task says when
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="replace", closefd=False)
    wire = Wire(socket.socket(fileno=descriptor))
    _log_to(wire)
    try:
        _, text, directory, packages = wire.receive()
        plan = _here(from_json(text))
        Fetched(site=packages).use_packages()
        try:
            loaded = load(plan, directory=directory)
        except PluginError as error:
            wire.send("refused", str(error), error.traceback)
            return error.exit_code
        hooks = [hook for hook in HOOKS if loaded.overrides(hook)]
        wire.send("loaded", loaded.cls.__name__, hooks, loaded.warnings)
        try:
            _run(wire, plan, loaded)
        finally:
            loaded.close()
    except Gone:
        pass
    return 0


def _here(plan: Plan) -> Plan:
    """The plan, to be run in this process."""
    plugin = plan.plugin
    return plan if plugin is None else replace(plan, plugin=replace(plugin, isolation="thread"))


def _run(wire: Wire, plan: Plan, loaded: Loaded) -> None:
    _, enabled = wire.receive()
    host = RemoteHost(wire, plan, enabled)
    runner = _Runner(wire, plan, loaded, host)
    if not enabled:
        runner.pause()
    runner.start()
    watch = _Watch(wire, runner)
    while True:
        word, *given = wire.receive()
        if word == "answer":
            host.answered(*given)
        elif word == "changed":
            watch.seen += 1
            runner.changed(*given)
        elif word == "execute":
            watch.seen += 1
            if not runner.execute():
                wire.send("executed")
        elif word == "pause":
            host.enabled = False
            runner.pause()
        elif word == "resume":
            host.enabled = True
            runner.resume()
        elif word == "reload":
            host.plan = _here(from_json(given[0]))
            runner.reload(host.plan)
        elif word == "stop":
            host.running = False
            # What it still writes is answered in this thread.
            threading.Thread(target=_stop, args=(wire, runner, *given), daemon=True).start()


def _stop(wire: Wire, runner: PluginRunner, seconds: float) -> None:
    runner.stop(seconds)
    wire.close()


class _Runner(PluginRunner):
    """Tells the task what comes of it."""

    def __init__(self, wire: Wire, plan: Plan, loaded: Loaded, host: RemoteHost) -> None:
        def tell(word: str) -> Any:
            return lambda *given: wire.send(word, *given)

        words = {word: tell(word) for word in ("failed", "recovered", "ended")}
        super().__init__(plan, loaded, host, **words)
        self._wire = wire

    @property
    def heard(self) -> set[str]:
        """Inputs that a callback hears of."""
        return set(self._heard)

    async def _work(self, hook: str, args: tuple[Any, ...]) -> None:
        await super()._work(hook, args)
        if hook == "execute":
            self._wire.send("executed")


class _Watch:
    """Tells the state of the runner when it has changed."""

    def __init__(self, wire: Wire, runner: PluginRunner) -> None:
        self.seen = 0
        """Pieces of work that have arrived."""
        self._wire, self._runner = wire, runner
        threading.Thread(target=self._look, name="state", daemon=True).start()

    def _look(self) -> None:
        told: dict[str, Any] = {}
        while True:
            seen = self.seen  # first: what comes meanwhile is not among what was done
            runner = self._runner
            busy = runner.busy
            long = busy is not None and busy[1] > BUSY
            state = {
                "seen": seen,
                "idle": runner.idle,
                "initialized": runner.initialized,
                "heard": sorted(runner.heard),
                "failures": runner.failures,
                "coalesced": runner.coalesced,
                "busy": busy[0] if busy is not None and long else None,
                "where": runner.where() if long else "",
            }
            if state != told:
                try:
                    self._wire.send("state", state)
                except Gone:
                    return
                told = state
            time.sleep(LOOK)


class _Log(logging.Handler):
    """Every line goes to the task's log."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception as error:  # a plugin's wrong format string
            text = f"{record.msg!r} ({error})"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        try:
            self._wire.send("log", record.levelno, record.name, text)
        except Gone:
            pass


def _log_to(wire: Wire) -> None:
    root = logging.getLogger()
    root.handlers = [_Log(wire)]
    root.setLevel(logging.INFO)
    logging.getLogger("plugin").setLevel(logging.DEBUG)  # the task's LOG_LEVEL decides


if __name__ == "__main__":
    code = main(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.flush()
    os._exit(code)  # a thread of the plugin's that hangs holds nothing up
