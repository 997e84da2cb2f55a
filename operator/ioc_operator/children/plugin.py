"""What a pod has so that its plugin's code and packages are there before it starts.

An init container fetches them. Credentials are mounted into that one alone, and where a
plugin also wants packages, those are installed by a second one that never sees them: what
a package runs at its installation could read them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ioc_operator.desired import Wanted
from ioc_operator.settings import Settings

Object = dict[str, Any]

PLUGIN_DIRECTORY: Final = "/var/lib/ioc-plugin"
OUTCOME: Final = f"{PLUGIN_DIRECTORY}/plugin.json"
CACHE_DIRECTORY: Final = "/var/cache/ioc"
CREDENTIALS_DIRECTORY: Final = "/etc/ioc-credentials"
FILES_DIRECTORY: Final = "/etc/ioc-plugin"
INDEX_DIRECTORY: Final = "/etc/ioc-index"
FETCH: Final = "fetch"
INSTALL: Final = "install"


@dataclass(frozen=True)
class Fetching:
    """The parts of a pod that have to do with it; all empty without such a plugin."""

    init: tuple[Object, ...] = ()
    volumes: tuple[Object, ...] = ()
    mounts: tuple[Object, ...] = ()
    """Of the container that serves: read only."""
    arguments: tuple[str, ...] = ()
    """Of the process that serves."""


def fetching(wanted: Wanted, settings: Settings, container: Mapping[str, Any]) -> Fetching:
    """What is needed for this plugin.

    :param container: the one that serves, which the others take image, limits and
        environment from
    """
    plugin = wanted.plugin
    if not wanted.fetches:
        return Fetching()
    volumes: list[Object] = [{"name": "plugin", "emptyDir": {}}]
    place: Object = {"name": "plugin", "mountPath": PLUGIN_DIRECTORY}
    shared: list[Object] = []
    options = ["--kept", "/etc/ioc/source.json"]
    if settings.plugin_cache:
        volumes.append({"name": "plugin-cache", **_cache(settings.plugin_cache)})
        shared.append({"name": "plugin-cache", "mountPath": CACHE_DIRECTORY})
        options += ["--cache", CACHE_DIRECTORY]
    files: list[Object] = []
    if isinstance(plugin.get("configMap"), Mapping):
        name = str(plugin["configMap"].get("name"))
        # One that is not there is told by the init container, in a sentence.
        volumes.append({"name": "plugin-files", "configMap": {"name": name, "optional": True}})
        files.append({"name": "plugin-files", "mountPath": FILES_DIRECTORY, "readOnly": True})
        options += ["--files", FILES_DIRECTORY]
    secret = _secret(plugin)
    own: list[Object] = []
    if secret:
        volumes.append(
            {"name": "credentials", "secret": {"secretName": secret, "defaultMode": 0o440}}
        )
        own.append({"name": "credentials", "mountPath": CREDENTIALS_DIRECTORY, "readOnly": True})
    packages: list[Object] = []
    installs = bool(plugin.get("requirements") or plugin.get("requirementsFrom"))
    if installs:
        volumes.append(_index(settings.plugin_index))
        packages.append({"name": "index", "mountPath": INDEX_DIRECTORY, "readOnly": True})
    config: Object = {"name": "config", "mountPath": "/etc/ioc", "readOnly": True}
    tmp: Object = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108
    mounts: list[Object] = [config, tmp, place, *shared, *files]
    credentials = ["--credentials", CREDENTIALS_DIRECTORY] if secret else []
    index = ["--index", INDEX_DIRECTORY] if installs else []
    steps: tuple[tuple[str, list[str], list[Object]], ...] = (
        (FETCH, [*credentials, *index], own + packages),
    )
    if secret and installs:
        steps = (
            (FETCH, ["--only", "source", *credentials], own),
            (INSTALL, ["--only", "packages", *index], packages),
        )
    init = tuple(
        _step(container, name, [*options, *more], mounts + extra) for name, more, extra in steps
    )
    return Fetching(
        init=init,
        volumes=tuple(volumes),
        mounts=tuple(mount | {"readOnly": True} for mount in (place, *shared, *files)),
        arguments=("--plugin", OUTCOME),
    )


def _step(
    container: Mapping[str, Any], name: str, options: list[str], mounts: list[Object]
) -> Object:
    fetch = ("python", "-m", "ioc_runtime.fetch", "/etc/ioc/plan.json", "--into", PLUGIN_DIRECTORY)
    taken = ("image", "imagePullPolicy", "env", "envFrom", "resources", "securityContext")
    made = {field: copy.deepcopy(container[field]) for field in taken if field in container}
    return made | {
        "name": name,
        "args": [*fetch, *options],
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    }


def _cache(where: str) -> Object:
    kind, _, name = where.partition(":")
    if kind == "host":
        return {"hostPath": {"path": name, "type": "Directory"}}
    return {"persistentVolumeClaim": {"claimName": name}}


def _index(name: str) -> Object:
    sources = [{kind: {"name": name, "optional": True}} for kind in ("configMap", "secret")]
    return {"name": "index", "projected": {"sources": sources, "defaultMode": 0o440}}


def _secret(plugin: Mapping[str, Any]) -> str:
    git = plugin.get("git")
    reference = git.get("secretRef") if isinstance(git, Mapping) else None
    return str(reference.get("name") or "") if isinstance(reference, Mapping) else ""
