"""`kubectl ioc bypass`: live without one condition of a permit, for a time and with a reason."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from ioc_runtime.cli import pv
from ioc_runtime.cli.cluster import Cluster
from ioc_runtime.cli.cluster_options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    complete_name,
)
from ioc_runtime.cli.condition_table import mapping
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.live_values import prefix_of
from ioc_runtime.cli.pv import TimeoutOption
from ioc_runtime.cli.reach import all_items, reach, resolve
from ioc_runtime.cli.reading import Address, Reading
from ioc_runtime.plugin.errors import nearest

SETTLED: Final = 1.5
"""Seconds for the record to take a bypass into force; it is on stable storage before that."""
LOOK: Final = 0.05
BEHIND: Final = 5.0
"""Seconds that may have gone of a bypass when we look at what is left."""


def bypass(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A task.", autocompletion=complete_name)
    ],
    condition: Annotated[
        str, typer.Argument(metavar="PERMIT/CONDITION", help="The condition to live without.")
    ],
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=1, metavar="SECONDS", help="How long; the manifest bounds it."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; it is shown while the bypass lasts.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="End a bypass now.")] = False,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Bypass one condition of a permit for a time, or end that; with neither, show what is left.

    The task's `access` decides who may; its audit names you. Exit code 1 if it is refused.
    """
    _check(seconds, reason, end)
    cluster = Cluster(kubeconfig, context)
    place = namespace or cluster.namespace
    item = resolve(task, all_items(cluster, place), place).item
    if item["kind"] != "IocTask" or item["metadata"]["name"] != task:
        raise Failure(f"{task}: expected the name of a task; jobs have no permits", Exit.USAGE)
    permit, slash, name = condition.partition("/")
    if not (permit and slash and name):
        raise Failure(f"{condition}: expected PERMIT/CONDITION, as beam/vacuum", Exit.USAGE)
    base = f"{permit}:{name}:BYPASS"
    names = (base, f"{base}:LEFT", f"{base}:REASON", "MESSAGE")
    found = reach(cluster, place, [f"{task}/{each}" for each in names], "ca")
    if found.absent:
        raise Failure(f"there is no {prefix_of(item)}{base}: {_why(item, permit, name)}")
    records = Records(*found.addresses, timeout=timeout)
    if records.left() is None:
        raise Failure(f"{prefix_of(item)}{base} does not answer: {_why(item, permit, name)}")
    asked = 0.0 if end else seconds
    if asked is not None:
        records.ask(asked, reason)
    left, words = records.left() or 0.0, f"{task}: {condition}"
    if left > 0:
        print(f"{words} is bypassed for {left:.0f} s: {records.reason()}")
    else:
        print(f"{words} is not bypassed")
    if asked is not None and not is_as_asked(left, asked):
        raise Failure(f"it is not as asked, {asked:g} s: {records.message()}")


def _check(seconds: float | None, reason: str | None, end: bool) -> None:
    """What goes together.

    :raises Failure: usage
    """
    if end and (seconds is not None or reason is not None):
        raise Failure("--end: expected neither --for nor --reason with it", Exit.USAGE)
    if (seconds is None) != (reason is None or not reason.strip()):
        raise Failure("expected --for SECONDS and --reason TEXT together", Exit.USAGE)


class Records:
    """The records of one condition's bypass."""

    def __init__(
        self, seconds: Address, left: Address, reason: Address, message: Address, timeout: float
    ) -> None:
        self._seconds, self._left = seconds, left
        self._reason, self._message = reason, message
        self._timeout = timeout
        self._clients = pv.Clients()

    def _get(self, address: Address) -> Reading:
        return self._clients.get([address], self._timeout)[0]

    def left(self) -> float | None:
        """Seconds that the bypass still lasts; 0 if there is none, None if nobody answers."""
        reading = self._get(self._left)
        return None if reading.error is not None else float(reading.value)

    def reason(self) -> str:
        return str(self._get(self._reason).value)

    def message(self) -> str:
        """What the task says last: of a refusal, why."""
        return str(self._get(self._message).value)

    def ask(self, seconds: float, reason: str | None) -> None:
        """Put the reason, then the time, and wait until the one follows from the other.

        :raises Failure: a put is refused
        """
        puts = [(self._reason, reason)] if reason is not None else []
        for address, value in (*puts, (self._seconds, str(seconds))):
            failed = self._clients.of(address).put(address, [value], self._timeout)
            if failed is not None:
                raise Failure(f"{address.given} was not written: {failed}")
        until = time.monotonic() + SETTLED
        while not is_as_asked(self.left() or 0.0, seconds) and time.monotonic() < until:
            time.sleep(LOOK)


def is_as_asked(left: float, seconds: float) -> bool:
    """Whether what is left follows from the request, and not from a bypass before it."""
    return left <= 0 if seconds == 0 else max(0.0, seconds - BEHIND) < left <= seconds


def _why(item: Mapping[str, Any], permit: str, condition: str) -> str:
    """Why a task may have no such bypass, by its manifest."""
    name = item["metadata"]["name"]
    permits = {
        str(mapping(one).get("name")): mapping(one)
        for one in mapping(item.get("spec")).get("permits") or ()
    }
    if not permits:
        return f"{name} has no permits"
    if permit not in permits:
        return f"{name} has no permit {permit!r}{nearest(permit, [*permits])}"
    conditions = {
        str(mapping(one).get("name")): mapping(one) for one in permits[permit].get("requires") or ()
    }
    if condition not in conditions:
        return f"permit {permit} has no condition {condition!r}{nearest(condition, [*conditions])}"
    if conditions[condition].get("bypass") is None:
        return f"{permit}/{condition} may not be bypassed: it has no `bypass`"
    return "the pod does not serve it; `kubectl ioc status` says how it is"


EXAMPLES: Final = (
    'kubectl ioc bypass guard beam/vacuum --for 600 --reason "gauge is being calibrated"',
    "kubectl ioc bypass guard beam/vacuum --end",
)
