"""The packages that a plugin needs beside those that are installed: its environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ioc_runtime.fetch.cache import storage_failed
from ioc_runtime.fetch.failure import BAD_SOURCE, FetchFailed
from ioc_runtime.plan import Plugin

FOLDER = "environments"


def install(
    plugin: Plugin,
    directory: Path | None,
    commit: str,
    into: Path,
    cache: Path,
    index: Path | None,
    timeout: float,
    say: Callable[[str], None],
) -> str | None:
    """Directory of the packages; None for a plugin that asks for none.

    :param directory: the plugin's files; None for inline ones
    :param commit: of its source; "" for local files
    :param into: a directory of this task's own
    :param cache: where environments are kept, perhaps for many tasks
    :param index: files that say where the package index is (plugin/environments/settings.py)
    :raises FetchFailed: with the reason of the environment
    """
    if not plugin.requirements and plugin.requirements_from is None:
        return None
    from ioc_runtime.plugin.environments import EnvironmentFailed, Wanted, build, find_tool

    try:
        files = () if plugin.requirements_from is None else (_named(plugin, directory, into),)
        wanted = Wanted(plugin.requirements, files=files, commit=commit, root=directory)
        tool = find_tool(index if index is not None and index.is_dir() else None)
        environment = build(wanted, cache / FOLDER, tool=tool, say=say, timeout=timeout)
    except EnvironmentFailed as error:
        raise FetchFailed(error.reason, error.sentence) from None
    return str(environment.site)


def _named(plugin: Plugin, directory: Path | None, into: Path) -> Path:
    """The file of `requirementsFrom`."""
    name = plugin.requirements_from or ""
    if directory is None:  # inline: it stands in the plan, and has to be a file to be read
        text = (plugin.files or {}).get(name)
        file = into / Path(name).name
        if text is not None:
            try:
                file.write_text(text, encoding="utf-8")
            except OSError as error:
                raise storage_failed(error) from None
    else:
        file = directory / name
        if file.exists() and not file.resolve().is_relative_to(directory.resolve()):
            text = f"spec.plugin.requirementsFrom: {name!r} is a link that leaves the plugin"
            raise FetchFailed(BAD_SOURCE, text)
    if not file.is_file():
        text = f"spec.plugin.requirementsFrom: the plugin has no file {name!r}"
        raise FetchFailed(BAD_SOURCE, text)
    return file
