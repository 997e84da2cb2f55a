"""`kubectl ioc get|put|monitor|reset`: PVs of tasks for whoever has a kubeconfig."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from ioc_runtime.cli import pv, terminal
from ioc_runtime.cli.cluster import Cluster
from ioc_runtime.cli.cluster_options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    complete_name,
    complete_target,
)
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.live_values import prefix_of
from ioc_runtime.cli.pv import (
    Format,
    FormatOption,
    ProtocolChoice,
    ProtocolOption,
    StringOption,
    TimeoutOption,
)
from ioc_runtime.cli.reach import Reached, all_items, hints, reach, resolve
from ioc_runtime.cli.reading import Protocol, Reading

TARGETS: Final = "TASK: its state, inputs and outputs; TASK/NAME: one PV; or the PV's full name."
SETTLED: Final = 1.5
"""Seconds for MESSAGE to follow a command."""
LOOK: Final = 0.05

ElementsOption = Annotated[  # -n is the namespace here
    int, typer.Option("--elements", min=0, help="Elements of an array to show; 0 shows all.")
]
TargetsArgument = Annotated[
    list[str], typer.Argument(metavar="TARGET…", help=TARGETS, autocompletion=complete_target)
]


def get(
    targets: TargetsArgument,
    namespace: NamespaceOption = None,
    protocol: ProtocolOption = ProtocolChoice.ca,
    timeout: TimeoutOption = 10.0,
    output: FormatOption = Format.text,
    elements: ElementsOption = 10,
    string: StringOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Read PVs of tasks and jobs, by way of the API server.

    Exit code 1 if a PV does not answer, or there is no such task, 3 without a cluster
    or without the right to forward ports of pods.
    """
    cluster = Cluster(kubeconfig, context)
    found = reach(cluster, namespace or cluster.namespace, targets, _protocol(protocol))
    printer = _printer(found, output, elements, string)
    code = pv.read_once(found.addresses, timeout, printer)
    _tell_trouble(found, printer, code)
    raise typer.Exit(Exit.FAILED if found.absent else code)


def put(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="TASK/NAME, or a full name.", autocompletion=complete_target
        ),
    ],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE",
            help="A number, a text, a state's name or index; several for an array.",
        ),
    ],
    namespace: NamespaceOption = None,
    protocol: ProtocolOption = ProtocolChoice.ca,
    timeout: TimeoutOption = 10.0,
    output: FormatOption = Format.text,
    elements: ElementsOption = 10,
    string: StringOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Write a PV of a task, wait until its record has processed, and show what it holds then.

    The task's `access` decides who may; its audit names you and this machine.
    """
    cluster = Cluster(kubeconfig, context)
    found = reach(cluster, namespace or cluster.namespace, [target], _protocol(protocol))
    if found.absent:
        raise Failure(f"{target}: {found.absent[0].error}")
    if len(found.addresses) != 1:
        raise Failure(f"{target}: expected one PV, as {target}/NAME", Exit.USAGE)
    printer = pv.Printer(found.addresses, output, elements, string)
    raise typer.Exit(pv.write_once(found.addresses[0], values, timeout, printer))


def monitor(
    targets: TargetsArgument,
    namespace: NamespaceOption = None,
    protocol: ProtocolOption = ProtocolChoice.ca,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0.05, help="End after so many seconds.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-c", min=1, help="End after so many updates.")
    ] = None,
    timeout: TimeoutOption = 10.0,
    output: FormatOption = Format.text,
    elements: ElementsOption = 10,
    string: StringOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Follow PVs of tasks and print each change, until Ctrl-C, --for or --count."""
    cluster = Cluster(kubeconfig, context)
    found = reach(cluster, namespace or cluster.namespace, targets, _protocol(protocol))
    printer = _printer(found, output, elements, string)
    code = pv.follow(found.addresses, printer, seconds, count, timeout)
    _tell_trouble(found, printer, code)
    raise typer.Exit(Exit.FAILED if found.absent else code)


def reset(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", help="A task, or a job that runs.", autocompletion=complete_name
        ),
    ],
    clear: Annotated[
        bool, typer.Option("--clear-only", help="Latches only; leave counters and connections.")
    ] = False,
    namespace: NamespaceOption = None,
    timeout: TimeoutOption = 10.0,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Release the latches of a task or job whose cause is gone, and set its counters to 0.

    Puts 1 to RESET, or to CLEAR, and says what MESSAGE answers. Exit code 1 if a latch stays.
    """
    cluster = Cluster(kubeconfig, context)
    place = namespace or cluster.namespace
    item = resolve(task, all_items(cluster, place), place).item
    if item["metadata"]["name"] != task:
        raise Failure(f"{task}: expected the name of a task or job", Exit.USAGE)
    command = "CLEAR" if clear else "RESET"
    found = reach(cluster, place, [f"{task}/{command}", f"{task}/MESSAGE"], "ca")
    button, message = found.addresses
    clients = pv.Clients()
    before = _heard(clients.get([message], timeout)[0])
    failed = clients.of(button).put(button, ["1"], timeout)
    if failed is not None:
        raise Failure(f"{button.given} was not written: {failed}")
    until = time.monotonic() + SETTLED
    after = before
    while after == before and time.monotonic() < until:
        time.sleep(LOOK)
        after = _heard(clients.get([message], timeout)[0])
    if after == before:
        print(f"{prefix_of(item)}{command} is done; there was nothing to release")
        raise typer.Exit(Exit.OK)
    text, severity, _ = after
    print(f"{prefix_of(item)}{command} is done: {terminal.printable(text)}")
    raise typer.Exit(Exit.OK if severity == "NO_ALARM" else Exit.FAILED)


def _heard(reading: Reading) -> tuple[str, str, float | None]:
    """What MESSAGE says, and since when.

    :raises Failure: it does not answer
    """
    if reading.error is not None:
        raise Failure(f"{reading.address.given}: {reading.error}")
    return str(reading.value), reading.severity, reading.time


def _protocol(choice: ProtocolChoice) -> Protocol:
    return "ca" if choice is ProtocolChoice.ca else "pva"


def _printer(found: Reached, output: Format, elements: int, string: bool) -> pv.Printer:
    """What shows the readings; of PVs that are not there it says so at once.

    Ends the command where there are no others.
    """
    absent = [reading.address for reading in found.absent]
    printer = pv.Printer([*found.addresses, *absent], output, elements, string)
    printer.show(*found.absent)
    if not found.addresses:
        raise typer.Exit(Exit.FAILED)
    return printer


def _tell_trouble(found: Reached, printer: pv.Printer, code: Exit) -> None:
    if code == Exit.OK:
        return
    for line in (found.trouble, *hints(found, printer.silent)):
        if line:
            terminal.err().print(line, style="yellow", markup=False)


COMMANDS: Final[Sequence[tuple[object, tuple[str, ...]]]] = (
    (
        get,
        (
            "kubectl ioc get guard",
            "kubectl ioc get guard/pressure BL01:VAC:alarm -n bl01",
            "kubectl ioc get guard/MESSAGE --protocol pva -o json",
        ),
    ),
    (
        put,
        (
            "kubectl ioc put guard/mode Auto",
            "kubectl ioc put guard/offset -1.5e-3",
            "kubectl ioc put BL01:VAC:CLEAR 1 -n bl01",
        ),
    ),
    (monitor, ("kubectl ioc monitor guard", "kubectl ioc monitor guard/pressure --for 60")),
    (reset, ("kubectl ioc reset guard", "kubectl ioc reset guard --clear-only -n bl01")),
)
"""Each command, with its examples."""
