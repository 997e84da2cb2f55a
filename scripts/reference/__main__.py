"""Write docs/reference.md and docs/reference/, or with `--check` say whether they are what
the code says.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.reference.page import pages

DOCS = Path(__file__).parents[2] / "docs"


def main() -> int:
    """The exit code."""
    wanted = {DOCS / name: text for name, text in pages().items()}
    others = {*(DOCS / "reference").glob("*.md")} - {*wanted}
    differ = [path for path, text in wanted.items() if not same(path, text)]
    if "--check" in sys.argv[1:]:
        for path in (*differ, *others):
            print(f"{path} is not what the code says: make reference", file=sys.stderr)
        return 1 if differ or others else 0
    for path in differ:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path])
    for path in others:
        path.unlink()
    return 0


def same(path: Path, text: str) -> bool:
    """Whether the page is there and says this."""
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
