"""A pod as far as a status needs it: a few fields of what the API server holds.

A store keeps thousands of these, so they are small and compare by value: a change of
anything else in a pod is no news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ioc_operator.conditions import cut
from ioc_operator.names import CLAIM, CONFIG, CONTAINER, RESET_AT, SHAPE, TEMPLATE

_LONGEST_TEXT: Final = 4096
"""Bytes of a termination message that are kept: as many as the kubelet reads."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One end of a container."""

    reason: str
    exit_code: int | None
    message: str
    finished_at: str
    """As the kubelet wrote it; "" when it did not."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container's state: at most one of `started_at`, `waiting` and `ended` is set."""

    name: str
    image: str = ""
    ready: bool = False
    started: bool = False
    """Whether its startup probe has passed."""
    restarts: int = 0
    started_at: str = ""
    waiting: str = ""
    """Why it waits, as `CrashLoopBackOff`."""
    waiting_message: str = ""
    ended: Ended | None = None
    last: Ended | None = None
    """How the container before this one ended."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of ours."""

    name: str
    uid: str
    phase: str = ""
    reason: str = ""
    """Of the pod as a whole, as `Evicted`."""
    message: str = ""
    node: str = ""
    ip: str = ""
    created_at: str = ""
    deleted_at: str = ""
    """deletionTimestamp: by then it ought to be gone; "" while nobody deletes it."""
    ready: bool = False
    ready_reason: str = ""
    ready_since: str = ""
    containers_ready: bool = False
    scheduling: str = ""
    """Why it is on no node; "" where it is, or where nobody has looked yet."""
    container: Container | None = None
    inits: tuple[Container, ...] = ()
    config: str = ""
    shape: str = ""
    template: str = ""
    reset_at: str = ""
    claim: str = ""

    @property
    def deleting(self) -> bool:
        """Whether somebody has asked for its end."""
        return bool(self.deleted_at)

    @property
    def over(self) -> bool:
        """Whether it has ended as a whole: nothing will run in it again."""
        return self.phase in ("Failed", "Succeeded")

    @property
    def lost(self) -> bool:
        """Whether its node has gone silent.

        The control plane then takes the pod's Ready away and leaves the rest as the
        kubelet wrote it last: a pod that is not Ready though its containers are.
        """
        if self.reason == "NodeLost":
            return True
        gated = self.ready_reason == "ReadinessGatesNotReady"
        return self.phase == "Running" and not self.ready and self.containers_ready and not gated


def read_pod(raw: Mapping[str, Any], container: str = CONTAINER) -> Pod:
    """The pod in an object of the API server; fields that are missing are empty.

    :param container: the one that serves; the first one where none has that name
    """
    meta, status = _map(raw.get("metadata")), _map(raw.get("status"))
    notes = _map(meta.get("annotations"))
    conditions = {c.get("type"): c for c in _maps(status.get("conditions"))}
    ready, scheduled = conditions.get("Ready", {}), conditions.get("PodScheduled", {})
    main = [_container(c) for c in _maps(status.get("containerStatuses"))]
    scheduling = _text(scheduled.get("message")) or _text(scheduled.get("reason"))
    return Pod(
        name=_text(meta.get("name")),
        uid=_text(meta.get("uid")),
        phase=_text(status.get("phase")),
        reason=_text(status.get("reason")),
        message=cut(_text(status.get("message"))),
        node=_text(_map(raw.get("spec")).get("nodeName")),
        ip=_text(status.get("podIP")),
        created_at=_text(meta.get("creationTimestamp")),
        deleted_at=_text(meta.get("deletionTimestamp")),
        ready=ready.get("status") == "True",
        ready_reason=_text(ready.get("reason")),
        ready_since=_text(ready.get("lastTransitionTime")),
        containers_ready=conditions.get("ContainersReady", {}).get("status") == "True",
        scheduling=cut(scheduling) if scheduled.get("status") == "False" else "",
        container=_chosen(main, container),
        inits=tuple(_container(c) for c in _maps(status.get("initContainerStatuses"))),
        config=_text(notes.get(CONFIG)),
        shape=_text(notes.get(SHAPE)),
        template=_text(notes.get(TEMPLATE)),
        reset_at=_text(notes.get(RESET_AT)),
        claim=_text(notes.get(CLAIM)),
    )


def _chosen(containers: Sequence[Container], name: str) -> Container | None:
    named = [c for c in containers if c.name == name]
    return next(iter([*named, *containers]), None)


def _container(raw: Mapping[str, Any]) -> Container:
    state, last = _map(raw.get("state")), _map(raw.get("lastState"))
    waiting = _map(state.get("waiting"))
    return Container(
        name=_text(raw.get("name")),
        image=_text(raw.get("image")),
        ready=raw.get("ready") is True,
        started=raw.get("started") is True,
        restarts=_count(raw.get("restartCount")),
        started_at=_text(_map(state.get("running")).get("startedAt")),
        waiting=_text(waiting.get("reason")),
        waiting_message=cut(_text(waiting.get("message"))),
        ended=_ended(state.get("terminated")),
        last=_ended(last.get("terminated")),
    )


def _ended(raw: object) -> Ended | None:
    if not isinstance(raw, Mapping):
        return None
    code = raw.get("exitCode")
    return Ended(
        reason=_text(raw.get("reason")),
        exit_code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        message=cut(_text(raw.get("message")), _LONGEST_TEXT),
        finished_at=_text(raw.get("finishedAt")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: object) -> Iterable[Mapping[str, Any]]:
    items = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()
    return [item for item in items if isinstance(item, Mapping)]
