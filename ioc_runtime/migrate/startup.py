"""A list of plugins that an iocmng server loads at its start, as manifests.

The file of IOCMNG_PLUGINS_CONFIG, or the one the server keeps itself
(`autostart_plugins.yaml`): `plugins:` with a name and a git_url or local_path each. What
the server is told elsewhere may stand in the same file: `prefix` (IOCMNG_PREFIX, or that
of its own config), and `beamline` and `namespace` of a beamline's values.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ioc_runtime.migrate.config import Converted, Wanted, check, merged, object_name, prefix_of
from ioc_runtime.migrate.directory import CONFIGS, config_of, convert_directory
from ioc_runtime.migrate.fields import flag, known_keys, mapping
from ioc_runtime.migrate.notes import Findings, Note, Place
from ioc_runtime.spec.problem import ManifestError, Problem
from ioc_runtime.spec.task import API_VERSION

ENTRY: Final = (
    "name", "git_url", "local_path", "path", "branch", "pat", "auto_start",
    "auto_start_on_boot", "autostart_order", "parameters",
)  # fmt: skip
SERVER: Final = ("plugins", "prefix", "beamline", "namespace", "iocDefaults", "epicsConfiguration")


def is_startup(data: Mapping[str, Any]) -> bool:
    """Whether a file is such a list, or a beamline's values, and no config of one plugin."""
    return any(key in data for key in ("plugins", "beamline", "epicsConfiguration"))


def convert_startup(
    data: Mapping[str, Any], root: Path, wanted: Wanted, findings: Findings
) -> list[Converted]:
    """A manifest for each plugin of the list, in the order in which they are started.

    :param root: directory that a relative local_path counts from
    :param wanted: protocol, and what the file does not say of prefix and beamline
    :raises ManifestError: with what cannot be converted in any of them
    """
    problems: list[Problem] = []
    wanted = _server(data, wanted, findings)
    entries = _entries(data, findings)
    problems += findings.problems
    made: list[Converted] = []
    for where, entry in entries:
        own = Findings(findings.file)
        try:
            made.append(_entry(entry, where, root, wanted, own))
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError(problems)
    if made and findings.notes:
        first = made[0]
        notes = (*findings.close(), *first.notes)
        made[0] = Converted(first.document, notes, first.compiled)
    return made


def _server(data: Mapping[str, Any], wanted: Wanted, findings: Findings) -> Wanted:
    for key in data:
        if key not in SERVER:
            findings.note((key,), "left out: nothing of it is about plugins")
    if data.get("epicsConfiguration") or data.get("iocDefaults"):
        text = (
            "left out: it tells iocmng the devices for get_device(), which gives None here; "
            "link their PVs, or read them by name"
        )
        findings.note(("epicsConfiguration",), text)
    controller = data.get("prefix") or wanted.controller
    return Wanted(
        wanted.name,
        None,
        str(controller) if controller else None,
        str(data.get("beamline") or wanted.beamline),
        str(data.get("namespace") or wanted.namespace),
        wanted.protocol,
    )


def _entries(data: Mapping[str, Any], findings: Findings) -> list[tuple[Place, Mapping[str, Any]]]:
    given = data.get("plugins")
    if not isinstance(given, list) or not given:
        findings.wrong(("plugins",), given, "a list of plugins with a name and where they are")
        return []
    found: list[tuple[Place, Mapping[str, Any]]] = []
    names: set[str] = set()
    for index, entry in enumerate(given):
        where: Place = ("plugins", index)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            findings.wrong(where, entry, "a map with a name")
        elif entry["name"] in names:
            findings.wrong((*where, "name"), entry["name"], "a name of its own")
        else:
            names.add(entry["name"])
            found.append((where, entry))
    return sorted(found, key=_order)


def _order(item: tuple[Place, Mapping[str, Any]]) -> tuple[int, int, str]:
    order = item[1].get("autostart_order")
    if isinstance(order, int):
        return 0, order, item[1]["name"]
    return 1, 0, item[1]["name"]


