"""The parts of a task, each made or refused with one sentence.

Whatever is wrong with a plan, a plugin, a port or a disk comes out of here as
`CannotStart`; what has been made up to then is the caller's to stop.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.engine.engine import Engine, Restored
from ioc_runtime.plan import Plan
from ioc_runtime.version import __version__

if TYPE_CHECKING:
    from ioc_runtime.epics.audit import Entry
    from ioc_runtime.epics.names.directory import Directory, Missing
    from ioc_runtime.epics.served import Served
    from ioc_runtime.plugin.fetched import Fetched
    from ioc_runtime.plugin.loader import Loaded
    from ioc_runtime.plugin.runner import PluginRunner
    from ioc_runtime.state import StateFile
    from ioc_runtime.task.apart.loaded import LoadedApart
    from ioc_runtime.task.apart.runner import ApartRunner
    from ioc_runtime.task.host import TaskHost
    from ioc_runtime.task.plugin_watch import PluginWatch
    from ioc_runtime.task.record_file import RecordFile

EXIT_IO: Final = 11
EXIT_EXCEPTION: Final = 12
EXIT_BAD_SPEC: Final = 15

log = logging.getLogger("ioc_runtime")


class CannotStart(Exception):
    """The task cannot be started; the text is for a person.

    :ivar reason: one word of CamelCase, as conditions have it
    :ivar exit_code: what the process ends with
    """

    def __init__(self, reason: str, text: str, exit_code: int = EXIT_BAD_SPEC) -> None:
        super().__init__(text)
        self.reason, self.exit_code = reason, exit_code


@dataclass(frozen=True)
class Options:
    """How a task runs on this machine."""

    state_directory: Path | None = None
    """None: nothing is kept over a restart."""
    ca_port: int | None = None
    pva_port: int | None = None
    snapshot: float | None = None
    """Seconds between snapshots that are said; None: none."""
    search: bool = True
    """Look for the task's own names on the network before serving them."""
    fetched: Fetched | None = None
    """What was made ready of the plugin before this process started."""
    record: Path | None = None
    """File that every event goes to, for a replay."""


def describe(plan: Plan) -> dict[str, Any]:
    """What is said before anything is started."""
    links = (getattr(signal, "link", None) for signal in plan.signals)
    return {
        "name": plan.name,
        "prefix": plan.prefix,
        "kind": plan.kind,
        "mode": plan.mode,
        "protocols": sorted({link.scheme for link in links if link is not None}),
        "version": __version__,
        "pid": os.getpid(),
    }


def open_state(
    plan: Plan, directory: Path, problem: Callable[[str | None], None]
) -> tuple[StateFile, Restored]:
    """The state file, and what of it counts for this plan.

    `problem` is told when saving begins to fail, and (None) when it works again.

    :raises CannotStart: no such directory can be had, or another process has the state.
    """
    from ioc_runtime.state import StateError, StateFile

    try:
        state = StateFile(directory, plan.prefix, problem)
    except StateError as error:
        raise CannotStart("StateUnavailable", str(error)) from None
    kept = state.load()
    if kept.problem:
        log.error("%s", kept.problem)
    setpoints = {
        signal.name: kept.setpoints[signal.name][0]
        for signal in plan.inputs
        if signal.link is None
        and signal.persist
        and signal.name in kept.setpoints
        and kept.setpoints[signal.name][1] == signal.value
    }
    return state, Restored(kept.latches, setpoints, lost=kept.problem is not None)


def load_plugin(plan: Plan, fetched: Fetched | None = None) -> Loaded | LoadedApart | None:
    """The plugin's code, imported and checked; None for a plan without one.

    With `isolation: process` another process has imported it.

    :raises CannotStart: it cannot be loaded.
    """
    if plan.plugin is None:
        return None
    from ioc_runtime.plugin.errors import PluginError

    try:
        loaded = _load(plan, plan.plugin.isolation, fetched)
    except PluginError as error:
        if error.traceback:
            log.error("%s", error.traceback)
        raise CannotStart("PluginFailed", f"plugin: {error}") from None
    if plan.mode == "triggered" and not loaded.overrides("triggered"):
        what = f"plugin: the mode is triggered, but {loaded.name} has no triggered()"
        raise CannotStart("PluginFailed", what)
    for warning in loaded.warnings:
        log.warning("plugin: %s", warning)
    return loaded


