"""Write what is generated of the chart, or say whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from scripts.chart.dashboard import dashboard_text
from scripts.chart.readme import with_table
from scripts.chart.schema import schema_text
from scripts.chart.values import read

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "helm" / "ioc-operator"


def texts() -> dict[Path, str]:
    """Every file, as it ought to be."""
    values = read((CHART / "values.yaml").read_text())
    readme = CHART / "README.md"
    return {
        CHART / "values.schema.json": schema_text(values),
        readme: with_table(readme.read_text(), values),
        CHART / "files" / "dashboard.json": dashboard_text(),
    }


def main() -> int:
    """0: written, or up to date; 1: with --check, not up to date."""
    wanted = texts()
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        name = path.relative_to(ROOT)
        if "--check" in sys.argv[1:]:
            print(f"{name} is not up to date: run `make chart`", file=sys.stderr)
            continue
        path.write_text(wanted[path])
        print(f"wrote {name}")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
