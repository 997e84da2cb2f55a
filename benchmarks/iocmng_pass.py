"""Run by the peer's interpreter: one pass of N rules of iocmng, without records.

Prints the median of COUNT passes in ms as JSON. Its log is off, which is kind: by
default every rule that fires writes a line.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time

from iocmng.core.plugin_spec import PluginSpec
from iocmng.declarative import DeclarativeTask


def main() -> None:
    """Measure both kinds of pass."""
    size, count = int(sys.argv[1]), int(sys.argv[2])
    logging.disable(logging.CRITICAL)
    spec = PluginSpec.from_config(
        config={
            "parameters": {"mode": "reactive"},
            "arguments": {
                "inputs": {f"x{k}": {"link": f"S:{k}"} for k in range(size)},
                "outputs": {f"y{k}": {} for k in range(size)},
            },
            "rules": [
                {"id": f"r{k}", "condition": f"x{k} > 0.5", "outputs": {f"y{k}": 1.0}}
                for k in range(size)
            ],
            "rule_defaults": {f"y{k}": 0.0 for k in range(size)},
        },
        parameters_override=None,
        default_prefix="P",
    )
    task = DeclarativeTask(
        name="p",
        parameters=dict(spec.parameters),
        pv_definitions=spec.pv_definitions,
        prefix="P",
        plugin_prefix=spec.prefix,
        plugin_spec=spec,
    )
    found = {}
    for kind, values in (("none fires", (0.1, 0.2)), ("all fire", (0.0, 1.0))):
        taken = []
        for n in range(max(20, count // 10)):
            task.link_values.update({f"x{k}": values[n % 2] for k in range(size)})
            start = time.perf_counter()
            task._evaluate_transforms()  # noqa: SLF001  (no other way in)
            task._evaluate_rules()  # noqa: SLF001
            taken.append(time.perf_counter() - start)
        found[kind] = statistics.median(taken) * 1000
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