def _load(plan: Plan, isolation: str, fetched: Fetched | None) -> Loaded | LoadedApart:
    if isolation == "process":
        from ioc_runtime.task.apart.loaded import LoadedApart

        return LoadedApart(plan, fetched)
    from ioc_runtime.plugin.loader import load

    if fetched is not None:
        fetched.use_packages()
    return load(plan, directory=fetched.directory if fetched is not None else None)


def make_runner(
    plan: Plan, loaded: Any, host: TaskHost, told: PluginWatch
) -> PluginRunner | ApartRunner:
    """What runs the plugin; `told` hears of it."""
    words = {"failed": told.failed, "recovered": told.recovered, "ended": told.ended}
    if plan.plugin is not None and plan.plugin.isolation == "process":
        from ioc_runtime.task.apart.runner import ApartRunner

        return ApartRunner(plan, loaded, host, **words, lost=told.lost, back=told.back)
    from ioc_runtime.plugin.runner import PluginRunner

    return PluginRunner(plan, loaded, host, **words, cycled=told.cycled)


def make_engine(
    plan: Plan, functions: Any, restored: Restored, record: Path | None
) -> tuple[Any, RecordFile | None]:
    """The engine, or what records it and has all that it has; the file it records to."""
    engine = Engine(plan, time, functions, restored)
    if record is None:
        return engine, None
    from ioc_runtime.engine.recording import Recorder
    from ioc_runtime.task.record_file import RecordFile

    file = RecordFile(record)
    return Recorder(engine, file.keep), file


def name_servers(missing: Missing) -> list[Directory]:
    """What stands in for name servers, where the environment names some.

    `missing` gives the names that the links of a scheme wait for.
    """
    if not any(os.environ.get(f"EPICS_{kind}_NAME_SERVERS") for kind in ("CA", "PVA")):
        return []
    from ioc_runtime.epics.names.directory import stand_in

    try:
        return stand_in(missing)
    except OSError as error:
        log.warning("the EPICS clients ask name servers themselves: %s", error)
        return []


def serve(
    plan: Plan,
    options: Options,
    on_put: Callable[[str, Any], None],
    on_audit: Callable[[Entry], None],
) -> tuple[Served, dict[str, Any]]:
    """The records, served; with them what there is to say of the ports.

    :raises CannotStart: a port or a name is taken, or EPICS does not take the records.
    """
    from ioc_runtime.epics import ports
    from ioc_runtime.epics.access import AccessError
    from ioc_runtime.epics.served import DatabaseError, LayoutError, NameTaken, Served

    served = Served(plan, on_put, on_audit)
    try:
        notes = [
            ports.choose(ports.CA, options.ca_port),
            ports.choose(ports.PVA, options.pva_port),
        ]
        served.serve(_search if options.search else None)
    except ports.PortError as error:
        raise CannotStart("PortTaken", str(error), EXIT_IO) from None
    except NameTaken as error:
        raise CannotStart("PvConflict", str(error)) from None
    except LayoutError as error:
        raise CannotStart("UnknownLayout", str(error)) from None
    except (AccessError, DatabaseError) as error:
        raise CannotStart("BadRecords", str(error)) from None
    for warning in served.warnings:
        log.warning("%s", warning)
    said = {
        "ca": ports.actual(ports.CA),
        "pva": ports.actual(ports.PVA),
        "note": "; ".join(note for note in notes if note),
    }
    return served, said


def _search(names: list[str]) -> list[tuple[str, str]]:
    """Who serves names of ours: looked for while EPICS starts, which takes as long."""
    from ioc_runtime.epics.search import who_serves

    found = who_serves(names)
    return [(name, found[name]) for name in names if name in found]
