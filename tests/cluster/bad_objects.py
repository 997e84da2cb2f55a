"""Objects that the API server has to refuse, each with the words it has to say.

Every rule of the definitions stands here (a unit test looks after that), and each kind of
bound. `EDITS` are changes of good objects that are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

Spec = dict[str, Any]
API: Final = "ioc-operator.dev/v1alpha1"

FLOAT: Final[Spec] = {"type": "float"}
LINKED: Final[Spec] = {"type": "float", "link": "ca://GAUGE"}
PLUGIN: Final[Spec] = {"inline": {"files": {"a.py": "x = 1"}}}
GOOD: Final[dict[str, Spec]] = {"IocTask": {}, "IocJob": {"plugin": PLUGIN}}


@dataclass(frozen=True)
class Bad:
    """A spec beside which the object is good, and part of what the server says."""

    name: str
    spec: Spec
    says: str
    kind: str = "IocTask"
    metadata: Spec = field(default_factory=dict)

    def object(self) -> Spec:
        """The object; `plugin: None` in the spec takes a job's plugin away."""
        spec = {k: v for k, v in (GOOD[self.kind] | self.spec).items() if v is not None}
        metadata = {"name": "bad"} | self.metadata
        return {"apiVersion": API, "kind": self.kind, "metadata": metadata, "spec": spec}


@dataclass(frozen=True)
class Edit:
    """A change of a good object that is refused."""

    name: str
    before: Spec
    after: Spec
    says: str
    kind: str = "IocTask"


def inputs(**given: Any) -> Spec:
    return {"inputs": {"a": given}}


def outputs(**given: Any) -> Spec:
    return {"outputs": {"a": given}}


def plugin(**given: Any) -> Spec:
    return {"plugin": given}


def permit(requirement: Spec, **more: Any) -> Spec:
    return {"permits": [{"name": "beam", "requires": [{"name": "c"} | requirement]} | more]}


def alarms(**limits: float) -> Spec:
    return inputs(type="float", alarms=limits)


LONG_PREFIX: Final = "P" * 40 + ":"
LATCHED: Final = {"o": {"type": "bool", "latch": "rise"}}
SILENT: Final = {"report": {"enabled": False}}
NO_LATCH: Final = "without reports nothing else keeps a latch"

BOUNDS: Final = (
    Bad("a word that is none of those", {"mode": "reactiv"}, 'supported values: "reactive"'),
    Bad("a text for a number", {"period": "1"}, "must be of type number"),
    Bad("a number for a text", {"prefix": 1}, "must be of type string"),
    Bad("a number for a boolean", {"suspend": 1}, "must be of type boolean"),
    Bad("a fraction for a whole number", inputs(type="float", length=2.5), "of type integer"),
    Bad("a list for a map", {"inputs": ["a"]}, "must be of type object"),
    Bad("a map for a list", {"rules": {}}, "must be of type array"),
    Bad("a text for an object", inputs(**{"type": 5}), "must be of type string"),
    Bad("a field that is missing", {"inputs": {"a": {}}}, "spec.inputs.a.type: Required value"),
    Bad("no condition in a rule", {"rules": [{"id": "r"}]}, "spec.rules[0].condition: Required"),
    Bad("a text that is too long", {"prefix": "P" * 59}, "may not be more than 58"),
    Bad("a text that is too short", inputs(type="float", link=""), "at least 1 chars long"),
    Bad("a unit that is too long", inputs(type="float", unit="u" * 16), "more than 15"),
    Bad("a PV name with a blank", {"prefix": "A B"}, "spec.prefix in body should match"),
    Bad("a rule's id with a dash", {"rules": [{"id": "a-b", "condition": "1"}]}, "should match"),
    Bad("a secret's name in capitals", {"imagePullSecrets": [{"name": "KEY"}]}, "should match"),
    Bad("a size that is none", {"storage": {"size": "large"}}, "should match"),
    Bad("a vote that is none", permit({"conditions": ["1"], "vote": "most"}), "should match"),
    Bad("a number that is too small", {"terminationGracePeriodSeconds": -1}, "equal to 0"),
    Bad("a number that is too large", {"period": 1e6}, "less than or equal to 86400"),
    Bad("a duration of nothing", inputs(**LINKED, maxAge=0), "should be greater than 0"),
    Bad("too many states", inputs(type="enum", states=[f"s{i}" for i in range(17)]), "at most 16"),
    Bad("too many rules", {"rules": [{"id": "r", "condition": "1"}] * 1001}, "at most 1000 items"),
    Bad("too many inputs", {"inputs": {f"i{n}": FLOAT for n in range(1001)}}, "at most 1000"),
    Bad("too few conditions", {"permits": [{"name": "p", "requires": []}]}, "at least 1 items"),
    Bad("no files", plugin(inline={"files": {}}), "should have at least 1 properties"),
    Bad("too many databases", {"database": [""] * 17}, "at most 16 items"),
    Bad("a spec that is no map", {"parameters": "limit=1"}, "must be of type object"),
)

