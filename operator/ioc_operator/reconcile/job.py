"""One IocJob: step by step through its run, as `run.next_step` says.

Each step is one write, and the next is decided from what it left behind, so that it does
not matter after which of them the operator dies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ioc_operator import run as runs
from ioc_operator.children import job_children
from ioc_operator.desired import Wanted, judge, read
from ioc_operator.kube.client import Client, Object
from ioc_operator.kube.errors import Conflict as ApiConflict
from ioc_operator.kube.errors import Forbidden, NotFound, Refused
from ioc_operator.kube.resources import CHILDREN, JOBS
from ioc_operator.names import CONFIG, run_name
from ioc_operator.settings import Settings
from ioc_operator.status import (
    ApplyError,
    BatchJob,
    Check,
    Conflict,
    Facts,
    JobView,
    Pod,
    Run,
    View,
    job_status,
)
from ioc_operator.store import Child, Owner, Store

from .apply import Applier, refusal, title
from .owning import Owning
from .task import SLOW
from .telling import Teller
from .trying import Trying

MOST_STEPS: Final = 8
"""From the record of a run to its release are four."""


@dataclass(frozen=True)
class Scene:
    """One look at a job: what is wanted and what came of it so far."""

    owner: Owner
    wanted: Wanted
    problems: str = ""
    conflict: Conflict | None = None
    errors: tuple[ApplyError, ...] = ()
    run: Run | None = None
    check: Check | None = None
    deleted: bool = False
    """The run's Job was there and is gone."""


