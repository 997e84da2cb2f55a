"""Inputs and outputs of an iocmng config as those of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ioc_runtime.compile.literals import looks_like_number
from ioc_runtime.migrate.fields import (
    SIGNAL,
    TYPES,
    coerced,
    flag,
    known_keys,
    mapping,
    number,
)
from ioc_runtime.migrate.notes import Findings, Place

TASK_PVS: Final = frozenset(
    ("STATUS", "MESSAGE", "ENABLE", "RUN", "CYCLE_COUNT", "VERSION", "CLEAR", "RESET")
)
"""Names that iocmng keeps for itself; it leaves a PV of the config with that name out."""
JOB_PVS: Final = frozenset(("STATUS", "MESSAGE"))
FASTEST: Final = 0.01
_DIRECTIONS: Final = {"0->1": "rise", "1->0": "fall", "rise": "rise", "fall": "fall", "any": "any"}

Signal = dict[str, Any]


class Signals:
    """All signals of one config: how they stood there, and what becomes of them."""

    def __init__(
        self, config: Mapping[str, Any], kind: str, interval: float, findings: Findings
    ) -> None:
        self.findings, self.kind, self.interval = findings, kind, interval
        self.given: dict[str, dict[str, Any]] = {}
        """By name: the signal as the config has it."""
        self.origin: dict[str, Place] = {}
        self.types: dict[str, str] = {}
        self.inputs: dict[str, Signal] = {}
        self.outputs: dict[str, Signal] = {}
        for group, made in (("inputs", self.inputs), ("outputs", self.outputs)):
            for name, (where, spec) in self._section(config, group).items():
                self._signal(group, name, where, spec, made)

    @property
    def wired_outputs(self) -> frozenset[str]:
        """Outputs with a link: expressions of iocmng read what came back of those."""
        return frozenset(name for name, made in self.outputs.items() if "link" in made)

    def initial(self, name: str) -> Any:
        """The first value of a record in iocmng; None with a problem."""
        value = self.given[name].get("value", 0)
        where = (*self.origin[name], "value")
        return coerced(self.types[name], value, where, self.findings)

    def _section(
        self, config: Mapping[str, Any], group: str
    ) -> dict[str, tuple[Place, dict[str, Any]]]:
        """The PVs of `arguments`, and of the older `pvs` where those have no such name."""
        found: dict[str, tuple[Place, dict[str, Any]]] = {}
        for section in ("pvs", "arguments"):
            outer = mapping(config, section, (), self.findings)
            for name, spec in mapping(outer, group, (section,), self.findings).items():
                where: Place = (section, group, name)
                if isinstance(spec, dict):
                    found[str(name)] = (where, spec)
                else:
                    self.findings.wrong(where, spec, "a map with the type of the PV")
        for section in ("pvs", "arguments"):
            outer = mapping(config, section, (), self.findings)
            known_keys(outer, ("inputs", "outputs"), (section,), self.findings)
        return found

    def _signal(
        self, group: str, name: str, where: Place, spec: dict[str, Any], made: dict[str, Signal]
    ) -> None:
        findings = self.findings
        reserved = JOB_PVS if self.kind == "IocJob" else TASK_PVS
        if name in reserved or name == "SYS_CONN":
            findings.note(where, f"left out: {name} is a PV of every task and is always served")
            return
        known_keys(spec, SIGNAL, where, findings)
        kind = str(spec.get("type", "float")).lower()
        if kind not in TYPES:
            findings.wrong((*where, "type"), spec.get("type"), "float, int, string or bool", TYPES)
            return
        self.given[name], self.origin[name], self.types[name] = spec, where, kind
        findings.came_from(("spec", group, name), where)
        signal: Signal = {"type": kind}
        made[name] = signal
        self._link(group, name, where, spec, signal)
        if group == "inputs" and "link" not in signal:
            signal["value"] = self.initial(name)
        elif group == "inputs" and "value" in spec:
            findings.together(
                "mirror",
                name,
                "{names}: no first value. An input with a link is INVALID until its source "
                "answers; iocmng showed `value` with no alarm.",
            )
        self._looks(group, name, where, spec, signal)
        self._alarm(group, name, where, spec, signal)
        size = number(spec, "buffer_size", where, findings, least=-1e9)
        if size is not None and int(size) > 0:
            signal["buffer"] = int(size)
            findings.came_from(("spec", group, name, "buffer"), (*where, "buffer_size"))
        if group == "outputs":
            self._latch(name, where, spec, signal)
        elif spec.get("latch"):
            findings.note((*where, "latch"), "left out: only outputs latch")

    def _link(
        self, group: str, name: str, where: Place, spec: Mapping[str, Any], signal: Signal
    ) -> None:
        findings = self.findings
        mode = str(spec.get("link_mode", spec.get("mode", "poll"))).lower()
        key = "link_mode" if "link_mode" in spec else "mode"
        if mode not in ("poll", "monitor"):
            findings.wrong((*where, key), mode, "poll or monitor", ("poll", "monitor"))
        rate = number(spec, "poll_rate", where, findings)
        flag(spec, "trigger", where, findings)
        link = spec.get("link")
        if not link:
            return
        if not isinstance(link, str):
            findings.wrong((*where, "link"), link, "the name of a PV")
            return
        signal["link"] = link
        if group == "outputs":
            return
        if mode == "monitor":
            if rate is not None:
                findings.note((*where, "poll_rate"), "left out: the link is monitored")
            return
        signal["poll"] = max(FASTEST, self.interval if rate is None else rate)
        if rate is not None and rate < self.interval:
            signal["poll"] = max(FASTEST, self.interval)
            findings.note(
                (*where, "poll_rate"),
                f"{signal['poll']:g} s: iocmng reads no faster than its interval",
                ("spec", group, name, "poll"),
            )

    def _looks(
        self, group: str, name: str, where: Place, spec: Mapping[str, Any], signal: Signal
    ) -> None:
        """What displays are told."""
        findings, kind = self.findings, signal["type"]
        if text := spec.get("desc") or spec.get("description"):
            findings.together("desc", name, "{names}: a description, which iocmng did not read.")
            signal["description"] = str(text)
        if kind == "bool":
            self._states(group, name, where, spec, signal)
        if kind != "float":
            return
        if spec.get("unit"):
            signal["unit"] = str(spec["unit"])
        if spec.get("prec") is not None:
            signal["precision"] = coerced("int", spec["prec"], (*where, "prec"), findings)
            findings.came_from(("spec", group, name, "precision"), (*where, "prec"))
        if "low" in spec or "high" in spec:
            low = number(spec, "low", where, findings, least=-1e308)
            high = number(spec, "high", where, findings, least=-1e308)
            low, high = 0 if low is None else low, 100 if high is None else high
            if low < high:
                signal["display"] = {"low": low, "high": high}
                findings.came_from(("spec", group, name, "display"), where)
            else:
                text = f"the range of displays, {low:g} to {high:g}, is left out: it is none"
                findings.note(where, text, ("spec", group, name))

    def _states(
        self, group: str, name: str, where: Place, spec: Mapping[str, Any], signal: Signal
    ) -> None:
        states = [str(spec.get("znam", "Off")), str(spec.get("onam", "On"))]
        fits = states[0].lower() != states[1].lower() and all(
            s.strip() == s and s and not looks_like_number(s) and len(s.encode()) <= 25
            for s in states
        )
        if fits:
            signal["states"] = states
            findings_path = ("spec", group, name, "states")
            self.findings.came_from(findings_path, where)
        elif spec.get("alarm_on"):
            self.findings.wrong(where, states, "two names for the states, not alike, no numbers")
        else:
            text = f"the names of the states, {' and '.join(map(repr, states))}, are left out"
            self.findings.note(where, f"{text}: names have to differ and be no numbers")

    def _alarm(
        self, group: str, name: str, where: Place, spec: Mapping[str, Any], signal: Signal
    ) -> None:
        """`alarm_on`: the severity of state 1, or at `high`."""
        findings, kind = self.findings, signal["type"]
        given = spec.get("alarm_on")
        if given in (None, "", False):
            return
        severity, place = str(given).upper(), (*where, "alarm_on")
        if severity not in ("MAJOR", "MINOR"):
            findings.wrong(place, given, "MAJOR or MINOR", ("MAJOR", "MINOR"))
        elif kind == "string":
            findings.note(place, "left out: a text has no alarm, in iocmng neither")
        elif kind == "bool":
            if "states" in signal:
                signal["severity"] = {signal["states"][1]: severity}
        else:
            high = number(spec, "high", where, findings, least=-1e308)
            if high is None:
                high = 100
                text = f"{severity} at 100: iocmng takes 100 where there is no `high`"
                findings.note(place, text, ("spec", group, name, "alarms"))
            high = int(high) if kind == "int" else high
            signal["alarms"] = {"high": high, "highSeverity": severity}

    def _latch(self, name: str, where: Place, spec: Mapping[str, Any], signal: Signal) -> None:
        findings = self.findings
        given = str(spec.get("latch_dir", "rise")).lower()
        direction = _DIRECTIONS.get(given)
        if direction is None:
            findings.wrong((*where, "latch_dir"), given, "rise, fall or any", _DIRECTIONS)
        elif flag(spec, "latch", where, findings):
            signal["latch"] = direction
