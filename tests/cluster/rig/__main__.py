"""`python3 -m tests.cluster.rig`: a test cluster for people (docs/cluster.md)."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import images, slots
from .host import RigError, say, step
from .rig import Rig, build

DEFAULT_NAME = "default"
ROOT = Path(__file__).resolve().parents[3]


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; a mistake or a missing thing is one sentence and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()  # here, where it is noticed that the reader has gone
        return code
    except RigError as error:
        print(f"rig: {error}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rig", description="A Kubernetes cluster for tests.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run, text: str) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    up = add("up", _up, "bring a cluster up; one that is up gets the present images")
    up.add_argument("--control-plane", action="store_true", help="no node: pods stay Pending")
    up.add_argument("--kubeconfig", type=Path, metavar="FILE", help="write the kubeconfig there")
    up.add_argument("--no-audit", action="store_true", help="no log of writes")
    down = add("down", _down, "take a cluster down")
    down.add_argument("--all", action="store_true", help="and every other one")
    add("status", _status, "the clusters of this machine and their programs")
    building = add("build", _build, "build programs and images into the cache, start nothing")
    building.add_argument("--control-plane", action="store_true", help="programs only, no images")
    inside = add("exec", _exec, "run a command on the node")
    for command in (up, down, inside):
        command.add_argument("--name", default=DEFAULT_NAME, help="of the cluster")
    inside.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    return parser


def _up(options: argparse.Namespace) -> int:
    rig = Rig.find(options.name)
    if not rig:
        with step(f"cluster {options.name}"):
            rig = Rig.up(
                options.name, control_plane=options.control_plane, audit=not options.no_audit
            )
            rig.detach()
    elif rig.control_plane_only != options.control_plane:
        have = "no node" if rig.control_plane_only else "a node"
        raise RigError(f"cluster {rig.name} is up and has {have}: take it down first")
    elif not rig.control_plane_only and rig.load_images():
        say("the present images are loaded; pods that run keep theirs")
    kubeconfig = rig.kubeconfig
    if options.kubeconfig:
        options.kubeconfig.touch(mode=0o600)
        shutil.copyfile(kubeconfig, options.kubeconfig)
        kubeconfig = options.kubeconfig.absolute()
    print(f"export KUBECONFIG={kubeconfig}")
    print(path_line(rig.layout.binaries, (ROOT / ".venv" / "bin", Path(sys.executable).parent)))
    if not rig.control_plane_only:
        print(f"# images on the node: {', '.join(images.TARGETS)}")
        print(
            f"# pods and Services answer this machine; their names are known to {rig.dns_address}"
        )
    return 0


def path_line(binaries: Path, places: Sequence[Path]) -> str:
    """What a shell needs to find kubectl, helm, and our own programs in the first place with them.

    `places` are looked at in this order; without them in any the line goes without.
    """
    ours = ("iocctl", "kubectl-ioc")
    found = [place for place in places if all((place / name).exists() for name in ours)]
    path = ":".join(map(str, [binaries, *found[:1], "$PATH"]))
    return f"export PATH={path}   # {', '.join(['kubectl', 'helm', *(ours if found else ())])}"


def _down(options: argparse.Namespace) -> int:
    found = [r for r in slots.records() if options.all or r.name == options.name]
    for record in found:
        slots.end(record)
        print(f"rig {record.name}: gone")
    if not found:
        print(f"there is no rig named {options.name}")
    return 0


def _status(options: argparse.Namespace) -> int:
    del options
    for record in slots.records():
        age = time.time() - record.facts["created"]
        alive = record.alive()
        print(f"{record.name}: {'up' if alive else 'dead'}, {age:.0f} s old, {record.data}")
        if alive and record.pid:
            for name, status in Rig(record).status().items():
                print(f"  {name:24} {_line(status)}")
    return 0


def _line(status: dict) -> str:
    if status["exit_code"] is not None:
        return f"ended with {status['exit_code']}, see {status['log']}"
    megabytes = status["memory_bytes"] / 2**20
    return f"{status['cpu_seconds']:7.1f} s processor time, {megabytes:5.0f} MiB"


def _build(options: argparse.Namespace) -> int:
    for path in build(node=not options.control_plane):
        if path:
            print(path)
    return 0


def _exec(options: argparse.Namespace) -> int:
    rig = Rig.find(options.name)
    if not rig:
        raise RigError(f"there is no rig named {options.name}: bring it up first")
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        raise RigError("nothing to run: rig exec -- COMMAND")
    path = f"{rig.layout.binaries}:{os.environ.get('PATH', '')}"
    env = os.environ | {"PATH": path, "KUBECONFIG": str(rig.kubeconfig)}
    return subprocess.run(rig.inside(argv), env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