OF_SIGNALS: Final = (
    Bad("an enum of no states", inputs(type="enum", states=[]), "at least one for an enum, two"),
    Bad("an enum without states", inputs(type="enum"), "states: expected the names of the states"),
    Bad(
        "states of a float",
        outputs(type="float", states=["a", "b"]),
        "two for a bool, none for another type",
    ),
    Bad(
        "three states of a bool",
        outputs(type="bool", states=["a", "b", "c"]),
        "states: expected at least one for an enum, two for a bool, none",
    ),
    Bad(
        "unit of a bool", inputs(type="bool", unit="V"), "unit, display: expected type float or int"
    ),
    Bad(
        "display of a string",
        outputs(type="string", display={"low": 0, "high": 1}),
        "unit, display: expected type float or int",
    ),
    Bad("precision of an int", inputs(type="int", precision=1), "precision: expected type float"),
    Bad(
        "alarms of an array",
        inputs(type="float", length=3, alarms={"high": 1}),
        "alarms: expected a single float or int",
    ),
    Bad(
        "severity of a float",
        inputs(type="float", severity={"a": "MINOR"}),
        "severity: expected a single bool or enum, and the names of its states",
    ),
    Bad(
        "severity of no state",
        inputs(type="bool", states=["Off", "On"], severity={"Open": "MINOR"}),
        "severity: expected a single bool or enum, and the names of its states",
    ),
    Bad(
        "buffer of an array",
        inputs(type="float", length=3, buffer=10),
        "buffer: expected a single value, not an array",
    ),
    Bad(
        "poll without a link",
        inputs(type="float", poll=1),
        "poll, maxAge, invalidHold: expected a `link`",
    ),
    Bad(
        "maxAge without a link",
        inputs(type="float", maxAge=1),
        "poll, maxAge, invalidHold: expected a `link`",
    ),
    Bad(
        "invalidHold without a link",
        inputs(type="float", invalidHold=1),
        "poll, maxAge, invalidHold: expected a `link`",
    ),
    Bad("a poll that is too fast", inputs(**LINKED, poll=0.001), "a number of at least 0.01"),
    Bad(
        "drive with a link",
        inputs(**LINKED, drive={"low": 0, "high": 1}),
        "drive, persist: expected none of them",
    ),
    Bad(
        "persist with a link",
        inputs(**LINKED, persist=True),
        "drive, persist: expected none of them",
    ),
    Bad(
        "drive of a bool",
        inputs(type="bool", drive={"low": 0, "high": 1}),
        "drive: expected a single float or int",
    ),
    Bad(
        "a range upside down",
        inputs(type="float", drive={"low": 5, "high": 5}),
        "expected `low` below `high`",
    ),
    Bad("lolo above low", alarms(lolo=2, low=1), "expected `lolo` not above low, high and hihi"),
    Bad("lolo above high", alarms(lolo=2, high=1), "expected `lolo` not above low, high and hihi"),
    Bad("lolo above hihi", alarms(lolo=2, hihi=1), "expected `lolo` not above low, high and hihi"),
    Bad("low above high", alarms(low=2, high=1), "expected `low` not above high and hihi"),
    Bad("low above hihi", alarms(low=2, hihi=1), "expected `low` not above high and hihi"),
    Bad("high above hihi", alarms(high=2, hihi=1), "expected `high` not above hihi"),
    Bad(
        "readback without a link",
        outputs(type="float", readback="ca://X"),
        "readback, tolerance, timeout, retries: expected a `link`",
    ),
    Bad(
        "tolerance without a link",
        outputs(type="float", tolerance=1),
        "readback, tolerance, timeout, retries: expected a `link`",
    ),
    Bad(
        "timeout without a link",
        outputs(type="float", timeout=1),
        "readback, tolerance, timeout, retries: expected a `link`",
    ),
    Bad(
        "retries without a link",
        outputs(type="float", retries=1),
        "readback, tolerance, timeout, retries: expected a `link`",
    ),
    Bad(
        "repeat without a link",
        outputs(type="float", repeat=True),
        "repeat: expected a `link` with it",
    ),
    Bad(
        "tolerance of a bool",
        outputs(type="bool", link="ca://X", tolerance=1),
        "tolerance: expected type float or int",
    ),
    Bad(
        "latch of a string",
        outputs(type="string", latch="rise"),
        "latch: expected a single float, int, bool or enum",
    ),
    Bad(
        "persist without a latch",
        outputs(type="float", persist=False),
        "persist: expected a `latch`",
    ),
)

