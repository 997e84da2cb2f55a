"""From the plan's plugin to a class that can run: `load`.

The import runs in a thread of its own with a time limit, because a module's top
level is the plugin's code as well. A failure is a `PluginError`: one sentence with
the plugin's file and line, and the frames of its own files.
"""

from __future__ import annotations

import inspect
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ioc_runtime.plan import Arguments, Job, Plan, Plugin
from ioc_runtime.plugin import discover
from ioc_runtime.plugin.api import DeclarativeTask, JobBase, TaskBase
from ioc_runtime.plugin.callbacks import check_marked, marked
from ioc_runtime.plugin.errors import PluginError, nearest
from ioc_runtime.plugin.function_job import function_job, without_job
from ioc_runtime.plugin.functions import Function, collecting, guarded
from ioc_runtime.plugin.package import Package
from ioc_runtime.plugin.trace import describe, where_is

NAME_MAX = 200
"""Characters in the path of an inline file."""


@dataclass(frozen=True)
class Loaded:
    """A plugin that has been imported and may be run."""

    cls: type
    functions: Mapping[str, Function] = field(default_factory=dict)
    """What it has registered for expressions, by name."""
    warnings: tuple[str, ...] = ()
    """Sentences for the log."""
    package: Package | None = None
    temporary: Path | None = None

    @property
    def root(self) -> Path | None:
        """Directory of its files; None for a plugin without code."""
        return self.package.root if self.package else None

    @property
    def name(self) -> str:
        """Of its class."""
        return self.cls.__name__

    @property
    def asynchronous(self) -> bool:
        """Whether one of its hooks is `async def`: its thread then runs an event loop."""
        hooks = discover.hooks_of(self.cls)
        names = (*hooks, *(name for name, _ in marked(self.cls)))
        return any(inspect.iscoroutinefunction(getattr(self.cls, n, None)) for n in names)

    def overrides(self, hook: str) -> bool:
        """Whether calling this hook does anything."""
        base: type = JobBase if issubclass(self.cls, JobBase) else TaskBase
        return getattr(self.cls, hook, None) is not getattr(base, hook, None)

    def describe(self, error: BaseException) -> tuple[str, str]:
        """(sentence, traceback of the plugin's own frames) of an error it raised."""
        return describe(error, self.root, self.package.name if self.package else "")

    def close(self) -> None:
        """Forget its modules and remove its temporary files."""
        if self.package:
            self.package.close()
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)


def load(plan: Plan, *, directory: str | None = None, timeout: float = 30.0) -> Loaded:
    """Import the plan's plugin, find its class and check that it can be called.

    `directory` is where its files are, if they were fetched. `timeout` is in seconds; an
    import that takes longer is given up.

    :raises PluginError: with one sentence for a person; the exit code is 15.
    """
    plugin = plan.plugin
    if plugin is None:
        raise PluginError("the task has no plugin")
    if plugin.source and "builtin" in plugin.source:
        directory = str(Path(__file__).with_name("builtin") / str(plugin.source["builtin"]))
    if directory is not None:
        plugin = replace(plugin, directory=directory, source=None)
    if plugin.source:
        raise PluginError(
            f"plugin.{_kind_of(plugin.source)}: this process loads inline files or a local "
            f"directory, a source of kind {_kind_of(plugin.source)} has to be fetched before"
        )
    if plugin.files is None and plugin.directory is None:
        return _without_code(plugin)
    root, temporary = _place(plugin)
    package = Package(root)
    try:
        return _in_time(plan, plugin, package, temporary, timeout)
    except BaseException:
        package.close()
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
        raise


def _without_code(plugin: Plugin) -> Loaded:
    if plugin.class_name not in (None, DeclarativeTask.__name__):
        raise PluginError(f"plugin.class is {plugin.class_name!r}, but the plugin has no source")
    _check_functions(plugin, {})
    return Loaded(DeclarativeTask)


def _kind_of(source: Mapping[str, object]) -> str:
    known = ("git", "configMap", "image", "builtin")
    for kind in known:
        if kind in source or source.get("kind") == kind:
            return kind
    return next(iter(source))


