"""What a physicist writes by hand today with softioc: the naive peer.

``python -m benchmarks.bare_softioc JSON`` follows the source PVs with `epics.PV`
(CA) or p4p's thread client (PVA) and sets records in the callback, as the
tutorials of these libraries show it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any


def main() -> None:
    """Serve the task given as JSON until the process is ended."""
    task = json.loads(sys.argv[1])
    from softioc import asyncio_dispatcher, builder, softioc

    builder.SetDeviceName(task["prefix"])
    mirrors = {name: builder.aIn(name, initial_value=0.0) for name in task["inputs"]}
    output = builder.aIn("y", initial_value=0.0)
    builder.LoadDatabase()
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher(loop))

    def changed(name: str, value: float) -> None:
        mirrors[name].set(value)
        if name == "x":
            output.set(value * 2 if task["double"] else 1.0 if value > 0.5 else 0.0)

    follow = _follow_ca if task["protocol"] == "ca" else _follow_pva
    kept = [follow(pv, name, changed) for name, pv in task["inputs"].items()]
    if task["burn"]:
        threading.Thread(target=_burn, daemon=True).start()
    print("ready", len(kept), flush=True)
    threading.Event().wait()


def _follow_ca(pv: str, name: str, changed: Callable[[str, float], None]) -> Any:
    import_module("epicscorelibs.path.pyepics")  # first: one libca in the process
    import epics

    return epics.PV(pv, callback=lambda value, **_: changed(name, value), auto_monitor=True)


_context: Any = None


def _follow_pva(pv: str, name: str, changed: Callable[[str, float], None]) -> Any:
    from p4p.client.thread import Context

    global _context
    _context = _context or Context("pva")
    return _context.monitor(pv, lambda value: changed(name, float(value)))


def _burn() -> None:
    n = 0
    while True:
        n += 1


if __name__ == "__main__":
    main()
