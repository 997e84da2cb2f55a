"""``python -m benchmarks.cluster [--tasks N] [--edits N] [--json FILE]``: the operator's figures.

Needs root, Go and the packages of docs/cluster.md; without them it says so and ends with 1.
Three chapters: one task on a node (benchmarks/cluster_one.py), one with a plugin from Git
(benchmarks/cluster_plugin.py), and many tasks on control planes alone
(benchmarks/cluster_many.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

for part in ("operator", "tests"):  # where pytest finds them, too
    sys.path.insert(0, str(Path(__file__).parents[1] / part))

from benchmarks import cluster_many, cluster_one, cluster_plugin  # noqa: E402
from benchmarks.__main__ import machine  # noqa: E402
from benchmarks.figures import Row, table  # noqa: E402
from cluster.rig import why_not  # noqa: E402


def main() -> int:
    """Run the chapters; returns 0 also when a goal is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applies", type=int, default=10, help="tasks that are applied")
    parser.add_argument("--edits", type=int, default=100, help="edits of a running task")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks on a control plane alone")
    parser.add_argument("--only", choices=("one", "plugin", "many"), help="one chapter")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the bare figures too")
    options = parser.parse_args()
    if reason := why_not(node=True):
        print(f"SKIPPED: {reason}", file=sys.stderr)
        return 1
    began, rows = time.monotonic(), list[Row]()
    if options.only in (None, "one"):
        rows += cluster_one.run(options.applies, options.edits)
    if options.only in (None, "plugin"):
        rows += cluster_plugin.run(options.applies)
    if options.only in (None, "many"):
        rows += cluster_many.run(options.tasks)
    print(machine())
    print()
    print(table(rows))
    print(f"\n{time.monotonic() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
