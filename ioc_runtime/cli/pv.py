"""`iocctl pv get|put|monitor`: PVs for people without EPICS tools."""

from __future__ import annotations

import queue
import signal
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ioc_runtime.cli import terminal
from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.reading import Address, Protocol, Reading, parse_address
from ioc_runtime.cli.value_words import TakesValues

if TYPE_CHECKING:
    from ioc_runtime.cli.ca_client import CaClient
    from ioc_runtime.cli.pva_client import PvaClient

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Read, write and follow PVs over Channel Access and PV Access.",
    epilog="A PV is ca://NAME, pva://NAME, or NAME with --protocol (ca unless said otherwise).",
)


class ProtocolChoice(StrEnum):
    """Protocol of names that say none."""

    ca = "ca"
    pva = "pva"


class Format(StrEnum):
    """How readings are printed."""

    text = "text"
    json = "json"


ProtocolOption = Annotated[
    ProtocolChoice,
    typer.Option("--protocol", "-p", help="Protocol of names without ca:// or pva://."),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", "-w", min=0.05, max=3600, help="Seconds to wait for answers.")
]
FormatOption = Annotated[
    Format, typer.Option("--output", "-o", help="json: one object per line, exact values.")
]
ElementsOption = Annotated[
    int, typer.Option("--elements", "-n", min=0, help="Elements of an array to show; 0 shows all.")
]
StringOption = Annotated[
    bool, typer.Option("--string", "-S", help="Show an array of bytes as the text it holds.")
]


@app.command(
    epilog=terminal.examples(
        "iocctl pv get BL01:VAC:pressure pva://BL01:VAC:MESSAGE",
        "iocctl pv get -o json BL01:VAC:alarm",
    )
)
def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="PVs to read.")],
    protocol: ProtocolOption = ProtocolChoice.ca,
    timeout: TimeoutOption = 3.0,
    output: FormatOption = Format.text,
    elements: ElementsOption = 10,
    string: StringOption = False,
) -> None:
    """Read PVs: value, unit, severity, status and time. Exit code 1 if one does not answer."""
    addresses = [parse_address(name, protocol.value) for name in names]
    raise typer.Exit(read_once(addresses, timeout, Printer(addresses, output, elements, string)))


@app.command(
    cls=TakesValues,
    epilog=terminal.examples(
        "iocctl pv put BL01:VAC:CLEAR 1",
        "iocctl pv put BL01:VAC:mode Auto",
        "iocctl pv put pva://BL01:VAC:profile 1 2.5 -3",
    ),
)
def put(
    name: Annotated[str, typer.Argument(metavar="NAME", help="PV to write.")],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE",
            help="A number, a text, a state's name or index; several for an array.",
        ),
    ],
    protocol: ProtocolOption = ProtocolChoice.ca,
    timeout: TimeoutOption = 5.0,
    output: FormatOption = Format.text,
    elements: ElementsOption = 10,
    string: StringOption = False,
) -> None:
    """Write a PV, wait until its record has processed, and show what it holds then."""
    address = parse_address(name, protocol.value)
    printer = Printer([address], output, elements, string)
    raise typer.Exit(write_once(address, values, timeout, printer))


@app.command(
    epilog=terminal.examples(
        "iocctl pv monitor BL01:VAC:pressure pva://BL01:VAC:alarm",
        "iocctl pv monitor BL01:VAC:pressure --for 60 -o json",
    )
)
def monitor(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="PVs to follow.")],
    protocol: ProtocolOption = ProtocolChoice.ca,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0.05, help="End after so many seconds.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-c", min=1, help="End after so many updates.")
    ] = None,
    timeout: TimeoutOption = 3.0,
    output: FormatOption = Format.text,
    elements: ElementsOption = 10,
    string: StringOption = False,
) -> None:
    """Follow PVs and print each change, until Ctrl-C, --for or --count.

    A PV that has not answered after --timeout is named and waited for. Exit code 1
    if one never answered.
    """
    addresses = list(dict.fromkeys(parse_address(name, protocol.value) for name in names))
    printer = Printer(addresses, output, elements, string)
    raise typer.Exit(follow(addresses, printer, seconds, count, timeout))


def read_once(addresses: Sequence[Address], timeout: float, printer: Printer) -> Exit:
    """Read PVs and print what they say; the exit code."""
    readings = Clients().get(addresses, timeout)
    printer.show(*readings)
    return Exit.FAILED if any(reading.error for reading in readings) else Exit.OK


def write_once(address: Address, words: Sequence[str], timeout: float, printer: Printer) -> Exit:
    """Write a PV and print what it holds then; the exit code.

    :raises Failure: it was not written
    """
    clients = Clients()
    failed = clients.of(address).put(address, words, timeout)
    if failed is not None:
        raise Failure(f"{address.given} was not written: {failed}")
    (reading,) = clients.get([address], timeout)
    printer.show(reading)
    return Exit.FAILED if reading.error else Exit.OK