OF_NAMES: Final = (
    Bad("an input's name with a dash", {"inputs": {"a-b": FLOAT}}, "not starting with a digit"),
    Bad("a long name", {"outputs": {"o" * 61: FLOAT}}, "at most 60 characters each"),
    Bad(
        "a long name with the prefix",
        {"prefix": LONG_PREFIX, "inputs": {"i" * 20: FLOAT}},
        "inputs: expected names of at most 60 characters, the prefix included",
    ),
    Bad(
        "a long output with the prefix",
        {"prefix": LONG_PREFIX, "outputs": {"o" * 20: FLOAT}},
        "outputs: expected names of at most 60 characters, the prefix included",
    ),
    Bad(
        "a long rule with the prefix",
        {"prefix": LONG_PREFIX, "rules": [{"id": "r" * 15, "condition": "1"}]},
        "rules: expected ids of at most 55 characters, the prefix included",
    ),
    Bad("a long prefix", {"prefix": "P" * 50}, "so that every standard PV has room"),
    Bad(
        "a long prefix of a job",
        {"prefix": "P" * 50},
        "so that every standard PV has room",
        "IocJob",
    ),
    Bad(
        "a long prefix with iocStats",
        {"prefix": LONG_PREFIX, "iocStats": True},
        "prefix: expected at most 36 characters with iocStats",
    ),
    Bad(
        "an output with an input's name",
        {"inputs": {"a": FLOAT}, "outputs": {"a": FLOAT}},
        "outputs: expected names that no input has",
    ),
    Bad(
        "triggered without a plugin",
        {"mode": "triggered"},
        "plugin: expected one with triggered(): in mode triggered there is nothing else to run",
    ),
    Bad(
        "an end of stalled cycles without a limit",
        {"mode": "triggered", "plugin": PLUGIN, "trigger": {"killAfter": 5}},
        "killAfter: expected `stallLimit` with it: the time counts from there",
    ),
    Bad(
        "a limit of cycles below the clock of the loop",
        {"mode": "triggered", "plugin": PLUGIN, "trigger": {"stallLimit": 0.05}},
        "expected a number of at least 0.1",
    ),
    Bad(
        "a transform of nothing",
        {"outputs": {"o": FLOAT}, "transforms": [{"output": "p", "expression": "1"}]},
        "transforms: expected the name of an output in each `output`",
    ),
    Bad(
        "a long name of an annotation",
        {"network": {"service": {"annotations": {"a" * 318: ""}}}},
        "expected names of at most 317 characters",
    ),
    Bad("an alias of a long name", {"aliases": {"A" * 254: "B"}}, "at most 253 characters"),
    Bad(
        "severity of a long state",
        inputs(type="bool", severity={"s" * 26: "MINOR"}),
        "expected names of at most 25 characters",
    ),
    Bad(
        "a taint of too many fields",
        {"tolerations": [{f"k{n}": "" for n in range(21)}]},
        "spec.tolerations[0]: Too many: 21: must have at most 20 items",
    ),
    Bad(
        "a task's name that is too long",
        {},
        "metadata.name: expected at most 52 characters",
        metadata={"name": "n" * 53},
    ),
    Bad(
        "a job's name that is too long",
        {},
        "metadata.name: expected at most 50 characters",
        "IocJob",
        {"name": "n" * 51},
    ),
)

