"""Write crds/, or say whether it is up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import yaml

import scripts.crds as package
from scripts.crds.definition import GROUP, KINDS, definition

DIRECTORY: Final = Path(__file__).resolve().parents[2] / "crds"
HEAD: Final = "# Made from ioc_runtime/spec by `make crds`; not to be edited.\n"


def texts() -> dict[Path, str]:
    """Every file, as it ought to be."""
    return {
        DIRECTORY / f"{GROUP}_{kind.lower()}s.yaml": HEAD
        + yaml.safe_dump(definition(kind), sort_keys=False, width=100, allow_unicode=True)
        for kind in KINDS
    }


def main() -> int:
    """0: written, or up to date; 1: not up to date."""
    parser = argparse.ArgumentParser(prog="python -m scripts.crds", description=package.__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    stale = [p for p, text in texts().items() if not p.exists() or p.read_text() != text]
    if check:
        for path in stale:
            print(f"{path.name} is not up to date: run `make crds`", file=sys.stderr)
        return 1 if stale else 0
    DIRECTORY.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(texts()[path])
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
