"""`iocctl logs`: what the runtime of a task or job says, for people."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from ioc_runtime.cli import terminal
from ioc_runtime.cli.cluster import KINDS, Cluster, NotFound, Object, Refused
from ioc_runtime.cli.cluster_options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    complete_name,
)
from ioc_runtime.cli.condition_table import mapping, row, text
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.pod_log import as_json, readable
from ioc_runtime.cli.witness import Witness, why_no_pod

CONTAINER: Final = "ioc"
LOOK: Final = 1.0
"""Seconds between two looks for the next container."""


class Format(StrEnum):
    """How lines are printed."""

    text = "text"
    json = "json"


def logs(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A task or job.", autocompletion=complete_name),
    ],
    namespace: NamespaceOption = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on, also with the pod's next container."),
    ] = False,
    previous: Annotated[
        bool, typer.Option("--previous", help="Of the container before the present one.")
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, help="Only so many of the last lines.")
    ] = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="json: one object per line.")
    ] = Format.text,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show the log of a task's or job's pod: states, puts by clients, what its plugin says.

    With -f it goes on through restarts and new pods, until Ctrl-C. Exit code 1 when
    there is no pod or no log, 3 without a cluster.
    """
    if follow and previous:
        raise Failure("--previous is over: --follow does not go with it", Exit.USAGE)
    cluster = Cluster(kubeconfig, context)
    place = namespace or cluster.namespace
    reader = _Reader(cluster, place, output)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if follow:
            reader.follow(name, tail)
        pod = _newest(cluster, place, name)
        if pod is None:
            raise Failure(_why_no_pod(cluster, place, name))
        reader.show(pod, previous=previous, tail=tail)
    except KeyboardInterrupt:
        pass


class _Reader:
    """Prints the log of one container after the other."""

    def __init__(self, cluster: Cluster, place: str, output: Format) -> None:
        self._cluster, self._place, self._output = cluster, place, output
        self._out = terminal.out()

    def show(
        self, pod: Object, *, previous: bool = False, tail: int | None = None, follow: bool = False
    ) -> None:
        """All lines of a container, until its log ends."""
        query = {"container": container_of(pod)}
        query |= {"previous": "true"} if previous else {}
        query |= {"follow": "true"} if follow else {}
        query |= {"tailLines": str(tail)} if tail is not None else {}
        pod_name = quote(pod["metadata"]["name"])
        path = f"/api/v1/namespaces/{quote(self._place)}/pods/{pod_name}/log"
        try:
            for line in self._cluster.lines(path, query):
                self._print(line)
        except Refused as refused:
            raise Failure(why_no_log(pod, refused, previous=previous)) from None

    def follow(self, name: str, tail: int | None) -> None:
        """For ever: the present container, and then each that comes after it."""
        seen: str | None = None
        told = ""
        while True:
            pod = _newest(self._cluster, self._place, name)
            if pod is None and not told:
                _find(self._cluster, self._place, name)
            run = run_of(pod) if pod else None
            if pod is None or run is None or run == seen:
                told = self._tell(told, waiting_for(pod))
                time.sleep(LOOK)
                continue
            told = self._tell("", f"pod {pod['metadata']['name']}") and ""
            try:
                self.show(pod, tail=tail if seen is None else None, follow=True)
            except NotFound:
                continue  # the pod went away meanwhile
            seen = run

    def _tell(self, told: str, words: str) -> str:
        if words != told:
            terminal.err().print(f"-- {words}", style="dim", markup=False)
        return words

    def _print(self, line: str) -> None:
        if self._output is Format.json:
            print(as_json(line), flush=True)
        elif (shown := readable(line)) is not None:
            self._out.print(shown)


def _newest(cluster: Cluster, place: str, name: str) -> Object | None:
    pods = [pod for kind in KINDS for pod in cluster.pods(kind, place, name)]
    return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def _why_no_pod(cluster: Cluster, place: str, name: str) -> str:
    """Why there is no log: what the status says."""
    item = _find(cluster, place, name)
    witness = Witness(cluster, place)
    witness.look([item])
    return f"{row(item).kind} {name} has no pod{why_no_pod(item, [], witness.at_work(place))}"


def _find(cluster: Cluster, place: str, name: str) -> Object:
    """The task or job.

    :raises Failure: there is none
    """
    for kind in KINDS:
        try:
            return cluster.owner(kind, place, name)
        except NotFound:
            continue
    raise Failure(f"there is no task or job {name!r} in namespace {place}")


def why_no_log(pod: Mapping[str, Any], refused: Refused, *, previous: bool) -> str:
    """What an error in the place of a log means."""
    name = text(mapping(pod.get("metadata")).get("name"))
    words = text(refused.words)
    if refused.status >= 500:  # the API server asks the kubelet for it
        node = text(mapping(pod.get("spec")).get("nodeName"))
        return f"the log of pod {name} cannot be had from node {node}: {words}"
    if previous and "not found" in words:
        return f"pod {name} has had no container before the present one"
    if "waiting to start" in words:
        return waiting_for(pod)
    return f"there is no log of pod {name}: {words}"


def container_of(pod: Mapping[str, Any]) -> str:
    """The container that serves; the first one where none has its name."""
    names = [text(c.get("name")) for c in mapping(pod.get("spec")).get("containers") or ()]
    return CONTAINER if CONTAINER in names or not names else names[0]


def run_of(pod: Mapping[str, Any]) -> str | None:
    """What tells one start of the container from the next; None before the first."""
    status = _status(pod)
    state = mapping(status.get("state"))
    begun = mapping(state.get("running")) or mapping(state.get("terminated"))
    if not begun.get("startedAt"):
        return None
    return f"{mapping(pod.get('metadata')).get('uid')} {status.get('containerID')}"


def waiting_for(pod: Mapping[str, Any] | None) -> str:
    """Why there is nothing to show at the moment."""
    if pod is None:
        return "there is no pod; waiting for one"
    state = mapping(_status(pod).get("state"))
    waiting, ended = mapping(state.get("waiting")), mapping(state.get("terminated"))
    name = text(mapping(pod.get("metadata")).get("name"))
    if ended:
        code, reason = text(ended.get("exitCode")), text(ended.get("reason"))
        return f"pod {name} has ended with exit code {code} ({reason}); waiting for the next start"
    words = text(waiting.get("reason")) or text(mapping(pod.get("status")).get("phase"))
    return f"pod {name} waits: {words}"


def _status(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the container that serves."""
    wanted = container_of(pod)
    listed = mapping(pod.get("status")).get("containerStatuses")
    found = [mapping(one) for one in listed] if isinstance(listed, list) else []
    return next((one for one in found if one.get("name") == wanted), {})
