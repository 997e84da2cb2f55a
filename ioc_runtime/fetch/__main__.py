"""`python -m ioc_runtime.fetch PLAN --into DIR`: have the plugin's code and packages there.

What comes of it stands in DIR/plugin.json, which the serving process gets by `--plugin`:

| field | meaning |
|---|---|
| directory | the plugin's files; null for inline files, which are in the plan |
| plan | the plan to serve, where `plugin.config` leaves it to a file of the plugin |
| site | packages that it needs beside those that are installed; null for none |
| source | of a plugin from Git: url, ref, commit, path, note |
| entry | what `directory` was fetched for |

It says what it does as JSON lines on standard output, as the serving process does. A
failure is one line with a reason, the last words of the container, and exit code 15; what
was there before is left as it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ioc_runtime.fetch.cache import storage_failed
from ioc_runtime.fetch.complete import complete
from ioc_runtime.fetch.credentials import Credentials
from ioc_runtime.fetch.failure import BAD_SOURCE, SOURCE_NOT_FOUND, FetchFailed
from ioc_runtime.fetch.limits import MIB, Limits
from ioc_runtime.fetch.packages import install
from ioc_runtime.fetch.source import Fetcher
from ioc_runtime.fetch.wanted import git_source, read_said, write_said
from ioc_runtime.plan import Plan, PlanError, Plugin, from_json

EXIT_BAD_SPEC: Final = 15
OUTCOME: Final = "plugin.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch once; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _fetch(options)
    except FetchFailed as error:
        return _failed(error.reason, str(error))
    return 0


def _fetch(options: argparse.Namespace) -> None:
    began = time.monotonic()
    plan = _plan(options.plan)
    into: Path = options.into
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_failed(error) from None
    said: dict[str, Any] = {"directory": None}
    if options.only == "packages":
        said = read_said(into / OUTCOME) or said
    elif plan.plugin is not None:
        said |= _code(plan.plugin, options)
        if plan.plugin.config is not None and said["directory"] is not None:
            manifest = options.manifest or options.plan.with_name("manifest.json")
            said["plan"] = complete(manifest, Path(said["directory"]), into, _log)
    if plan.plugin is not None and options.only != "source":
        said["site"] = _packages(plan.plugin, said, options)
    try:
        write_said(into / OUTCOME, said)
    except OSError as error:
        raise storage_failed(error) from None
    source = said.get("source") or {}
    seconds = round(time.monotonic() - began, 3)
    say("fetched", seconds=seconds, **{k: v for k, v in source.items() if k != "url"})


def _code(plugin: Plugin, options: argparse.Namespace) -> dict[str, Any]:
    """Where the plugin's files are, and where they come from."""
    source = plugin.source or {}
    if "git" in source:
        return _from_git(plugin, options)
    if "configMap" in source:
        name = source["configMap"].get("name")
        if options.files is None or not any(options.files.glob("*.py")):
            text = f"the ConfigMap {name!r} is not there, or has no key that ends in .py"
            raise FetchFailed(SOURCE_NOT_FOUND, text)
        return {"directory": str(options.files)}
    if source and "builtin" not in source:
        raise FetchFailed(BAD_SOURCE, f"a source of kind {next(iter(source))} cannot be fetched")
    return {"directory": plugin.directory}


def _packages(plugin: Plugin, said: dict[str, Any], options: argparse.Namespace) -> str | None:
    directory = said.get("directory")
    return install(
        plugin,
        directory=Path(directory) if directory else None,
        commit=str((said.get("source") or {}).get("commit") or ""),
        into=options.into.absolute(),
        cache=(options.cache or options.into).absolute(),
        index=options.index,
        timeout=options.install_timeout,
        say=_log,
    )


def _log(text: str) -> None:
    say("log", level="INFO", logger="ioc_runtime.fetch", text=text)


def _from_git(plugin: Plugin, options: argparse.Namespace) -> dict[str, Any]:
    pinned = plugin.update_policy == "Pinned" and not options.fresh
    wanted = git_source(plugin.source or {}, pinned=pinned)
    before = read_said(options.into / OUTCOME)
    before = before if isinstance(before, dict) else {}
    kept = wanted.kept(read_said(options.kept)) or wanted.kept(before.get("source"))
    fetcher = Fetcher(
        into=options.into.absolute(),
        cache=options.cache,
        credentials=Credentials(options.credentials),
        limits=Limits(
            plugin_bytes=options.most_bytes * MIB,
            plugin_files=options.most_files,
            transfer_bytes=options.most_transfer * MIB,
            seconds=options.timeout,
        ),
        say=_log,
    )
    source = fetcher.fetch(wanted, kept, before.get("entry"))
    return {
        "directory": str(fetcher.files),
        "source": source,
        "entry": wanted.entry(source["commit"]),
    }


def _plan(path: Path) -> Plan:
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FetchFailed("BadPlan", f"the plan {path} cannot be read: {error.strerror}") from None
    except (PlanError, UnicodeDecodeError) as error:
        raise FetchFailed("BadPlan", f"{path}: {error}") from None


def _failed(reason: str, text: str) -> int:
    from ioc_runtime.pod.termination import last_words, leave

    sentence = f"plugin: {text}"
    say("error", reason=reason, text=sentence, exit=EXIT_BAD_SPEC)
    sys.stderr.write(sentence + "\n")
    leave(last_words(reason, sentence, EXIT_BAD_SPEC))
    return EXIT_BAD_SPEC


def say(what: str, **fields: Any) -> None:
    """One JSON line for whoever started us."""
    line = {"say": what, "time": round(time.time(), 6), **fields}
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ioc_runtime.fetch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, help="file with the plan")
    parser.add_argument("--into", type=Path, required=True, metavar="DIR", help="where it goes")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="kept for other starts")
    parser.add_argument(
        "--credentials", type=Path, metavar="DIR", help="files for the Git server (docs/plugins.md)"
    )
    parser.add_argument(
        "--kept", type=Path, metavar="FILE", help="JSON with the commit of an earlier start"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="look what a branch is at now, whatever was kept"
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="the manifest; manifest.json beside the plan"
    )
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="files for the package index (docs/plugins.md)"
    )
    parser.add_argument("--install-timeout", type=float, default=900.0, metavar="SECONDS")
    parser.add_argument("--files", type=Path, metavar="DIR", help="where a ConfigMap is mounted")
    parser.add_argument(
        "--only",
        choices=("source", "packages"),
        help="one half of it: what a package runs when it is installed is to see no credentials",
    )
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--most-bytes", type=int, default=100, metavar="MIB")
    parser.add_argument("--most-transfer", type=int, default=500, metavar="MIB")
    parser.add_argument("--most-files", type=int, default=10_000, metavar="N")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
