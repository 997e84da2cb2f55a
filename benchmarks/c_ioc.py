"""A C IOC in a process of its own: Python only starts it and hands it commands.

``python -m benchmarks.c_ioc FILE.db`` serves the records over CA and PVA (QSRV of
pvxslibs, `pva:` links included), says ``ready`` and then obeys lines on standard
input. No Python runs while records process.

| command | does |
|---|---|
| ``flood NAME RATE SECONDS FILE`` | writes 1, 2, 3 … to NAME, RATE times a second, from inside the IOC; then says ``flooded COUNT`` and leaves the time of each write (nanoseconds, int64) in FILE |
| ``time NAME COUNT`` | processes NAME (the head of a chain) COUNT times and says ``times`` and the median in µs |
"""  # noqa: E501

from __future__ import annotations

import array
import ctypes
import os
import statistics
import sys
import time

from epicscorelibs import ioc
from pvxslibs import path as pvxs_path


def main() -> None:
    """Serve the database named on the command line until standard input ends."""
    os.environ["PVXS_QSRV_ENABLE"] = "YES"
    ctypes.c_int.in_dll(ioc.dbCore, "dbThreadRealtimeLock").value = 0
    ioc.start_ioc(
        dbs=[(sys.argv[1], "")],
        extra_dbd_load=(("pvxsIoc.dbd", pvxs_path.dbd_path),),
        extra_dso_load=("pvxslibs.lib.pvxsIoc",),
    )
    _say("ready")
    for line in sys.stdin:
        match line.split():
            case ["flood", name, rate, seconds, file]:
                _flood(name, float(rate), float(seconds), file)
            case ["time", name, count]:
                _time(name, int(count))


def _say(text: str) -> None:
    print(text, flush=True)


class _Address(ctypes.Structure):
    _fields_ = [("precord", ctypes.c_void_p), ("rest", ctypes.c_byte * 200)]


def _address(name: str) -> _Address:
    address = _Address()
    if ioc.dbCore.dbNameToAddr(name.encode(), ctypes.byref(address)):
        raise SystemExit(f"no record {name}")
    return address


def _flood(name: str, rate: float, seconds: float, file: str) -> None:
    """Write a counter at `rate`; what a sleep overshoots is caught up at once."""
    put, where = ioc.dbCore.dbPutField, _address(name)
    value = ctypes.c_double()
    target, pointer = ctypes.byref(where), ctypes.byref(value)
    clock = time.perf_counter_ns
    times = array.array("q", [0]) * int(rate * seconds)
    step = 1e9 / rate
    start = clock()
    done, total = 0, len(times)
    while done < total:
        due = min(total, int((clock() - start) / step) + 1)
        while done < due:
            times[done] = clock()
            done += 1
            value.value = done
            put(target, 10, pointer, 1)  # DBR_DOUBLE
        time.sleep(max(0.0, (start + done * step - clock()) / 1e9))
    with open(file, "wb") as out:
        times.tofile(out)
    _say(f"flooded {done}")


def _time(name: str, count: int) -> None:
    """How long one dbProcess of a record, and of all that it forwards to, takes."""
    lock, process, unlock = ioc.dbCore.dbScanLock, ioc.dbCore.dbProcess, ioc.dbCore.dbScanUnlock
    record = ctypes.c_void_p(_address(name).precord)
    taken = []
    for _ in range(count):
        start = time.perf_counter_ns()
        lock(record)
        process(record)
        unlock(record)
        taken.append(time.perf_counter_ns() - start)
        time.sleep(0.001)
    _say(f"times {statistics.median(taken) / 1000:.1f}")


if __name__ == "__main__":
    main()
