"""Which class of a plugin runs, and whether it can.

The plugin's files are read first and not run: only modules that may hold the class
or register functions are imported, so a script beside them is never started.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from ioc_runtime.plan import Arguments
from ioc_runtime.plugin.api import HOOKS, JOB_HOOKS, JobBase, TaskBase
from ioc_runtime.plugin.errors import PluginError, nearest
from ioc_runtime.plugin.package import Package
from ioc_runtime.plugin.trace import describe

MODULES_MAX = 2000
_ASIDE = ("conftest", "setup", "tests", "test")


@dataclass(frozen=True)
class Source:
    """One module of the plugin, as its text says."""

    name: str
    """Inside the plugin; "" is the plugin's own `__init__`."""
    binds: frozenset[str]
    """Names that its top level binds by a class, an import or an assignment."""
    classes: frozenset[str]
    """Classes with a base that it defines."""
    functions: frozenset[str]
    """Functions of its top level."""
    registers: bool
    """Whether it names `register_function`."""


def read_sources(package: Package) -> list[Source]:
    """Parse all modules of the plugin that count.

    :raises PluginError: one cannot be parsed; names its file and line.
    """
    sources: list[Source] = []
    for file, name in _modules(package.root):
        if len(sources) >= MODULES_MAX:
            raise PluginError(f"the plugin has more than {MODULES_MAX} modules: give its path")
        try:
            tree = ast.parse(file.read_bytes(), filename=str(file))
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
            sentence, trace = describe(error, package.root)
            where = f"{file.relative_to(package.root)}:"
            if not sentence.startswith(where):  # the parser does not say where it is too deep
                sentence = f"{where} {sentence}"
            raise PluginError(sentence, trace) from None
        sources.append(_source(name, tree))
    return sources


def to_import(sources: list[Source], class_name: str | None, function: str | None) -> list[str]:
    """Names of the modules to import, in order, for a class or a function that is named.

    With neither, those that may define a class.
    """
    if function is not None:
        return [s.name for s in sources if s.registers or function in s.functions]
    if class_name is None:
        return [s.name for s in sources if s.classes or s.registers]
    return [s.name for s in sources if s.registers or class_name in s.binds]


def choose(
    package: Package, sources: list[Source], class_name: str | None, base: type, kind: str
) -> type | None:
    """The class that runs; None when the plugin defines none and none is named.

    :raises PluginError: no such class, several, or one that cannot run.
    """
    if class_name is not None:
        return _named(package, sources, class_name, base, kind)
    found = _own_classes(package, base)
    concrete = [cls for cls in found if not inspect.isabstract(cls)]
    if len(concrete) == 1:
        return concrete[0]
    if concrete:
        raise PluginError(
            "the plugin has several classes that could run: "
            f"{', '.join(_label(package, cls) for cls in concrete)}; name one in plugin.class"
        )
    if found:
        return found[0]  # abstract: `check` says what it lacks
    other: type = JobBase if base is TaskBase else TaskBase
    for cls in _own_classes(package, other):
        raise PluginError(
            f"{_label(package, cls)} is a {other.__name__}: an {kind} needs a {base.__name__}"
        )
    return None


def function(package: Package, name: str) -> Any:
    """The function of that name which a module of the plugin defines; None without any.

    :raises PluginError: several, or one that cannot run.
    """
    found = [
        item
        for full, module in sorted(package.modules().items())
        if inspect.isfunction(item := vars(module).get(name)) and item.__module__ == full
    ]
    if len(found) > 1:
        places = ", ".join(_at(package, item) for item in found)
        raise PluginError(
            f"the plugin has several functions called {name!r}: {places}; expected one"
        )
    if found and _yields(found[0]):
        raise PluginError(f"{_at(package, found[0])} is a generator: expected no `yield` in it")
    return found[0] if found else None


def check_call(package: Package, function: Any, call: Any, given: Arguments, field: str) -> None:
    """Whether a call takes these arguments.

    :param function: what the plugin defines
    :param call: the same without what it gets beside them (`self`)
    :param field: where the arguments stand in the manifest
    :raises PluginError: it does not; says why.
    """
    try:
        signature = inspect.signature(call)
        signature.bind(*given.args, **given.kwargs)
    except ValueError:  # written in C: called and seen
        return
    except TypeError as error:
        raise PluginError(
            f"{_at(package, function)}: {getattr(function, '__name__', 'the function')}"
            f"{signature} cannot be called with {field}: {error}"
        ) from None


def hooks_of(cls: type) -> Mapping[str, tuple[str, ...]]:
    """What is called of a class."""
    return JOB_HOOKS if issubclass(cls, JobBase) else HOOKS


def check(package: Package, cls: type, given: Mapping[str, Arguments]) -> tuple[str, ...]:
    """Whether the task can call the class; returns warnings about what looks wrong.

    :param given: of hooks that get arguments from the manifest: those
    :raises PluginError: an abstract class, a hook that is not a method or takes other
        arguments, or a constructor that needs arguments.
    """
    label = _label(package, cls)
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise PluginError(f"{label} cannot run: it leaves {', '.join(missing)} abstract")
    for hook, arguments in hooks_of(cls).items():
        if hasattr(cls, hook):
            _check_hook(package, cls, hook, arguments, given.get(hook))
    keywords = getattr(cls, "_keywords", ())
    if not _takes(cls.__init__, 1, keywords):  # type: ignore[misc]
        wanted = f"that takes {', '.join(keywords)}" if keywords else "without arguments"
        raise PluginError(
            f"{label}: expected an __init__ {wanted}, found "
            f"__init__{inspect.signature(cls.__init__)}"  # type: ignore[misc]
        )
    return tuple(_misspelt(package, cls))


