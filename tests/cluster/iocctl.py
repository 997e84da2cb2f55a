"""iocctl in a process of its own, and tasks with the status that the operator would write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.rig import RigError
from ioc_operator.status import View, task_status
from support.spawn import ROOT, Spawn, Spawned


@dataclass
class Iocctl:
    """Runs `iocctl` in a process of its own, with a cluster's kubeconfig."""

    spawn: Spawn
    kubeconfig: Path
    namespace: str

    def start(self, *words: str) -> Spawned:
        where = ("--kubeconfig", str(self.kubeconfig))
        return self.spawn("-m", "ioc_runtime.cli", *words, *where)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error, in the namespace of the test."""
        process = self.start(*words, "-n", self.namespace)
        code = process.wait(40)
        return code, process.output, process.errors


PREFIX = "BL01:VAC:"
Put = Callable[[str, View], None]


def served(kubectl: Callable[..., str], kind: str) -> None:
    """Wait until the API server answers for a kind: a little after it says Established."""
    for attempt in range(50):
        try:
            kubectl("get", "--raw", f"/apis/ioc-operator.dev/v1alpha1/{kind}?limit=1")
            return
        except (AssertionError, RigError):
            if attempt == 49:
                raise
            time.sleep(0.2)


def there(kubectl: Callable[..., str], namespace: str, name: str) -> str:
    """The uid of a pod; where there is none, one is made that is no more than there."""
    asked = ("get", "pod", name, "-n", namespace, "-o", "jsonpath={.metadata.uid}")
    if uid := kubectl(*asked, "--ignore-not-found"):
        return uid
    labels = {"app.kubernetes.io/managed-by": "ioc-operator"}
    pod = {
        **{"apiVersion": "v1", "kind": "Pod"},
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "ioc", "image": "none"}], "schedulerName": "none"},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    return kubectl(*asked)


def free_lease(kubectl: Callable[..., str], namespace: str) -> None:
    """The Lease of an operator that looked after this namespace alone, and has ended."""
    marks = {
        "labels": {"app.kubernetes.io/managed-by": "ioc-operator"},
        "annotations": {"ioc-operator.dev/namespaces": namespace},
    }
    body = {
        **{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
        "metadata": {"name": "ioc-operator", "namespace": namespace, **marks},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(body))


def putter(kubectl: Callable[..., str], namespace: str) -> Put:
    """Makes an IocTask with the status that the operator would write."""
    kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    for kind in ("ioctasks", "iocjobs"):
        served(kubectl, kind)

    def put(name: str, known: View) -> None:
        head: dict[str, Any] = {
            **{"apiVersion": "ioc-operator.dev/v1alpha1", "kind": "IocTask"},
            "metadata": {"name": name, "namespace": namespace},
        }
        outputs = {"alarm": {"type": "bool", "states": ["OK", "HIGH"]}}
        spec = {"prefix": PREFIX, "inputs": {"p": {"type": "float"}}, "outputs": outputs}
        kubectl("apply", "-f", "-", stdin=json.dumps(head | {"spec": spec}))
        status = task_status(known)
        status["runtime"] = known.runtime
        if known.pod is not None:
            status["pod"]["uid"] = there(kubectl, namespace, known.pod.name)
        patch = json.dumps({"status": status})
        kubectl(
            *("patch", "ioctask", name, "-n", namespace, "--subresource=status"),
            *("--type=merge", "-p", patch),
        )

    return put
