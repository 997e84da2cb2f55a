"""`iocctl run`: compile a manifest, start the process that serves it, show what it says."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from ioc_runtime.cli import terminal
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.fetching import completed, fetch, is_needed
from ioc_runtime.cli.session import serving
from ioc_runtime.cli.view import ending
from ioc_runtime.plan import Plan
from ioc_runtime.state import StateError, default_directory

SNAPSHOT: Final = 0.5
"""Seconds between two pictures of the task."""


def run(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|DIR",
            exists=True,
            help="Manifest of one IocTask or IocJob; or a directory with one (task.yaml, "
            "job.yaml), or a plugin's directory written for iocmng.",
        ),
    ],
    prefix: Annotated[
        str | None, typer.Option("--prefix", help="Prefix of the PVs, instead of spec.prefix.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Change a field of spec, as parameters.limit=2."
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=0.1, help="Stop so many seconds after the PVs are there."),
    ] = None,
    ca_port: Annotated[
        int | None,
        typer.Option("--ca-port", min=1, max=65535, help="Port of Channel Access."),
    ] = None,
    pva_port: Annotated[
        int | None, typer.Option("--pva-port", min=1, max=65535, help="Port of PV Access.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            file_okay=False,
            help="Directory that keeps latches and set-points; by default one per prefix "
            "in your state directory.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Take over what is saved in FILE, or in its plugin's directory, while it runs.",
        ),
    ] = False,
    credentials: Annotated[
        Path | None,
        typer.Option(
            "--credentials",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Files for the Git server, as in the Secret of plugin.git.secretRef; by default "
            "git uses what you have set up.",
        ),
    ] = None,
    plugin_files: Annotated[
        Path | None,
        typer.Option(
            "--plugin-files",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Files of a plugin whose manifest names a ConfigMap.",
        ),
    ] = None,
) -> None:
    """Serve a manifest on this machine and show what it does, until Ctrl-C or a job's end.

    On a terminal: a live table. In a pipe: a line per change. A port is the flag's,
    else that of EPICS_CA_SERVER_PORT or EPICS_PVA_SERVER_PORT, else the default; a
    default that is taken is replaced by a free one, and that is said. The exit code
    is that of the serving process: 0 when it was stopped, 11 for a port that was asked
    for and is taken, 12 for a plugin that gave up, 15 for a bad manifest or plugin, or
    a PV that somebody else serves already. Of a job: 0 done, 10 it failed, 11 by a link,
    a file or a connection, 12 by an exception, 13 not in time, 14 aborted, 16 stopped.
    """
    from ioc_runtime.cli.manifest import document, file_of, load

    plan = load(file, prefix, changes or [])
    options = serving_options(state or _state_directory(), ca_port, pva_port)
    with ExitStack() as stack:

        def make_ready(plan: Plan) -> list[str]:
            if plan.plugin is None or not is_needed(plan):
                return []
            place = tempfile.TemporaryDirectory(prefix="iocctl-plugin-", ignore_cleanup_errors=True)
            into = Path(stack.enter_context(place))
            wanted = document(file, prefix, changes or []) if plan.plugin.config else None
            return fetch(plan, into, terminal.note, credentials, plugin_files, wanted)

        ready = make_ready(plan)
        plan = completed(plan, ready)
        if watch:
            from ioc_runtime.cli.watch import Watcher, watching

            def again() -> Plan:
                return load(file, prefix, changes or [], partial(session.tell, "WARNING"))

            watcher = Watcher(file_of(file), plan, again, make_ready)
            session = stack.enter_context(serving(plan, [*options, "--follow"], made_ready=ready))
            stack.enter_context(watching(watcher, session))
        else:
            session = stack.enter_context(serving(plan, options, made_ready=ready))
        code = session.run(seconds)
    if code and (text := ending(code, session.view)):
        raise Failure(text, code if code > 0 else 128 - code)
    raise typer.Exit(code)


def serving_options(state: Path, ca_port: int | None, pva_port: int | None) -> list[str]:
    """Arguments of the serving process."""
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(
            f"--state {state}: cannot be a directory: {error.strerror}", Exit.USAGE
        ) from None
    options = ["--snapshot", str(SNAPSHOT), "--state", str(state)]
    for flag, port in (("--ca-port", ca_port), ("--pva-port", pva_port)):
        if port is not None:
            options += [flag, str(port)]
    return options


def _state_directory() -> Path:
    """Where the tasks of this user keep their state; the file in it is named by the prefix."""
    try:
        return default_directory()
    except StateError as error:
        raise Failure(str(error)) from None
