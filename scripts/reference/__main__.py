"""Write docs/reference.md, or with `--check` say whether it is what the code says."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.reference.page import page

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def main() -> int:
    """The exit code."""
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text() == text:
            return 0
        print("docs/reference.md is not what the code says: make reference", file=sys.stderr)
        return 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
