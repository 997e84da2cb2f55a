"""The plan: what a serving process needs to know, as plain data.

`ioc_runtime.compile` makes a plan from a manifest, once, in a process that can
afford the checks. The process that serves PVs reads the plan and nothing else,
so it never loads pydantic or a YAML parser. Whatever is in a plan has been
checked: names fit, expressions parse, every name they read is known.

A plan is JSON with a format version. A runtime refuses a plan of another
version and compiles the manifest beside it again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

FORMAT = 1

SignalType = Literal["float", "int", "bool", "enum", "string"]
Scalar = float | int | str | bool
Value = Any
"""A scalar, or a list of scalars for an array."""

Severity = int
"""0 NO_ALARM, 1 MINOR, 2 MAJOR, 3 INVALID: the numbers of EPICS."""

SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")


class PlanError(Exception):
    """A plan cannot be read: not JSON, of another format, or damaged."""


@dataclass(frozen=True)
class Link:
    """A PV of somebody else."""

    scheme: Literal["ca", "pva"]
    name: str
    """Record or record.FIELD, as a client names it."""
    poll: float | None = None
    """Seconds between asynchronous gets; None follows the PV by a monitor."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}"


@dataclass(frozen=True)
class Range:
    """Limits of a display or of a set-point, in the signal's unit."""

    low: float
    high: float


@dataclass(frozen=True)
class Alarms:
    """Analogue alarm limits; None switches one off. Evaluated by the record."""

    lolo: float | None = None
    low: float | None = None
    high: float | None = None
    hihi: float | None = None
    lolo_severity: Severity = 2
    low_severity: Severity = 1
    high_severity: Severity = 1
    hihi_severity: Severity = 2
    hysteresis: float = 0.0


@dataclass(frozen=True)
class Signal:
    """What an input and an output have in common: one PV that we serve."""

    name: str
    """The name in expressions; the PV is the plan's prefix + name."""
    type: SignalType
    length: int | None = None
    """Number of elements of an array; None for a scalar."""
    states: tuple[str, ...] = ()
    """Names of an enum's or a bool's values, by index. A bool has two."""
    severities: tuple[Severity, ...] = ()
    """Severity of each state, by index; empty when none has one."""
    unit: str = ""
    precision: int = 3
    description: str = ""
    display: Range | None = None
    alarms: Alarms | None = None
    buffer: int | None = None
    """Number of valid samples kept as `<name>_buf`."""
    tags: tuple[str, ...] = ()
    """Words by which a plugin chooses signals."""


@dataclass(frozen=True)
class Input(Signal):
    """A signal that comes in: from a PV of somebody else, or from an operator."""

    link: Link | None = None
    """None: an operator's set-point, writable by clients."""
    value: Value | None = None
    """First value of a set-point; None leaves it invalid until it is written."""
    drive: Range | None = None
    """Range that a set-point is held to."""
    max_age: float | None = None
    invalid_hold: float = 0.0
    persist: bool = True
    """Whether the last value of a set-point outlives the process."""


@dataclass(frozen=True)
class Output(Signal):
    """A signal that goes out: from the rules, a transform or the plugin."""

    owner: Literal["rules", "transform", "plugin"] = "plugin"
    link: Link | None = None
    readback: Link | None = None
    tolerance: float = 0.0
    """Largest difference of value and read-back that still agrees."""
    timeout: float = 2.0
    """Seconds that one attempt of a link write may take, read-back included."""
    retries: int = 2
    default: Value | None = None
    """From ruleDefaults."""
    value: Value | None = None
    """First value of an output that rules drive; its link is not told of it."""
    otherwise: Literal["plugin", "transform"] | None = None
    """Who gives the value of an output of the rules while none of them drives it."""
    repeat: bool = False
    """Whether the link is told a value again, though it has not changed."""
    latch: Literal["rise", "fall", "any"] | None = None
    on_invalid: Literal["hold", "drive"] = "hold"
    safe_value: Value | None = None
    max_age: float | None = None
    """Age at which a plugin's output turns invalid."""
    persist: bool = True
    """Whether a latch outlives the process."""


@dataclass(frozen=True)
class Transform:
    """An expression whose value an output takes."""

    output: str
    expression: str


@dataclass(frozen=True)
class Rule:
    """A condition, and the values that outputs take while it holds."""

    id: str
    condition: str
    outputs: dict[str, Value] = field(default_factory=dict)
    hold: float = 0.0
    """`for` of the manifest: seconds the condition must hold."""
    message: str = ""


@dataclass(frozen=True)
class Access:
    """Who may write operators' PVs: hosts and users as EPICS reports them.

    Both empty and `acf` None: everyone. `acf` is the text of a file that replaces
    the generated one.
    """

    hosts: tuple[str, ...] = ()
    users: tuple[tuple[str, str], ...] = ()
    """(user, host) pairs; host `*` is any."""
    acf: str | None = None


