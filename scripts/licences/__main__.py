"""Write docs/licences.md from the metadata of every pinned package, or check it.

Installs them all once, into a directory that is removed again. Exit codes: 0 all is well,
1 a licence is unknown or not accepted, 2 the packages cannot be had.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from scripts import locks

from . import page
from .statement import Statement, Unknown, normal, statement

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "licences.md"


def main() -> int:
    """Write and check, or only check."""
    parser = argparse.ArgumentParser(prog="python -m scripts.licences", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only look at docs/licences.md")
    if not parser.parse_args().check:
        with tempfile.TemporaryDirectory(prefix="licences-") as name:
            try:
                install(Path(name))
            except subprocess.CalledProcessError as error:
                print(f"licences: uv cannot install the packages:\n{error.stderr}", file=sys.stderr)
                return 2
            stated, unknown = statements(Path(name))
        for sentence in unknown:
            print(f"licences: {sentence}: scripts/licences/statement.py", file=sys.stderr)
        if unknown:
            return 1
        PAGE.write_text(page.page(stated))
    found = page.complaints(PAGE.read_text())
    for sentence in found:
        print(f"licences: {sentence}", file=sys.stderr)
    if not found:
        print(f"licences: {len(page.wanted())} packages, all accepted")
    return 1 if found else 0


def install(target: Path) -> None:
    """Every pinned package, into a directory, by uv."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(target)]
    for name in locks.names():
        command += ["--requirements", str(locks.DIRECTORY / f"{name}.txt")]
    env = os.environ | {"UV_SYSTEM_CERTS": "1"}
    subprocess.run([*command, "--require-hashes"], env=env, check=True, stderr=subprocess.PIPE)


def statements(target: Path) -> tuple[dict[str, Statement], list[str]]:
    """What the packages in a directory say, and a sentence for each that cannot be read."""
    found: dict[str, Statement] = {}
    unknown = []
    for each in distributions(path=[str(target)]):
        try:
            found[normal(each.metadata["Name"])] = statement(each.metadata)
        except Unknown as error:
            unknown.append(str(error))
    return found, sorted(unknown)


if __name__ == "__main__":
    sys.exit(main())
