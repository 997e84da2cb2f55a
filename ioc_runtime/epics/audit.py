"""The audit of puts: who wrote what, from where, what it was before and after.

The put log of softioc is C code that EPICS calls around each put a rule traps, and
prints a line. It is used instead of a listener in Python because a listener is called
in the server's own thread, with EPICS's lock of all listeners held: in Python it
would wait for the interpreter, and while a plugin holds that, one put would freeze
every PVA client (they share a thread) and every writer. Neither rsrv nor pvxs (1.5:
`SecurityLogger` is made before and ends after the record's lock, in single and in
group puts) holds a record's lock during the call; the put log takes it for itself to
read the value, and could hold it already, as it is recursive. The lines come through
a pipe that never makes EPICS wait (`cabi.stdio`).

Arrays of floats are not trapped (`declare.ARRAYS`); their entries have no name. What
was refused is not here either: EPICS traps what the rules allow.
"""

from __future__ import annotations

import re
import time
from typing import Final, NamedTuple

_LINE: Final = re.compile(
    r"(?P<user>.*)@(?P<host>[^@\s]*) (?P<pv>[^\s.]+)\.(?P<field>[A-Z0-9]{1,4}) "
    r"(?P<old>.*) -> (?P<new>.*)"
)
_CODES: Final = re.compile(r"\[-?\d+(?:, -?\d+)*\]|\[\]|-?\d+")


class Entry(NamedTuple):
    """One put that was carried out. The user is who the client says it is."""

    user: str
    host: str
    pv: str
    """Full name of the record, also where the client used an alias."""
    field: str
    old: str
    new: str
    """As EPICS prints values: texts are cut at 39 bytes."""
    time_ns: int


def parse(line: str, texts: frozenset[str] = frozenset()) -> Entry | None:
    """A line of the put log; None when it is something else that C code printed.

    `texts` are the PVs that hold a text: a client may put one as an array of bytes.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    old, new = found["old"], found["new"]
    if found["pv"] in texts:
        old, new = _text(old), _text(new)
    return Entry(
        found["user"], found["host"], found["pv"], found["field"], old, new, time.time_ns()
    )


def nameless(pv: str, old: object, new: object) -> Entry:
    """A put of which only the values are known; author and host are empty."""
    return Entry("", "", pv, "VAL", str(old), str(new), time.time_ns())


def _text(value: str) -> str:
    if not _CODES.fullmatch(value) or not value.startswith("["):
        return value
    codes = bytes(int(code) % 256 for code in value.strip("[]").split(",") if code.strip())
    return codes.partition(b"\0")[0].decode("utf-8", "replace")
