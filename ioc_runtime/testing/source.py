"""One PV of another IOC, in a process of its own: `python -m ioc_runtime.testing.source`.

The first line of standard input says what it is (JSON: `name`, `type`, `length`, `states`),
each further one what to do: `{"value": ..., "severity": n, "status": n}` or
`{"disp": 0 or 1}` (whether it refuses writes). Each is answered by `{"did": ...}`; what
clients write is said as `{"wrote": value}`. It ends with its standard input.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from ioc_runtime.epics.libraries import without_setuptools


class Dispatcher:
    """Runs what softioc wants run, one after the other, in a thread of its own."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Any, Any, Any, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def __call__(
        self, func: Any, func_args: Any = (), completion: Any = None, completion_args: Any = ()
    ) -> None:
        self._calls.put((func, func_args, completion, completion_args))

    def _run(self) -> None:
        while True:
            func, arguments, completion, more = self._calls.get()
            func(*arguments)
            if completion:
                completion(*more)


def record(builder: Any, what: dict[str, Any], wrote: Callable[[Any], None]) -> Any:
    """The record: writable, with no value until it gets one."""
    device, colon, name = what["name"].rpartition(":")
    if colon:
        builder.SetDeviceName(device)
    else:
        builder.UnsetDevice()
    more: dict[str, Any] = {"on_update": wrote, "always_update": True}
    states, length = what["states"], what["length"]
    if length is not None:
        kinds = {"float": "float64", "int": "int32", "bool": "int32", "enum": "int32"}
        if what["type"] == "string":
            return builder.WaveformOut(name, length=length, datatype="U40", **more)
        return builder.WaveformOut(name, length=length, datatype=kinds[what["type"]], **more)
    if what["type"] == "bool":
        return builder.boolOut(name, *(states or ("0", "1")), **more)
    if what["type"] == "enum":
        return builder.mbbOut(name, *states, **more)
    if what["type"] == "string":
        return builder.longStringOut(name, length=256, **more)
    kind = builder.aOut if what["type"] == "float" else builder.longOut
    return kind(name, **more)


def main() -> None:
    """Serve until standard input ends."""
    without_setuptools()
    from softioc import builder, softioc

    def say(**fields: Any) -> None:
        os.write(said_to, (json.dumps(fields) + "\n").encode())

    def wrote(value: Any) -> None:
        """The record was processed: by a client, or by us."""
        nonlocal ours
        if ours:
            ours -= 1
            return
        say(wrote=value.tolist() if hasattr(value, "tolist") else value)

    ours = 0
    said_to = os.dup(1)
    os.dup2(2, 1)  # what EPICS prints must not get between our lines
    what = json.loads(sys.stdin.readline())
    pv = record(builder, what, wrote)
    builder.LoadDatabase()
    softioc.iocInit(Dispatcher())

    def well_from_now() -> None:
        """What a client writes next is well; until then the record shows what it does."""
        pv.set(pv.get(), process=False, severity=0, alarm=0)

    well_from_now()
    say(did="up")
    for line in sys.stdin:
        command = json.loads(line)
        if "disp" in command:
            softioc.dbpf(f"{what['name']}.DISP", str(command["disp"]))
        else:
            severity, status = command["severity"], command["status"]
            pv.set(command["value"], process=False, severity=severity, alarm=status)
            ours += 1
            softioc.dbpf(f"{what['name']}.PROC", "1")  # as `set` alone shows no severity
            well_from_now()
        say(did=command)
    os._exit(0)


if __name__ == "__main__":
    main()
