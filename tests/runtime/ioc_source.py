"""A source IOC with one record of every kind: `ioc_source.py PREFIX FIFO [VARIANT]`.

Commands are lines of JSON in the FIFO, each answered by the same line on stdout.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time

from dispatcher import Dispatcher
from softioc import builder, imports, softioc

prefix, fifo = sys.argv[1:3]
variant = sys.argv[3] if len(sys.argv) > 3 else "float"

ctypes.c_int.in_dll(imports.dbCore, "dbThreadRealtimeLock").value = 0
builder.SetDeviceName(prefix.rstrip(":"))
slow_seconds = 0.0


def slow(_) -> None:
    time.sleep(slow_seconds)


kinds = {
    "float": lambda: builder.aOut("X", initial_value=1.5),
    "string": lambda: builder.stringOut("X", initial_value="text"),
    "array": lambda: builder.WaveformOut("X", initial_value=[1.0, 2.0, 3.0]),
    "enum": lambda: builder.mbbOut("X", "Off", "On", "Auto", initial_value=2),
    "turned": lambda: builder.mbbOut("X", "Auto", "On", "Off", initial_value=2),
}
always = {"always_update": True}
records = {
    "X": kinds[variant](),
    "F": builder.aOut("F", initial_value=0.25, **always),
    "I": builder.longOut("I", initial_value=7, **always),
    "B": builder.boolOut("B", "OK", "HIGH", initial_value=1, **always),
    "E": builder.mbbOut("E", "Manual", "Auto", "Off", initial_value=1, **always),
    "S": builder.stringOut("S", initial_value="hello", **always),
    "L": builder.longStringOut("L", length=200, initial_value="a long string", **always),
    "AF": builder.WaveformOut("AF", initial_value=[1.0, 2.5], length=10, **always),
    "AI": builder.WaveformOut("AI", length=10, datatype="int32", **always),
    "AS": builder.records.waveform("AS", NELM=5, FTVL="STRING"),
    "AC": builder.records.waveform("AC", NELM=60, FTVL="CHAR"),
    "F32": builder.records.waveform("F32", NELM=4, FTVL="FLOAT"),
    "SHORT": builder.records.waveform("SHORT", NELM=1, FTVL="SHORT"),
    "BIG": builder.records.waveform("BIG", NELM=300000, FTVL="DOUBLE"),
    "T": builder.aIn("T", SCAN="Passive", TSE=-2),
    "RO": builder.aOut("RO", DISP=1),
    "MIRROR": builder.records.ao("MIRROR", FLNK=prefix + "STUCK"),
    "STUCK": builder.records.ai("STUCK"),
    "SLOW": builder.aOut("SLOW", blocking=True, on_update=slow, **always),
}
for number in range(int(sys.argv[4]) if len(sys.argv) > 4 else 0):
    builder.aOut(f"N{number}", initial_value=float(number))
builder.LoadDatabase()
softioc.iocInit(Dispatcher())


def run(command: dict) -> object:
    global slow_seconds
    match command["do"]:
        case "set":
            records[command["name"]].set(command["value"])
        case "sample":
            records["T"].set(
                command["value"], command["severity"], command["status"], command["time"]
            )
            records["T"].set_field("PROC", 1)
        case "field":
            softioc.dbpf(f"{prefix}{command['name']}", command["value"])
        case "burst":
            record, count, rate = records[command["name"]], command["count"], command["rate"]
            start = time.perf_counter()
            for n in range(1, count + 1):
                record.set(float(command.get("after", 0) + n))
                while n / rate > time.perf_counter() - start:
                    time.sleep(0.0002)
        case "get":
            return records[command["name"]].get()
        case "slow":
            slow_seconds = command["seconds"]
    return None


print("up", flush=True)
# Open for writing too: the pipe never ends, and no command falls between two openings.
with open(os.open(fifo, os.O_RDWR)) as commands:
    for line in commands:
        answer = run(json.loads(line))
        if hasattr(answer, "tolist"):
            answer = answer.tolist()
        print(json.dumps({"say": "done", "answer": answer}), flush=True)
