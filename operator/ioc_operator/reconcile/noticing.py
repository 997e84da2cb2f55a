"""A pod learns that its ConfigMap has changed, and is told again while it does not say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ioc_operator.names import CONFIG, RESET_AT, SHAPE, TOLD_AGAIN, Key
from ioc_operator.status import Pod
from ioc_operator.store import Child, Owner

from .apply import Applier

AGAIN: Final = (3.0, 6.0, 12.0, *7 * (15.0,))
"""Seconds between the times that a pod is told of one change. A kubelet looks at a ConfigMap
when its pod changes, and reads it from a watch of its own, which may not have the change yet:
after an outage of the API server that watch waits up to a minute between two tries. By itself
a kubelet looks again after 60 to 90 s, so after these two minutes there is no more to say."""


@dataclass
class _Due:
    """What a pod was told and has not taken over."""

    change: tuple[str, ...]
    at: float
    times: int = 0


class Noticing:
    """Has the kubelet of a pod look at its ConfigMap, by a change of the pod's annotations."""

    def __init__(self, applier: Applier, clock: Callable[[], float] = time.monotonic):
        self._applier, self._clock = applier, clock
        self._due: dict[Key, _Due] = {}

    def forget(self, key: Key) -> None:
        """Of a task that is gone."""
        self._due.pop(key, None)

    async def notice(self, owner: Owner, config: Child, child: Child, pod: Pod) -> float | None:
        """Once. Seconds until it wants to be asked again, if it does."""
        wants = _wants(owner, config, pod)
        told = {CONFIG: pod.config, RESET_AT: pod.reset_at}
        news = {note: value for note, value in wants.items() if told[note] != value}
        if news:
            await self._applier.annotate(child, news)
        if not wants or not _reports(owner, pod):
            self.forget(owner.key)
            return None
        return await self._again(owner.key, child, (pod.uid, *wants.values()))

    async def _again(self, key: Key, child: Child, change: tuple[str, ...]) -> float | None:
        """Tell it once more when it is time."""
        now, due = self._clock(), self._due.get(key)
        if due is None or due.change != change:
            due = self._due[key] = _Due(change, now + AGAIN[0])
        if due.times == len(AGAIN):
            return None
        if now >= due.at:
            stamp = datetime.now(UTC).isoformat(timespec="seconds")
            await self._applier.annotate(child, {TOLD_AGAIN: stamp})
            due.times += 1
            due.at = now + AGAIN[min(due.times, len(AGAIN) - 1)]
        return due.at - now


def _wants(owner: Owner, config: Child, pod: Pod) -> dict[str, str]:
    """What of the ConfigMap a running pod can take over and has not, as far as is known.

    A pod that starts reads the newest by itself and says so: it is left alone till then.
    """
    if pod.shape != config.notes.get(SHAPE) or pod.deleting or pod.over:
        return {}
    said = owner.read_status()["runtime"] if _reports(owner, pod) else None
    fields = {CONFIG: (pod.config, "configHash"), RESET_AT: (pod.reset_at, "resetAt")}
    return {
        note: value
        for note, (told, field) in fields.items()
        if (value := config.notes.get(note, ""))
        and (said.get(field) != value if said is not None else pod.ready and told != value)
    }


def _reports(owner: Owner, pod: Pod) -> bool:
    """Whether the report in the status is that of this pod."""
    runtime: Any = owner.read_status().get("runtime")
    return isinstance(runtime, dict) and runtime.get("podUID") == pod.uid
