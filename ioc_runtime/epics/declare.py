"""From a plan to records: what is served, with every field, as the text of a .db file.

Pure. Records that the runtime publishes are inputs without a link of their own (`ai`,
`bi`, ...): the writer gives them value, alarm and time. Those that operators write
are outputs (`ao`, `bo`, ...). Both are plain soft records; none has device support in
Python, so that no server ever waits for Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ioc_runtime.engine.effects import RuleState
from ioc_runtime.engine.values import STRING_MAX
from ioc_runtime.plan import SEVERITIES, Alarms, Input, Plan, Rule, Signal
from ioc_runtime.standard import (
    HOLD_PREFIX,
    LINES,
    RULE_STATES,
    StandardPV,
    hold_names,
    rule_pv,
    standard_of,
)

PUBLISHED: Final = "RO"
"""Access group of what the runtime publishes: nobody writes it."""
OPERATOR: Final = "OPERATOR"
"""Access group of what operators write."""
ARRAYS: Final = "OPERATOR_ARRAYS"
"""The same for arrays of floats, whose puts the put log of softioc must not see: it
reads past the record where it prints one. They are audited without a name."""

TEXT_MAX: Final = 65_535
"""Bytes of the longest long string, its end included."""
_MACRO = re.compile(r"\$[({]")
STATE_KEYS = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV") + (
    ("EI", "NI", "TE", "EL", "TV", "TT", "FT", "FF")
)
_TYPES: Final = {
    "float": ("ai", "ao"),
    "int": ("longin", "longout"),
    "bool": ("bi", "bo"),
    "enum": ("mbbi", "mbbo"),
    "string": ("lsi", "lso"),
}
_ELEMENTS: Final = {
    "float": "DOUBLE",
    "int": "LONG",
    "bool": "LONG",
    "enum": "LONG",
    "string": "STRING",
}


@dataclass(frozen=True)
class Record:
    """One record to be: where it comes from and what it holds."""

    name: str
    """Without the prefix."""
    type: str
    """Record type."""
    holds: str
    """A signal's type, or `count`."""
    length: int | None = None
    """Elements of an array; None for one value."""
    size: int = 0
    """Bytes of a text, its end included."""
    states: int = 0
    """Number of states; 0 when the value is no state."""
    operator: bool = False
    """Clients may write it."""
    command: bool = False
    held: bool = False
    """A put is answered when we say so (`trigger.Trigger`)."""
    fields: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def block(self) -> bool:
        """A text or an array: its value is a block of memory of its own."""
        return self.length is not None or self.holds == "string"

    @property
    def logged(self) -> bool:
        """Whether the put log shows who writes it."""
        return self.fields.get("ASG") == OPERATOR


def declare(plan: Plan) -> tuple[list[Record], list[Record], list[Record]]:
    """Records of a plan: one for each slot of the engine, for each rule, the standard ones."""
    signals = [_signal(signal) for signal in plan.signals]
    rules = [_rule(rule) for rule in plan.rules]
    standard = [_standard(pv, plan) for pv in standard_of(plan.kind, plan.mode)]
    return signals, rules, standard


def database(prefix: str, records: Iterable[Record]) -> str:
    """The text of a .db file."""
    return "\n".join(line for record in records for line in _lines(prefix, record))


def _lines(prefix: str, record: Record) -> Iterator[str]:
    yield f'record({record.type}, "{prefix}{record.name}") {{'
    for name, value in record.fields.items():
        if not _MACRO.search(value):
            yield f'  field({name}, "{quoted(value)}")'
    for alias in record.aliases:
        yield f'  alias("{prefix}{alias}")'
    yield "}"


