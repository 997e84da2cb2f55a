"""One config of iocmng as the document of an IocTask or IocJob."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ioc_runtime.compile.manifest import Compiled, compile_document
from ioc_runtime.compile.names import LONGEST_OBJECT
from ioc_runtime.migrate.code import Code
from ioc_runtime.migrate.fields import TOP, known_keys, mapping, number
from ioc_runtime.migrate.logic import Logic
from ioc_runtime.migrate.notes import Findings, Note
from ioc_runtime.migrate.signals import Signals
from ioc_runtime.spec.plain import plain_document
from ioc_runtime.spec.problem import ManifestError, Path, Problem, show_path
from ioc_runtime.spec.task import API_VERSION

MODES: Final = {"continuous": "periodic", "reactive": "reactive", "triggered": "triggered"}
SHORTEST: Final = 0.001
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True)
class Converted:
    """A manifest that passes, what it was made from, and what changed its meaning."""

    document: dict[str, Any]
    notes: tuple[Note, ...]
    compiled: Compiled


@dataclass(frozen=True)
class Wanted:
    """What the file does not say of its task."""

    name: str
    """The name of the plugin: default of the PV prefix, in upper case."""
    prefix: str | None = None
    """The whole prefix, verbatim; else as iocmng makes it."""
    controller: str | None = None
    """Prefix of the controller; else of `beamline` and `namespace`."""
    beamline: str = "BEAMLINE"
    namespace: str = "DEFAULT"
    protocol: str = "pva"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Merged over those of the file."""
    source: Mapping[str, Any] | None = None
    """Where the plugin's code is: `{"image": {"path": ...}}`."""


def convert(
    config: Mapping[str, Any], code: Code | None, wanted: Wanted, findings: Findings
) -> Converted:
    """The manifest that means what a config of iocmng means.

    :raises ManifestError: with everything that cannot be converted, by its place in the config
    """
    document = make_document(config, code, wanted, findings)
    compiled = check(document, findings)
    return Converted(document, findings.close(), compiled)


def check(document: dict[str, Any], findings: Findings) -> Compiled:
    """The document's plan; problems are told by their places in the config.

    :raises ManifestError: with all of them
    """
    problems = list(findings.problems)
    try:
        compiled = compile_document(plain_document(document))
    except ManifestError as error:
        if not problems:  # what is already known to be wrong makes more that nobody needs
            problems = [_translated(problem, findings) for problem in error.problems]
    if problems:
        raise ManifestError(problems)
    return compiled


def make_document(
    config: Mapping[str, Any], code: Code | None, wanted: Wanted, findings: Findings
) -> dict[str, Any]:
    """The document, as far as it could be made; problems are in the findings."""
    known_keys(config, TOP, (), findings)
    kind = code.kind if code is not None else "IocTask"
    parameters = merged(mapping(config, "parameters", (), findings), wanted.parameters)
    interval = number(parameters, "interval", ("parameters",), findings)
    interval = 1.0 if interval is None else interval
    signals = Signals(config, kind, interval, findings)
    timeout = number(parameters, "timeout", ("parameters",), findings)
    spec: dict[str, Any] = {
        "prefix": prefix_of(config, wanted, findings),
        "protocol": wanted.protocol,
    }
    findings.came_from(("spec", "prefix"), ("prefix",))
    if kind == "IocTask":
        logic = Logic(config, signals, code, timeout or None, findings)
        logic.convert()
        spec |= _mode(parameters, code, interval, findings, bool(logic.rules or logic.transforms))
        parts = {
            "transforms": logic.transforms,
            "ruleDefaults": logic.defaults,
            "rules": logic.rules,
        }
    else:
        parts = _job(config, signals, findings)
    _control_parameters(parameters, kind, findings)
    spec["parameters"] = _parameters(parameters, signals, findings)
    spec |= {"inputs": signals.inputs, "outputs": signals.outputs} | parts
    if code is not None and not code.bare:
        spec["plugin"] = dict(wanted.source or {}) | {"class": code.class_name}
        if code.functions:
            spec["plugin"]["functions"] = list(code.functions)
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": object_name(wanted.name, kind)},
        "spec": {key: value for key, value in spec.items() if value not in ({}, [])},
    }


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Maps merged on every level; `over` wins."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def prefix_of(config: Mapping[str, Any], wanted: Wanted, findings: Findings) -> str:
    """The prefix of the PVs, as iocmng makes it, with the colon after it."""
    if wanted.prefix is not None:
        return wanted.prefix
    own = config.get("prefix") or wanted.name.upper()
    if not isinstance(own, str):
        findings.wrong(("prefix",), own, "a text")
        own = str(own)
    if wanted.controller:
        return f"{wanted.controller}:{own}:"
    beamline, namespace = wanted.beamline.upper(), wanted.namespace.upper()
    start = beamline if beamline == namespace else f"{beamline}:{namespace}"
    return f"{start}:{own}:"


