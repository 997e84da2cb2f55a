"""Write records of every type as fast as may be, and look for a torn one.

    python -m benchmarks.stress_writer [SECONDS]

A process serves one record of each type and writes number after number: value,
severity, status and time all follow from the number. CA and PVA clients in processes
of their own monitor and read every record, and count answers in which they do not
belong together. Anything but 0 torn is an error and exit code 1.

One thing EPICS itself does not keep together, for any record: a monitor of a text or an
array brings the value of the moment it is sent with severity and time of the moment
it was posted. So of these a monitor may be ahead of its time, while the writes go on;
a get may not, and neither may what a monitor says last.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import Ports, Process, client_environment, python, server_environment

BASE_S = 1_700_000_000
STATUSES = (0, 3, 7, 15)
"""For severity 0 to 3: NO_ALARM, HIHI, STATE, SOFT."""
REST = 4.0
"""Seconds that clients wait after the last write."""
STATES = tuple(f"state {n}" for n in range(16))


def severity_of(n: int) -> int:
    return n % 4


def seconds_of(n: int) -> int:
    return BASE_S + n // 1_000_000


def nanoseconds_of(n: int) -> int:
    return n % 1_000_000 * 1000


def number_of(seconds: int, nanoseconds: int) -> int:
    """The number that a time belongs to."""
    return (seconds - BASE_S) * 1_000_000 + nanoseconds // 1000


def text_of(n: int) -> str:
    return f"{n} " + chr(97 + n % 26) * (1 + n % 200)


VALUES: dict[str, Any] = {
    "float": lambda n: n + 0.5,
    "int": lambda n: n,
    "bool": lambda n: n % 2,
    "enum": lambda n: n % 16,
    "string": text_of,
    "floats": lambda n: [n + 0.5] * (1 + n % 100),
    "ints": lambda n: [n] * (1 + n % 100),
    "bools": lambda n: [n % 2] * (1 + n % 100),
    "strings": lambda n: [str(n)] * (1 + n % 10),
}


def plan(prefix: str) -> Any:
    from ioc_runtime.plan import Input, Link, Plan

    link = Link("ca", "NOBODY:SERVES:THIS")
    states: dict[str, tuple[str, ...]] = {"bool": ("0", "1"), "enum": STATES}
    inputs = []
    for name in VALUES:
        kind: Any = name.removesuffix("s")
        length = 100 if name.endswith("s") else None
        inputs.append(Input(name, kind, link=link, length=length, states=states.get(name, ())))
    return Plan(name="stress", namespace="n", prefix=prefix, inputs=tuple(inputs))


def serve(prefix: str, seconds: float) -> None:
    from ioc_runtime.epics.served import Served

    served = Served(plan(prefix), lambda name, value: None)
    served.serve()
    print("up", flush=True)
    writes = list(zip(served.writers, VALUES.values(), strict=True))
    end = time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        for _ in range(20):
            n += 1
            ns = seconds_of(n) * 1_000_000_000 + nanoseconds_of(n)
            for write, value in writes:
                write(value(n), n % 4, STATUSES[n % 4], ns)
        time.sleep(0.001)
    print(json.dumps({"writes": n * len(writes)}), flush=True)
    time.sleep(REST + 3)  # clients are still reading


class Judge:
    """Counts answers, and those whose parts do not belong together."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = dict.fromkeys(VALUES, 0)
        self.ahead = 0
        self.last: dict[str, bool] = {}
        self.torn: list[str] = []

    def look(
        self, name: str, value: Any, severity: int, seconds: int, nanoseconds: int, monitor: bool
    ) -> None:
        if not BASE_S <= seconds < BASE_S + 100_000:
            if severity != 3:
                self.torn.append(f"{name}: time {seconds} with severity {severity}")
            return  # the first state: nothing written yet
        n = number_of(seconds, nanoseconds)
        self.seen[name] += 1
        fits = value == VALUES[name](n) and severity == n % 4
        if monitor:
            self.last[name] = fits
        if monitor and not fits and self._is_ahead(name, value, n) and severity == n % 4:
            self.ahead += 1
        elif not fits:
            self.torn.append(f"{name}: {value!r:.80} severity {severity} at number {n}")

    @staticmethod
    def _is_ahead(name: str, value: Any, n: int) -> bool:
        """A whole text or array of a later number."""
        if name == "bools":
            return value in ([0] * len(value), [1] * len(value))
        first = value if name == "string" else value[0] if name in ("ints", "floats") else None
        number = int(float(str(first).split()[0])) if first else int(value[0]) if value else 0
        return (
            name in ("string", "ints", "floats", "strings")
            and number > n
            and (value == VALUES[name](number))
        )

    def say(self, protocol: str) -> None:
        late = [name for name, fits in self.last.items() if not fits]
        print(
            json.dumps(
                {
                    "client": protocol,
                    "seen": self.seen,
                    "monitors ahead": self.ahead,
                    "not at rest": late,
                    "torn": self.torn[:5],
                }
            ),
            flush=True,
        )


