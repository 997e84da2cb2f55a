"""The plugin of a manifest: exactly one source, bounded files."""

from __future__ import annotations

import os

from pydantic.alias_generators import to_camel

from ioc_runtime.compile.collector import Collector
from ioc_runtime.plan import Plugin
from ioc_runtime.spec.plugin import INLINE_BYTES, SOURCES
from ioc_runtime.spec.plugin import Plugin as PluginSpec
from ioc_runtime.spec.problem import NOTHING, Path
from ioc_runtime.spec.task import Common

_SAID = ("git", "inline", "configMap", "image", "builtin")


def compile_plugin(spec: PluginSpec, file: str | None, collector: Collector) -> Plugin | None:
    """The plan's plugin, or None with what is wrong.

    :param file: path of the manifest: a relative `image.path` counts from its directory
    """
    path: Path = ("spec", "plugin")
    given = [name for name in SOURCES if getattr(spec, name) is not None]
    if len(given) != 1:
        found = ", ".join(given) if given else NOTHING
        collector.wrong(path, found, f"exactly one of {', '.join(_SAID)}")
        return None
    files = dict(spec.inline.files) if spec.inline else None
    if files is not None:
        _check_files(files, (*path, "inline", "files"), collector)
    source = None
    if spec.inline is None and spec.image is None:
        source = spec.model_dump(mode="json", by_alias=True, include=set(given))
    return Plugin(
        files=files,
        directory=_absolute(spec.image.path, file) if spec.image else None,
        source=source,
        class_name=spec.class_name,
        functions=tuple(dict.fromkeys(spec.functions)),
        max_failures=spec.max_failures,
        isolation=spec.isolation,
        config=spec.config,
    )


_FROM_FILE = ("inputs", "outputs", "transforms", "rules", "rule_defaults", "mode", "period")
_FILES = ("yaml", "yml", "json")


def check_config(spec: Common, collector: Collector) -> None:
    """With `plugin.config` the file says what there is, and the manifest must not."""
    if spec.plugin is None or spec.plugin.config is None:
        return
    path: Path = ("spec", "plugin", "config")
    if spec.plugin.config.rpartition(".")[2] not in _FILES:
        collector.wrong(path, spec.plugin.config, "a file that ends in .yaml, .yml or .json")
    if spec.plugin.inline is not None or spec.plugin.builtin is not None:
        expected = "a plugin from git, configMap or image; `iocctl convert` writes the rest here"
        collector.wrong(path, spec.plugin.config, expected)
    for field in _FROM_FILE:
        known = type(spec).model_fields.get(field)
        # An API server fills in defaults, so what has its default may not have been written.
        if known is not None and getattr(spec, field) != known.get_default(
            call_default_factory=True
        ):
            name = to_camel(field)
            expected = f"no {name} here: plugin.config takes them from {spec.plugin.config}"
            collector.wrong(("spec", name), NOTHING, expected)


def _check_files(files: dict[str, str], path: Path, collector: Collector) -> None:
    size = sum(len(text.encode("utf-8", "replace")) for text in files.values())
    if size > INLINE_BYTES:
        collector.wrong(path, NOTHING, f"at most {INLINE_BYTES} bytes in all, got {size}")
    for name, text in files.items():
        folders = [f"{name[:i]}" for i, letter in enumerate(name) if letter == "/"]
        clash = next((folder for folder in folders if folder in files), None)
        if clash is not None:
            collector.wrong((*path, name), name, f"{clash} to be a file or a directory, not both")
        if "\0" in text:
            collector.wrong((*path, name), NOTHING, "a text without NUL")
    if not any(name.endswith(".py") for name in files):
        collector.wrong(path, NOTHING, "at least one file that ends in .py")


def _absolute(path: str, file: str | None) -> str:
    if os.path.isabs(path) or file in (None, "-"):
        return path
    return os.path.abspath(os.path.join(os.path.dirname(str(file)), path))