def object_name(name: str, kind: str) -> str:
    """A name that Kubernetes takes, as like the given one as can be."""
    plain = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")
    return plain[: LONGEST_OBJECT[kind]].strip("-.") or "task"


def _mode(
    parameters: Mapping[str, Any],
    code: Code | None,
    interval: float,
    findings: Findings,
    logic: bool,
) -> dict[str, Any]:
    given = parameters.get("mode")
    place = ("parameters", "mode")
    if not given:
        given = "triggered" if parameters.get("triggered") else "continuous"
    mode = MODES.get(str(given).lower())
    if mode is None:
        findings.wrong(place, given, "continuous, reactive or triggered", list(MODES))
        return {}
    findings.came_from(("spec", "mode"), place)
    findings.came_from(("spec", "period"), ("parameters", "interval"))
    if mode == "periodic":
        if interval < SHORTEST:
            text = f"the period is {SHORTEST:g} s, the shortest there is"
            findings.note(("parameters", "interval"), text, ("spec", "period"))
        return {"mode": mode, "period": max(SHORTEST, interval)}
    if mode == "triggered" and logic:
        text = "rules and transforms follow every change; in iocmng they never ran in this mode"
        findings.note(place, text, ("spec", "mode"))
    if mode == "reactive" and code is not None and "execute" in code.methods:
        findings.together("execute", "execute()", "{names}: not called in this mode, as in iocmng.")
    return {"mode": mode}


def _job(config: Mapping[str, Any], signals: Signals, findings: Findings) -> dict[str, Any]:
    for key in ("rules", "transforms", "rule_defaults"):
        if config.get(key):
            findings.note((key,), "left out: a job of iocmng has none")
    for group in (signals.inputs, signals.outputs):
        for name, made in group.items():
            if "latch" in made:
                made.pop("latch")
                findings.note((*signals.origin[name], "latch"), "left out: a job latches nothing")
            if "link" in made:
                findings.together(
                    "job links", name, "{names}: linked now; a job of iocmng ignores `link`."
                )
    findings.together(
        "job end",
        "The PVs",
        "{names} go when the run is over; with iocmng-run they stay until it is stopped.",
    )
    return {}


def _control_parameters(parameters: Mapping[str, Any], kind: str, findings: Findings) -> None:
    """Parameters that tell iocmng itself something, and what tells it here."""
    said = {
        "pva": "read by nobody in iocmng; `protocol` says it here, for all links",
        "version": "VERSION shows the version of this runtime",
        "retry_interval": "not needed: links reconnect by themselves, within a second or two",
        "triggered": "`mode` says it here",
    }
    for name, text in said.items():
        if name in parameters:
            findings.note(("parameters", name), text, ("spec", "parameters", name))


def _parameters(
    parameters: Mapping[str, Any], signals: Signals, findings: Findings
) -> dict[str, Any]:
    """Those that a manifest can have; the plugin reads the others from its file."""
    taken = {name.lower() for name in (*signals.inputs, *signals.outputs)}
    good: dict[str, Any] = {}
    for name, value in parameters.items():
        where = ("parameters", name)
        if not _IDENTIFIER.fullmatch(name):
            why = "its name is no name of an expression"
        elif name.lower() in taken:
            why = "an input or output has the name"
        elif value is None:
            why = "it has no value"
        else:
            good[name] = value
            findings.came_from(("spec", "parameters", name), where)
            continue
        findings.note(where, f"stays in the file, where the plugin still finds it: {why}")
    return good


def _translated(problem: Problem, findings: Findings) -> Problem:
    """A problem of the manifest by its place in the config."""
    path = _path(problem.path)
    origin = findings.origin(path)
    where = show_path(origin) if origin is not None else problem.path
    return Problem(where, problem.value, problem.expected, problem.nearest, None, findings.file)


def _path(shown: str) -> Path:
    """`spec.rules[2].condition` taken apart again."""
    parts: list[str | int] = []
    for text, quoted, index in re.findall(r"([^.\[\]]+)|\['([^']*)'\]|\[(\d+)\]", shown):
        parts.append(int(index) if index else quoted or text)
    return tuple(parts)


__all__ = ["Converted", "Wanted", "check", "convert", "make_document", "merged"]
