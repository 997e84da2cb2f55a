"""Rules and transforms of an iocmng config, and who gives each output its value.

There an output can be written by rules, by a transform and by the plugin, one after the
other in each cycle. Here one owner decides: rules, with what others give as the value
while no rule is active; else a transform; else the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ioc_runtime.migrate.code import Code
from ioc_runtime.migrate.fields import (
    RULE,
    TRANSFORM,
    coerced,
    items,
    known_keys,
    mapping,
)
from ioc_runtime.migrate.notes import Findings, Place
from ioc_runtime.migrate.signals import Signals
from ioc_runtime.migrate.words import names_in, renamed

_NOT_ID: Final = re.compile(r"[^A-Za-z0-9_]")
READ_BACK: Final = "_rb"
ACTUATOR: Final = "_act"


class Logic:
    """What the rules and transforms of one config become."""

    def __init__(
        self,
        config: Mapping[str, Any],
        signals: Signals,
        code: Code | None,
        timeout: float | None,
        findings: Findings,
    ) -> None:
        self.config, self.signals, self.findings = config, signals, findings
        self.code = None if code is not None and code.bare else code
        self.timeout = timeout
        self.transforms: list[dict[str, Any]] = []
        self.rules: list[dict[str, Any]] = []
        self.defaults: dict[str, Any] = {}
        self._by_rule: set[str] = set()
        self._by_transform: dict[str, Place] = {}
        self._actuators: dict[str, str] = {}

    def convert(self) -> None:
        """Everything; the signals get what their owners need."""
        self._transforms()
        self._rules()
        self._owners()
        for made in self.signals.outputs.values():
            if self.timeout is not None and "link" in made:
                made["timeout"] = self.timeout

    # transforms

    def _transforms(self) -> None:
        done: set[str] = set()
        for index, given in items(self.config, "transforms", self.findings):
            where: Place = ("transforms", index)
            known_keys(given, TRANSFORM, where, self.findings)
            output, source = str(given.get("output", "")), str(given.get("expression", ""))
            path = ("spec", "transforms", len(self.transforms))
            self.findings.came_from(path, where)
            if output in self._by_transform:
                expected = "one transform of each output: there the last one wins"
                self.findings.wrong((*where, "output"), output, expected)
                continue
            self._by_transform[output] = where
            source = self._expression(source, (*where, "expression"), path, done)
            self.transforms.append({"output": output, "expression": source})
            done.add(output)

    def _expression(self, source: str, where: Place, path: Any, done: set[str]) -> str:
        """An expression with the names that it has here.

        :param done: outputs whose new value it sees; of a linked one it sees otherwise what
            came back from the other IOC
        """
        names = names_in(source)
        back = {}
        for name in sorted(names):
            base = name.removesuffix("_buf")
            if base in self.signals.wired_outputs and name not in done:
                back[name] = f"{self._read_back(base)}{name[len(base) :]}"
            elif name in self.signals.types and name not in done:
                self._now_seen(name, where, path)
        return renamed(source, back)

    def _now_seen(self, name: str, where: Place, path: Any) -> None:
        signals = self.signals
        made = signals.inputs.get(name, signals.outputs.get(name, {}))
        if "link" not in made:
            what = "a set-point" if name in signals.inputs else "an output"
            text = f"iocmng does not see {name} here, {what}, and never gets a result; here it does"
            self.findings.note(where, text, path)

    def _read_back(self, output: str) -> str:
        """The input that follows the PV behind an output; made when it is first needed."""
        signals = self.signals
        name = f"{output}{READ_BACK}"
        if name in signals.inputs:
            return name
        made = signals.outputs[output]
        keep = ("type", "link", "unit", "precision", "states", "buffer")
        signals.inputs[name] = {key: made[key] for key in keep if key in made}
        signals.inputs[name]["poll"] = max(0.01, signals.interval)
        made.pop("buffer", None)
        self.findings.came_from(("spec", "inputs", name), signals.origin[output])
        text = f"a new PV: what came back for {output}, which expressions of iocmng read"
        self.findings.note(signals.origin[output], text, ("spec", "inputs", name))
        return name

    # rules

    def _rules(self) -> None:
        ids: set[str] = set()
        for index, given in items(self.config, "rules", self.findings):
            where: Place = ("rules", index)
            known_keys(given, RULE, where, self.findings)
            path = ("spec", "rules", len(self.rules))
            self.findings.came_from(path, where)
            if given.get("condition") is None:
                self.findings.wrong((*where, "condition"), None, "a condition", missing=True)
                continue
            rule: dict[str, Any] = {"id": self._id(given, index, where, path, ids)}
            source = str(given["condition"])
            rule["condition"] = self._expression(source, (*where, "condition"), path, set())
            outputs = self._outputs(mapping(given, "outputs", where, self.findings), where)
            message = "" if given.get("message") is None else str(given["message"])
            self._message_pv(given, message, where, path, outputs)
            self._act(mapping(given, "actuators", where, self.findings), where, path, outputs)
            if outputs:
                rule["outputs"] = outputs
            if message:
                rule["message"] = message.replace("{", "{{").replace("}", "}}")
            self._by_rule |= set(outputs)
            self.rules.append(rule)
        self._rule_defaults()

    def _id(
        self, given: Mapping[str, Any], index: int, where: Place, path: Any, ids: set[str]
    ) -> str:
        old = str(given.get("id") or "")
        new = _NOT_ID.sub("_", old) or f"rule_{index + 1}"
        new = f"_{new}" if new[0].isdigit() else new
        number, base = 2, new
        while new.lower() in ids:
            new, number = f"{base}_{number}", number + 1
        ids.add(new.lower())
        if new != old:
            text = f"{old!r} is {new} here: an id is part of a PV name, and is there once"
            self.findings.note((*where, "id"), text, (*path, "id"))
        return new

    def _outputs(self, given: Mapping[str, Any], where: Place) -> dict[str, Any]:
        return {
            name: self._value(name, value, (*where, "outputs", name))
            for name, value in given.items()
        }

    def _value(self, name: str, value: Any, where: Place) -> Any:
        kind = self.signals.types.get(name)
        return value if kind is None else coerced(kind, value, where, self.findings)

    def _message_pv(
        self, given: Mapping[str, Any], message: str, where: Place, path: Any, outputs: Any
    ) -> None:
        """A text output that says the rule's message while the rule is active."""
        name = given.get("message_pv")
        if not name or not message:
            return
        place = (*where, "message_pv")
        name = str(name)
        if name == "MESSAGE":
            return  # MESSAGE says it anyway
        if name not in self.signals.outputs or self.signals.types[name] != "string":
            texts = [n for n in self.signals.outputs if self.signals.types[n] == "string"]
            self.findings.wrong(place, name, "an output of type string", texts)
        elif name not in outputs:
            outputs[name] = message
            self.findings.together(
                "message_pv",
                name,
                "{names}: the whole message, without the date in front, which took 20 of 39 "
                "characters; the time is the PV's time stamp.",
            )

    def _act(
        self, given: Mapping[str, Any], where: Place, path: Any, outputs: dict[str, Any]
    ) -> None:
        for key, value in given.items():
            place: Place = (*where, "actuators", key)
            made = self.signals.inputs.get(key) or self.signals.outputs.get(key)
            if made is None or "link" not in made:
                wired = [
                    name
                    for group in (self.signals.inputs, self.signals.outputs)
                    for name, signal in group.items()
                    if "link" in signal
                ]
                self.findings.wrong(place, key, "an input or output with a link", wired)
                continue
            name = self._actuator(key, place) if key in self.signals.inputs else key
            outputs.setdefault(name, self._value(key, value, place))

    def _actuator(self, key: str, where: Place) -> str:
        """The output that writes the PV behind an input; made when it is first needed."""
        if key in self._actuators:
            return self._actuators[key]
        signals = self.signals
        name = f"{key}{ACTUATOR}"
        while name in signals.inputs or name in signals.outputs:
            name += "_"
        given = signals.inputs[key]
        keep = ("type", "link", "unit", "precision", "states")
        signals.outputs[name] = {k: given[k] for k in keep if k in given} | {"repeat": True}
        signals.types[name], signals.origin[name] = signals.types[key], signals.origin[key]
        signals.given[name] = {}
        self.findings.came_from(("spec", "outputs", name), where)
        text = (
            f"a new PV: what rules write to {given['link']}, again whenever one of them becomes "
            "active and at each period while it is; INVALID until then"
        )
        self.findings.note(where, text, ("spec", "outputs", name))
        self._actuators[key] = name
        return name

    # owners

    def _rule_defaults(self) -> None:
        given = mapping(self.config, "rule_defaults", (), self.findings)
        if given and not self.rules:
            text = "left out: without rules iocmng does not use it"
            self.findings.note(("rule_defaults",), text)
            return
        for name, value in given.items():
            where: Place = ("rule_defaults", name)
            if name not in self.signals.outputs:
                self.findings.wrong(where, name, "the name of an output", self.signals.outputs)
            elif name in self._by_transform:
                expected = (
                    "no default of an output that a transform computes: it would overwrite the "
                    "result in each cycle"
                )
                self.findings.wrong(where, value, expected)
            else:
                self.defaults[name] = self._value(name, value, where)
                self.findings.came_from(("spec", "ruleDefaults", name), where)

    def _owners(self) -> None:
        for name, made in self.signals.outputs.items():
            if "repeat" not in made and "link" in made:
                made["repeat"] = True
            if name in self._by_rule:
                self._of_rules(name, made)
            elif name in self._by_transform:
                self._of_transform(name)
            elif self.code is None:
                self._constant(name)
            else:
                self._of_plugin(name)

    def _of_rules(self, name: str, made: dict[str, Any]) -> None:
        findings, where = self.findings, self.signals.origin[name]
        path = ("spec", "outputs", name)
        plugin = self.code is not None and self.code.may_write(name)
        if name in self._by_transform:
            made["otherwise"] = "transform"
            text = "rules and a transform: the transform gives the value while no rule is active"
            findings.note(where, text, path)
            if plugin:
                findings.wrong(
                    where, name, "not to be driven by rules, transform and plugin at once"
                )
        elif plugin:
            made["otherwise"] = "plugin"
            text = "rules and the plugin: what the plugin writes shows while no rule is active"
            findings.note(where, text, path)
        if name in self.defaults or made.get("otherwise") == "transform":
            return
        if name in self._actuators.values():
            return
        initial = self.signals.initial(name)
        if "latch" in made:
            self.defaults[name] = initial
            text = f"CLEAR puts it back to its first value, {initial!r}; iocmng leaves it as it is"
            findings.note(where, text, path)
        else:
            made["value"] = initial

    def _of_transform(self, name: str) -> None:
        where = self.signals.origin[name]
        if self.code is not None and name in self.code.writes:
            expected = "to be driven by a transform or by the plugin, not by both"
            self.findings.wrong(where, name, expected)
        self._late(name, "transform")

    def _of_plugin(self, name: str) -> None:
        if name in self.defaults:
            expected = "a rule that drives it: here nothing else puts an output back in each cycle"
            self.findings.wrong(("rule_defaults", name), self.defaults[name], expected)
        self._late(name, "plugin")

    def _late(self, name: str, by: str) -> None:
        if "value" in self.signals.given[name]:
            until = "the plugin writes them" if by == "plugin" else "what they read is known"
            self.findings.together(
                f"late {by}",
                name,
                "{names}: no first value. Outputs are INVALID until "
                + until
                + "; iocmng showed `value` with no alarm.",
            )
        made = self.signals.outputs[name]
        if "latch" in made:
            text = "the latch acts: in iocmng only rules latch an output"
            self.findings.note(self.signals.origin[name], text, ("spec", "outputs", name, "latch"))

    def _constant(self, name: str) -> None:
        """An output that nobody drives shows its first value for ever."""
        where = self.signals.origin[name]
        value = self.defaults.pop(name, None)
        value = self.signals.initial(name) if value is None else value
        path = ("spec", "transforms", len(self.transforms))
        self.findings.came_from(path, where)
        made = self.signals.outputs[name]
        made.pop("latch", None)
        text = f"nothing drives {name}: it shows {value!r} for ever, as in iocmng"
        self.findings.note(where, text, path)
        if "link" in made:
            text = "nothing is written to its link, in iocmng neither: the link is left out"
            self.findings.note(where, text, ("spec", "outputs", name))
            for key in ("link", "repeat"):
                made.pop(key, None)
        self.transforms.append({"output": name, "expression": repr(value)})
