"""What can be believed of a status: whether an operator is at work, and whether the pod is there.

Whoever writes a status may be gone, and what was written then looks as healthy as before. An
operator renews its Lease every second; readers who may not read Leases are told nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any, Final

from ioc_runtime.cli.cluster import Cluster, Object
from ioc_runtime.cli.condition_table import OVER, condition, mapping, moment, row, text
from ioc_runtime.cli.failure import Failure

NAMESPACES: Final = "ioc-operator.dev/namespaces"
"""Annotation of a Lease: what its operator looks after."""
SLACK: Final = 1.5
"""Seconds: a time in the answer's head is a whole second, and an answer takes its time."""
FRESH: Final = 1.5
"""Seconds since a renewal after which it takes a look at the next one to be sure: an uninstall
takes the right to give the Lease up from an operator before that gets to do so."""
SKEW: Final = 60.0
"""Seconds by which the clocks of a cluster may be apart."""
PATIENCE: Final = 10.0
"""Seconds to find out whether a Lease is being renewed, where its times do not tell."""
LOOK: Final = 0.5
LAST_KNOWN: Final = "what follows is what was last known"


class Witness:
    """Looks at Leases and, where no operator is known to be at work, for the pods."""

    def __init__(
        self, cluster: Cluster, place: str | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """:param place: the namespace that is looked at; None: all of them"""
        self._cluster, self._place, self._now = cluster, place, now
        self._leases: list[Object] = []
        self._seen: dict[str, tuple[str, float, bool]] = {}
        """Of each Lease: its version, since when it has that, and whether we saw it renewed."""
        self._pods: frozenset[str] | None = None
        self._time: datetime | None = None

    def look(self, items: Iterable[Mapping[str, Any]], patience: float = PATIENCE) -> None:
        """Find out how it is now; `patience` is how long to wait for a Lease's next renewal."""
        spaces = _spaces(items)
        self._pods = None
        self._read_leases()
        until = self._now() + patience
        while self._now() < until and any(self._unsure(space) for space in spaces):
            time.sleep(LOOK)
            self._read_leases()
        if not all(self.at_work(space) for space in spaces):
            try:
                self._pods = self._cluster.pod_uids(self._place)
            except Failure:
                return  # who may not read pods is told nothing of them

    def at_work(self, space: str) -> bool | None:
        """Whether an operator looks after a namespace; None where nobody can tell."""
        held = self._held(space)
        if True in held:
            return True
        return False if held and None not in held else None

    def believed(self, item: Object, *, pods: bool = True) -> Object:
        """The object as far as its status can be believed.

        :param pods: also by whether its pod was there
        """
        space = text(mapping(item.get("metadata")).get("namespace"))
        return believed(item, self.at_work(space), self._pods if pods else None)

    def words(self, items: Iterable[Mapping[str, Any]]) -> str:
        """What to say before what is known of objects; "" where there is nothing to say."""
        alone = [space for space in _spaces(items) if self.at_work(space) is False]
        if not alone:
            return ""
        names = sorted({_name(one) for one in self._leases for s in alone if _covers(one, s)})
        where = f" in {', '.join(alone)}" if len(alone) < len(_spaces(items)) else ""
        which = f"nobody holds the Lease {', '.join(names)}"
        return f"no operator is at work{where} ({which}): {LAST_KNOWN}"

    def _unsure(self, space: str) -> bool:
        held = self._held(space)
        return None in held and True not in held

    def _held(self, space: str) -> list[bool | None]:
        """Of each Lease whose operator looks after a namespace."""
        return [self._is_held(one) for one in self._leases if _covers(one, space)]

    def _is_held(self, lease: Object) -> bool | None:
        _, since, renewed = self._seen[_name(lease)]
        return is_held(lease, self._time, self._now() - since, renewed=renewed)

    def _read_leases(self) -> None:
        self._leases = []
        for place in dict.fromkeys((None, self._place)):
            try:
                self._leases = self._cluster.leases(place)
            except Failure:
                continue  # no right to read them everywhere: perhaps here
            self._time = self._cluster.time
            break
        for lease in self._leases:
            name = _name(lease)
            version = text(mapping(lease.get("metadata")).get("resourceVersion"))
            before = self._seen.get(name)
            if before is None or before[0] != version:
                self._seen[name] = (version, self._now(), before is not None)


def is_held(
    lease: Mapping[str, Any], now: datetime | None, unchanged: float, *, renewed: bool
) -> bool | None:
    """Whether an operator holds a Lease; None where a longer look has to tell.

    :param now: of the API server, whose clock may be apart from that of the operator
    :param unchanged: seconds for which we have seen it as it is
    :param renewed: whether we have seen it change before that
    """
    spec = mapping(lease.get("spec"))
    if not spec.get("holderIdentity"):
        return False
    lasts = spec.get("leaseDurationSeconds")
    lasts = float(lasts) if isinstance(lasts, int | float) else 1.0
    if unchanged > lasts + SLACK:
        return False
    if renewed:
        return True
    then = moment(spec.get("renewTime"))
    if now is None or then is None:
        return None
    age = (now - then).total_seconds()
    if age > lasts + SKEW:
        return False
    return True if -SLACK <= age <= FRESH else None


def believed(item: Object, at_work: bool | None, pods: frozenset[str] | None) -> Object:
    """The object with Ready unknown where its status says True and nobody stands for that.

    :param at_work: whether an operator looks after it; None: not known
    :param pods: the uids of all pods there are; None: not known
    """
    one = row(item)
    if at_work or one.ready != "True" or one.suspended or one.state in OVER:
        return item
    pod = mapping(mapping(item.get("status")).get("pod"))
    uid, name = pod.get("uid"), text(pod.get("name"))
    if pods is not None and uid and uid not in pods:
        made = _unknown(item, "PodGone", f"the status speaks of pod {name}, which is not there")
        status = made["status"]
        status["conditions"] = [condition(made, "Ready")]  # the others speak of that pod
        status["summary"] = {**mapping(status.get("summary")), "state": "Unknown"}
        del status["pod"]
        return made
    if at_work is False:
        message = f"no operator is at work; last known: {one.reason}"
        return _unknown(item, "NoOperator", message)
    return item


def why_no_pod(
    item: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], at_work: bool | None
) -> str:
    """Why a task or job has no pod that runs, for the end of a sentence; "" if nothing is known.

    :param pods: those that it has, none of which runs
    """
    one = row(item)
    pod = mapping(mapping(item.get("status")).get("pod"))
    end = "; no operator is at work" if at_work is False else ""
    if one.ready != "True":
        return f": {one.reason}: {one.message}{end}" if one.message else end
    if pods:
        meta, status = mapping(pods[-1].get("metadata")), mapping(pods[-1].get("status"))
        how = "is being ended" if meta.get("deletionTimestamp") else f"is {status.get('phase')}"
        return f": pod {text(meta.get('name'))} {text(how)}{end}"
    if at_work is None:
        end = "; is an operator at work?"
    return f": its status speaks of pod {text(pod.get('name'))}, which is not there{end}"


def _unknown(item: Object, reason: str, message: str) -> Object:
    made = deepcopy(item)
    for one in made["status"]["conditions"]:
        if isinstance(one, dict) and one.get("type") == "Ready":
            one |= {"status": "Unknown", "reason": reason, "message": message}
    return made


def _spaces(items: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({text(mapping(item.get("metadata")).get("namespace")) for item in items})


def _covers(lease: Mapping[str, Any], space: str) -> bool:
    listed = mapping(mapping(lease.get("metadata")).get("annotations")).get(NAMESPACES)
    return not listed or space in str(listed).split(",")


def _name(lease: Mapping[str, Any]) -> str:
    meta = mapping(lease.get("metadata"))
    return f"{text(meta.get('namespace'))}/{text(meta.get('name'))}"