class JobReconciler:
    """Makes IocJobs so."""

    def __init__(
        self,
        client: Client,
        store: Store,
        settings: Settings,
        applier: Applier,
        owning: Owning,
        teller: Teller,
        trying: Trying,
    ):
        self._client, self._store, self._settings = client, store, settings
        self._applier, self._owning, self._teller = applier, owning, teller
        self._trying = trying

    async def reconcile(self, owner: Owner) -> float | None:
        """Once. Seconds until it wants to be looked at again, if it does."""
        errors: tuple[ApplyError, ...] = ()
        for _ in range(MOST_STEPS):
            scene = self._look(owner)
            step = self._next(scene)
            if isinstance(step, runs.Lost | runs.Forget) and not await self._really_gone(scene):
                continue
            scene, goes_on = await self._take(scene, step)
            owner = await self._teller.tell(owner, self._status(scene))
            errors = scene.errors
            if not goes_on and not self._is_over_now(owner, step):
                break
        if not isinstance(step, runs.Create):
            await self._trying.clear(owner)
        await self._forget_old(owner)
        return SLOW if errors else None

    def _is_over_now(self, owner: Owner, step: runs.Step) -> bool:
        """Whether a run has just been told over, and another one is asked for already.

        Nobody calls us for our own status, and a Job that has ended may never change again.
        """
        return isinstance(step, runs.Watch) and not isinstance(
            self._next(self._look(owner)), runs.Watch
        )

    def _look(self, owner: Owner) -> Scene:
        wanted = self._trying.known(owner, read(owner.object()))
        recorded = runs.Recorded.read(owner.read_status().get("run"))
        run = None
        if recorded is not None:
            one = recorded
            run = Run(one.number, one.spec_hash, one.job, one.stopped, one.restarted)
        return Scene(owner, wanted, run=run)

    def _next(self, scene: Scene) -> runs.Step:
        recorded = runs.Recorded.read(scene.owner.read_status().get("run"))
        job = self._job(scene)
        wanted = runs.spec_hash(scene.wanted.spec)
        suspend, restart = scene.wanted.suspend, scene.wanted.restarted
        if scene.wanted.disabled:
            return runs.Watch()
        return runs.next_step(recorded, job, wanted, suspend=suspend, restart=restart)

    async def _take(self, scene: Scene, step: runs.Step) -> tuple[Scene, bool]:
        """Do the step; the scene after it, and whether there is a next one."""
        match step:
            case runs.Begin(number=number):
                scene = self._permitted(scene)
                if scene.problems or scene.conflict:
                    return scene, False
                return replace(scene, run=self._new_run(scene, number)), True
            case runs.Create(number=number):
                return await self._create(scene, number)
            case runs.Record(job=uid) if scene.run is not None:
                return replace(scene, run=replace(scene.run, job=uid, stopped=False)), True
            case runs.Release():
                return await self._release(scene)
            case runs.Stop(number=number) if scene.run is not None:
                return replace(scene, run=replace(scene.run, stopped=True)), True
            case runs.Remove():
                return await self._remove(scene)
            case runs.Forget() if scene.run is not None:
                return replace(scene, run=replace(scene.run, job="", stopped=False)), True
            case runs.Lost():
                return replace(scene, deleted=True), False
            case _:
                return await self._keep_reporting(self._waiting(scene)), False

    async def _keep_reporting(self, scene: Scene) -> Scene:
        """A run that goes on keeps the account that it reports with."""
        if scene.errors or scene.wanted.disabled or not (scene.run and scene.run.job):
            return scene
        return replace(scene, errors=tuple(await self._applier.account(scene.owner)))

    def _new_run(self, scene: Scene, number: int) -> Run:
        known = scene.run.restarted if scene.run else ""
        restarted = scene.wanted.restarted or known
        return Run(number, runs.spec_hash(scene.wanted.spec), restarted=restarted)

    def _permitted(self, scene: Scene) -> Scene:
        """Whether the manifest is good and its names are free."""
        judged = judge(scene.wanted)
        if judged.problems:
            self._owning.withdraw(scene.owner.key)
            return replace(scene, problems=judged.problems)
        return replace(scene, conflict=self._owning.ask(scene.owner, scene.wanted))

    def _waiting(self, scene: Scene) -> Scene:
        """Nothing to do for the run: but an edit that is to come next may be bad."""
        begun = scene.run is not None and scene.run.spec_hash == runs.spec_hash(scene.wanted.spec)
        return scene if begun and scene.run and scene.run.job else self._permitted(scene)

    async def _create(self, scene: Scene, number: int) -> tuple[Scene, bool]:
        scene = self._permitted(scene)
        if scene.problems or scene.conflict:
            return scene, False
        key = scene.owner.key
        try:
            found = await self._client.get(JOBS, key.namespace, run_name(key.name, number))
        except NotFound:
            found = None
        if found is not None:  # made before we died, or somebody else's
            return self._adopt(scene, Child.read("Job", found))
        fresh = self._new_run(scene, number)
        if scene.run != fresh:  # edited since it was recorded; it cannot have run
            return replace(scene, run=fresh), True
        return await self._make(scene, number)

    def _adopt(self, scene: Scene, child: Child) -> tuple[Scene, bool]:
        if child.owner_uid != scene.owner.uid:
            text = "it is there already and does not belong to this object"
            error = ApplyError(0, f"Job {child.namespace}/{child.name}", text)
            return replace(scene, errors=(error,)), False
        self._store.put_child(child, own=True)
        return scene, True

    async def _make(self, scene: Scene, number: int) -> tuple[Scene, bool]:
        wanted, judged = scene.wanted, judge(scene.wanted)
        image = wanted.default_image(self._settings)
        if wanted.fetches:
            check, failed = await self._trying.attempt(scene.owner, wanted, judged, image)
            if check is not None or failed:
                return replace(scene, check=check, errors=tuple(failed)), False
        config, job = job_children(wanted, judged, self._settings, image, number, suspended=True)
        await self._clear(scene.owner, config)
        errors = await self._applier.children(scene.owner, [config])
        if errors:
            return replace(scene, errors=tuple(errors)), False
        try:
            made = await self._client.create(CHILDREN["Job"], job)
        except ApiConflict:
            return scene, True  # it is there after all: look again
        except (Refused, Forbidden) as error:
            text = refusal(job, error)
            return replace(scene, errors=(ApplyError(error.code, title(job), text),)), False
        self._store.put_child(Child.read("Job", made), own=True)
        return scene, True

    async def _clear(self, owner: Owner, config: Object) -> None:
        """Delete the ConfigMap of this run that we made before we died and before an edit:
        it cannot be changed any more, and no Job has read it yet.
        """
        meta = config["metadata"]
        old = self._store.child("ConfigMap", meta["namespace"], meta["name"])
        ours = old is not None and old.owner_uid == owner.uid
        if old is not None and ours and not self._applier.live(owner, config):
            await self._applier.delete(CHILDREN["ConfigMap"], old)

    async def _release(self, scene: Scene) -> tuple[Scene, bool]:
        key, number = scene.owner.key, scene.run.number if scene.run else 0
        scene = self._permitted(scene)
        if scene.conflict:
            return scene, False
        name = run_name(key.name, number)
        made = await self._client.patch(
            JOBS, key.namespace, name, {"spec": {"suspend": False}}, meta=False
        )
        self._store.put_child(Child.read("Job", made), own=True)
        return scene, False

    async def _remove(self, scene: Scene) -> tuple[Scene, bool]:
        key, number = scene.owner.key, scene.run.number if scene.run else 0
        child = self._store.child("Job", key.namespace, run_name(key.name, number))
        if child is not None:  # stays until its pod is gone, so that there are never two
            await self._applier.delete(CHILDREN["Job"], child, foreground=True)
        return scene, False

    async def _really_gone(self, scene: Scene) -> bool:
        """Whether the Job is gone, asked of the API server: a list may lag behind."""
        key, number = scene.owner.key, scene.run.number if scene.run else 0
        try:
            raw = await self._client.get(JOBS, key.namespace, run_name(key.name, number))
        except NotFound:
            return True
        child = Child.read("Job", raw)
        self._store.put_child(child, own=True)
        return scene.run is None or child.uid != scene.run.job

    def _job(self, scene: Scene) -> BatchJob | None:
        if scene.run is None:
            return None
        key = scene.owner.key
        child = self._store.child("Job", key.namespace, run_name(key.name, scene.run.number))
        if child is None or child.owner_uid != scene.owner.uid:
            return None
        return child.detail if isinstance(child.detail, BatchJob) else None

    def _pods(self, scene: Scene) -> tuple[Pod, ...]:
        if scene.run is None:
            return ()
        start = run_name(scene.owner.key.name, scene.run.number) + "-"
        return tuple(
            child.detail
            for child in self._store.of(scene.owner.key, "Pod")
            if child.name.startswith(start)
            and child.owner_uid == scene.owner.uid
            and isinstance(child.detail, Pod)
        )

    def _status(self, scene: Scene) -> dict[str, object]:
        owner, wanted = scene.owner, scene.wanted
        config = None
        if scene.run is not None:
            name = run_name(owner.key.name, scene.run.number)
            config = self._store.child("ConfigMap", owner.key.namespace, name)
        live = config.notes.get(CONFIG) if config and config.owner_uid == owner.uid else None
        base = View(
            generation=owner.generation,
            now=datetime.now(UTC),
            runtime=owner.read_status().get("runtime"),
            suspend=wanted.suspend,
            disabled=wanted.disabled,
            report=wanted.reports,
            requested_at=wanted.requested_at,
            facts=Facts.of(wanted.spec) if live == wanted.config_hash else None,
            problems=scene.problems,
            claim=self._owning.held(owner.key),
            conflict=scene.conflict,
            errors=scene.errors,
            applied=not scene.errors,
            check=scene.check,
            config_hash=live,
        )
        job = self._job(scene)
        view = JobView(base, scene.run, job, scene.deleted, self._pods(scene))
        return job_status(view, owner.read_status())

    async def _forget_old(self, owner: Owner) -> None:
        """Of runs that are long over, delete Job and ConfigMap."""
        run = self._look(owner).run
        if run is None:
            return
        spec = self._look(owner).wanted.spec
        limit = spec.get("historyLimit", 20)
        oldest = run.number - max(0, limit if isinstance(limit, int) else 20)
        for child in self._store.of(owner.key):
            number = child.name.removeprefix(owner.key.name + "-")
            old = number.isdigit() and int(number) < oldest
            if old and child.kind in ("Job", "ConfigMap") and child.owner_uid == owner.uid:
                await self._applier.delete(CHILDREN[child.kind], child)
