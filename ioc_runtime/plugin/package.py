"""A plugin's modules, in a package of their own.

Each load has its own private package, so two plugins with a module of the same
name never meet, and a plugin's `json.py` is seen by that plugin alone. Inside the
plugin `import helpers` finds `helpers.py` beside it, as it would in a script:
its modules get an `__import__` that looks among the plugin's own names first.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ioc_runtime.plugin.errors import PluginError

RESERVED = ("ioc_runtime", "iocmng")
"""Names that stay the runtime's, whatever files a plugin has."""

_count = itertools.count(1)


class Package(MetaPathFinder):
    """The private package over a directory, and the finder of its modules."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = f"_ioc_plugin_{next(_count)}"
        self._real = root.resolve()
        self._own = self._top_level()
        self._builtins = {**vars(builtins), "__import__": self._import}

    def open(self) -> None:
        """Make the package importable."""
        # first: the usual finder would find the files as well, and not set `__import__`
        sys.meta_path.insert(0, self)

    def close(self) -> None:
        """Forget the package and its modules; what holds them keeps working."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in self.modules():
            sys.modules.pop(name, None)

    def import_module(self, name: str) -> ModuleType:
        """Import a module by its name inside the plugin ("" is the package itself)."""
        return importlib.import_module(f"{self.name}.{name}" if name else self.name)

    def modules(self) -> dict[str, ModuleType]:
        """The plugin's modules that are imported now."""
        dotted = f"{self.name}."
        return {
            name: module
            for name, module in list(sys.modules.items())
            if name == self.name or name.startswith(dotted)
        }

    def owns(self, module_name: str) -> bool:
        """Whether a module, by its full name, is the plugin's."""
        return module_name == self.name or module_name.startswith(f"{self.name}.")

    def inner_name(self, module_name: str) -> str:
        """`_ioc_plugin_3.guard` as the plugin's author knows it: `guard`."""
        return module_name[len(self.name) + 1 :]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module of the plugin is; None for all others (importlib calls this)."""
        if not self.owns(fullname):
            return None
        parts = self.inner_name(fullname).split(".") if fullname != self.name else []
        place = self.root.joinpath(*parts)
        files = [place / "__init__.py"]
        if parts:
            files.append(place.with_name(f"{parts[-1]}.py"))
        for file in files:
            if file.is_file():
                return self._spec(fullname, file)
        if place.is_dir():
            spec = ModuleSpec(fullname, None, is_package=True)  # a namespace package
            spec.submodule_search_locations = [str(place)]
            return spec
        return None

    def _spec(self, fullname: str, file: Path) -> ModuleSpec | None:
        if not file.resolve().is_relative_to(self._real):
            raise PluginError(
                f"{file.relative_to(self.root)} is a link to {file.resolve()}: "
                "expected a file inside the plugin's directory"
            )
        loader = _Loader(fullname, str(file), self._builtins)
        search = [str(file.parent)] if file.name == "__init__.py" else None
        return spec_from_file_location(
            fullname, file, loader=loader, submodule_search_locations=search
        )

    def _top_level(self) -> dict[str, str]:
        """Names that `import` finds in the plugin first -> their full module names."""
        own: dict[str, str] = {}
        if (self.root / "__init__.py").is_file():
            own[self.root.name] = self.name  # `from guard.helpers import x` inside guard/
        for entry in sorted(self.root.iterdir()):
            name = entry.stem if entry.suffix == ".py" else entry.name
            if not name.isidentifier() or name == "__init__":
                continue
            if entry.suffix == ".py" or (entry / "__init__.py").is_file() or _plain(entry):
                own[name] = f"{self.name}.{name}"
        for name in RESERVED:
            if name in own:
                raise PluginError(
                    f"the plugin has a module called {name!r}: expected another name, "
                    "this one is the runtime's"
                )
        own["iocmng"] = "ioc_runtime.plugin.compat"  # loaded when a module imports it
        return own

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top, _, rest = name.partition(".")
        own = self._own.get(top) if level == 0 else None
        if own is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        full = f"{own}.{rest}" if rest else own
        module = builtins.__import__(full, globals, locals, fromlist or (), 0)
        return module if fromlist else sys.modules[own]


class _Loader(SourceFileLoader):
    """Source only: nothing is written beside a plugin, and nothing stale is read."""

    def __init__(self, fullname: str, path: str, own_builtins: dict[str, Any]) -> None:
        super().__init__(fullname, path)
        self._builtins = own_builtins

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._builtins
        super().exec_module(module)


def _plain(entry: Path) -> bool:
    """A directory of modules without `__init__.py` that hides no installed package."""
    if not entry.is_dir() or not any(entry.glob("*.py")):
        return False
    return entry.name not in sys.modules and find_spec(entry.name) is None