def late_texts(prefix: str, records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Fields that a .db file cannot set, and their texts: `$(X)` in any form is a macro to it."""
    for record in records:
        for name, value in record.fields.items():
            if _MACRO.search(value):
                yield f"{prefix}{record.name}.{name}", value


def quoted(text: str) -> str:
    """A text inside the quotes of a .db file.

    Everything but plain letters goes in by its number: quotes, backslashes, ends of
    lines and other alphabets.
    """
    return "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\x{byte:02x}"
        for byte in text.encode()
    )


def _signal(signal: Signal) -> Record:
    operator = isinstance(signal, Input) and signal.link is None
    record_type = "waveform" if signal.length is not None else _TYPES[signal.type][operator]
    fields = _common(signal.description, operator)
    if operator and record_type == "waveform" and signal.type == "float":
        fields["ASG"] = ARRAYS
    if signal.type in ("float", "int"):
        fields |= _number(signal, record_type)
    if signal.length is not None:
        fields |= {"FTVL": _ELEMENTS[signal.type], "NELM": str(signal.length)}
    elif signal.type == "bool":
        fields |= _two_states(signal.states or ("Off", "On"), signal.severities)
    elif signal.type == "enum":
        fields |= _many_states(signal.states, signal.severities)
    elif signal.type == "string":
        fields["SIZV"] = str(STRING_MAX + 1)
    if operator and isinstance(signal, Input) and signal.length is None:
        fields |= _set_point(signal)
    return Record(
        name=signal.name,
        type=record_type,
        holds=signal.type,
        length=signal.length,
        size=STRING_MAX + 1 if signal.type == "string" else 0,
        states=_count_states(signal),
        operator=operator,
        fields=fields,
    )


def _count_states(signal: Signal) -> int:
    if signal.type == "bool":
        return 2
    return len(signal.states) if signal.type == "enum" else 0


def _common(description: str, operator: bool) -> dict[str, str]:
    fields = {"DESC": description} if description else {}
    if operator:
        return fields | {"ASG": OPERATOR}
    # TSE -2: the writer gives the time. DISP: refused even where access rules are off.
    return fields | {"ASG": PUBLISHED, "TSE": "-2", "DISP": "1"}


COUNT: Final = f"{HOLD_PREFIX}COUNT"
_FOR_GOOD: Final = "1e9"
"""Seconds after which EPICS itself would end a hold."""


def holds(plan: Plan) -> list[Record]:
    """What answers the puts on TRIGGER, all of it in C (`trigger.Trigger` says how).

    COUNT counts the puts of 1 in B and names the hold of each in C; PICK processes that
    one, which stays active until we end it. BUSY is read for one reason: records that
    are linked are locked together.
    """
    if plan.mode != "triggered":
        return []
    count, pick, *names = hold_names(plan.trigger.waiting)
    hidden = {"ASG": PUBLISHED, "DISP": "1"}
    prefix = plan.prefix
    calculation = f"B:=B+(A=1);C:=(A=1)?B%{len(names)}+1:0;(A=1)?B:-A"
    links = {f"LNK{number:X}": f"{prefix}{name}" for number, name in enumerate(names, 1)}
    return [
        Record(
            name=count,
            type="calc",
            holds="float",
            fields=hidden
            | {"INPA": f"{prefix}TRIGGER", "INPD": f"{prefix}BUSY", "CALC": calculation}
            | {"FLNK": f"{prefix}{pick}"},
        ),
        Record(
            name=pick,
            type="fanout",
            holds="count",
            fields=hidden | {"SELM": "Specified", "SELL": f"{prefix}{count}.C"} | links,
        ),
        *(
            Record(
                name=name,
                type="calcout",
                holds="float",
                fields=hidden | {"CALC": "0", "OOPT": "Every Time", "ODLY": _FOR_GOOD},
            )
            for name in names
        ),
    ]


def _number(signal: Signal, record_type: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    if signal.unit:
        fields["EGU"] = signal.unit
    if signal.type == "float":
        fields["PREC"] = str(signal.precision)
    whole = signal.type == "int" and record_type != "waveform"
    if signal.display is not None:
        fields["LOPR"] = _limit(signal.display.low, whole)
        fields["HOPR"] = _limit(signal.display.high, whole)
    if signal.alarms is not None and record_type != "waveform":
        fields |= _alarms(signal.alarms, whole)
    return fields


def _alarms(alarms: Alarms, whole: bool) -> dict[str, str]:
    fields = {}
    for limit, value, key, severity in (
        ("LOLO", alarms.lolo, "LLSV", alarms.lolo_severity),
        ("LOW", alarms.low, "LSV", alarms.low_severity),
        ("HIGH", alarms.high, "HSV", alarms.high_severity),
        ("HIHI", alarms.hihi, "HHSV", alarms.hihi_severity),
    ):
        if value is not None:
            # The alarm is at the limit, so a limit between whole numbers moves outwards.
            outwards = math.floor if limit in ("LOLO", "LOW") else math.ceil
            fields[limit] = str(outwards(value)) if whole else repr(float(value))
            fields[key] = SEVERITIES[severity]
    if alarms.hysteresis:
        fields["HYST"] = _limit(alarms.hysteresis, whole)
    return fields


def _limit(value: float, whole: bool) -> str:
    return str(round(value)) if whole else repr(float(value))


def _set_point(signal: Input) -> dict[str, str]:
    """Every put counts, an equal one too; values are held to the drive limits."""
    fields: dict[str, str] = {}
    if signal.type in ("float", "int"):
        fields["MDEL"] = "-1"
        if signal.drive is not None:
            whole = signal.type == "int"
            fields["DRVL"] = _limit(signal.drive.low, whole)
            fields["DRVH"] = _limit(signal.drive.high, whole)
    if signal.type == "string":
        fields["MPST"] = "Always"
    return fields


def _two_states(states: tuple[str, ...], severities: tuple[int, ...]) -> dict[str, str]:
    fields = {"ZNAM": states[0], "ONAM": states[1]}
    for key, severity in zip(("ZSV", "OSV"), severities, strict=False):
        fields[key] = SEVERITIES[severity]
    return fields


def _many_states(states: tuple[str, ...], severities: tuple[int, ...]) -> dict[str, str]:
    fields = {}
    for index, (key, name) in enumerate(zip(STATE_KEYS, states, strict=False)):
        fields[f"{key}VL"] = str(index)
        fields[f"{key}ST"] = name
        if index < len(severities):
            fields[f"{key}SV"] = SEVERITIES[severities[index]]
    return fields


def _rule(rule: Rule) -> Record:
    severities = tuple(3 if state == RuleState.INVALID else 0 for state in RuleState)
    return Record(
        name=rule_pv(rule.id),
        type="mbbi",
        holds="enum",
        states=len(RULE_STATES),
        fields=_common("state of a rule", False) | _many_states(RULE_STATES, severities),
    )


def _standard(pv: StandardPV, plan: Plan) -> Record:
    fields = _common(pv.meaning, pv.operator)
    aliases = (*pv.also, plan.aliases[pv.name]) if pv.name in plan.aliases else pv.also
    length: int | None = None
    size = states = 0
    match pv.kind:
        case "bool":
            record_type, states = ("bo" if pv.operator else "bi"), 2
            fields |= _two_states(pv.states, pv.severities)
        case "enum":
            record_type, states = ("mbbo" if pv.operator else "mbbi"), len(pv.states)
            fields |= _many_states(pv.states, pv.severities)
        case "count":
            record_type = "int64in"
        case "float":
            record_type = "ai"
            fields["PREC"] = str(pv.precision)
        case "text":
            record_type, size = ("lso" if pv.operator else "lsi"), _text_size(pv, plan)
            fields["SIZV"] = str(size)
        case "flags":
            # Over PVA a waveform with room for one element is a number, not an array.
            record_type, length = "waveform", max(2, len(_linked(pv, plan)))
            fields |= {"FTVL": "LONG", "NELM": str(length)}
        case "lines":
            record_type, length = "waveform", LINES
            fields |= {"FTVL": "STRING", "NELM": str(length)}
    if pv.unit:
        fields["EGU"] = pv.unit
    if pv.held:
        fields["FLNK"] = f"{plan.prefix}{COUNT}"
    return Record(
        name=pv.name,
        type=record_type,
        holds=_HOLDS.get(pv.kind, pv.kind),
        length=length,
        size=size,
        states=states,
        operator=pv.operator,
        command=pv.command,
        held=pv.held,
        fields=fields,
        aliases=aliases,
    )


_HOLDS: Final = {"text": "string", "flags": "int", "lines": "string"}


def _text_size(pv: StandardPV, plan: Plan) -> int:
    if not pv.name.endswith("_NAMES"):
        return STRING_MAX + 1
    needed = len("\n".join(_linked(pv, plan)).encode()) + 1
    return min(TEXT_MAX, max(STRING_MAX + 1, needed))


def _linked(pv: StandardPV, plan: Plan) -> list[str]:
    return linked_names(plan.inputs if pv.name.startswith("CONN_INP") else plan.outputs)


def linked_names(signals: Iterable[Signal]) -> list[str]:
    """Names of the inputs or outputs that have a link: the order of CONN_INP, CONN_OUT."""
    return [signal.name for signal in signals if getattr(signal, "link", None) is not None]
