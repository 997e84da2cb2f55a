"""Options that the commands about a cluster share, and the completion of names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ioc_runtime.cli.cluster import KINDS, NAME, Cluster
from ioc_runtime.cli.failure import Exit, Failure


def _namespace(given: str | None) -> str | None:
    """What may be a namespace; a slash would lead to another place in the API."""
    if given and not NAME.fullmatch(given):
        text = f"--namespace {given}: expected small letters, digits and '-'"
        raise Failure(text, Exit.USAGE)
    return given


NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace; by default that of the kubeconfig.",
        callback=_namespace,
    ),
]
ContextOption = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        exists=True,
        dir_okay=False,
        help="The kubeconfig; by default KUBECONFIG's, else ~/.kube/config.",
    ),
]


def complete_target(context: typer.Context, incomplete: str) -> list[str]:
    """Names of tasks and jobs, and behind `TASK/` the names of its inputs and outputs."""
    head, slash, name = incomplete.partition("/")
    if not slash:
        return complete_name(context, incomplete)
    from ioc_runtime.cli.live_values import prefix_of, pv_names

    options = context.params
    try:
        cluster = Cluster(options.get("kubeconfig"), options.get("context"))
        namespace = options.get("namespace") or cluster.namespace
        items = [i for kind in KINDS for i in cluster.owners(kind, namespace)[0]]
    except Failure:
        return []
    known = [
        each.removeprefix(prefix_of(item))
        for item in items
        if item["metadata"]["name"] == head
        for each in pv_names(item)
    ]
    return [f"{head}/{each}" for each in known if each.startswith(name)]


def complete_name(context: typer.Context, incomplete: str) -> list[str]:
    """Names of tasks and jobs that begin like this; none where there is no cluster."""
    options = context.params
    try:
        cluster = Cluster(options.get("kubeconfig"), options.get("context"))
        namespace = options.get("namespace") or cluster.namespace
        found = [i for kind in KINDS for i in cluster.owners(kind, namespace)[0]]
    except Failure:
        return []
    names = {str(item["metadata"]["name"]) for item in found}
    return sorted(name for name in names if name.startswith(incomplete))
