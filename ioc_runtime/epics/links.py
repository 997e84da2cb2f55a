"""Other IOCs' PVs: inputs that are followed, outputs that are written.

The sink is called from clients' threads; it is cheap there and never waits for a
network. Clients are imported when the plan has a link that needs them.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

from ioc_runtime.epics.client_thread import ClientThread
from ioc_runtime.epics.feed import Feed
from ioc_runtime.epics.link_writer import LinkWriter
from ioc_runtime.epics.waited_puts import WaitedPut, WaitedPuts
from ioc_runtime.plan import Input, Link, Output, Plan

_log = logging.getLogger(__name__)
PATIENCE = {
    "EPICS_CA_CONN_TMO": "5",
    "EPICS_PVA_CONN_TMO": "5",
    "EPICS_CA_MAX_SEARCH_PERIOD": "60",
}
"""Seconds after which a silent server counts as lost (30 by itself), and between two
searches for a PV that is long gone (300 by itself). What the environment says stays."""


class Sink(Protocol):
    """Who hears of the links. `i` counts the plan's inputs, `o` its outputs.

    Values fit their signals; None with severity INVALID is one that does not.
    """

    def sample(self, i: int, value: Any, severity: int, status: int, ns: int) -> None:
        """A new value; `ns` since 1970, 0 when the source has no time."""

    def alive(self, i: int) -> None:
        """The source answered and nothing is new."""

    def disconnected(self, i: int) -> None:
        """The source is lost."""

    def output_connected(self, o: int, up: bool) -> None:
        """The target came (or lets us write again), or went."""

    def written(self, o: int, error: str | None) -> None:
        """The newest value is written; or a sentence with link, value and cause."""


class Links:
    """All links of one plan."""

    def __init__(self, plan: Plan, sink: Sink) -> None:
        for name, seconds in PATIENCE.items():
            os.environ.setdefault(name, seconds)
        self.inputs = [False] * len(plan.inputs)
        """Whether the link of each input is connected."""
        self.outputs = [False] * len(plan.outputs)
        """Whether the link of each output is connected, its target ready."""
        self._plan, self._sink = plan, sink
        self._thread = ClientThread()
        self._clients: dict[str, Any] = {}
        self._readers: dict[int, Any] = {}
        self._writers: dict[int, LinkWriter] = {}
        self._puts: dict[str, WaitedPuts] = {}
        self._newest: dict[int, list[Any]] = {}
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def open(self) -> None:
        """Start to connect. Returns when every link has been asked for.

        :raises OSError, ImportError: when a client does not start.
        """
        # A client thread that calls into an interpreter that ends aborts the process.
        atexit.register(self.close)
        self._thread.start()
        self._thread.post(self._open)
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def close(self, timeout: float = 0.9) -> None:
        """End all links; the sink is not called any more. Not while holding a lock of its."""
        if not self._ready.is_set():
            return  # never opened
        atexit.unregister(self.close)
        self._thread.post(self._close)
        if not self._thread.stop(timeout):
            _log.warning("links did not close within %g s", timeout)

    def missing(self, scheme: str) -> Iterator[str]:
        """The PVs of this scheme that links are not connected to. From any thread."""
        for up, signals in (
            (self.inputs, self._plan.inputs),
            (self.outputs, self._plan.outputs),
        ):
            for connected, signal in zip(up, signals, strict=True):
                if not connected and signal.link is not None and signal.link.scheme == scheme:
                    yield signal.link.name

    def write(self, o: int, value: Any) -> None:
        """Send a value out through output `o`'s link. Never waits; the newest value wins."""
        waiting = self._newest[o]
        waiting[0] = value
        if not waiting[1]:
            waiting[1] = True
            self._thread.post(self._write, o)

    @property
    def busy(self) -> bool:
        """A glance at `writing`, from any thread: it may be a moment old, and never waits."""
        return any(waiting[1] for waiting in self._newest.values()) or any(
            one.busy for one in list(self._writers.values())
        )

    def writing(self) -> bool:
        """Whether a value is still on its way to some target: neither there nor given up."""
        answer: list[bool] = []
        asked = threading.Event()

        def look() -> None:
            answer.append(any(one.busy for one in self._writers.values()))
            answer.append(any(waiting[1] for waiting in self._newest.values()))
            asked.set()

        self._thread.post(look)
        return not asked.wait(1.0) or any(answer)

    def put_and_wait(self, name: str, value: Any, timeout: float) -> str | None:
        """Put to the PV behind the link of an input or output, and wait for the answer.

        For a plugin's thread: it waits up to `timeout` seconds. Returns None, or a
        sentence with link, value and cause. What timed out unsent is never sent.
        """
        signals: tuple[Input | Output, ...] = (*self._plan.inputs, *self._plan.outputs)
        signal = next(signal for signal in signals if signal.name == name)
        put = WaitedPut(signal, value, timeout)
        self._thread.post(self._put, signal, put)
        return put.wait()

    def reload(self, plan: Plan) -> None:
        """Go on with a plan of the same shape: time-outs, retries, tolerances. Never waits."""
        self._plan = plan
        for o, writer in self._writers.items():
            self._thread.post(writer.reload, plan.outputs[o])
        for i, reader in self._readers.items():
            if plan.inputs[i].max_age is not None:
                self._thread.post(reader.remember)

    def poke(self, i: int) -> None:
        """Ask input `i`'s source for a sign of life. Never waits."""
        reader = self._readers.get(i)
        if reader is not None:
            self._thread.post(reader.poke)

    def _write(self, o: int) -> None:
        waiting = self._newest[o]
        waiting[1] = False  # before the value is read: a later one is posted again
        self._writers[o].write(waiting[0])

    def _put(self, signal: Input | Output, put: WaitedPut) -> None:
        puts = self._puts.get(signal.name)
        if puts is None and signal.link is not None:
            puts = self._puts[signal.name] = WaitedPuts(self._thread)
            puts.target = self._client(signal.link).target(signal.link, signal, puts.connected)
        if puts is not None:
            puts.put(put)

    def _open(self) -> None:
        try:
            for o, output in enumerate(self._plan.outputs):
                if output.link is not None:
                    self._open_output(o, output.link)
            for i, signal in enumerate(self._plan.inputs):
                if signal.link is not None:
                    feed = Feed(
                        signal,
                        partial(self._sink.sample, i),
                        partial(self._sink.alive, i),
                        partial(self._input_connected, i),
                        remember=signal.max_age is not None,
                        every=signal.buffer is not None and signal.link.poll is not None,
                    )
                    self._readers[i] = self._client(signal.link).reader(signal.link, feed)
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    def _open_output(self, o: int, link: Link) -> None:
        output = self._plan.outputs[o]
        writer = LinkWriter(output, self._thread, partial(self._sink.written, o))
        self._writers[o], self._newest[o] = writer, [None, False]
        if output.readback is not None:
            feed = Feed(
                output,
                partial(self._thread.post, writer.readback),
                lambda: None,
                partial(self._thread.post, writer.readback_connected),
            )
            self._client(output.readback).reader(output.readback, feed)
        connected = partial(self._output_connected, o)
        writer.target = self._client(link).target(link, output, connected)

    def _client(self, link: Link) -> Any:
        """The client of a link's protocol, loaded and started when it is first needed."""
        client = self._clients.get(link.scheme)
        if client is None:
            client = self._clients[link.scheme] = _start(link.scheme, self._thread)
        return client

    def _close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _input_connected(self, i: int, up: bool) -> None:
        self.inputs[i] = up
        if not up:
            self._sink.disconnected(i)

    def _output_connected(self, o: int, up: bool) -> None:
        self.outputs[o] = up
        self._writers[o].connected(up)
        self._sink.output_connected(o, up)


def _start(scheme: str, thread: ClientThread) -> Any:
    if scheme == "ca":
        from ioc_runtime.epics.ca import CaClient

        return CaClient(thread)
    from ioc_runtime.epics.pva import PvaClient

    return PvaClient(thread)
