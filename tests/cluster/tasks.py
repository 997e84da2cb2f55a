"""Tasks and jobs in a namespace, as a person with kubectl handles them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from cluster.invariants import Object, condition

API: Final = "ioc-operator.dev/v1alpha1"
PATIENCE: Final = 40.0
"""Seconds: a slow machine starts a pod in ten."""


def task(name: str, prefix: str, **spec: Any) -> Object:
    """A task that mirrors nothing: one set-point, one output, one rule."""
    given = {
        "prefix": prefix,
        "parameters": {"limit": 5.0},
        "inputs": {"pressure": {"type": "float", "value": 1.0}},
        "outputs": {"alarm": {"type": "bool", "states": ["OK", "HIGH"], "latch": "rise"}},
        "ruleDefaults": {"alarm": 0},
        "rules": [{"id": "high", "condition": "pressure > limit", "outputs": {"alarm": 1}}],
        "terminationGracePeriodSeconds": 3,
    } | spec
    return {"apiVersion": API, "kind": "IocTask", "metadata": {"name": name}, "spec": given}


class Tasks:
    """What a test does to the objects of one namespace."""

    def __init__(self, kubectl: Callable[..., str], namespace: str) -> None:
        self.kubectl, self.namespace = kubectl, namespace

    def prefix(self, name: str) -> str:
        """A prefix that no other test has."""
        return f"{self.namespace[-8:].upper()}:{name.upper()}:"

    def run(self, *args: str, **options: Any) -> str:
        return self.kubectl("-n", self.namespace, *args, **options)

    def apply(self, *manifests: Object) -> None:
        text = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
        self.run("apply", "-f", "-", stdin=text)

    def patch(self, name: str, spec: Object, kind: str = "ioctask") -> None:
        """Merge into the spec."""
        self.run("patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def annotate(self, name: str, annotation: str, kind: str = "ioctask") -> None:
        self.run("annotate", "--overwrite", kind, name, annotation)

    def get(self, kind: str, name: str) -> Object:
        return json.loads(self.run("get", kind, name, "-o", "json"))

    def list(self, kind: str, *selector: str) -> list[Object]:
        return json.loads(self.run("get", kind, "-o", "json", *selector))["items"]

    def delete(self, kind: str, name: str, *options: str) -> None:
        self.run("delete", kind, name, *options)

    def address(self, name: str) -> str:
        """The cluster address of a task's Service."""
        return self.get("service", name)["spec"]["clusterIP"]

    def pod(self, name: str) -> Object | None:
        """The pod of a task, if there is one."""
        which = f"app.kubernetes.io/instance={name},app.kubernetes.io/name=ioc-runtime"
        found = self.list("pod", "-l", which)
        return found[0] if found else None

    def uid(self, name: str) -> str | None:
        pod = self.pod(name)
        return pod["metadata"]["uid"] if pod else None

    def wait(
        self,
        what: Callable[[Object], Any],
        name: str,
        kind: str = "ioctask",
        patience: float = PATIENCE,
    ) -> Object:
        """The object, once `what` holds of it; its last state is in the error."""
        until = time.monotonic() + patience
        while True:
            found = self.get(kind, name)
            if what(found):
                return found
            if time.monotonic() > until:
                status = json.dumps(found.get("status", {}), indent=1)
                raise AssertionError(f"{kind} {name} after {patience} s:\n{status}")
            time.sleep(0.1)

    def ready(self, name: str, patience: float = PATIENCE) -> Object:
        """Until Ready, for the present generation."""
        return self.wait(is_ready, name, patience=patience)

    def stalled(self, name: str, reason: str, patience: float = PATIENCE) -> str:
        """Until Stalled for this reason, for the present generation; the message."""

        def so(found: Object) -> bool:
            return current(found) and of(found, "Stalled").get("reason") == reason

        return of(self.wait(so, name, patience=patience), "Stalled")["message"]

    def gone(self, kind: str, name: str, patience: float = PATIENCE) -> None:
        until = time.monotonic() + patience
        while self.run("get", kind, name, "--ignore-not-found", "-o", "name"):
            assert time.monotonic() < until, f"{kind} {name} is still there after {patience} s"
            time.sleep(0.1)


def until(is_so: Callable[[], Any], what: str, patience: float = 30.0) -> Any:
    """What it gives, once that is true of it."""
    end = time.monotonic() + patience
    while not (found := is_so()):
        assert time.monotonic() < end, f"not within {patience} s: {what}"
        time.sleep(0.1)
    return found


def of(found: Object, kind: str) -> Object:
    """A condition, {} when it is absent."""
    for each in found.get("status", {}).get("conditions", []):
        if each["type"] == kind:
            return each
    return {}


def current(found: Object) -> bool:
    """The status speaks of the present generation."""
    observed = found.get("status", {}).get("observedGeneration", -1)
    return observed == found["metadata"]["generation"]


def is_ready(found: Object) -> bool:
    return current(found) and condition(found, "Ready") == "True"
