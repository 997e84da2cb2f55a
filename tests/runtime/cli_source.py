"""An IOC for the tests of `iocctl pv`: `cli_source.py PREFIX`, one record of each kind."""

from __future__ import annotations

import sys
import threading

from softioc import builder, softioc

always = {"always_update": True}


class Dispatcher:
    """Nothing here has an on_update."""

    def __call__(self, func, func_args=(), completion=None, completion_args=()) -> None:
        func(*func_args)


builder.SetDeviceName(sys.argv[1].rstrip(":"))
builder.aOut("F", initial_value=1.5, EGU="mbar", HIGH=5, HSV="MINOR", **always)
builder.longOut("I", initial_value=3, **always)
builder.boolOut("B", "Off", "On", initial_value=0, **always)
builder.mbbOut("E", "Off", "Auto", "Manual", initial_value=1, **always)
builder.mbbOut("E2", "Off", "Auto", "Manual", initial_value=1, **always)
builder.stringOut("S", initial_value="hello", **always)
builder.longStringOut("LS", initial_value="x" * 60, length=120, **always)
builder.records.printf("MSG", SIZV=200, FMT="m" * 70, PINI="YES")
builder.WaveformOut("W", initial_value=[1.0, 2.0, 3.0], length=8, **always)
builder.aOut("RO", initial_value=1.0, DISP=1)
count = builder.longIn("N", initial_value=0)
builder.LoadDatabase()
softioc.iocInit(Dispatcher())
print("up", flush=True)
ticks = 0
while True:
    threading.Event().wait(0.1)
    ticks += 1
    count.set(ticks)