def ca_client(prefix: str, seconds: float) -> None:
    from ioc_runtime.epics.libraries import without_setuptools

    without_setuptools()
    __import__("epicscorelibs.path.pyepics")
    import epics

    judge = Judge()

    def listed(value: Any) -> Any:
        return value.tolist() if hasattr(value, "tolist") else value

    def look(name: str, value: Any, data: dict[str, Any], monitor: bool) -> None:
        value = listed(value)
        if name.endswith("s") and not isinstance(value, list):
            value = [value]
        if name == "string" and len(value) == 39:
            whole = text_of(int(value.split()[0]))  # plain CA cuts it
            value = whole if whole.startswith(value) else value
        seconds, nanoseconds = int(data["posixseconds"]), int(data["nanoseconds"])
        judge.look(name, value, data["severity"], seconds, nanoseconds, monitor)

    def changed(pvname: str = "", value: Any = None, **data: Any) -> None:
        look(pvname.removeprefix(prefix), value, data, True)

    pvs = [
        epics.PV(prefix + name, form="time", auto_monitor=5, callback=changed) for name in VALUES
    ]
    for pv in pvs:
        assert pv.wait_for_connection(10), pv.pvname
    epics.ca.flush_io()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, pv in zip(VALUES, pvs, strict=True):
            kind = epics.ca.field_type(pv.chid) + 14
            data = epics.ca.get_with_metadata(pv.chid, ftype=kind, timeout=5)
            if data is not None:
                look(name, data["value"], data, False)
    time.sleep(REST)
    judge.say("CA")


def pva_client(prefix: str, seconds: float) -> None:
    from p4p.client.thread import Context

    judge = Judge()

    def look(name: str, found: Any, monitor: bool) -> None:
        value = found["value"]
        value = value["index"] if hasattr(value, "getID") else value
        value = value.tolist() if hasattr(value, "tolist") else value
        stamp = found["timeStamp"]
        severity = found["alarm"]["severity"]
        seconds, nanoseconds = stamp["secondsPastEpoch"], stamp["nanoseconds"]
        judge.look(name, value, severity, seconds, nanoseconds, monitor)

    with Context("pva", nt=False) as context:
        following = [
            context.monitor(prefix + name, lambda found, name=name: look(name, found, True))
            for name in VALUES
        ]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name in VALUES:
                look(name, context.get(prefix + name, timeout=5), False)
        time.sleep(REST)
        for each in following:
            each.close()
    judge.say("PVA")


def run(seconds: float) -> int:
    """All processes; 0 when nothing was torn and every client saw every record."""
    prefix = f"STRESS{os.getpid()}:"
    ports = Ports()
    words = python("benchmarks.stress_writer")
    good = True
    with Process(
        [*words, "serve", prefix, str(seconds)],
        server_environment(ports),
        log=Path(os.devnull),
    ) as server:
        server.expect("up", 20)
        clients = [
            Process([*words, role, prefix, str(seconds)], client_environment([ports]))
            for role in ("ca", "pva")
        ]
        for client in clients:
            with client:
                line = client.expect("{", seconds + 30)
                print(line)
                good &= _clean(line)
        print(server.expect("{", seconds + 30))
    print("nothing torn" if good else "TORN, or a client saw nothing")
    return 0 if good else 1


def _clean(line: str) -> bool:
    found = json.loads(line)
    return not found["torn"] and not found["not at rest"] and min(found["seen"].values()) > 10


if __name__ == "__main__":
    roles = {"serve": serve, "ca": ca_client, "pva": pva_client}
    if len(sys.argv) > 1 and sys.argv[1] in roles:
        roles[sys.argv[1]](sys.argv[2], float(sys.argv[3]))
    else:
        sys.exit(run(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0))
