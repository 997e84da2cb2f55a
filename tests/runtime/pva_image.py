"""PVs of PV Access that take what is put: `pva_image.py PREFIX`."""

from __future__ import annotations

import signal
import sys

import numpy
from p4p.nt import NTNDArray, NTScalar
from p4p.server import Server
from p4p.server.thread import SharedPV


class Takes:
    """Whatever is put is the value from then on."""

    def put(self, pv, op) -> None:
        pv.post(op.value())
        op.done()


image = numpy.arange(6, dtype=numpy.uint16).reshape(2, 3)
pvs = {
    "IMAGE": SharedPV(nt=NTNDArray(), initial=image, handler=Takes()),
    "LONG": SharedPV(nt=NTScalar("l"), initial=2**40, handler=Takes()),
    "FLAG": SharedPV(nt=NTScalar("?"), initial=False, handler=Takes()),
}
with Server(providers=[{sys.argv[1] + name: pv for name, pv in pvs.items()}]):
    print("up", flush=True)
    signal.pause()
