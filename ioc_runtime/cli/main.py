"""`iocctl`: the command line. Parses arguments, reports mistakes, leaves with a code."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from ioc_runtime.cli import new, pv
from ioc_runtime.cli import run as serve
from ioc_runtime.cli.convert import convert_command
from ioc_runtime.cli.demo import command as demonstration
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.logs import logs
from ioc_runtime.cli.prove import test_command
from ioc_runtime.cli.schema import schema as print_schema
from ioc_runtime.cli.status import status as show_status
from ioc_runtime.cli.terminal import examples
from ioc_runtime.cli.validate import validate_command
from ioc_runtime.version import __version__

app = typer.Typer(
    name="iocctl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run, check and watch IOC manifests, and talk to PVs.",
    epilog="Start with `iocctl demo`, then `iocctl run FILE`. "
    "`iocctl COMMAND --help` shows examples.",
)
app.command(
    name="run",
    epilog=examples(
        "iocctl run guard.yaml",
        "iocctl run guard.yaml --prefix TEST: --set parameters.limit=2e-6 --for 60",
        "iocctl run ./my-interlock",
        "iocctl run guard.yaml --ca-port 5066 --pva-port 5085 --state /var/lib/guard",
    ),
)(serve.run)
app.command(
    name="validate",
    epilog=examples("iocctl validate guard.yaml", "iocctl validate *.yaml -o json"),
)(validate_command)
app.command(
    name="test",
    epilog=examples("iocctl test guard.yaml", "iocctl test *.yaml -o json"),
)(test_command)
app.command(
    name="convert",
    epilog=examples(
        "iocctl convert my-interlock/ -o task.yaml",
        "iocctl convert my-interlock/config.yaml --prefix TEST:IOC: --protocol ca",
        "iocctl convert plugins.yaml --controller SPARC:CONTROL -o tasks.yaml",
    ),
)(convert_command)
app.command(name="demo", epilog=examples("iocctl demo", "iocctl demo --station"))(
    demonstration.demo
)
app.add_typer(pv.app, name="pv")
app.add_typer(new.app, name="new")
app.command(
    name="schema",
    epilog=examples("iocctl schema > ioc.schema.json", "iocctl schema --kind IocTask"),
)(print_schema)
app.command(
    name="status",
    epilog=examples(
        "iocctl status",
        "iocctl status -A --watch",
        "iocctl status guard -n bl01",
        "iocctl status guard --address 127.0.0.1",
    ),
)(show_status)
app.command(
    name="logs",
    epilog=examples("iocctl logs guard -n bl01 -f", "iocctl logs guard --previous --tail 50"),
)(logs)


@app.command(epilog=examples("iocctl version"))
def version() -> None:
    """Print the versions of this program and of what it stands on."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    parts = ("softioc", "epicscorelibs", "pvxslibs", "p4p", "pyepics")
    print(f"{'ioc-operator':<14} {__version__}")
    for part in parts:
        try:
            print(f"{part:<14} {version_of(part)}")
        except PackageNotFoundError:
            print(f"{part:<14} not installed")
    print(f"{'python':<14} {sys.version.split()[0]}")


def main() -> None:
    """Run the command line; the console script `iocctl`. Ends the process."""
    end(run(sys.argv[1:]))


def end(code: int) -> NoReturn:
    """End the process at once: the end of a CA client, which the interpreter's end would bring,
    waits 30 s for a server of EPICS_CA_NAME_SERVERS that is not there.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass  # the reader has gone
    os._exit(code)


def run(
    arguments: list[str], program: typer.Typer = app, name: str = "iocctl", errors: str = "iocctl"
) -> int:
    """One command; its exit code. A person's mistake is one sentence on standard error.

    :param name: of the program, as a person types it
    :param errors: what its error messages begin with
    """
    from ioc_runtime.cli import terminal

    try:
        program(arguments, prog_name=name)
    except Failure as failure:
        terminal.err().print(f"{errors}: {failure}", style="red", markup=False)
        return failure.code
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else Exit.OK
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; let the interpreter's last flush go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    return Exit.OK
