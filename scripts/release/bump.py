"""Write a version wherever it stands: `make version VERSION=1.2.0`, or `1.3.0.dev0` afterwards."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from .commit import CHANGELOG, VERSION_FILE, semantic

ROOT: Final = Path(__file__).resolve().parents[2]


def bump(root: Path, version: Version, today: date) -> list[str]:
    """Write the version into a checkout; returns the files that changed.

    A release gets what is unreleased in the changelog as its section, with the date; a
    development version gets an empty section for what is unreleased, if there is none.
    """
    lines = {
        VERSION_FILE: {"__version__ = ": f'"{version}"'},
        **{
            str(path.relative_to(root)): {
                "version: ": semantic(version),
                "appVersion: ": f'"{version}"',
            }
            for path in sorted(root.glob("helm/*/Chart.yaml"))
        },
    }
    after = {name: _with((root / name).read_text(), new) for name, new in lines.items()}
    after[CHANGELOG] = changelog((root / CHANGELOG).read_text(), version, today)
    changed = [name for name, text in after.items() if text != (root / name).read_text()]
    for name in changed:
        (root / name).write_text(after[name])
    return changed


def changelog(text: str, version: Version, today: date) -> str:
    """A changelog that is ready for a version."""
    if not version.is_devrelease:
        return text.replace("## [Unreleased]\n", f"## [{version}] - {today.isoformat()}\n", 1)
    if "## [Unreleased]\n" in text:
        return text
    return re.sub(r"(?m)^(?=## \[)", "## [Unreleased]\n\n", text, count=1)


def _with(text: str, lines: Mapping[str, str]) -> str:
    """A text with other values behind the words that begin these lines."""
    for begin, value in lines.items():
        text = re.sub(rf"(?m)^{re.escape(begin)}.*$", begin + value, text, count=1)
    return text


def main() -> int:
    """Write it, and name the files."""
    parser = argparse.ArgumentParser(prog="python -m scripts.release.bump", description=__doc__)
    parser.add_argument("version", help="1.2.0, 1.2.0rc1, 1.3.0.dev0")
    text = parser.parse_args().version
    try:
        version = Version(text)
    except InvalidVersion:
        print(f"version: {text!r} is no version, expected one like 1.2.0", file=sys.stderr)
        return 2
    changed = bump(ROOT, version, datetime.now(UTC).date())
    print(f"version: {version}: {', '.join(changed) or 'nothing to change'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
