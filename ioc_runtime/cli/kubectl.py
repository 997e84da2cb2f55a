"""`kubectl ioc`: what `iocctl` knows of clusters, as a plugin of kubectl.

kubectl finds it by its name, kubectl-ioc, and asks kubectl_complete-ioc for completions.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from ioc_runtime.cli import bypass, pod_pv
from ioc_runtime.cli import main as programs
from ioc_runtime.cli.cluster import Cluster
from ioc_runtime.cli.cluster_options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    complete_name,
)
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.logs import logs
from ioc_runtime.cli.prove import show_tests
from ioc_runtime.cli.reach import all_items, resolve
from ioc_runtime.cli.status import status
from ioc_runtime.cli.terminal import examples
from ioc_runtime.cli.validate import STANDARD_INPUT, Output, check_files
from ioc_runtime.cli.value_words import TakesValues

NAME: Final = "kubectl ioc"
ERRORS: Final = "kubectl-ioc"
DIRECTIVE: Final = ":4"
"""The end of a list of completions: no file names beside it."""

app = typer.Typer(
    name=NAME,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="IocTasks and IocJobs of a cluster: how they are, and their PVs.",
    epilog="A kubeconfig is enough: PVs are reached through the API server. "
    "`iocctl` has the commands that need no cluster.",
)
app.command(
    name="status",
    epilog=examples("kubectl ioc status -A --watch", "kubectl ioc status guard -n bl01"),
)(status)
app.command(
    name="logs",
    epilog=examples("kubectl ioc logs guard -f", "kubectl ioc logs guard --previous --tail 50"),
)(logs)
for _command, _lines in pod_pv.COMMANDS:
    _class = TakesValues if _command is pod_pv.put else TyperCommand
    app.command(cls=_class, epilog=examples(*_lines))(_command)  # type: ignore[type-var]
app.command(name="bypass", epilog=examples(*bypass.EXAMPLES))(bypass.bypass)


@app.command(epilog=examples("kubectl ioc test guard -n bl01", "kubectl ioc test guard.yaml"))
def test(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK|FILE…",
            help="A task of the cluster, or a manifest.",
            autocompletion=complete_name,
        ),
    ],
    namespace: NamespaceOption = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, or for programs.")
    ] = "text",
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Run the `tests` of tasks as the cluster has them, or of manifests, on this machine.

    Exit code 0: all pass; 1: one fails, or a manifest is bad; 2: a file cannot be read;
    3: no cluster.
    """
    files = [one for one in what if one == STANDARD_INPUT or "/" in one or Path(one).is_file()]
    files += [one for one in what if one.endswith((".yaml", ".yml", ".json")) and one not in files]
    found, code = check_files("test", files) if files else ([], Exit.OK)
    names = [one for one in what if one not in files]
    if names:
        found += _of_cluster(Cluster(kubeconfig, context), namespace, names)
    good = show_tests(found, output, sys.stdout)
    raise typer.Exit(code if good or code != Exit.OK else Exit.FAILED)


def _of_cluster(cluster: Cluster, namespace: str | None, names: list[str]) -> list[Any]:
    from ioc_runtime.compile import Checked, ManifestError, compile_document

    place = namespace or cluster.namespace
    items = all_items(cluster, place)
    found = []
    for name in names:
        item = resolve(name, items, place).item
        if item["metadata"]["name"] != name:
            raise Failure(f"{name}: expected the name of a task, or a file", Exit.USAGE)
        wanted = {key: item[key] for key in ("apiVersion", "kind", "spec")}
        wanted["metadata"] = {"name": name, "namespace": place}
        try:
            checked = Checked(compiled=[compile_document(wanted)])
        except ManifestError as error:
            checked = Checked(problems=list(error.problems))
        found.append((f"{place}/{name}", checked))
    return found


def main() -> None:
    """The console script `kubectl-ioc`. Ends the process."""
    programs.end(programs.run(sys.argv[1:], app, NAME, ERRORS))


def complete() -> None:
    """The console script `kubectl_complete-ioc`: what may stand in the last argument's place."""
    words = sys.argv[1:] or [""]
    for line in completions(words[:-1], words[-1]):
        print(line)
    programs.end(Exit.OK)


def completions(words: list[str], incomplete: str) -> list[str]:
    """Completions as kubectl wants them: value, tab, description; then a directive."""
    from typer.completion import completion_init

    completion_init()
    typed = " ".join([ERRORS, *map(shlex.quote, words), ""])
    asked = {
        f"_{ERRORS.upper().replace('-', '_')}_COMPLETE": "complete_fish",  # one line for each
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": typed + (shlex.quote(incomplete) if incomplete else ""),
    }
    os.environ |= asked
    said = io.StringIO()
    with redirect_stdout(said):
        programs.run([], app, ERRORS, ERRORS)
    for name in asked:
        del os.environ[name]
    return [*filter(None, said.getvalue().splitlines()), DIRECTIVE]


if __name__ == "__main__":
    main()
