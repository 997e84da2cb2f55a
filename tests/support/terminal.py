"""A person's terminal: a shell that is typed into, and others beside it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from support.pages import ROOT, Aside, Block, PageError, typed

PATIENCE: Final = {"laptop": 60.0, "cluster": 150.0}
"""Seconds that a block may take: a slow, loaded machine."""
ANY: Final = -1
"""Any exit code will do."""
LO_ALONE: Final = (
    *("unshare", "--net"),
    *(() if os.geteuid() == 0 else ("--map-root-user",)),
)
"""A network of its own: the usual ports are free there, and nobody else is met."""
SHELL: Final = ("bash", "--norc", "--noprofile")
_SET_UP: Final = f"""
import os, socket, subprocess
for words in (
    "link set lo up", "link add eth0 type veth peer name eth1",
    "address add 192.0.2.1/24 broadcast + dev eth0", "link set eth0 up", "link set eth1 up",
):
    subprocess.run(["ip", *words.split()], check=True)
# A taken port looks like a CA repeater: else the first client starts one, which stays.
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held.bind(("", 5065))
held.set_inheritable(True)
os.execvp("bash", {[*SHELL]})
"""
IN_IT: Final = (*LO_ALONE, sys.executable, "-c", _SET_UP)
"""A shell in such a network, with a card as a laptop has one: clients may broadcast."""


def why_no_network() -> str:
    """Why there can be no network of its own here, "" if there can be one."""
    for program in ("unshare", "ip", "bash"):
        if shutil.which(program) is None:
            return f"there is no program {program}"
    tried = subprocess.run(IN_IT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = tried.stderr.strip().splitlines() or ["no reason is given"]
    return said[-1] if tried.returncode else ""


class Terminal:
    """One shell for a page, in a new directory; use it in a `with` block."""

    def __init__(
        self,
        directory: Path,
        where: str,
        environ: dict[str, str] | None = None,
        programs: tuple[Path, ...] = (),
    ) -> None:
        """`where`: laptop (a network of its own) or cluster (the network of this machine).

        `programs`: directories that come first in PATH.
        """
        self.directory, self.where = directory, where
        self._notes = directory.parent / f"{directory.name}-typed"
        self._environ = environ or {}
        self._programs = programs
        self._count = 0
        self._others: dict[str, tuple[int, Path]] = {}
        self.output = ""
        """What the last block has printed."""
        self._other = ""
        """The terminal in which the last block goes on."""
        self._again = ""
        """The last block, if it only looks at something and may be typed again."""

    def __enter__(self) -> Terminal:
        self.directory.mkdir(exist_ok=True)
        self._notes.mkdir()
        (self.directory / ".venv").mkdir()
        for name in ("helm", "examples"):
            (self.directory / name).symlink_to(ROOT / name)
        with (self._notes / "shell.log").open("wb") as log:
            self._shell = subprocess.Popen(
                IN_IT if self.where == "laptop" else SHELL,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._environment(),
                text=True,
                start_new_session=True,
            )
        self._type("set -e")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for name in [*self._others]:
                self.interrupt(name)
        finally:
            self._close(hangs=error is not None)

    def _close(self, *, hangs: bool) -> None:
        """End the shell, and if it may hang what runs in it."""
        assert self._shell.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, at a command that failed
            self._shell.stdin.close()
        with suppress(ProcessLookupError):
            if hangs:
                os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait(10)
        with suppress(ChildProcessError):  # none is left; what the shell left is ours now
            while hangs:
                os.waitpid(-self._shell.pid, 0)

    def run(self, text: str, code: int = 0) -> str:
        """Type it, and wait for its end; what it has printed.

        :raises PageError: it ends with another code, or not at all
        """
        script, out = self._script(text)
        done = script.with_suffix(".code")
        if code != 0:
            self._type(f"set +e; (set -e; . {script}) </dev/null >{out} 2>&1; echo $? >{done}")
            self._type("set -e")
        else:
            self._type(f". {script} </dev/null >{out} 2>&1; echo $? >{done}")
        until = time.monotonic() + PATIENCE[self.where]
        while not (done.exists() and done.read_text().endswith("\n")):
            ended = self._shell.poll() is not None
            if ended and not done.exists():
                raise PageError(f"fails:\n{text}\n--- it prints\n{self._read(out)}")
            if time.monotonic() > until:
                raise PageError(f"does not end:\n{text}\n--- it prints\n{self._read(out)}")
            time.sleep(0.01)
        self.output, self._other, self._again = self._read(out), "", ""
        if (found := int(done.read_text())) != code and code != ANY:
            raise PageError(f"ends with {found}, not {code}:\n{text}\n{self.output}")
        return self.output

    def look(self, text: str) -> None:
        """Type it; what is expected of it may take a while, that it works at all too."""
        self.run(text, ANY)
        self._again = text

    def unseen(self, text: str) -> None:
        """Type it, and remember what the last block has printed."""
        shown = self.output, self._other, self._again
        self.run(text)
        self.output, self._other, self._again = shown

    def start(self, name: str, text: str) -> None:
        """Type it into another terminal, where it goes on."""
        script, out = self._script(text)
        pid = script.with_suffix(".pid")
        # With `set -m` it gets a process group of its own, and Ctrl-C is not ignored in it.
        self._type(f"set -m; bash -e {script} </dev/null >{out} 2>&1 & echo $! >{pid}; set +m")
        until = time.monotonic() + PATIENCE[self.where]
        while not (pid.exists() and pid.read_text().endswith("\n")):
            if time.monotonic() > until or self._shell.poll() is not None:
                raise PageError(f"cannot be started:\n{text}")
            time.sleep(0.01)
        if name in self._others:
            self.interrupt(name)
        self._others[name] = (int(pid.read_text()), out)
        self._other, self._again = name, ""

    def interrupt(self, name: str) -> None:
        """Press Ctrl-C in another terminal, and wait until nothing runs in it."""
        group, out = self._others.pop(name)
        until = time.monotonic() + 15
        signals = [signal.SIGINT]
        while True:
            try:
                if signals:
                    os.killpg(group, signals.pop())
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            if time.monotonic() > until:
                os.killpg(group, signal.SIGKILL)
                raise PageError(f"Ctrl-C does not end terminal {name}\n{self._read(out)}")
            time.sleep(0.02)

    def expect(self, text: str, other: str = "") -> None:
        """Each line is printed by the last block: at once, or soon in another terminal.

        Numbers may be others (but for those as `2/3`), and so may be the space between words.
        """
        wanted = [alike(line) for line in text.splitlines() if line.strip()]
        other = other or self._other
        if other and other not in self._others:
            raise PageError(f"the other terminal {other} has not been opened, or is closed")
        patient = other or self._again
        until = time.monotonic() + (PATIENCE[self.where] / 2 if patient else 0)
        while True:
            found = self._read(self._others[other][1]) if other else self.output
            printed = alike(found)
            missing = [line for line in wanted if line not in printed]
            if not missing:
                return
            if time.monotonic() > until:
                raise PageError(f"does not print {missing}, but\n{found}")
            time.sleep(0.05)
            if self._again and not other:
                self.look(self._again)

    def _script(self, text: str) -> tuple[Path, Path]:
        self._count += 1
        script = self._notes / f"{self._count}.sh"
        script.write_text(text)
        return script, script.with_suffix(".out")

    def _type(self, line: str) -> None:
        assert self._shell.stdin is not None
        try:
            self._shell.stdin.write(f"{line}\n")
            self._shell.stdin.flush()
        except BrokenPipeError:
            raise PageError(f"the shell has ended before: {line}") from None

    def _read(self, path: Path) -> str:
        return path.read_text(errors="replace") if path.exists() else ""

    def _environment(self) -> dict[str, str]:
        programs = self.directory / ".venv" / "bin"
        programs.mkdir()
        kubectl = "from ioc_runtime.cli.kubectl import main; main()"
        for name, words in (
            ("iocctl", "-m ioc_runtime.cli"),
            ("kubectl-ioc", f"-c '{kubectl}'"),
            ("pytest", "-m pytest -p ioc_runtime.testing"),
            ("python", ""),  # a link to it would lose what is installed beside it
        ):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
            program.chmod(0o755)
        home = self._notes / "home"
        home.mkdir()
        path = [programs, *self._programs, os.environ.get("PATH", os.defpath)]
        return {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join(map(str, path)),
            "CHECKOUT": str(ROOT),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "operator")]),
        } | self._environ


def alike(text: str) -> str:
    """What is compared: numbers as `2/3` only, no difference in spaces."""
    text = re.sub(r"(\d+/\d+)|\d[\d.:e+-]*", lambda found: found[1] or "#", text)
    return re.sub(r"\s+", " ", text).strip()


def follow(page: str, terminal: Terminal) -> list[tuple[Block, float]]:
    """Do all that a page says; the blocks with the seconds that each took."""
    took = []
    for step in typed(page, terminal.where):
        began = time.monotonic()
        try:
            _do(step, terminal)
        except PageError as error:
            raise PageError(f"{step} {error}") from None
        if isinstance(step, Block) and step.where:
            took.append((step, time.monotonic() - began))
    return took


def _do(step: Block | Aside, terminal: Terminal) -> None:
    if isinstance(step, Aside):
        if step.hint.kind == "before":
            terminal.unseen(step.hint.text)
        elif step.hint.kind == "Ctrl-C":
            terminal.interrupt(step.hint.text)
        else:
            terminal.expect(step.hint.text, step.hint.terminal)
    elif step.file:
        path = terminal.directory / step.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text)
    elif step.hint and step.hint.is_output:
        terminal.expect(step.text, step.hint.terminal)
    elif step.where == terminal.where:
        if name := step.option("terminal"):
            terminal.start(name, step.text)
        elif "again" in step.options:
            terminal.look(step.text)
        else:
            terminal.run(step.text, int(step.option("exit") or 0))
