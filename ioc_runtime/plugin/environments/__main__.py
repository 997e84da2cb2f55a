"""`python -m ioc_runtime.plugin.environments`: look into a cache, fill it, empty it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from ioc_runtime.plugin.environments import EnvironmentFailed, Store, Wanted, build, find_tool
from ioc_runtime.plugin.environments.store import GRACE, Limits

FAILED = 15
"""Exit code of a bad environment, as in a pod."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 15 with the reason and one sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except EnvironmentFailed as failure:
        print(f"{failure.reason}: {failure.sentence}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ioc_runtime.plugin.environments",
        description="Environments of plugins: packages on top of those of this Python.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    lister = commands.add_parser("list", help="what is in a cache, last used first")
    lister.set_defaults(run=_list)
    builder = commands.add_parser("build", help="build an environment, or find it")
    builder.add_argument("requirements", nargs="*", metavar="REQUIREMENT", help="as scipy>=1.14")
    builder.add_argument("--from", dest="files", type=Path, action="append", default=[],
                         metavar="FILE", help="requirements.txt or pyproject.toml")  # fmt: skip
    builder.add_argument("--commit", default="", help="of the plugin's source")
    builder.add_argument("--credentials", type=Path, metavar="DIR",
                         help="with pip.conf, uv.toml, ca.crt, netrc")  # fmt: skip
    builder.add_argument("--tool", choices=("uv", "pip"), help="default: uv if there is one")
    builder.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS")
    builder.add_argument("--json", action="store_true", help="the result as one JSON object")
    builder.set_defaults(run=_build)
    clearer = commands.add_parser("clear", help="remove what nobody uses")
    clearer.add_argument("keys", nargs="*", metavar="KEY", help="beginnings of keys; default all")
    clearer.add_argument("--downloads", action="store_true", help="what was downloaded too")
    clearer.set_defaults(run=_clear)
    sweeper = commands.add_parser("sweep", help="remove what is beyond limits, oldest use first")
    sweeper.add_argument("--number", type=int, default=Limits.number)
    sweeper.add_argument("--mib", type=int, default=Limits.size // 2**20)
    sweeper.set_defaults(run=_sweep)
    for command in (lister, builder, clearer, sweeper):
        command.add_argument("--cache", type=Path, required=True, metavar="DIR")
    return parser


def _list(options: argparse.Namespace) -> int:
    store = Store(options.cache)
    for stored in store.every():
        age = max(0, int((time.time() - stored.used) / 60))
        held = "in use" if store.in_use(stored.key) else f"{age} min"
        names = " ".join(f"{n}=={v}" for n, v in stored.lock.get("packages", {}).items())
        print(f"{stored.key[:12]}  {stored.size / 2**20:8.1f} MiB  {held:>10}  {names}")
    return 0


def _build(options: argparse.Namespace) -> int:
    tool = find_tool(options.credentials, only=options.tool)
    wanted = Wanted(tuple(options.requirements), tuple(options.files), options.commit)
    found = build(
        wanted,
        options.cache,
        tool=tool,
        say=lambda text: print(text, file=sys.stderr, flush=True),
        timeout=options.timeout,
    )
    if options.json:
        result = {"key": found.key, "site": str(found.site), "hit": found.hit}
        print(json.dumps(result | {"packages": found.packages, "seconds": found.seconds}))
    else:
        print(found.site)
    return 0


def _clear(options: argparse.Namespace) -> int:
    store, left = Store(options.cache), 0
    for stored in store.every():
        if options.keys and not stored.key.startswith(tuple(options.keys)):
            continue
        if store.discard(stored.key):
            print(f"{stored.key[:12]}  removed")
        else:
            left += 1
            print(f"{stored.key[:12]}  kept: it is in use or being built")
    if options.downloads:
        store.forget_downloads()
    return 1 if left else 0


def _sweep(options: argparse.Namespace) -> int:
    limits = Limits(number=options.number, size=options.mib * 2**20)
    for key in Store(options.cache).sweep(limits):
        print(f"{key[:12]}  removed")
    print(f"what was used in the last {GRACE / 60:.0f} minutes stays", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