OF_PERMITS: Final = (
    Bad(
        "rules beside the file that has them",
        plugin(image={"path": "/p"}, config="config.yaml")
        | {"rules": [{"id": "r", "condition": "1"}]},
        "plugin.config: expected no transforms and no rules here",
    ),
    Bad("a permit's condition of nothing", permit({}), "exactly one of condition, conditions,"),
    Bad(
        "a permit's condition twice",
        permit({"condition": "1", "input": "a", "trip": 1}),
        "exactly one of condition, conditions, input",
    ),
    Bad(
        "conditions without a vote",
        permit({"conditions": ["1", "1"]}),
        "expected `vote` and `conditions` together",
    ),
    Bad("an input without a trip", permit({"input": "a"}), "expected `trip` and `input` together"),
    Bad("a reset without a trip", permit({"condition": "1", "reset": 1}), "reset: expected a"),
    Bad(
        "a watchdog that is too fast",
        permit({"condition": "1"}, watchdog=0.1),
        "a number of at least 0.2",
    ),
    Bad(
        "a permit with an input's name",
        permit({"condition": "1"}) | {"inputs": {"beam": FLOAT}},
        "permits: expected names that no input and no output has",
    ),
    Bad("a latched permit that nothing keeps", permit({"condition": "1"}) | SILENT, NO_LATCH),
)

OF_CODE: Final = (
    Bad("a plugin from nowhere", plugin(), "expected exactly one of git, inline, configMap"),
    Bad(
        "a plugin from two places",
        plugin(**PLUGIN, builtin="scan"),
        "expected exactly one of git, inline, configMap",
    ),
    Bad(
        "a file of an inline plugin that says what there is",
        plugin(inline={"files": {"a.py": ""}}, config="config.yaml"),
        "config: expected a plugin from git, configMap or image",
    ),
    Bad(
        "inputs beside the file that has them",
        plugin(image={"path": "/p"}, config="config.yaml") | inputs(type="float"),
        "plugin.config: expected no inputs and no outputs here",
    ),
    Bad("no Python", plugin(inline={"files": {"a.txt": ""}}), "at least one that ends in .py"),
    Bad(
        "files that are too large",
        plugin(inline={"files": {"a.py": "x" * 100_000, "b.py": "x" * 100_000}}),
        "files: expected at most 184320 bytes in all",
    ),
    Bad(
        "a file outside",
        plugin(inline={"files": {"../a.py": ""}}),
        "relative paths of letters, digits and _ . - /",
    ),
    Bad("a job without code", {"plugin": None}, "plugin: expected one: a job is the", "IocJob"),
    Bad(
        "a function beside a class",
        {"plugin": PLUGIN | {"class": "A"}, "function": "f"},
        "function: expected none beside plugin.class",
        "IocJob",
    ),
    Bad("a run that is none", {"run": "Resting"}, 'supported values: "Running"', "IocJob"),
    Bad(
        "a cron that is empty",
        {"schedule": {"cron": ""}},
        "spec.schedule.cron in body should be at least 1 chars",
        "IocJob",
    ),
    Bad("a period that is too short", {"period": 0}, "expected a number of at least 0.001"),
    Bad("a latch that nothing keeps", {"outputs": LATCHED} | SILENT, NO_LATCH),
    Bad("a job's latch that nothing keeps", {"outputs": LATCHED} | SILENT, NO_LATCH, "IocJob"),
)

BAD: Final = (*BOUNDS, *OF_SIGNALS, *OF_NAMES, *OF_PERMITS, *OF_CODE)

STORAGE: Final = "storage: expected no change; to add it or take it away"
VOLUME: Final = "expected no change: a volume stays as it was made"
SCHEDULE: Final = "schedule: expected no change; to add it or take it away"
EDITS: Final = (
    Edit("storage is added", {}, {"storage": {}}, STORAGE),
    Edit("storage is taken away", {"storage": {}}, {"storage": None}, STORAGE),
    Edit("a job's storage is added", {}, {"storage": {}}, STORAGE, "IocJob"),
    Edit("another size", {"storage": {"size": "1Gi"}}, {"storage": {"size": "2Gi"}}, VOLUME),
    Edit("another class", {"storage": {}}, {"storage": {"storageClassName": "fast"}}, VOLUME),
    Edit("a schedule is added", {}, {"schedule": {"cron": "0 * * * *"}}, SCHEDULE, "IocJob"),
    Edit(
        "a schedule is taken away",
        {"schedule": {"cron": "0 * * * *"}},
        {"schedule": None},
        SCHEDULE,
        "IocJob",
    ),
)
