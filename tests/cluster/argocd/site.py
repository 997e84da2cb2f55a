"""A site that keeps its beamlines in Git: Argo CD, and the repository that it reads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.argocd.recorded import health
from cluster.argocd.running import ArgoCd, health_of, is_synced
from cluster.invariants import Object
from cluster.tasks import API, Tasks
from support.git_host import Repo

ROOT: Final = Path(__file__).parents[3]
EXAMPLE: Final = ROOT / "examples" / "gitops"
VALUES: Final = "beamlines/bl01/values.yaml"


def task(name: str, waves: int | None = None, **spec: Any) -> Object:
    meta: Object = {"name": name}
    if waves is not None:
        meta["annotations"] = {"argocd.argoproj.io/sync-wave": str(waves)}
    given = {"prefix": f"{name.upper()}:", "inputs": {"x": {"type": "float", "value": 1.5}}}
    return {"apiVersion": API, "kind": "IocTask", "metadata": meta, "spec": given | spec}


class Site:
    """Argo CD, and the repository of the beamlines that it reads."""

    def __init__(self, argo_cd: ArgoCd, repo: Repo) -> None:
        self.argo_cd, self.rig, self.repo = argo_cd, argo_cd.rig, repo

    def tasks(self, namespace: str) -> Tasks:
        return Tasks(self.rig.kubectl, namespace)

    def apply(self, *manifests: Object) -> None:
        text = yaml.safe_dump_all(manifests)
        self.rig.kubectl("apply", "-n", "argocd", "-f", "-", stdin=text)

    def edit(self, old: str, new: str) -> None:
        """Commit an edit of the beamline's values, and let Argo CD know."""
        text = (self.repo.checkout / VALUES).read_text()
        assert text.count(old) == 1, old
        self.repo.commit({VALUES: text.replace(old, new)})
        self.argo_cd.refresh("bl01")

    def application(
        self, name: str, *options: str, retries: int | None = None, compare: str = ""
    ) -> Object:
        """An Application of plain manifests below `name`, else as that of the example."""
        made: Object = yaml.safe_load((EXAMPLE / "apps" / "bl01.yaml").read_text())
        made["metadata"]["name"] = name
        made["metadata"]["annotations"] = {"argocd.argoproj.io/compare-options": compare}
        _, source = made["spec"].pop("sources")
        source.pop("ref")
        made["spec"]["source"] = source | {"path": name}
        made["spec"]["destination"]["namespace"] = name
        made["spec"]["syncPolicy"]["syncOptions"] = ["CreateNamespace=true", *options]
        if retries is not None:
            made["spec"]["syncPolicy"]["retry"]["limit"] = retries
        return made

    def deploy(self, name: str, found: list[Object], *options: str, **others: Any) -> None:
        """Commit manifests below `name`, with an Application of that name."""
        self.repo.commit({f"{name}/all.yaml": yaml.safe_dump_all(found)})
        self.apply(self.application(name, *options, **others))

    def settled(self, name: str, status: str) -> Object:
        """Once it is Synced and of this health."""
        return self.argo_cd.wait(name, lambda app: is_synced(app) and health_of(app) == status)

    def agree(self, name: str, namespace: str) -> dict[str, str]:
        """What Argo CD shows is what our scripts say of the objects that are there."""
        until = time.monotonic() + 40
        while True:
            self.argo_cd.refresh(name)
            shown = self.argo_cd.health(name)
            live = self.tasks(namespace).list("ioctasks,iocjobs")
            ours = {f"{o['kind']} {o['metadata']['name']}": health(o["kind"], o) for o in live}
            if shown == ours:
                return {key: said["status"] for key, said in shown.items()}
            assert time.monotonic() < until, f"{shown}\n{ours}"
            time.sleep(0.5)
