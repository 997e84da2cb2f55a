"""PVs that a plugin reads and writes by name, simulated: stands for `epics.remote.Remote`.

Whatever is asked for is answered at once, so that no time has to pass for it.
"""

from __future__ import annotations

from typing import Any

from ioc_runtime.epics.remote import Found, Request, reads, writes
from ioc_runtime.testing.elsewhere import Elsewhere

NOBODY = "no connection: the test has given this PV no value"


class ByName:
    """Reads and writes of the PVs that links name, and of those that the test has given."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere

    def read(self, *asked: Any) -> list[Request]:
        """As `Remote.read`; answered at once."""
        requests = reads(*asked)
        for request in requests:
            pv = self._elsewhere.pvs.get(str(request.link))
            if pv is None or not pv.up or pv.sample is None:
                request.done(Found(None, error=NOBODY))
            else:
                value, severity, _ = pv.sample
                request.done(Found(value, severity, self._elsewhere.now()))
        return requests

    def write(self, *asked: Any) -> list[Request]:
        """As `Remote.write`; carried out at once."""
        requests = writes(*asked)
        for request in requests:
            pv = self._elsewhere.pvs.get(str(request.link))
            error = request.allowed()
            if not error and (pv is None or not pv.up):
                error = NOBODY
            elif pv is not None and not error:
                error = pv.refuses
                if not error:
                    self._elsewhere.take(pv, request.value)
            request.done(error)
        return requests

    def close(self, timeout: float = 0.0) -> None:
        """Nothing runs here."""
