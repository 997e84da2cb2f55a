"""`iocctl status`: how the tasks and jobs of a cluster are."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ioc_runtime.cli import terminal
from ioc_runtime.cli.cluster import KINDS, Cluster, NotFound, Object
from ioc_runtime.cli.cluster_options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    complete_name,
)
from ioc_runtime.cli.condition_table import OVER, row
from ioc_runtime.cli.detail import detail
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.live_values import pv_names, read_values, server_of, split, why_unreachable
from ioc_runtime.cli.pv import Format as ValueFormat
from ioc_runtime.cli.pv import Printer, ProtocolChoice, ProtocolOption
from ioc_runtime.cli.reading import Protocol
from ioc_runtime.cli.status_watch import as_table, follow
from ioc_runtime.cli.witness import Witness


class Format(StrEnum):
    """How objects are printed."""

    table = "table"
    json = "json"
    yaml = "yaml"


def status(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="One task or job, in full.", autocompletion=complete_name
        ),
    ] = None,
    namespace: NamespaceOption = None,
    every: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")
    ] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="How.")] = Format.table,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Follow changes, until Ctrl-C.")
    ] = False,
    values: Annotated[
        bool, typer.Option("--values/--no-values", help="With NAME: read its PVs, too.")
    ] = True,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="HOST[:PORT]", help="Read PVs there, not at the Service's address."
        ),
    ] = None,
    protocol: ProtocolOption = ProtocolChoice.ca,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.05, max=3600, help="Seconds to wait for values.")
    ] = 3.0,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show how the tasks and jobs of a cluster are, and why.

    With NAME: conditions, pod, last ends, and the values of its PVs. Exit code 0 when
    all that is not suspended is Ready, 1 when something is not, is not there, or cannot be
    known (no operator is at work, the pod has gone), 3 without a cluster.
    """
    _check(name, namespace, every, output, watch)
    cluster = Cluster(kubeconfig, context)
    place = None if every else namespace or cluster.namespace
    if watch:
        raise typer.Exit(follow(cluster, place, name))
    found = _find(cluster, place, name)
    witness = Witness(cluster, place)
    witness.look(found)
    items = [witness.believed(item) for item in found]
    if words := witness.words(found):
        terminal.err().print(words, style="bold yellow", markup=False)
    if output is not Format.table:
        print(_document(found, output, single=name is not None))
    elif name is None:
        _print_table(items, place)
    else:
        for item in items:
            for line in detail(item, datetime.now(UTC)):
                terminal.out().print(line)
            if values:
                _print_values(cluster, item, address, protocol, timeout)
    raise typer.Exit(Exit.OK if all(row(item).well for item in items) else Exit.FAILED)


def _check(
    name: str | None, namespace: str | None, every: bool, output: Format, watch: bool
) -> None:
    if every and (namespace or name):
        other = "--namespace" if namespace else "a NAME"
        raise Failure(f"--all-namespaces and {other} exclude each other", Exit.USAGE)
    if watch and output is not Format.table:
        raise Failure(f"--watch shows a table: -o {output} does not go with it", Exit.USAGE)


def _find(cluster: Cluster, place: str | None, name: str | None) -> list[Object]:
    """The objects that are asked for; at least one where a name is."""
    if name is None or place is None:
        return [item for kind in KINDS for item in cluster.owners(kind, place)[0]]
    found = []
    for kind in KINDS:
        try:
            found.append(cluster.owner(kind, place, name))
        except NotFound:
            continue
    if not found:
        raise Failure(f"there is no task or job {name!r} in namespace {place}")
    return found


def _document(items: Sequence[Object], output: Format, *, single: bool) -> str:
    """The objects as kubectl prints them, without the bookkeeping of field managers."""
    for item in items:
        item["metadata"].pop("managedFields", None)
    alone = single and len(items) == 1
    whole = items[0] if alone else {"apiVersion": "v1", "kind": "List", "items": list(items)}
    if output is Format.json:
        return json.dumps(whole, indent=2, ensure_ascii=False)
    import yaml

    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).rstrip()


def _print_table(items: Sequence[Object], place: str | None) -> None:
    if not items:
        where = f"namespace {place}" if place else "any namespace"
        terminal.err().print(f"there are no tasks or jobs in {where}", markup=False)
        return
    if sys.stdout.isatty():
        terminal.out().print(as_table(items, place), soft_wrap=False)
        return
    text = io.StringIO()
    Console(width=10_000, file=text).print(as_table(items, place))  # a pipe folds nothing
    for line in text.getvalue().splitlines():
        print(line.rstrip())


def _print_values(
    cluster: Cluster, item: Object, address: str | None, choice: ProtocolChoice, timeout: float
) -> None:
    """The values of an object's PVs, or the reason why there are none."""
    if not item.get("status", {}).get("pod") or row(item).state in OVER:
        return
    meta = item["metadata"]
    protocol: Protocol = "ca" if choice is ProtocolChoice.ca else "pva"
    try:
        host, port = split(address or _address(cluster, item), protocol)
    except NotFound:
        text = f"no values: {meta['name']} has no Service; --address HOST reads from elsewhere"
        return _aside(text)
    except ValueError:
        raise Failure(f"--address {address}: expected HOST or HOST:PORT", Exit.USAGE) from None
    why = why_unreachable(host, port)
    if why is not None:
        text = f"no values: {host} port {port} is not reached from here ({why})"
        return _aside(text if address else f"{text}; forward the port and use --address")
    names = pv_names(item)
    readings = read_values(host, port, names, protocol, timeout)
    terminal.out().print(Text(f"values, over {protocol.upper()} from {host}:{port}", "bold"))
    Printer([one.address for one in readings], ValueFormat.text, 10, False).show(*readings)


def _address(cluster: Cluster, item: Object) -> str:
    meta = item["metadata"]
    name, status = meta["name"], item.get("status", {})
    if item.get("kind") == "IocJob":
        return str(status["pod"].get("ip", ""))
    found = server_of(cluster.service(meta["namespace"], name))
    return found or str(status["pod"].get("ip", ""))


def _aside(text: str) -> None:
    terminal.err().print(text, style="yellow", markup=False)
