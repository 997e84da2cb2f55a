"""Write docs/schema/, or say whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ioc_runtime.spec.json_schema import KINDS, schema_text

ROOT: Final = Path(__file__).resolve().parents[2]
DIRECTORY: Final = ROOT / "docs" / "schema"


def texts() -> dict[Path, str]:
    """Every file, as it ought to be."""
    found = {DIRECTORY / f"{kind}.json": schema_text(kind) for kind in KINDS}
    return found | {DIRECTORY / "ioc.json": schema_text()}


def main() -> int:
    """0: written, or up to date; 1: with --check, not up to date."""
    stale = [
        path for path, text in texts().items() if not path.exists() or path.read_text() != text
    ]
    for path in stale:
        name = path.relative_to(ROOT)
        if "--check" in sys.argv[1:]:
            print(f"{name} is not up to date: run `make schema`", file=sys.stderr)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts()[path])
        print(f"wrote {name}")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