def follow(
    addresses: Sequence[Address],
    printer: Printer,
    seconds: float | None,
    count: int | None,
    timeout: float,
) -> Exit:
    """Print each change of PVs until so many seconds or updates; the exit code."""
    updates: queue.SimpleQueue[Reading] = queue.SimpleQueue()
    clients = Clients()
    clients.monitor(addresses, updates.put)
    following = _Follow(addresses, updates, printer)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        following.until(seconds, count, timeout, clients.tend)
    except KeyboardInterrupt:
        pass
    following.name_silent()
    return Exit.FAILED if following.silent else Exit.OK


class _Follow:
    """Prints updates as they come and knows who has not answered yet."""

    def __init__(
        self,
        addresses: Sequence[Address],
        updates: queue.SimpleQueue[Reading],
        printer: Printer,
    ) -> None:
        self.silent = set(addresses)
        self._updates = updates
        self._printer = printer
        self._named = False

    def until(
        self, seconds: float | None, count: int | None, timeout: float, tend: Callable[[], None]
    ) -> None:
        """Print until so many seconds or updates; name the silent ones after `timeout`."""
        start = time.monotonic()
        seen = 0
        while count is None or seen < count:
            elapsed = time.monotonic() - start
            if seconds is not None and elapsed >= seconds:
                return
            if elapsed >= timeout:
                self.name_silent()
            tend()
            try:
                reading = self._updates.get(timeout=0.02)
            except queue.Empty:
                continue
            if reading.error is None:
                self.silent.discard(reading.address)
                seen += 1
            self._printer.show(reading)

    def name_silent(self) -> None:
        """Say once who has not answered."""
        if self.silent and not self._named:
            self._named = True
            names = ", ".join(sorted(address.given for address in self.silent))
            terminal.err().print(f"no answer yet from {names}", style="yellow", markup=False)


class Clients:
    """The clients of the protocols that are needed; a library is loaded on first use."""

    def __init__(self) -> None:
        self._made: dict[Protocol, CaClient | PvaClient] = {}

    def of(self, address: Address) -> CaClient | PvaClient:
        """The client that talks the address's protocol."""
        if address.protocol not in self._made:
            self._made[address.protocol] = _client(address.protocol)
        return self._made[address.protocol]

    def get(self, addresses: Sequence[Address], timeout: float) -> list[Reading]:
        """Read all, each protocol at once, in the order that was asked for."""
        found: dict[Address, Reading] = {}
        for group in _by_protocol(addresses):
            for reading in self.of(group[0]).get(group, timeout):
                found[reading.address] = reading
        return [found[address] for address in addresses]

    def monitor(self, addresses: Sequence[Address], tell: Callable[[Reading], None]) -> None:
        """Follow all; see the clients' own `monitor`."""
        for group in _by_protocol(addresses):
            self.of(group[0]).monitor(group, tell)

    def forget(self, protocol: Protocol) -> None:
        """Drop a protocol's connections: the next use searches anew, at once.

        A PV Access client searches less and less often for a server that was away.
        """
        client = self._made.get(protocol)
        if client is not None and client.close():
            del self._made[protocol]

    def tend(self) -> None:
        """Let the clients do their housekeeping."""
        for client in self._made.values():
            client.tend()


def _client(protocol: Protocol) -> CaClient | PvaClient:
    if protocol == "ca":
        from ioc_runtime.cli.ca_client import CaClient

        return CaClient()
    from ioc_runtime.cli.pva_client import PvaClient

    return PvaClient()


def _by_protocol(addresses: Sequence[Address]) -> list[list[Address]]:
    groups: dict[Protocol, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        groups.setdefault(address.protocol, []).append(address)
    return list(groups.values())


class Printer:
    """Prints readings, one per line, in columns; errors go to standard error."""

    def __init__(
        self, addresses: Sequence[Address], output: Format, elements: int, string: bool
    ) -> None:
        self.silent = set(addresses)
        """Those of which no value has been shown."""
        self._width = max(len(address.given) for address in addresses)
        self._json = output is Format.json
        self._elements = elements
        self._string = string
        self._console = terminal.out()

    def show(self, *readings: Reading) -> None:
        """Print them in this order."""
        for reading in readings:
            one = reading.as_string() if self._string else reading
            if one.error is None:
                self.silent.discard(one.address)
            if self._json:
                print(one.as_json(), flush=True)
            elif one.error is not None:
                name = f"{one.address.given:<{self._width}}"
                print(f"{name}  {one.error}", file=sys.stderr, flush=True)
            else:
                self._console.print(self._line(one))

    def _line(self, reading: Reading) -> Text:
        line = Text(f"{reading.address.given:<{self._width}}  ", "bold")
        value = reading.text(self._elements) + (f" {reading.units}" if reading.units else "")
        line.append(f"{value:<16}  ", "not bold")
        line.append(reading.when(), "not bold dim")
        if reading.severity not in ("", "NO_ALARM"):
            style = terminal.STYLES.get(reading.severity, "")
            line.append(f"  {reading.severity} {terminal.printable(reading.status)}", style)
        return line
