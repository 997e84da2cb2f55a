"""`iocmng.core.plugin_spec`: the config as the code of a plugin sees it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ioc_runtime.plan import Plan, Signal

CONFIGS = ("config.yaml", "config.yml", "config.json")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PvArgumentSpec:
    """One PV of the config."""

    name: str
    direction: str
    type: str = "float"
    value: Any = 0
    unit: str = ""
    prec: int = 3
    low: Any = 0
    high: Any = 100
    znam: str = "Off"
    onam: str = "On"
    link: str | None = None
    link_mode: str = "poll"
    poll_rate: float | None = None
    trigger: bool = False
    buffer_size: int | None = None
    latch: bool = False
    latch_dir: str = "rise"
    alarm_on: str = ""
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def wired(self) -> bool:
        """Whether it has a link."""
        return bool(self.link)

    @property
    def writable(self) -> bool:
        """Whether clients may write it."""
        return self.direction == "input" and not self.wired

    @property
    def first(self) -> Any:
        """The value that iocmng's record begins with."""
        make = {"string": str, "int": int, "bool": int}.get(self.type, float)
        try:
            return make(self.value)
        except (TypeError, ValueError):
            return None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the config."""
        return dict(self.raw)


@dataclass(frozen=True)
class RuleSpec:
    """One rule of the config."""

    id: str = ""
    condition: str = "False"
    message: str = ""
    message_pv: str | None = None
    actuators: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without what is empty."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class TransformSpec:
    """One transform of the config."""

    output: str = ""
    expression: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class PluginSpec:
    """The whole config."""

    prefix: str | None
    parameters: dict[str, Any]
    inputs: dict[str, PvArgumentSpec]
    outputs: dict[str, PvArgumentSpec]
    rules: list[RuleSpec] = field(default_factory=list)
    transforms: list[TransformSpec] = field(default_factory=list)
    rule_defaults: dict[str, Any] = field(default_factory=dict)
    raw_config: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, dict[str, Any]]:
        """Inputs and outputs as they stand in the config."""
        return {
            "inputs": {name: spec.to_dict() for name, spec in self.inputs.items()},
            "outputs": {name: spec.to_dict() for name, spec in self.outputs.items()},
        }

    @property
    def pv_definitions(self) -> dict[str, dict[str, Any]]:
        """The same by its older name."""
        return self.arguments


def spec_of(plan: Plan, directory: Path | None) -> PluginSpec:
    """The config beside the plugin's code; made from the plan where there is none."""
    config = _config(plan, directory)
    raw = _of_plan(plan) if config is None else config
    return PluginSpec(
        prefix=raw.get("prefix"),
        parameters=_mapping(raw.get("parameters")),
        inputs=_signals(raw, "inputs"),
        outputs=_signals(raw, "outputs"),
        rules=[RuleSpec(**_known(RuleSpec, rule)) for rule in _maps(raw.get("rules"))],
        transforms=[
            TransformSpec(**_known(TransformSpec, t)) for t in _maps(raw.get("transforms"))
        ],
        rule_defaults=_mapping(raw.get("rule_defaults")),
        raw_config=raw,
    )


def _config(plan: Plan, directory: Path | None) -> dict[str, Any] | None:
    if directory is None:
        return None
    named = plan.plugin.config if plan.plugin is not None else None
    for name in (named,) if named else CONFIGS:
        path = directory / name
        if path.is_file():
            import yaml  # only such plugins pay for it

            try:
                found = yaml.safe_load(path.read_text("utf-8-sig"))
            except (OSError, ValueError, yaml.YAMLError) as error:
                _log.warning("%s is not read: %s", path, error)
                return None
            return found if isinstance(found, dict) else {}
    return None


def _signals(raw: Mapping[str, Any], group: str) -> dict[str, PvArgumentSpec]:
    direction = group.removesuffix("s")
    sections = (_mapping(_mapping(raw.get(part)).get(group)) for part in ("pvs", "arguments"))
    found: dict[str, Any] = {}
    for section in sections:
        found.update(section)
    made = {}
    for name, given in found.items():
        if isinstance(given, dict):
            known = _known(PvArgumentSpec, given)
            known |= {"type": str(given.get("type", "float")).lower(), "raw": dict(given)}
            known["link_mode"] = str(given.get("link_mode", given.get("mode", "poll"))).lower()
            made[str(name)] = PvArgumentSpec(**known | {"name": str(name), "direction": direction})
    return made


def _known(cls: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key in cls.__dataclass_fields__}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _maps(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _of_plan(plan: Plan) -> dict[str, Any]:
    """A config that says what the plan says; each linked input has `trigger: true`."""
    return {
        "parameters": dict(plan.parameters),
        "arguments": {
            "inputs": {s.name: _of_signal(s) for s in plan.inputs},
            "outputs": {s.name: _of_signal(s) for s in plan.outputs},
        },
        "transforms": [{"output": t.output, "expression": t.expression} for t in plan.transforms],
        "rules": [
            {"id": r.id, "condition": r.condition, "message": r.message, "outputs": dict(r.outputs)}
            for r in plan.rules
        ],
    }


def _of_signal(signal: Signal) -> dict[str, Any]:
    kind = "int" if signal.type == "enum" else signal.type
    made: dict[str, Any] = {"type": kind, "unit": signal.unit, "prec": signal.precision}
    link = getattr(signal, "link", None)
    if link is not None:
        made |= {"link": link.name, "link_mode": "poll" if link.poll else "monitor"}
        made["trigger"] = True
    value = getattr(signal, "value", None)
    made["value"] = value if value is not None else "" if kind == "string" else 0
    if len(signal.states) == 2:
        made |= {"znam": signal.states[0], "onam": signal.states[1]}
    return made
