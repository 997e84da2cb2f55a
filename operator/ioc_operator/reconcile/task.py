"""One IocTask: claim, children, the pod's annotation, status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ioc_operator import source
from ioc_operator.children import stamp, task_children
from ioc_operator.desired import Judged, Wanted, judge, read
from ioc_operator.kube.client import Object
from ioc_operator.names import (
    APPLIED,
    CONFIG,
    FETCHED,
    GROUP,
    INPUT,
    RESTARTED_AT,
    SHAPE,
    SOURCE,
    TEMPLATE,
    Key,
    config_name,
    pod_name,
)
from ioc_operator.settings import Settings
from ioc_operator.status import ApplyError, Check, Conflict, Facts, Pod, View, task_status
from ioc_operator.status.verdict import pod_is_up
from ioc_operator.store import Child, Owner, Store

from .apply import Applier, applied
from .noticing import Noticing
from .owning import Owning
from .proving import Proving
from .telling import Teller
from .trying import Trying

SIBLINGS: Final = f"{GROUP}/siblings"
"""On the ConfigMap: kind and hash of the other children that belong to it. With `input` it
says that all is as it should be, and nothing need be compiled."""
SLOW: Final = 120.0
"""Seconds until what was refused is tried again, if nothing changes before."""


@dataclass(frozen=True)
class Scene:
    """One look at a task: what is wanted and what came of it so far."""

    owner: Owner
    wanted: Wanted
    problems: str = ""
    failed_tests: str = ""
    conflict: Conflict | None = None
    errors: tuple[ApplyError, ...] = ()
    applied: bool = False
    check: Check | None = None


class TaskReconciler:
    """Makes IocTasks so."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        applier: Applier,
        owning: Owning,
        teller: Teller,
        trying: Trying,
    ):
        self._store, self._settings = store, settings
        self._applier, self._owning, self._teller = applier, owning, teller
        self._trying = trying
        self._proving = Proving()
        self._noticing = Noticing(applier)

    def forget(self, key: Key) -> None:
        """Of a task that is gone."""
        self._proving.forget(key)
        self._noticing.forget(key)

    async def reconcile(self, owner: Owner) -> float | None:
        """Once. Seconds until it wants to be looked at again, if it does."""
        scene = await self._act(owner)
        again = await self._notice(scene)
        status = task_status(self._view(scene), owner.read_status())
        wait = self._teller.too_soon(owner, status)
        if wait is None:
            await self._teller.tell(owner, status)
            wait = SLOW if scene.errors else None
        return min((each for each in (wait, again) if each is not None), default=None)

    async def _act(self, owner: Owner) -> Scene:
        wanted = self._read(owner)
        scene = Scene(owner, wanted)
        forced = self._asked_for(owner, wanted) or self._nobody_runs(owner, wanted)
        current = self._current(owner, wanted)
        judged = None if current and not forced else judge(wanted)
        if judged is not None and judged.problems:
            self._owning.withdraw(owner.key)
            return replace(scene, problems=judged.problems)
        failed = await self._proving.failures(wanted, judged) if judged is not None else ""
        if failed:
            self._owning.withdraw(owner.key)
            return replace(scene, failed_tests=failed)
        if conflict := self._owning.ask(owner, wanted):
            return replace(scene, conflict=conflict)
        if wanted.disabled:
            return replace(scene, applied=current)
        if judged is None:
            missing = await self._applier.account(owner)
            return replace(scene, errors=tuple(missing), applied=not missing)
        if self._to_be_tried(owner, wanted):
            image = self._default_image(wanted)
            check, errors = await self._trying.attempt(owner, wanted, judged, image)
            if check is not None or errors:
                return replace(scene, errors=tuple(errors), check=check)
        errors = await self._make(owner, self._read(owner), judged, forced)
        return replace(scene, errors=tuple(errors), applied=not errors)

    def _read(self, owner: Owner) -> Wanted:
        """What is wanted, with the commit that its plugin stays at, as far as that is known,
        and with the last restart that was asked for.
        """
        config = self._config(owner)
        note = config.notes.get(SOURCE) if config else None
        wanted = self._trying.known(owner, read(owner.object()), note)
        restarted = wanted.restarted or self._live_notes(wanted).get(RESTARTED_AT, "")
        return replace(wanted, restarted=restarted)

    def _to_be_tried(self, owner: Owner, wanted: Wanted) -> bool:
        """Whether another plugin is to take the place of one that runs well."""
        made_of, found = source.made_of(wanted), self._pod(owner)
        live = self._store.child("StatefulSet", owner.key.namespace, owner.key.name)
        if not made_of or wanted.suspend or live is None or live.owner_uid != owner.uid:
            return False
        return live.notes.get(FETCHED) != made_of and pod_is_up(found[1] if found else None)

    def _asked_for(self, owner: Owner, wanted: Wanted) -> bool:
        """Whether somebody wants everything written again."""
        asked = wanted.requested_at
        return bool(asked) and asked != owner.read_status().get("lastHandledReconcileAt")

    def _nobody_runs(self, owner: Owner, wanted: Wanted) -> bool:
        """Whether there is no pod, and we have not written its StatefulSet in this term.

        What somebody has taken away from it while no operator ran leaves no trace in its
        metadata: `kubectl scale --replicas=0` is such a thing.
        """
        if wanted.suspend or wanted.disabled or self._pod(owner) is not None:
            return False
        made = self._store.child("StatefulSet", owner.key.namespace, owner.key.name)
        return made is not None and made.owner_uid == owner.uid and not self._applier.written(made)

    def _default_image(self, wanted: Wanted) -> str:
        return wanted.default_image(self._settings, self._live_notes(wanted))

    def _live_notes(self, wanted: Wanted) -> Mapping[str, str]:
        """Our annotations of the live StatefulSet; empty while it has none of its own."""
        live = self._store.child("StatefulSet", wanted.key.namespace, wanted.key.name)
        return live.notes if live is not None and live.owner_uid == wanted.uid else {}

    def _current(self, owner: Owner, wanted: Wanted) -> bool:
        """Whether the children are what this manifest makes, judged by their hashes alone."""
        config = self._config(owner)
        if config is None or not self._applier.intact(owner, config):
            return False
        if self._trying.left(owner):  # a try that is over, or overtaken by an edit
            return False
        image = self._default_image(wanted)
        if config.notes.get(INPUT) != wanted.input_hash(self._settings, image):
            return False
        said = set(config.notes.get(SIBLINGS, "").split())
        rest = [
            child
            for child in self._store.of(owner.key)
            if child.kind in ("Service", "StatefulSet") and child.owner_uid == owner.uid
        ]
        live = {sibling(child.kind, child.notes.get(APPLIED, "")) for child in rest}
        return bool(said) and said == live and all(self._applier.intact(owner, c) for c in rest)

    async def _make(
        self, owner: Owner, wanted: Wanted, judged: Judged, forced: bool
    ) -> Sequence[ApplyError]:
        image = self._default_image(wanted)
        children = together(task_children(wanted, judged, self._settings, image), judged.shape)
        errors = await self._applier.children(owner, children, force=forced)
        if not errors:
            await self._applier.prune(owner, children)
        return errors

    async def _notice(self, scene: Scene) -> float | None:
        """See that the pod learns of its ConfigMap; seconds until that wants another look."""
        owner, found = scene.owner, self._pod(scene.owner)
        config = self._config(owner)
        if scene.wanted.disabled or config is None or found is None:
            return None
        if found[0].owner_uid != owner.uid:
            return None
        return await self._noticing.notice(owner, config, *found)

    def _config(self, owner: Owner) -> Child | None:
        """The live ConfigMap of this owner."""
        key = owner.key
        config = self._store.child("ConfigMap", key.namespace, config_name(key.name))
        mine = config is not None and config.owner_uid == owner.uid and not config.deleting
        return config if mine else None

    def _pod(self, owner: Owner) -> tuple[Child, Pod] | None:
        """Its pod, or that of an earlier object of that name while it ends."""
        child = self._store.child("Pod", owner.key.namespace, pod_name(owner.key.name))
        if child is None or child.owner != owner.key or not isinstance(child.detail, Pod):
            return None
        return child, child.detail

    def _view(self, scene: Scene) -> View:
        owner, wanted = scene.owner, scene.wanted
        config, found = self._config(owner), self._pod(owner)
        live = config.notes.get(CONFIG) if config else None
        pod = found[1] if found else None
        return View(
            generation=owner.generation,
            now=datetime.now(UTC),
            runtime=owner.read_status().get("runtime"),
            suspend=wanted.suspend,
            disabled=wanted.disabled,
            report=wanted.reports,
            requested_at=wanted.requested_at,
            facts=Facts.of(wanted.spec) if live == wanted.config_hash else None,
            problems=scene.problems,
            failed_tests=scene.failed_tests,
            claim=self._owning.held(owner.key),
            conflict=scene.conflict,
            errors=scene.errors,
            applied=scene.applied,
            check=scene.check,
            config_hash=live,
            pod=pod,
            pod_outdated=bool(pod and config and self._outdated(owner, pod, config)),
        )

    def _outdated(self, owner: Owner, pod: Pod, config: Child) -> bool:
        """Whether the pod was made for another shape of the plan, or from another template."""
        key = owner.key
        made = self._store.child("StatefulSet", key.namespace, key.name)
        template = made.notes.get(TEMPLATE, "") if made is not None else ""
        return pod.shape != config.notes.get(SHAPE) or pod.template != template


def together(children: Sequence[Object], shape: str) -> list[Object]:
    """The ConfigMap says what the other children are, and the shape of its plan."""
    config, *rest = children
    said = " ".join(sorted(sibling(body["kind"], applied(body)) for body in rest))
    notes = {k: v for k, v in config["metadata"]["annotations"].items() if k != APPLIED}
    notes |= {SIBLINGS: said, SHAPE: shape}
    return [stamp(config | {"metadata": config["metadata"] | {"annotations": notes}}), *rest]


def sibling(kind: str, applied_hash: str) -> str:
    """As `Service=0123…`."""
    return f"{kind}={applied_hash}"
