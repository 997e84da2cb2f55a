"""An IOC that is written to and says every put: `task_target.py PREFIX`."""

from __future__ import annotations

import ctypes
import json
import signal
from functools import partial
from sys import argv

from dispatcher import Dispatcher
from softioc import builder, imports, softioc


def put(name: str, value: object) -> None:
    print(json.dumps({"say": "put", "name": name, "value": value}), flush=True)


ctypes.c_int.in_dll(imports.dbCore, "dbThreadRealtimeLock").value = 0
builder.SetDeviceName(argv[1].rstrip(":"))
for name in ("VALVE", "SHUTTER", "BEAM"):
    builder.boolOut(
        name, "Shut", "Open", initial_value=1, always_update=True, on_update=partial(put, name)
    )
builder.aOut("LEVEL", initial_value=-1.0, always_update=True, on_update=partial(put, "LEVEL"))
builder.LoadDatabase()
softioc.iocInit(Dispatcher())
print("up", flush=True)
signal.pause()
