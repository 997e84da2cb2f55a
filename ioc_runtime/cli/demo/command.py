"""`iocctl demo`: a simulated vacuum station, a task that guards it, and trouble."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from ioc_runtime.cli import terminal
from ioc_runtime.cli.demo.place import PREFIX, Place
from ioc_runtime.cli.demo.process import StationProcess
from ioc_runtime.cli.demo.script import Script, Verdict
from ioc_runtime.cli.failure import Exit
from ioc_runtime.cli.pv import Clients
from ioc_runtime.cli.run import serving_options
from ioc_runtime.cli.session import Session, serving
from ioc_runtime.cli.view import ending

LIMIT: Final = 27.0
"""Seconds after which the demonstration has failed, whatever is still to come."""
MANIFEST: Final = "vacuum-guard.yaml"


def demo(
    station: Annotated[
        bool,
        typer.Option("--station", help="Only serve the simulated station, until Ctrl-C."),
    ] = False,
) -> None:
    """Show a task at work: a leak, a dead and a frozen gauge, an operator. Takes < 30 s.

    Two processes on loopback, with ports and PV names of their own: a simulated
    vacuum station, and a task that follows it over Channel Access and PV Access.
    Exit code 0 only if all happened that should.
    """
    if station:
        serve_station()
        return
    raise typer.Exit(Exit.OK if play() else Exit.FAILED)


def serve_station() -> None:
    """The station alone, with the names and ports that a user has in mind."""
    sys.argv = [sys.argv[0]]
    from ioc_runtime.cli.demo.station import main

    print("The station serves DEMO:*; Ctrl-C ends it.", flush=True)
    main()


def play() -> bool:
    """The whole demonstration; whether all happened that should."""
    from ioc_runtime.cli.manifest import compile_one

    deadline = time.monotonic() + LIMIT
    place = Place()
    with (
        place.entered(),
        running(StationProcess(place)) as station,
        tempfile.TemporaryDirectory() as state,
    ):
        text = manifest_path().read_text().replace(PREFIX, place.prefix)
        plan = compile_one(text, MANIFEST, None, [])
        options = serving_options(Path(state), place.task.ca, place.task.pva)
        with serving(plan, options) as session:
            player = Player(place.prefix, station, session, deadline)
            player.start()
            code = session.run()
            player.join()
    print_verdicts(player, code)
    if code and (why := ending(code, session.view)):
        terminal.err().print(f"iocctl: {why}", style="red", markup=False)
    print_by_hand()
    return player.good and code == 0


@contextmanager
def running(station: StationProcess) -> Iterator[StationProcess]:
    """The station's process, gone when the block is left."""
    station.start()
    try:
        yield station
    finally:
        station.kill()


class Player(threading.Thread):
    """Plays the script beside the display, and keeps the verdicts."""

    def __init__(
        self, prefix: str, station: StationProcess, session: Session, deadline: float
    ) -> None:
        super().__init__(name="script", daemon=True)
        self.verdicts: list[Verdict] = []
        self.complete = False
        self._prefix = prefix
        self._station = station
        self._session = session
        self._deadline = deadline

    @property
    def good(self) -> bool:
        """Whether all steps were played and all came as they should."""
        return self.complete and not any(verdict.missing for verdict in self.verdicts)

    def run(self) -> None:
        """Wait for the task, play, and end it."""
        try:
            while self._session.view.since is None:
                if time.monotonic() > self._deadline or self._session.over:
                    return
                time.sleep(0.05)
            self._play()
        finally:
            self._session.stop()

    def _play(self) -> None:
        # The clients belong to the thread that makes them.
        script = Script(self._prefix, self._station, Clients(), lambda: self._session.over)
        steps = [step.title for step in script.steps()]
        pause = 0.5 if sys.stdout.isatty() else 0.0
        self._tell(f"1/{len(steps)} {steps[0]}", "…")
        for verdict in script.play(self._deadline, pause):
            if self._session.over:
                return
            self.verdicts.append(verdict)
            done = len(self.verdicts)
            self._tell(f"{done}/{len(steps)} {verdict.title}", mark(verdict))
            for line in verdict.missing:
                self._tell(f"      {line}", "")
            if done < len(steps):
                self._tell(f"{done + 1}/{len(steps)} {steps[done]}", "…")
        self.complete = True

    def _tell(self, text: str, mark_: str) -> None:
        self._session.post({"say": "step", "text": text, "mark": mark_})


def mark(verdict: Verdict) -> str:
    """The outcome of a step in a word."""
    return "FAILED" if verdict.missing else "ok"


def print_verdicts(player: Player, code: int) -> None:
    """One line for each step, and the sum."""
    console = terminal.out()
    console.print()
    for verdict in player.verdicts:
        line = Text(f"{mark(verdict):>6} ", "bold red" if verdict.missing else "green")
        line.append(f"{verdict.seconds:5.1f} s  {verdict.title}", "default")
        console.print(line)
        for missing in verdict.missing:
            console.print(f"                {missing}", style="red", markup=False)
    if player.good and code == 0:
        console.print("All came as it should, over Channel Access and PV Access.", style="bold")
    elif not player.complete:
        console.print("The demonstration did not get to its end.", style="bold red")


def print_by_hand() -> None:
    """How to do the same with one's own hands."""
    ports = 'EPICS_CA_ADDR_LIST="127.0.0.1:5064 127.0.0.1:5066" EPICS_CA_AUTO_ADDR_LIST=NO'
    print(BY_HAND.format(ports=ports, file=_short(manifest_path()), iocctl=program()))


def program() -> str:
    """How this program is called from here: `iocctl` where the shell finds it."""
    called = Path(sys.argv[0])
    if called.name != "iocctl":
        return f"{_short(Path(sys.executable))} -m ioc_runtime.cli"
    found = shutil.which("iocctl")
    return "iocctl" if found and Path(found).samefile(called) else _short(called)


def _short(path: Path) -> str:
    """Relative to the working directory where it is inside."""
    whole = Path.cwd() / path
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


BY_HAND: Final = """
By hand, in three terminals; in each of them first:
  export {ports}
1  {iocctl} demo --station
2  {iocctl} run {file} --ca-port 5066
3  {iocctl} pv put DEMO:LEAK 1
   {iocctl} pv monitor DEMO:GUARD:alarm pva://DEMO:GUARD:valve pva://DEMO:GUARD:MESSAGE
   {iocctl} pv put DEMO:LEAK 0
   {iocctl} pv put DEMO:GUARD:CLEAR 1"""


def manifest_path() -> Path:
    """The demonstration's manifest, wherever the package is installed."""
    return Path(str(files("ioc_runtime.cli.demo") / MANIFEST))