def _in_time(
    plan: Plan, plugin: Plugin, package: Package, temporary: Path | None, timeout: float
) -> Loaded:
    """Run `_import` in a thread that is given up when it takes too long."""
    outcome: list[Loaded | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_import(plan, plugin, package, temporary))
        except BaseException as error:  # SystemExit in a plugin's module, too
            outcome.append(error)

    thread = threading.Thread(target=work, name="plugin-load", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        at = where_is(thread.ident, package.root)
        raise PluginError(f"the import of the plugin still runs after {timeout:g} s{at}")
    result = outcome[0]
    if isinstance(result, Loaded):
        return result
    if isinstance(result, PluginError):
        raise result
    sentence, trace = describe(result, package.root, package.name)
    raise PluginError(sentence, trace) from None


def _import(plan: Plan, plugin: Plugin, package: Package, temporary: Path | None) -> Loaded:
    sources = discover.read_sources(package)
    package.open()
    wanted = plan.job.function if plan.job is not None else None
    with collecting() as functions:
        for name in discover.to_import(sources, plugin.class_name, wanted):
            package.import_module(name)
        if plan.kind == "IocJob":
            cls = _job_class(plan.job or Job(), plugin, package, sources)
        else:
            cls = _class(plan, plugin, package, sources, functions)
    given = {}
    if plan.job is not None:
        given = {"initialize": plan.job.init_args, "execute": plan.job.run_args}
    warnings = discover.check(package, cls, given)
    check_marked(cls, plan)
    _check_functions(plugin, functions)
    unused = sorted(set(functions) - set(plugin.functions))
    warnings += tuple(
        f"function {name!r} is registered, but plugin.functions does not declare it"
        for name in unused
    )
    checked = {name: guarded(name, fn) for name, fn in functions.items()}
    return Loaded(cls, checked, warnings, package, temporary)


def _class(
    plan: Plan,
    plugin: Plugin,
    package: Package,
    sources: list[discover.Source],
    functions: Mapping[str, Function],
) -> type:
    if plugin.class_name == DeclarativeTask.__name__:
        return DeclarativeTask
    cls = discover.choose(package, sources, plugin.class_name, TaskBase, plan.kind)
    if cls is not None:
        return cls
    if functions or not sources:
        return DeclarativeTask  # a plugin that only brings functions, or data
    raise PluginError(
        f"the plugin defines no subclass of TaskBase: expected one in its modules "
        f"({_names(sources)})"
    )


def _job_class(
    job: Job, plugin: Plugin, package: Package, sources: list[discover.Source]
) -> type[JobBase]:
    """The class that is named, the function that is named, the only class, or `main`."""
    if job.function is None:
        cls = discover.choose(package, sources, plugin.class_name, JobBase, "IocJob")
        if cls is not None:
            return cls
    name = job.function or "main"
    for source in sources:
        if name in source.functions:
            package.import_module(source.name)
    function = discover.function(package, name)
    if function is not None:
        if job.init_args != Arguments():
            raise PluginError(
                f"spec.initArgs: the function {name} has no initialize, only a class has"
            )
        call = without_job(function)
        discover.check_call(package, function, call, job.run_args, "spec.runArgs")
        return function_job(function)
    if job.function is not None:
        known = {found for source in sources for found in source.functions}
        raise PluginError(f"the plugin has no function {name!r}{nearest(name, known)}")
    raise PluginError(
        "the plugin defines no subclass of JobBase and no function main: expected one of them "
        f"in its modules ({_names(sources)})"
    )


def _names(sources: list[discover.Source]) -> str:
    return ", ".join(source.name or "__init__" for source in sources[:8]) or "none"


def _check_functions(plugin: Plugin, found: Mapping[str, Function]) -> None:
    missing = [name for name in plugin.functions if name not in found]
    if missing:
        raise PluginError(
            f"plugin.functions declares {', '.join(map(repr, missing))}, which the plugin has "
            f"not registered{nearest(missing[0], found)}"
        )


def _place(plugin: Plugin) -> tuple[Path, Path | None]:
    """(directory of the plugin's files, the same when it is to be removed)."""
    if plugin.directory is not None:
        root = Path(plugin.directory).absolute()
        if not root.is_dir():
            raise PluginError(f"plugin directory {plugin.directory!r} is not there")
        return root, None
    files = plugin.files or {}
    for name in files:
        _check_path(name)
    try:
        root = Path(tempfile.mkdtemp(prefix="ioc-plugin-"))  # mode 0700
    except OSError as error:
        raise PluginError(f"no temporary directory for the plugin's files: {error}") from None
    name = ""
    try:
        for name, text in files.items():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode("utf-8"))
    except (OSError, UnicodeEncodeError) as error:
        shutil.rmtree(root, ignore_errors=True)
        raise PluginError(f"plugin.inline.files: cannot write {name!r}: {error}") from None
    return root, root


def _check_path(name: str) -> None:
    parts = name.split("/")
    bad = (
        not name
        or len(name) > NAME_MAX
        or "\\" in name
        or any(ord(c) < 32 for c in name)
        or any(part in ("", ".", "..") for part in parts)
        or str(PurePosixPath(name)) != name
    )
    if bad:
        raise PluginError(
            f"plugin.inline.files: {name[:60]!r} is not a relative path inside the plugin: "
            "expected something like guard.py or lib/tools.py"
        )
