"""PVs that no record can be: `pva_source.py PREFIX odd|plain`."""

from __future__ import annotations

import signal
import sys

from p4p import Type, Value
from p4p.nt import NTScalar
from p4p.server import Server
from p4p.server.thread import SharedPV

prefix, variant = sys.argv[1:]


def structure(*fields: tuple, **values: object) -> SharedPV:
    return SharedPV(initial=Value(Type(list(fields)), values))


odd = {
    "UNION": lambda: structure(("value", ("U", None, [("a", "d"), ("b", "s")]))),
    "TABLE": lambda: structure(("value", ("S", None, [("column", "ad")]))),
    "ANY": lambda: structure(("value", "v"), value=1.0),
    "BARE": lambda: structure(("value", "f"), value=4.5),
    "NOVALUE": lambda: structure(("x", "d"), x=1.0),
}
pvs = {
    prefix + name: make() if variant == "odd" else SharedPV(nt=NTScalar("d"), initial=1.25)
    for name, make in odd.items()
}
with Server(providers=[pvs]):
    print("up", flush=True)
    signal.pause()
