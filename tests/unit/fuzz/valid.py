"""Manifests that ought to pass: every type, every field, in random company."""

from __future__ import annotations

import random
import string
from typing import Any

Data = dict[str, Any]
UNITS = ("", "mbar", "°C", "µA", "mm/s", "%", "Ω")
STATES = ("Off", "On", "OK", "HIGH", "Ready", "Not ready", "Fault", "Très haut", "yes", "n")
DATABASE = """\
# a record of the user's own
record(calc, "$(P)own:sum") {
    field(INPA, "3")
    field(CALC, "A + 1")
    field(EGU, "m\\"m")
    info(note, "x")
    alias("${P}own:alias")
}
"""
PLUGIN = """\
from ioc_runtime import TaskBase


class Fuzz(TaskBase):
    def initialize(self):
        pass

    def execute(self):
        pass

    def triggered(self):
        pass
"""
SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")


def valid(rng: random.Random) -> Data:
    """One manifest as plain data."""
    made = _Maker(rng)
    return made.manifest()


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.prefix = rng.choice(("F:", "BL01:VAC:", "X-1:", "SR[3]:", "A;B:"))
        self.names: set[str] = set()
        self.inputs: dict[str, Data] = {}
        self.outputs: dict[str, Data] = {}
        self.parameters: Data = {}
        self.rules: list[Data] = []
        self.transforms: list[Data] = []
        self.defaults: Data = {}

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def name(self) -> str:
        rng = self.rng
        while True:
            length = rng.choice((1, 3, 6, 12, 60 - len(self.prefix)))
            name = "v" + "".join(rng.choices(string.ascii_letters + string.digits + "_", k=length))
            name = name[: 60 - len(self.prefix)]
            if name.lower() not in self.names and not name.endswith("_buf"):
                self.names.add(name.lower())
                return name

    def manifest(self) -> Data:
        rng = self.rng
        for _ in range(rng.choice((0, 1, 2, 5, 12))):
            self.inputs[self.name()] = self.input()
        for _ in range(rng.choice((0, 1, 2, 4))):
            self.parameters[self.name()] = rng.choice((1, 2.5, -1e-6, True, [1, 2, 3], 10**6))
        for _ in range(rng.choice((0, 1, 2, 5))):
            self.transform()
        for _ in range(rng.choice((0, 1, 3, 8))):
            self.rule()
        spec: Data = {"prefix": self.prefix}
        if self.chance(0.15):
            self.plugin(spec)
        for key, value in (
            ("inputs", self.inputs),
            ("outputs", self.outputs),
            ("parameters", self.parameters),
            ("transforms", self.transforms),
            ("rules", self.rules),
            ("ruleDefaults", self.defaults),
        ):
            if value:
                spec[key] = value
        self.extras(spec)
        metadata = {"name": f"fuzz-{rng.randrange(10**6)}"}
        if self.chance(0.5):
            metadata["namespace"] = "bl01"
        return {
            "apiVersion": "ioc-operator.dev/v1alpha1",
            "kind": "IocTask",
            "metadata": metadata,
            "spec": spec,
        }

    def extras(self, spec: Data) -> None:
        if self.chance(0.3):
            spec["mode"] = "periodic"
            spec["period"] = self.rng.choice((0.1, 1, 5))
        elif "plugin" in spec and self.chance(0.4):
            spec["mode"] = "triggered"
            spec["trigger"] = {"period": 0.5, "queueLength": self.rng.choice((1, 10))}
        if self.chance(0.2):
            spec["aliases"] = {"HEARTBEAT": "Beat", "STATUS": "State:Of:It"}
        if self.chance(0.2):
            spec["access"] = {"operators": ["opi1", "alice@*", "bob@host.example"]}
        if self.chance(0.1):
            spec["iocStats"] = True
        if self.chance(0.1):
            spec["database"] = [DATABASE]
        if self.chance(0.2):
            spec["resources"] = {"limits": {"memory": "64Mi"}}

    def plugin(self, spec: Data) -> None:
        spec["plugin"] = {"inline": {"files": {"fuzz.py": PLUGIN}}, "maxFailures": 3}
        for _ in range(self.rng.choice((0, 1, 3))):
            _, data = self.output(("float", "int", "bool", "enum", "string"))
            if self.chance(0.5):
                data["maxAge"] = 2

    def signal(self, kind: str) -> Data:
        rng = self.rng
        data: Data = {"type": kind}
        single = True
        if kind in ("float", "int", "string") and self.chance(0.15):
            data["length"] = rng.choice((1, 2, 16, 1000))
            single = False
        if kind in ("float", "int"):
            if self.chance(0.5):
                data["unit"] = rng.choice(UNITS)
            if self.chance(0.3):
                data["display"] = {"low": -10, "high": 100}
            if single and self.chance(0.3):
                data["alarms"] = {"low": -1, "high": 5, "hihi": 8, "hysteresis": 1}
        if kind == "float" and self.chance(0.3):
            data["precision"] = rng.randrange(16)
        if kind == "enum":
            data["states"] = rng.sample(STATES, rng.randrange(1, len(STATES)))
        if kind == "bool" and self.chance(0.6):
            data["states"] = rng.sample(STATES, 2)
        if data.get("states") and self.chance(0.4):
            data["severity"] = {rng.choice(data["states"]): rng.choice(SEVERITIES)}
        if self.chance(0.3):
            data["description"] = rng.choice(("", "a gauge", "x" * 40, "µ" * 20, "50 % of 'it'"))
        if single and self.chance(0.25):
            data["buffer"] = rng.choice((1, 10, 100))
        return data

    def input(self) -> Data:
        rng = self.rng
        data = self.signal(rng.choice(("float", "float", "int", "bool", "enum", "string")))
        if self.chance(0.4):
            data["link"] = rng.choice(("ca://", "pva://", "")) + f"FUZZ:NOBODY:{rng.randrange(99)}"
            if self.chance(0.3):
                data["poll"] = rng.choice((0.1, 1))
            if self.chance(0.3):
                data["maxAge"] = 5
            if self.chance(0.3):
                data["invalidHold"] = 1
            return data
        if self.chance(0.8):
            data["value"] = self.value(data)
            if data["type"] in ("float", "int") and "length" not in data and self.chance(0.4):
                data["drive"] = {"low": -1000, "high": 1000}
        if self.chance(0.2):
            data["persist"] = False
        return data

    def value(self, data: Data) -> Any:
        rng = self.rng
        one = {
            "float": lambda: rng.choice((0, 1, -2.5, 1e-6, 999.0)),
            "int": lambda: rng.choice((0, 7, -300, 1000)),
            "string": lambda: rng.choice(("", "text", "ünï", "{x}")),
            "bool": lambda: rng.choice((0, 1, True, *data.get("states", ()))),
            "enum": lambda: rng.choice((0, *data["states"])),
        }[data["type"]]
        if "length" in data:
            return [one() for _ in range(rng.randrange(min(data["length"], 5) + 1))]
        return one()

    def output(self, kinds: tuple[str, ...]) -> tuple[str, Data]:
        rng = self.rng
        data = self.signal(rng.choice(kinds))
        name = self.name()
        if self.chance(0.25):
            data["link"] = f"ca://FUZZ:NOBODY:{rng.randrange(99)}"
            if self.chance(0.4):
                data["timeout"] = 0.5
                data["readback"] = f"pva://FUZZ:NOBODY:{rng.randrange(99)}"
        if self.chance(0.2):
            data["onInvalid"] = "drive"
            data["safeValue"] = self.value(data)
        self.outputs[name] = data
        return name, data

    def numbers(self) -> list[str]:
        """Names that are one number in an expression."""
        signals = {**self.inputs, **self.outputs}
        return [n for n, d in signals.items() if "length" not in d and d["type"] != "string"]

    def number(self, depth: int = 0) -> str:
        rng = self.rng
        leaves = [*self.numbers(), "1", "2.5", "0", "-3"]
        leaves += [n for n, v in self.parameters.items() if not isinstance(v, list)]
        if depth > 3 or self.chance(0.4):
            return rng.choice(leaves)
        a, b = self.number(depth + 1), self.number(depth + 1)
        buffers = [f"{n}_buf" for n in self.numbers() if "buffer" in self._data(n)]
        forms = [
            f"({a} {rng.choice('+ - * / // % **'.split())} {b})",
            f"max({a}, {b})",
            f"abs({a})",
            f"round({a}, 2)",
            f"clamp({a}, 0, 10)",
            f"({a} if {self.condition(depth + 1)} else {b})",
        ]
        if buffers:
            form = rng.choice(("mean", "std", "median", "rms", "last", "length", "max"))
            forms.append(f"{form}({rng.choice(buffers)})")
        arrays = [n for n, d in self.inputs.items() if "length" in d and d["type"] != "string"]
        if arrays:
            forms.append(f"sum_of({rng.choice(arrays)})")
            forms.append(f"{rng.choice(arrays)}[0]")
        return rng.choice(forms)

    def _data(self, name: str) -> Data:
        return self.inputs.get(name) or self.outputs[name]

    def condition(self, depth: int = 0) -> str:
        rng = self.rng
        forms = [f"{self.number(depth + 1)} {rng.choice(('>', '<=', '==', '!='))} 1"]
        for name, data in self.inputs.items():
            if data.get("states") and "length" not in data:
                forms.append(f"{name} == {rng.choice(data['states'])!r}")
            if data["type"] == "string" and "length" not in data:
                forms.append(f"{name} == 'x'")
            forms.append(f"{name}.connected")
            forms.append(f"{name}.severity < 2")
        forms += [f"rules.{rule['id']}.active" for rule in self.rules]
        if depth < 3:
            one, two = self.condition(depth + 1), self.condition(depth + 1)
            forms += [f"({one} and {two})", f"({one} or {two})", f"not ({one})", f"for_({one}, 1)"]
            forms += [f"rising({one})", f"votes(2, {one}, {two}, {one})"]
        return rng.choice(forms)

    def transform(self) -> None:
        expression = self.number()
        name, data = self.output(("float", "int", "float"))
        if "length" in data:
            del data["length"]
            data.pop("safeValue", None)
            data.pop("onInvalid", None)
        self.transforms.append({"output": name, "expression": expression})

    def rule(self) -> None:
        rng = self.rng
        condition = self.condition()
        rule: Data = {"id": self.name(), "condition": condition}
        while len(self.prefix) + 5 + len(rule["id"]) > 60:
            rule["id"] = self.name()
        outputs: Data = {}
        for _ in range(rng.choice((0, 1, 1, 2))):
            name, data = self.output(("float", "int", "bool", "enum", "string"))
            outputs[name] = self.value(data)
            if self.chance(0.7):
                self.defaults[name] = self.value(data)
                if "length" not in data and data["type"] != "string" and self.chance(0.4):
                    data["latch"] = rng.choice(("rise", "fall", "any"))
        if outputs:
            rule["outputs"] = outputs
        if self.chance(0.3):
            rule["for"] = rng.choice((0, 0.5, 2))
        if self.chance(0.4) and self.numbers():
            rule["message"] = f"it is {{{rng.choice(self.numbers())}}}"
        self.rules.append(rule)
