"""The one function that judges a manifest and makes the plan.

The operator calls it to decide about a change, the command line to help an author,
and a runtime that finds no plan of its own version. It reads text or plain data and
gives plans or problems; it touches no network, no disk and no clock.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ioc_runtime import plan
from ioc_runtime.compile import overrides as settings
from ioc_runtime.compile.access import compile_access
from ioc_runtime.compile.collector import Collector, TooMany
from ioc_runtime.compile.database import compile_databases
from ioc_runtime.compile.job import compile_job
from ioc_runtime.compile.logic import Logic, owners
from ioc_runtime.compile.names import Names, check_object, default_prefix
from ioc_runtime.compile.plugins import check_config, compile_plugin
from ioc_runtime.compile.prefixes import compile_prefixes
from ioc_runtime.compile.proofs import Proof, compile_proofs
from ioc_runtime.compile.schema import check_schema
from ioc_runtime.compile.signals import Signals, check_totals
from ioc_runtime.compile.trigger import compile_trigger
from ioc_runtime.compile.unbuilt import unbuilt
from ioc_runtime.spec.base import Model
from ioc_runtime.spec.deprecated import used
from ioc_runtime.spec.document import Document, read_documents
from ioc_runtime.spec.job import IocJob
from ioc_runtime.spec.plain import plain_document
from ioc_runtime.spec.problem import (
    NOTHING,
    ManifestError,
    Path,
    Problem,
    in_file_order,
)
from ioc_runtime.spec.task import API_VERSION, Common, IocTask, TaskSpec

KINDS: Final[dict[str, type[Model]]] = {"IocTask": IocTask, "IocJob": IocJob}
GROUP: Final = API_VERSION.partition("/")[0]
LARGEST_PLAN: Final = 700 * 1024
"""Bytes of a plan as JSON: it shares a ConfigMap with the manifest."""
MOST_PARAMETER_ITEMS: Final = 1000


@dataclass(frozen=True)
class Compiled:
    """A manifest that passed: its plan, and what it was made from."""

    plan: plan.Plan
    manifest: IocTask | IocJob
    document: Document
    names: tuple[str, ...]
    """Full names of all PVs it serves, but those of devIocStats."""
    warnings: tuple[Problem, ...] = ()
    proofs: tuple[Proof, ...] = ()
    """Its tests, for `proving`."""


@dataclass
class Checked:
    """What there is to say about a file."""

    compiled: list[Compiled] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def compile_text(
    text: str, *, file: str | None = None, overrides: Mapping[str, Any] | None = None
) -> list[Compiled]:
    """Plans of all tasks of a file, in order.

    :param overrides: values to put in, by path below `spec` (`parameters.limit`)
    :raises ManifestError: with the problems of all documents, in file order
    """
    checked = check_text(text, file=file, overrides=overrides)
    if checked.problems:
        raise ManifestError(checked.problems, checked.warnings)
    return checked.compiled


def compile_document(
    data: Mapping[str, Any] | Document, *, overrides: Mapping[str, Any] | None = None
) -> Compiled:
    """Plan of one manifest: a document, or plain data as an API server gives it.

    :raises ManifestError: with everything that is wrong with it
    """
    document = data if isinstance(data, Document) else plain_document(data)
    if overrides:
        document = settings.apply(document, overrides)
    collector = Collector(document)
    try:
        compiled = _compile(document, collector)
    except TooMany:
        compiled = None
    if compiled is None or collector.problems:
        raise ManifestError(in_file_order(collector.problems), in_file_order(collector.warnings))
    return compiled


def check_text(
    text: str, *, file: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Checked:
    """Everything there is to say about a file, good or bad. Raises nothing."""
    checked = Checked()
    try:
        documents = read_documents(text, file)
    except ManifestError as error:
        checked.problems += error.problems
        return checked
    if not documents:
        checked.problems.append(
            Problem("", NOTHING, "a manifest; the file is empty", None, 1, file)
        )
    for document in documents:
        if isinstance(document, ManifestError):
            checked.problems += document.problems
            checked.warnings += document.warnings
        elif _foreign(document):
            kind = document.data.get("kind")
            checked.warnings.append(
                document.problem(("kind",), kind, f"a kind of {GROUP}; this document is skipped")
            )
        else:
            _check_one(document, overrides, checked)
    if not checked.compiled and not checked.problems:
        checked.problems.append(Problem("", NOTHING, "an IocTask or an IocJob", None, 1, file))
    return checked


def _check_one(document: Document, overrides: Mapping[str, Any] | None, checked: Checked) -> None:
    try:
        compiled = compile_document(document, overrides=overrides)
    except ManifestError as error:
        checked.problems += error.problems
        checked.warnings += error.warnings
        return
    checked.warnings += compiled.warnings
    mine = set(compiled.names)
    for other in checked.compiled:
        shared = mine & set(other.names)
        if shared:
            name = other.plan.name
            expected = f"PVs of its own: {name} in this file serves {min(shared)} too"
            checked.problems.append(
                document.problem(("spec", "prefix"), compiled.plan.prefix, expected)
            )
            return
    checked.compiled.append(compiled)


def _foreign(document: Document) -> bool:
    """Whether a document is of another API: a ConfigMap beside the task, say."""
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        return False
    version = data.get("apiVersion")
    group = version.partition("/")[0] if isinstance(version, str) else GROUP
    return data["kind"] not in KINDS and group != GROUP


def _compile(document: Document, collector: Collector) -> Compiled | None:
    """The steps, each only where the one before left something to look at."""
    model = _model(document, collector)
    if model is None:
        return None
    manifest, problems = check_schema(model, document)
    for problem in problems:
        collector.add(problem)
    if manifest is None:
        return None
    check_object(manifest.kind, manifest.metadata, collector)
    for path, value, expected in unbuilt(manifest):
        collector.wrong(path, value, expected)
    for path, instead in used(manifest):
        collector.warn(path, NOTHING, f"nothing here in future: {instead}")
    if isinstance(manifest, IocJob):
        return _job(manifest, document, collector)
    return _task(manifest, document, collector)


def _model(document: Document, collector: Collector) -> type[Model] | None:
    data = document.data
    if not isinstance(data, dict):
        collector.wrong((), data, "a map with apiVersion, kind, metadata and spec")
        return None
    kind = data.get("kind", NOTHING)
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        collector.wrong(("kind",), kind, "IocTask or IocJob", KINDS.keys())
    return model


def _task(manifest: IocTask, document: Document, collector: Collector) -> Compiled | None:
    spec, metadata = manifest.spec, manifest.metadata
    prefix = spec.prefix or default_prefix(metadata)
    names = Names(manifest.kind, spec, prefix, collector)
    check_totals(spec.inputs, spec.outputs, collector)
    signals = Signals(collector, spec.protocol, compile_prefixes(spec, collector))
    owned = owners(spec, collector)
    inputs = tuple(signals.input(name, given) for name, given in spec.inputs.items())
    outputs = tuple(
        signals.output(name, given, owned[name], spec.rule_defaults)
        for name, given in spec.outputs.items()
    )
    parameters = _parameters(spec, collector)
    _check_run(spec, collector)
    _check_kept(spec, collector)
    check_config(spec, collector)
    logic = Logic(spec, inputs, outputs, parameters, collector)
    logic.check()
    databases = compile_databases(spec.database, names, collector)
    signals.check_prefixes()
    signals.own_links(set(names.full))
    access = compile_access(spec.access, collector)
    plugin = compile_plugin(spec.plugin, document.file, collector) if spec.plugin else None
    trigger = compile_trigger(spec, collector)
    proofs = compile_proofs(spec, inputs, outputs, collector)
    if collector.problems:
        return None
    made = plan.Plan(
        name=metadata.name,
        namespace=metadata.namespace or "",
        prefix=prefix,
        mode=spec.mode,
        period=spec.period,
        trigger=trigger,
        parameters=parameters,
        inputs=inputs,
        outputs=outputs,
        transforms=logic.transforms(),
        rules=logic.rules(),
        aliases=dict(spec.aliases),
        protocol=spec.protocol,
        prefixes=dict(spec.prefixes),
        access=access,
        plugin=plugin,
        ioc_stats=spec.ioc_stats,
        database=databases,
        config_hash=config_hash(document.data["spec"]),
    )
    return _compiled(made, manifest, document, names, collector, proofs)


def _job(manifest: IocJob, document: Document, collector: Collector) -> Compiled | None:
    spec, metadata = manifest.spec, manifest.metadata
    prefix = spec.prefix or default_prefix(metadata)
    names = Names(manifest.kind, spec, prefix, collector)
    check_totals(spec.inputs, spec.outputs, collector)
    signals = Signals(collector, spec.protocol, compile_prefixes(spec, collector))
    inputs = tuple(signals.input(name, given) for name, given in spec.inputs.items())
    outputs = tuple(
        signals.output(name, given, "plugin", {}) for name, given in spec.outputs.items()
    )
    parameters = _parameters(spec, collector)
    _check_kept(spec, collector)
    signals.check_prefixes()
    check_config(spec, collector)
    signals.own_links(set(names.full))
    access = compile_access(spec.access, collector)
    job = compile_job(spec, collector)
    plugin = compile_plugin(spec.plugin, document.file, collector) if spec.plugin else None
    if collector.problems:
        return None
    made = plan.Plan(
        name=metadata.name,
        namespace=metadata.namespace or "",
        prefix=prefix,
        kind="IocJob",
        parameters=parameters,
        inputs=inputs,
        outputs=outputs,
        aliases=dict(spec.aliases),
        protocol=spec.protocol,
        prefixes=dict(spec.prefixes),
        access=access,
        plugin=plugin,
        job=job,
        config_hash=config_hash(document.data["spec"]),
    )
    return _compiled(made, manifest, document, names, collector)


def _compiled(
    made: plan.Plan,
    manifest: IocTask | IocJob,
    document: Document,
    names: Names,
    collector: Collector,
    proofs: tuple[Proof, ...] = (),
) -> Compiled | None:
    size = len(plan.to_json(made))
    if size > LARGEST_PLAN:
        expected = f"a plan of at most {LARGEST_PLAN} bytes, got {size}"
        collector.wrong(("spec",), NOTHING, expected)
        return None
    warnings = tuple(in_file_order(collector.warnings))
    return Compiled(made, manifest, document, tuple(names.full), warnings, proofs)


def _check_run(spec: TaskSpec, collector: Collector) -> None:
    """Fields about how a task runs that only make sense together."""
    if "period" in spec.model_fields_set and spec.mode != "periodic":
        collector.warn(("spec", "period"), spec.period, f"mode periodic with it, not {spec.mode}")


def _check_kept(spec: Common, collector: Collector) -> None:
    """Whether what has to outlive the process has a place."""
    if spec.report.enabled or spec.storage is not None:
        return
    for name, output in spec.outputs.items():
        if output.latch is not None and output.persist:
            expected = "`storage`, or `persist: false`: without reports nothing else keeps a latch"
            collector.wrong(("spec", "outputs", name, "latch"), output.latch, expected)


def config_hash(spec: Mapping[str, Any]) -> str:
    """Of what the user wrote: 64 hexadecimal digits, the same for the same JSON."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _parameters(spec: Common, collector: Collector) -> dict[str, Any]:
    """Constants: a number, a text, true or false, or a list of one of these.

    The plugin alone gets what else JSON can hold: maps, and lists of anything.
    """
    good: dict[str, Any] = {}
    for name, value in spec.parameters.items():
        path: Path = ("spec", "parameters", name)
        items = value if isinstance(value, list) else [value]
        if not _plain(value):
            expected = "a number, a text, true or false, or a list or map of them"
            collector.wrong(path, value, expected)
        elif len(items) > MOST_PARAMETER_ITEMS:
            expected = f"at most {MOST_PARAMETER_ITEMS} entries, got {len(items)}"
            collector.wrong(path, value, expected)
        else:
            good[name] = value
    return good


def _plain(value: Any) -> bool:
    """Whether a parameter is what it may be, on every level."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_plain(item) for item in value)
    if isinstance(value, str):
        return len(value) <= 1024
    if isinstance(value, int):
        return abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)