def _entry(
    entry: Mapping[str, Any], where: Place, root: Path, server: Wanted, findings: Findings
) -> Converted:
    known_keys(entry, ENTRY, where, findings)
    name = entry["name"]
    parameters = mapping(entry, "parameters", where, findings)
    git, local = entry.get("git_url"), entry.get("local_path")
    if bool(git) == bool(local):
        findings.wrong(where, name, "exactly one of git_url and local_path")
        raise ManifestError(findings.problems)
    if entry.get("autostart_order") is not None:
        text = "left out: each plugin is a pod of its own, they start at the same time"
        findings.note((*where, "autostart_order"), text)
    wanted = Wanted(
        name, None, server.controller, server.beamline, server.namespace, server.protocol,
        parameters,
    )  # fmt: skip
    if git:
        return _from_git(entry, where, wanted, findings)
    return _from_directory(entry, where, root, wanted, findings)


def _from_directory(
    entry: Mapping[str, Any], where: Place, root: Path, wanted: Wanted, findings: Findings
) -> Converted:
    directory = root / str(entry["local_path"]) / str(entry.get("path") or "")
    config = config_of(directory)
    if config is None:
        expected = f"a directory with {' or '.join(CONFIGS)}"
        findings.wrong((*where, "local_path"), str(directory), expected)
        raise ManifestError(findings.problems)
    wanted = Wanted(
        wanted.name, None, wanted.controller, wanted.beamline, wanted.namespace, wanted.protocol,
        wanted.parameters, {"image": {"path": str(directory)}},
    )  # fmt: skip
    made = convert_directory(config, wanted)
    _start(entry, where, made.document, findings)
    if findings.problems:
        raise ManifestError(findings.problems)
    text = "a pod sees this path only if it is in its image, or mounted"
    findings.note((*where, "local_path"), text, ("spec", "plugin"))
    return Converted(made.document, (*findings.close(), *made.notes), made.compiled)


def _from_git(
    entry: Mapping[str, Any], where: Place, wanted: Wanted, findings: Findings
) -> Converted:
    """Nothing is fetched here: the file is read when the pod has it."""
    name = wanted.name
    git: dict[str, Any] = {"url": str(entry["git_url"]), "ref": str(entry.get("branch") or "main")}
    if entry.get("path"):
        git["path"] = str(entry["path"]).strip("/")
    if entry.get("pat"):
        secret = f"{object_name(name, 'IocTask')}-git"
        git["secretRef"] = {"name": secret}
        text = (
            f"not copied: make a Secret {secret} with the keys username and password, the "
            "token in password"
        )
        findings.note((*where, "pat"), text, ("spec", "plugin", "git", "secretRef"))
    spec: dict[str, Any] = {
        "prefix": prefix_of({}, wanted, findings),
        "protocol": wanted.protocol,
        "parameters": merged({}, wanted.parameters),
        "plugin": {"git": git, "config": CONFIGS[0]},
    }
    if not spec["parameters"]:
        del spec["parameters"]
    document = {
        "apiVersion": API_VERSION,
        "kind": "IocTask",
        "metadata": {"name": object_name(name, "IocTask")},
        "spec": spec,
    }
    findings.came_from(("spec", "plugin", "git"), where)
    findings.came_from(("spec", "prefix"), (*where, "name"))
    notes = (
        ("kind", "taken for a task: if it is a job, write `kind: IocJob`"),
        (
            "prefix",
            "of the plugin's name: if its config has a `prefix` of its own, put that here",
        ),
        ("plugin", "inputs, outputs and rules come from the plugin's config.yaml"),
        ("plugin", "if it has a requirements.txt, write requirementsFrom: requirements.txt"),
    )
    for key, text in notes:
        path = (key,) if key == "kind" else ("spec", key)
        findings.note(where, text, path)
    _start(entry, where, document, findings)
    compiled = check(document, findings)
    return Converted(document, findings.close(), compiled)


def _start(
    entry: Mapping[str, Any], where: Place, document: dict[str, Any], findings: Findings
) -> None:
    started = entry.get("auto_start")
    if started is not None and not flag(entry, "auto_start", where, findings):
        document["spec"]["suspend"] = True
        text = "no pod until `suspend` is false; iocmng served its PVs, with STATUS INIT"
        findings.note((*where, "auto_start"), text, ("spec", "suspend"))


__all__ = ["Note", "convert_startup", "is_startup"]
