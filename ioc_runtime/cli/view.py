"""What a running task looks like: the sum of what its process has said so far."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from signal import Signals
from typing import Any, Final

from ioc_runtime.cli.child import Event
from ioc_runtime.cli.reading import severity_name
from ioc_runtime.cli.terminal import printable
from ioc_runtime.engine.values import show
from ioc_runtime.plan import SEVERITIES, Plan, Signal

MEANINGS: Final = {
    10: "the task's logic failed",
    11: "an input or output failed",
    12: "its plugin failed",
    13: "it stalled",
    14: "it was aborted",
    15: "its manifest, plugin or environment is of no use here",
    16: "it was stopped before its end",
}
"""What the exit codes of a serving process mean."""
DEFAULT_PORTS: Final = {"CA": 5064, "PVA": 5075}
PORT_VARIABLES: Final = {
    "CA": ("EPICS_CAS_SERVER_PORT", "EPICS_CA_SERVER_PORT"),
    "PVA": ("EPICS_PVAS_SERVER_PORT", "EPICS_PVA_SERVER_PORT"),
}

UNKNOWN: Final = 3
"""`Row.trouble` from which on a value is not known."""


@dataclass(frozen=True)
class Row:
    """One input or output."""

    name: str
    value: str
    unit: str
    severity: str
    connected: bool | None
    """None where there is no link."""
    link: str
    latched: bool = False

    @property
    def trouble(self) -> int:
        """How much it asks for attention; rows are left out from the lowest on."""
        if self.connected is False:
            return 4
        ranks = {"INVALID": UNKNOWN, "MAJOR": 2, "MINOR": 1}
        return max(ranks.get(self.severity, 0), 2 if self.latched else 0)


@dataclass
class View:
    """The state of a task on the parent's side."""

    plan: Plan
    asked: frozenset[str] = frozenset()
    """Protocols whose port the user chose, by a flag or in the environment."""
    state: str = "STARTING"
    message: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    """Protocol -> port that the process serves on."""
    note: str = ""
    ready: float | None = None
    """Seconds from process start to the first PV."""
    since: float | None = None
    """Monotonic time of that moment."""
    inputs: list[Row] = field(default_factory=list)
    outputs: list[Row] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    evaluations: float = 0.0
    """Per second, between the last two snapshots."""
    reaction: tuple[float, float] | None = None
    """p50 and p99 of the last second, in µs."""
    heartbeat: int = 0
    errors: int = 0
    job: dict[str, Any] = field(default_factory=dict)
    """Of a job, as its process says it: progress in %, message, seconds."""
    cycle: dict[str, Any] = field(default_factory=dict)
    """Of a task in triggered mode: busy, waiting, count, status, text, duration, rejected."""
    log: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=20))
    """Time, level and text of the last lines."""
    error: str = ""
    stderr: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    _counted: tuple[int, float] | None = None

    def take(self, event: Event) -> None:
        """Learn one thing the process said; unknown ones are left alone."""
        handler = getattr(self, f"_{event['say']}", None)
        if handler is not None:
            handler(event)

    def environment(self) -> str:
        """What a client needs to find the PVs; "" where the defaults do."""
        needs = []
        ca, pva = self.ports.get("CA"), self.ports.get("PVA")
        if ca not in (None, DEFAULT_PORTS["CA"]):
            # A port that was asked for is that of the searches, too. One that took the
            # place of the default is not: only who connects straight to it is sure.
            sure = f"EPICS_CA_NAME_SERVERS=127.0.0.1:{ca}"
            needs.append(f"EPICS_CA_SERVER_PORT={ca}" if "CA" in self.asked else sure)
        if pva not in (None, DEFAULT_PORTS["PVA"]):
            needs.append(f"EPICS_PVA_NAME_SERVERS=127.0.0.1:{pva}")
        return " ".join(needs)

    def _ports(self, event: Event) -> None:
        for key in ("ca", "pva"):
            if isinstance(event.get(key), int) and event[key]:
                self.ports[key.upper()] = event[key]
        # Somebody may take the default after the process has looked and before it serves.
        replaced = [
            f"{name} port {DEFAULT_PORTS[name]} is taken; using a free one"
            for name, port in self.ports.items()
            if port != DEFAULT_PORTS[name] and name not in self.asked
        ]
        self.note = str(event.get("note") or "; ".join(replaced))

    def _ready(self, event: Event) -> None:
        self.ready = float(event.get("seconds") or 0.0)
        self.since = time.monotonic()

    def _state(self, event: Event) -> None:
        self.state = str(event.get("state") or self.state)
        self.message = str(event.get("message") or "")

    def _result(self, event: Event) -> None:
        self.job = self.job | {"seconds": event.get("seconds"), "data": event.get("data")}
        if event.get("success"):
            self.job["progress"] = 100.0

    def _log(self, event: Event) -> None:
        level = str(event.get("level") or "INFO")
        self.log.append((_time(event), level, log_text(event)))

    def _audit(self, event: Event) -> None:
        self.log.append((_time(event), "AUDIT", audit_text(event)))

    def _error(self, event: Event) -> None:
        self.error = str(event.get("text") or event.get("reason") or "")

    def _printed(self, event: Event) -> None:
        self.log.append((time.time(), "", event["text"]))

    def _stderr(self, event: Event) -> None:
        self.stderr.append(event["text"])
        self.log.append((time.time(), "STDERR", event["text"]))

    def _snapshot(self, event: Event) -> None:
        self._state(event)
        self.job = self.job | (event.get("job") or {})
        self.cycle = dict(event.get("cycle") or {})
        signals = {signal.name: signal for signal in self.plan.signals}
        self.inputs = [_row(each, signals) for each in event.get("inputs") or ()]
        self.outputs = [_row(each, signals) for each in event.get("outputs") or ()]
        rules = event.get("rules") or {}
        self.active = list(rules.get("active") or ())
        self.pending = list(rules.get("pending") or ())
        self.invalid = list(rules.get("invalid") or ())
        self._count(int(event.get("evaluations") or 0), _time(event))
        self.reaction = _reaction(event.get("reaction"))
        self.heartbeat = int(event.get("heartbeat") or 0)
        errors = event.get("errors")
        self.errors = sum(errors.values()) if isinstance(errors, dict) else int(errors or 0)

    def _count(self, total: int, when: float) -> None:
        """Evaluations per second from the running total; RESET starts that anew."""
        if self._counted is not None and when > self._counted[1]:
            before = self._counted[0] if total >= self._counted[0] else 0
            self.evaluations = (total - before) / (when - self._counted[1])
        self._counted = (total, when)


