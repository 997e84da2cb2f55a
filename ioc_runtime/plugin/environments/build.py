"""From what is wanted to an environment in the cache."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from ioc_runtime.plugin.environments.failure import EnvironmentFailed, of_disk
from ioc_runtime.plugin.environments.install import Progress, compile_command, install
from ioc_runtime.plugin.environments.installed import installed
from ioc_runtime.plugin.environments.resolve import Package, RunTool, resolve
from ioc_runtime.plugin.environments.running import run
from ioc_runtime.plugin.environments.store import Limits, Store, Stored, remove, sizes
from ioc_runtime.plugin.environments.tool import Tool, find_tool
from ioc_runtime.plugin.environments.turns import turn
from ioc_runtime.plugin.environments.wanted import PROVIDED, Asked, Wanted, asked, key
from ioc_runtime.requirement import normal

DEFAULT: Final = Limits()


@dataclass(frozen=True)
class Environment:
    """Packages on top of the image's: `site` goes to the end of sys.path."""

    key: str
    """64 hexadecimal digits."""
    site: Path
    hit: bool
    """Whether it was there already, or another process built it while this one waited."""
    packages: dict[str, str] = field(default_factory=dict)
    """Name -> version of what is in it."""
    seconds: float = 0.0


def build(
    wanted: Wanted,
    cache: Path,
    *,
    tool: Tool | None = None,
    say: Callable[[str], None],
    timeout: float,
    limits: Limits = DEFAULT,
) -> Environment:
    """The environment, from the cache or built now.

    :param cache: directory of environments; made if it is not there
    :param tool: `find_tool()` if not given
    :param say: takes a line for people; no password is ever in one
    :param timeout: seconds for all of it, waiting for another builder included
    :raises EnvironmentFailed: nothing is left of what was begun
    """
    began = time.monotonic()
    every = _missing(asked(wanted), say)
    name = key(wanted, every)
    store = Store(cache)
    if found := store.find(name):
        say(f"environment {name[:12]}: cache hit, nothing to install")
        return _environment(found, True, began)
    try:
        with turn(store.locks / name, began + timeout, say):
            if found := store.find(name):
                say(f"environment {name[:12]}: cache hit, built meanwhile")
                return _environment(found, True, began)
            store.remove_debris(name)
            tool = tool or find_tool()
            builder = _Builder(store, tool, say, began + timeout, limits)
            built = builder.build(wanted, every, name)
    except OSError as error:
        raise of_disk(error, f"the cache of environments {cache}") from None
    except EnvironmentFailed as failure:
        if failure.reason == "Timeout":
            sentence = f"the environment was not ready after {timeout:g} s: {failure.sentence}"
            raise EnvironmentFailed("Timeout", sentence) from None
        raise
    with suppress(OSError):
        for gone in store.sweep(limits, keep=name):
            say(f"environment {gone[:12]}: removed, not used for longest")
    environment = _environment(built, False, began)
    say(f"environment {name[:12]}: built in {environment.seconds:.1f} s")
    return environment


def _missing(every: tuple[Asked, ...], say: Callable[[str], None]) -> tuple[Asked, ...]:
    for item in every:
        if item.requirement.name in PROVIDED:
            say(
                f"{item.where}: {item.requirement.name} is not installed, the runtime has its names"
            )
    return tuple(item for item in every if item.requirement.name not in PROVIDED)


def _environment(stored: Stored, hit: bool, began: float) -> Environment:
    packages = dict(stored.lock.get("packages", {}))
    seconds = time.monotonic() - began
    return Environment(stored.key, stored.place / "site", hit, packages, seconds)


class _Builder:
    """One build; the key's lock is held."""

    def __init__(
        self, store: Store, tool: Tool, say: Callable[[str], None], deadline: float, limits: Limits
    ) -> None:
        self._store = store
        self._tool = tool
        self._redact = tool.settings.redact
        self._tell = say
        self._deadline = deadline
        self._limits = limits

    def _say(self, text: str) -> None:
        self._tell(self._redact(text))

    def build(self, wanted: Wanted, every: tuple[Asked, ...], name: str) -> Stored:
        """Build and publish it; what fails says no password."""
        try:
            with self._store.new(name) as place, self._store.downloading():
                return self._build(place, wanted, every, name)
        except EnvironmentFailed as failure:
            raise EnvironmentFailed(failure.reason, self._redact(failure.sentence)) from None

    def _build(self, place: Path, wanted: Wanted, every: tuple[Asked, ...], name: str) -> Stored:
        scratch = place / "scratch"
        scratch.mkdir()
        have = installed()
        self._say(f"resolving {_count(len(every), 'requirement')} with {self._tool.kind}")
        packages = resolve(self._tool, self._runner(place), scratch, every, have)
        lock, site = place / "requirements.txt", place / "site"
        lock.write_text("".join(f"{package.line}\n" for package in packages))
        site.mkdir()
        if packages:
            self._say(f"installing {_count(len(packages), 'package')}")
            progress = Progress(packages, self._say)
            install(self._tool, self._runner(place, progress.line), lock, site)
            self._compile(place, site)
        (site / ".lock").unlink(missing_ok=True)  # uv's
        self._check_size(site)
        contents = _contents(site, packages)
        remove(scratch)
        return self._store.publish(
            place,
            name,
            {
                "packages": contents,
                "hashes": {package.name: list(package.hashes) for package in packages},
                "requirements": sorted(str(item.requirement) for item in every),
                "commit": wanted.commit,
                "python": sys.version.split()[0],
                "tool": self._tool.kind,
                "built": time.time(),
            },
        )

    def _runner(self, place: Path, line: Callable[[str], None] = lambda _: None) -> RunTool:
        """Runs the tool; the environment may not grow too large meanwhile."""
        scratch = place / "scratch"
        self._store.downloads.mkdir(exist_ok=True)
        environ = self._tool.environ(scratch, self._store.downloads)

        def runner(*arguments: str) -> tuple[int, str]:
            command = (*self._tool.command, *arguments)
            if self._tool.kind == "uv":
                command = (*command, "--python", sys.executable)
            code, output = run(
                command,
                environ,
                scratch,
                deadline=self._deadline,
                line=line,
                check=lambda: self._check_size(place, 2),  # beside it what was unpacked
            )
            return code, self._redact(output)

        return runner

    def _compile(self, place: Path, site: Path) -> None:
        """What does not compile was not meant for this Python: no failure of the build."""
        command = compile_command(site)
        environ = self._tool.environ(place / "scratch", self._store.downloads)
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        _, output = run(command, environ, place, deadline=self._deadline, line=lambda _: None)
        if "No space left on device" in output:
            raise EnvironmentFailed("DiskFull", "no space is left for compiled modules")

    def _check_size(self, directory: Path, times: int = 1) -> None:
        size = sum(sizes(directory).values())
        if size > self._limits.largest * times:
            raise EnvironmentFailed(
                "TooLarge",
                f"the environment is larger than {self._limits.largest / 2**20:.0f} MiB, "
                "which is the most that one may take",
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _contents(site: Path, packages: list[Package]) -> dict[str, str]:
    """Name -> version of what is in the directory.

    :raises EnvironmentFailed: BuildFailed, if that is not what was to be installed
    """
    found = {normal(d.metadata["Name"]): d.version for d in distributions(path=[str(site)])}
    wanted = {package.name for package in packages}
    if set(found) != wanted:
        difference = ", ".join(sorted(set(found) ^ wanted))
        raise EnvironmentFailed(
            "BuildFailed", f"not what was resolved has been installed: {difference}"
        )
    return dict(sorted(found.items()))
