"""CONN_INP, CONN_OUT and SYS_CONN: which links are up, in flags, names and one text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ioc_runtime.epics.declare import linked_names
from ioc_runtime.plan import Plan

_LINK, _DOWN = 14, 2
INPUTS: Final = "INP"
OUTPUTS: Final = "OUT"


class Connections:
    """Posts what is connected; call it where standard PVs are posted."""

    def __init__(self, plan: Plan, post: Callable[..., None], sizes: Mapping[str, int]) -> None:
        """`post` is `Served.standard`, `sizes` are bytes that a text may have, by its PV."""
        self._post, self._sizes = post, sizes
        self._names: dict[str, list[str]] = {
            INPUTS: linked_names(plan.inputs),
            OUTPUTS: linked_names(plan.outputs),
        }
        self._down: dict[str, list[str]] = {name: list(all) for name, all in self._names.items()}

    def first(self) -> None:
        """The names, and that nothing is connected yet."""
        for which, names in self._names.items():
            pv = f"CONN_{which}_NAMES"
            self._post(pv, _fitting(names, self._sizes[pv]))
            self.show(which, [False] * len(names))

    def show(self, which: str, flags: Sequence[bool]) -> None:
        """Connection of each input (or output) that has a link, in the order of the plan."""
        names = self._names[which]
        self._down[which] = [name for name, up in zip(names, flags, strict=True) if not up]
        self._post(f"CONN_{which}", [int(up) for up in flags])
        down = [*self._down[INPUTS], *self._down[OUTPUTS]]
        if down:
            self._post("SYS_CONN", _listed("DISCONNECTED: ", down), _DOWN, _LINK)
        else:
            self._post("SYS_CONN", "OK")


def _fitting(names: Sequence[str], size: int) -> str:
    """Names one a line, as many as fit into a text of `size` bytes with its end."""
    text = "\n".join(names)
    if len(text.encode()) < size:
        return text
    return text.encode()[: size - 1].decode("utf-8", "ignore").rpartition("\n")[0]


def _listed(head: str, names: Sequence[str], limit: int = 255) -> str:
    """`head` and the names with commas, cut at a name with the number of those left out."""
    text = head + ", ".join(names)
    shown = len(names)
    while len(text.encode()) > limit and shown:
        shown -= 1
        text = f"{head}{', '.join(names[:shown])} and {len(names) - shown} more"
    return text
