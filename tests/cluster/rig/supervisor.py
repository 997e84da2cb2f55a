"""Process 1 of a rig: starts what it is told to, and takes everything along when it ends.

Run as a script: supervisor.py SOCKET DATA, in new mount and process namespaces. It
answers one JSON request per connection on SOCKET. It restarts nothing: a component
that dies is a finding. Standard input is the line to whoever started it: when that
ends the rig ends, unless `detach` came before.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Component:
    """A process that was started, and how it ended if it did."""

    argv: list[str]
    log: str
    process: subprocess.Popen[bytes] = field(repr=False)
    exit_code: int | None = None
    stopped: bool = False
    """Whether it was told to end."""

    @property
    def pid(self) -> int:
        return self.process.pid


class Supervisor:
    """All components of a rig, by name."""

    def __init__(self) -> None:
        self.components: dict[str, Component] = {}
        self.detached = False

    def answer(self, request: dict[str, Any]) -> Any:
        """Carry out one request; what it returns or raises goes back as the answer."""
        match request:
            case {"do": "start", "name": str(name), **rest}:
                return self.start(name, rest.get("argv"), rest.get("log"))
            case {"do": "stop", "name": str(name), "signal": int(number), "within": within}:
                return self.stop(name, number, within)
            case {"do": "signal", "name": str(name), "signal": int(number)}:
                return os.kill(self._running(name).pid, number)
            case {"do": "status"}:
                return {name: self._status(c) for name, c in self.components.items()}
            case {"do": "detach"}:
                self.detached = True
                return None
        raise ValueError(f"no such request: {request}")

    def start(self, name: str, argv: list[str] | None, log: str | None) -> int:
        """Start a component, or again one that ended."""
        before = self.components.get(name)
        if before and before.exit_code is None:
            raise ValueError(f"{name} is running")
        if not (argv and log):
            if not before:
                raise ValueError(f"{name} was never started, so its command is not known")
            argv, log = before.argv, before.log
        with open(log, "ab") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.components[name] = Component(argv, log, process)
        return process.pid

    def stop(self, name: str, number: int, within: float) -> int:
        """Send a signal and wait until the process is gone; returns its exit code."""
        component = self._running(name)
        component.stopped = True
        os.kill(component.pid, number)
        # One that was stopped by SIGSTOP would not see it.
        os.kill(component.pid, signal.SIGCONT)
        deadline = time.monotonic() + within
        while component.exit_code is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not end within {within:g} s of signal {number}")
            time.sleep(0.005)
            self.reap()
        return component.exit_code

    def reap(self) -> None:
        """Wait for whatever has ended: components, and orphans that are ours as process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for component in self.components.values():
                if component.pid == pid:
                    component.exit_code = os.waitstatus_to_exitcode(status)
                    component.process.returncode = component.exit_code

    def _running(self, name: str) -> Component:
        component = self.components.get(name)
        if not component or component.exit_code is not None:
            raise ValueError(f"{name} is not running")
        return component

    def _status(self, component: Component) -> dict[str, Any]:
        status: dict[str, Any] = {
            "pid": component.pid,
            "exit_code": component.exit_code,
            "stopped": component.stopped,
            "log": component.log,
        }
        if component.exit_code is None:
            text = Path(f"/proc/{component.pid}/stat").read_text()
            fields = text[text.rindex(")") + 2 :].split()
            status["state"] = fields[0]
            status["cpu_seconds"] = (int(fields[11]) + int(fields[12])) / TICKS
            status["memory_bytes"] = int(fields[21]) * PAGE
        return status


def make_private(data: Path, run_root: Path) -> None:
    """Give the rig the machine-wide directories that its programs insist on."""
    own_run = data / "run"
    own_run.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "rig", str(own_run)]
    subprocess.run(mount, check=True)
    # Others are found by this directory, so it stays the machine's.
    kept = own_run / run_root.relative_to("/run") if run_root.is_relative_to("/run") else None
    if kept:
        kept.mkdir(parents=True)
        subprocess.run(["mount", "--bind", str(run_root), str(kept)], check=True)
    subprocess.run(["mount", "--rbind", str(own_run), "/run"], check=True)
    for name, place in (("var-log", "/var/log"), ("var-lib-cni", "/var/lib/cni")):
        own = data / name
        own.mkdir()
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", str(own), place], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def serve(supervisor: Supervisor, listener: socket.socket) -> None:
    """Answer requests until the starter is gone."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj == wake_read:
                os.read(wake_read, 4096)
                supervisor.reap()
            elif key.fileobj == 0:
                if not os.read(0, 4096):
                    if not supervisor.detached:
                        return
                    selector.unregister(0)
            else:
                supervisor.reap()
                _answer_one(supervisor, listener)


def _answer_one(supervisor: Supervisor, listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as stream:
        try:
            answer = {"ok": supervisor.answer(json.loads(stream.readline()))}
        except Exception as error:
            answer = {"error": str(error)}
        try:
            stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()
        except OSError:
            return  # nobody waits for it any more


def main() -> None:
    """Serve on the socket, with the data directory, that the command line names."""
    control, data = map(Path, sys.argv[1:])
    listener = socket.socket(socket.AF_UNIX)
    make_private(data, control.parent.parent)
    listener.bind(str(control))
    listener.listen(16)
    serve(Supervisor(), listener)


if __name__ == "__main__":
    main()
