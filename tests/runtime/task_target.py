"""An IOC that is written to and says every put: `task_target.py PREFIX`."""

from __future__ import annotations

import ctypes
import json
import signal
import threading
from functools import partial
from queue import SimpleQueue
from sys import argv

from softioc import builder, imports, softioc


class Dispatcher:
    """Runs on_update functions one after the other in a thread of its own."""

    def __init__(self) -> None:
        self.queue: SimpleQueue = SimpleQueue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            func, args, done, done_args = self.queue.get()
            func(*args)
            if done:
                done(*done_args)

    def __call__(self, func, func_args=(), completion=None, completion_args=()) -> None:
        self.queue.put((func, func_args, completion, completion_args))


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