def _check_hook(
    package: Package,
    cls: type,
    hook: str,
    arguments: tuple[str, ...],
    given: Arguments | None = None,
) -> None:
    place = _label(package, cls)
    found = inspect.getattr_static(cls, hook)
    function = found.__func__ if isinstance(found, classmethod | staticmethod) else found
    if not callable(function):
        raise PluginError(f"{place}: expected a method {hook}, found {found!r:.60}")
    if _yields(function):
        raise PluginError(f"{place}.{hook} is a generator: expected no `yield` in it")
    bound = 0 if isinstance(found, staticmethod) else 1
    if given is not None:
        call = partial(function, cls) if bound else function
        check_call(package, function, call, given, _GIVEN[hook])
        return
    if not _takes(function, bound + len(arguments)):
        wanted = ", ".join(("self",) * bound + arguments)
        raise PluginError(
            f"{place}: expected {hook}({wanted}), found {hook}{inspect.signature(function)}"
        )


_GIVEN = {"initialize": "spec.initArgs", "execute": "spec.runArgs"}


def _yields(function: Any) -> bool:
    code = inspect.unwrap(function)
    return inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code)


def _takes(function: Any, count: int, keywords: Iterable[str] = ()) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C: called and seen
        return True
    try:
        signature.bind(*range(count), **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


def _misspelt(package: Package, cls: type) -> Iterator[str]:
    base: type = JobBase if issubclass(cls, JobBase) else TaskBase
    for owner in cls.__mro__:
        if not package.owns(owner.__module__):
            continue
        for name, item in vars(owner).items():
            if name.startswith("_") or hasattr(base, name) or not inspect.isfunction(item):
                continue
            near = get_close_matches(name, hooks_of(cls), n=1, cutoff=0.85)
            if near:
                yield f"{_label(package, owner)}.{name} is never called; did you mean {near[0]}?"


def _named(package: Package, sources: list[Source], class_name: str, base: type, kind: str) -> type:
    found: list[type] = []
    for _, module in _own_modules(package):
        item = vars(module).get(class_name)
        if isinstance(item, type) and item not in found:
            found.append(item)
    if not found:
        known = [cls.__name__ for cls in _own_classes(package, base)]
        known = known or [name for s in sources for name in s.classes]
        raise PluginError(f"the plugin has no class {class_name!r}{nearest(class_name, known)}")
    if len(found) > 1:
        raise PluginError(
            f"the plugin has several classes called {class_name!r}: "
            f"{', '.join(_label(package, cls) for cls in found)}; expected one"
        )
    if not issubclass(found[0], base):
        raise PluginError(f"{_label(package, found[0])} is no {base.__name__}: an {kind} needs one")
    return found[0]


def _own_modules(package: Package) -> list[tuple[str, Any]]:
    return sorted((package.inner_name(name), m) for name, m in package.modules().items())


def _own_classes(package: Package, base: type) -> list[type]:
    """Subclasses of `base` that the plugin's own modules define, by module and line."""
    return [
        item
        for _, module in _own_modules(package)
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, base) and item.__module__ == module.__name__
    ]


def _label(package: Package, cls: type) -> str:
    """`guard.Guard (guard.py:12)`."""
    inner = package.inner_name(cls.__module__) if package.owns(cls.__module__) else cls.__module__
    name = f"{inner}.{cls.__name__}" if inner else cls.__name__
    try:
        file, number = inspect.getsourcefile(cls), inspect.findsource(cls)[1] + 1
    except (OSError, TypeError):
        return name
    if file is None or not Path(file).is_relative_to(package.root):
        return name
    return f"{name} ({Path(file).relative_to(package.root)}:{number})"


def _at(package: Package, function: Any) -> str:
    """`guard.py:12`: where a function is defined."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return repr(function)[:60]
    file = Path(code.co_filename)
    shown = file.relative_to(package.root) if file.is_relative_to(package.root) else file
    return f"{shown}:{code.co_firstlineno}"


def _modules(root: Path, inner: str = "") -> Iterator[tuple[Path, str]]:
    """The plugin's modules: of its directory, and of the packages below it."""
    for entry in sorted(root.iterdir()):
        name = entry.stem if entry.suffix == ".py" else entry.name
        if name == "__init__" and entry.is_file():
            yield entry, inner
        elif not name.isidentifier() or name.startswith("_") or _aside(name):
            continue
        elif entry.is_dir() and not entry.is_symlink() and (entry / "__init__.py").is_file():
            yield from _modules(entry, f"{inner}.{name}" if inner else name)
        elif entry.suffix == ".py" and entry.is_file():
            yield entry, f"{inner}.{name}" if inner else name


def _aside(name: str) -> bool:
    return name in _ASIDE or name.startswith("test_") or name.endswith("_test")


def _source(name: str, tree: ast.Module) -> Source:
    binds: set[str] = set()
    classes: set[str] = set()
    registers = False
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            binds.add(node.name)
            if node.bases or node.keywords:
                classes.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            binds |= {alias.asname or alias.name for alias in node.names}
            registers = registers or any(a.name == "register_function" for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            binds.add(node.id)
        elif isinstance(node, ast.Attribute) and node.attr == "register_function":
            registers = True
    functions = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return Source(name, frozenset(binds), frozenset(classes), frozenset(functions), registers)
