"""The plugin of a manifest: exactly one source, bounded files."""

from __future__ import annotations

import os
import re

from pydantic.alias_generators import to_camel

from ioc_runtime.compile.collector import Collector
from ioc_runtime.plan import Plugin
from ioc_runtime.requirement import BadRequirement, parse
from ioc_runtime.spec.plugin import INLINE_BYTES, SOURCES, Git
from ioc_runtime.spec.plugin import Plugin as PluginSpec
from ioc_runtime.spec.problem import NOTHING, Path
from ioc_runtime.spec.task import Common
from ioc_runtime.standard import BUILTIN_PLUGINS

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
    _check_requirements(spec, path, collector)
    if spec.git is not None:
        _check_git(spec.git, (*path, "git"), collector)
    if spec.builtin is not None and spec.builtin not in BUILTIN_PLUGINS:
        known = ", ".join(BUILTIN_PLUGINS)
        collector.wrong((*path, "builtin"), spec.builtin, f"one of {known}", BUILTIN_PLUGINS)
    if spec.isolation == "process" and spec.functions:
        expected = "no functions beside isolation: process: expressions call them in this process"
        collector.wrong((*path, "functions"), spec.functions[0], expected)
    source = None
    if spec.inline is None and spec.image is None:
        source = spec.model_dump(mode="json", by_alias=True, include=set(given))
    return Plugin(
        files=files,
        directory=_absolute(spec.image.path, file) if spec.image else None,
        source=source,
        class_name=spec.class_name,
        functions=tuple(dict.fromkeys(spec.functions)),
        requirements=tuple(spec.requirements),
        requirements_from=spec.requirements_from,
        update_policy=spec.update_policy,
        max_failures=spec.max_failures,
        isolation=spec.isolation,
        config=spec.config,
    )


_SCHEMES = ("https", "http", "ssh", "git", "file")
_SCP_LIKE = re.compile(r"([A-Za-z0-9_.-]+@)?[A-Za-z0-9_.-]+:[^:]+")
"""host:path, as ssh has it."""


def _check_git(git: Git, path: Path, collector: Collector) -> None:
    scheme, separator, rest = git.url.partition("://")
    if separator and scheme not in _SCHEMES:
        collector.wrong((*path, "url"), git.url, f"one of {', '.join(_SCHEMES)}, or host:path")
    elif not separator and not git.url.startswith("/") and not _SCP_LIKE.fullmatch(git.url):
        collector.wrong((*path, "url"), git.url, "an address as https://host/path.git")
    user = rest.partition("/")[0].rpartition("@")[0]
    if ":" in user or (user and scheme in ("https", "http")):
        expected = "no user or password in the address: they belong into the Secret of secretRef"
        collector.wrong((*path, "url"), NOTHING, expected)
    if any(letter.isspace() or ord(letter) < 32 for letter in git.url):
        collector.wrong((*path, "url"), git.url, "an address without blanks")
    if not _REF.fullmatch(git.ref) or ".." in git.ref:
        collector.wrong((*path, "ref"), git.ref, "a branch, a tag or a commit of 40 digits")
    parts = git.path.split("/")
    if git.path.startswith("/") or ".." in parts or "\0" in git.path or ".git" in parts:
        collector.wrong((*path, "path"), git.path, "a directory inside the repository")


_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@#-]*")
_FROM_FILE = (
    *("inputs", "outputs", "transforms", "rules", "rule_defaults", "mode", "period"),
    "tests",  # of rules that are not known before the file is
)
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


def _check_requirements(spec: PluginSpec, path: Path, collector: Collector) -> None:
    for i, text in enumerate(spec.requirements):
        try:
            parse(text)
        except BadRequirement as error:
            collector.wrong((*path, "requirements", i), text, str(error))
    file = spec.requirements_from
    if file is None:
        return
    if not file.endswith((".txt", ".toml")):
        expected = "a requirements file (.txt) or a pyproject.toml"
        collector.wrong((*path, "requirementsFrom"), file, expected)
    elif spec.inline and file not in spec.inline.files:
        known = list(spec.inline.files)
        collector.wrong((*path, "requirementsFrom"), file, "one of the inline files", known)


def _absolute(path: str, file: str | None) -> str:
    if os.path.isabs(path) or file in (None, "-"):
        return path
    return os.path.abspath(os.path.join(os.path.dirname(str(file)), path))