def log_text(event: Event) -> str:
    """A log line, with what was raised at its end."""
    text = str(event.get("text") or "")
    raised = str(event.get("traceback") or "").strip().splitlines()[-1:]
    return f"{text}: {raised[0]}" if raised else text


def audit_text(event: Event) -> str:
    """Who wrote what, in one line."""
    who = f"{event.get('user') or '?'}@{event.get('host') or '?'}"
    return f"{event.get('pv')}: {event.get('old')} -> {event.get('new')} by {who}"


def ending(code: int, view: View) -> str:
    """How the serving process ended, in a sentence; "" for a clean end."""
    if view.error:
        return view.error
    if code < 0:
        names = {number.value: number.name for number in Signals}
        name = names.get(-code, f"signal {-code}")
        hint = " (was there enough memory?)" if name == "SIGKILL" else ""
        return f"the serving process was ended by {name}{hint}"
    if code == 0:
        return ""
    meaning = MEANINGS.get(code, "it failed")
    last = f": {view.stderr[-1]}" if view.stderr else ""
    return f"the serving process ended with exit code {code}: {meaning}{last}"


def _row(data: Mapping[str, Any], signals: Mapping[str, Signal]) -> Row:
    name = str(data.get("name"))
    signal = signals.get(name)
    value = data.get("value")
    link = data.get("link") or ""
    connected = data.get("connected")
    severity = data.get("severity", 0)
    number = SEVERITIES.index(severity) if severity in SEVERITIES else int(severity or 0)
    if signal is not None and signal.severities and value in signal.states:
        # The record adds the severity of its state to what the engine says.
        number = max(number, signal.severities[signal.states.index(value)])
    return Row(
        name,
        printable(show(signal, value) if signal is not None else str(value)),
        printable(signal.unit) if signal is not None and value is not None else "",
        severity_name(number),
        bool(connected) if link and connected is not None else None,
        str(link),
        bool(data.get("latched")),
    )


def _reaction(value: Any) -> tuple[float, float] | None:
    if isinstance(value, dict):
        value = [value.get("p50"), value.get("p99")]
    if isinstance(value, list | tuple) and len(value) == 2 and None not in value:
        return float(value[0]), float(value[1])
    return None


def _time(event: Event) -> float:
    stamp = event.get("time")
    return float(stamp) if isinstance(stamp, int | float) else time.time()