@dataclass(frozen=True)
class Plugin:
    """Where the task's code is; exactly one of the sources is set."""

    files: dict[str, str] | None = None
    """Inline files, by relative path."""
    directory: str | None = None
    """A local directory (iocctl run, or what an init container has fetched)."""
    source: dict[str, Any] | None = None
    """A source that has to be fetched, or mounted, before (git, configMap)."""
    class_name: str | None = None
    functions: tuple[str, ...] = ()
    """Names of expression functions the plugin has to register."""
    requirements: tuple[str, ...] = ()
    """Packages beside those of the image; each one has been checked by `requirement.parse`."""
    requirements_from: str | None = None
    """requirements.txt or pyproject.toml in the plugin's directory that names more."""
    update_policy: Literal["Pinned", "OnRestart"] = "Pinned"
    """When a Git ref is resolved again."""
    max_failures: int | None = None
    isolation: Literal["thread", "process"] = "thread"
    config: str | None = None
    """File of the plugin's directory that says what PVs and rules there are."""
    config_read: bool = False
    """Whether this plan has what that file says."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of a call in Python."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What a job has beside its PVs and its code."""

    function: str | None = None
    """Function to run; None: the plugin's class, or `main` where there is none."""
    init_args: Arguments = Arguments()
    run_args: Arguments = Arguments()
    run_timeout: float | None = None
    """Seconds after which a run is ended; None: never."""
    run_id: str = ""
    """What the user calls this run."""
    run: int | None = None
    """Number of the run, from 1. In a cluster the operator puts it in; elsewhere None."""


@dataclass(frozen=True)
class Trigger:
    """The cycle of a task in triggered mode."""

    waiting: int = 1
    """Triggers that may wait while a cycle runs; 0 rejects them all."""
    period: float | None = None
    """Seconds between triggers of a timer; None: there is none."""
    stall_limit: float | None = None
    """Seconds after which a cycle that still runs is shown as STALLED; None: never."""
    kill_after: float | None = None
    """Seconds after that at which the process ends; None: never."""


@dataclass(frozen=True)
class Plan:
    """One task or job, checked: everything that a serving process needs."""

    name: str
    namespace: str
    prefix: str
    kind: Literal["IocTask", "IocJob"] = "IocTask"
    mode: Literal["reactive", "periodic", "triggered"] = "reactive"
    period: float = 1.0
    trigger: Trigger = Trigger()
    parameters: dict[str, Value] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    transforms: tuple[Transform, ...] = ()
    """In the order of the manifest; the engine orders them by dependency."""
    rules: tuple[Rule, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    """Standard PV -> its second name, both without prefix."""
    protocol: Literal["ca", "pva"] = "ca"
    """Of PVs that a plugin names without a scheme."""
    prefixes: dict[str, str] = field(default_factory=dict)
    """What `{key}` at the start of a PV's name stands for."""
    access: Access = Access()
    plugin: Plugin | None = None
    job: Job | None = None
    """Set if, and only if, the kind is IocJob."""
    ioc_stats: bool = False
    database: tuple[str, ...] = ()
    """Texts of .db files that are loaded as they are."""
    config_hash: str = ""
    """Of the manifest: 64 hexadecimal digits (sha256 of its canonical JSON)."""
    format: int = FORMAT

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Inputs, then outputs: the order of the engine's slots."""
        return (*self.inputs, *self.outputs)


def to_json(plan: Plan, *, indent: int | None = None) -> str:
    """The plan as JSON; fields that have their default are left out."""
    return json.dumps(_encode(plan) | {"format": plan.format}, indent=indent)


def from_json(text: str) -> Plan:
    """Read what `to_json` wrote.

    :raises PlanError: with one sentence that says what is wrong.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PlanError(f"the plan is not JSON: {error}") from None
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise PlanError(f"the plan has format {found!r}, this runtime reads {FORMAT}")
    try:
        return _decode(Plan, data)  # type: ignore[no-any-return]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise PlanError(f"the plan is damaged: {error}") from None


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        out = {}
        for f in fields(value):
            item = getattr(value, f.name)
            if item != f.default and not (item == {} and f.default_factory is dict):
                out[f.name] = _encode(item)
        return out
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _decode(wanted: Any, data: Any) -> Any:
    """`data` (from JSON) as the annotated type: dataclasses and tuples restored."""
    origin = get_origin(wanted)
    if origin in (UnionType, Union):
        if data is None:
            return None
        options = [option for option in get_args(wanted) if option is not NoneType]
        return _decode(options[0], data) if len(options) == 1 else data
    if isinstance(wanted, type) and is_dataclass(wanted):
        hints = _hints(wanted)
        return wanted(**{key: _decode(hints[key], item) for key, item in data.items()})
    if origin is tuple:
        inner = get_args(wanted)
        if inner[-1] is Ellipsis:
            return tuple(_decode(inner[0], item) for item in data)
        return tuple(_decode(t, item) for t, item in zip(inner, data, strict=True))
    return data
