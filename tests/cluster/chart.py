"""The chart as a person installs it, on a control plane of its own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.api import Api, path_of
from cluster.conftest import skip_unless_a_rig_can_run
from cluster.rig import Rig

CHART: Final = Path(__file__).parents[2] / "helm" / "ioc-operator"
DATA: Final = Path(__file__).parents[1] / "data" / "chart"
CASES: Final = {path.stem: path for path in (DATA / "values").glob("*.yaml")}
"""Files of values, each for one way to install it."""
RELEASE: Final = "ioc-operator"
HOME: Final = "iocs"
"""Namespace of the release; it admits restricted pods only."""
OPERATOR: Final = f"system:serviceaccount:{HOME}:{RELEASE}"
RUNTIME_ROLE: Final = f"{RELEASE}-runtime"
PATIENCE: Final = 20.0

Object = dict[str, Any]


def helm(rig: Rig, *args: str) -> str:
    """What Helm prints."""
    command = [rig.helm(), "--kubeconfig", rig.kubeconfig, "--namespace", HOME, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(rig: Rig, *args: str, release: str = RELEASE) -> list[Object]:
    """Everything that the chart would make."""
    text = helm(rig, "template", release, str(CHART), *args)
    return [each for each in yaml.safe_load_all(text) if each]


@contextmanager
def installed(*args: str) -> Iterator[Rig]:
    """A new control plane, with the chart installed and its policies in force."""
    skip_unless_a_rig_can_run(node=False)
    with Rig.up(control_plane=True) as rig:
        rig.kubectl("create", "namespace", HOME)
        label = "pod-security.kubernetes.io/enforce=restricted"
        rig.kubectl("label", "namespace", HOME, label)
        helm(rig, "install", RELEASE, str(CHART), *args)
        kinds = ("crd/ioctasks.ioc-operator.dev", "crd/iocjobs.ioc-operator.dev")
        rig.kubectl("wait", "--for=condition=Established", "--timeout=20s", *kinds)
        _wait_for_policies(rig)
        yield rig


def token(api: Api, namespace: str, account: str, pod: Object | None = None) -> str:
    """A token of a ServiceAccount, bound to a pod if there is one."""
    spec: Object = {"expirationSeconds": 3600}
    if pod is not None:
        meta = pod["metadata"]
        spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1"} | {
            key: meta[key] for key in ("name", "uid")
        }
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    return api.good("POST", path, request)["status"]["token"]


def account(api: Api, namespace: str, name: str, role: str = RUNTIME_ROLE) -> None:
    """A ServiceAccount that is bound to a ClusterRole in its namespace."""
    where = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    api.good("POST", where, {"metadata": {"name": name}})
    bind(api, namespace, name, namespace, role)


def bind(api: Api, namespace: str, name: str, of: str, role: str = RUNTIME_ROLE) -> None:
    """Bind the ServiceAccount `name` of namespace `of` to a ClusterRole in `namespace`."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    api.good("POST", path, binding(name, of, role))


def binding(name: str, of: str, role: str = RUNTIME_ROLE, kind: str = "ClusterRole") -> Object:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": of}],
    }


def _wait_for_policies(rig: Rig) -> None:
    """A policy comes into force a moment after it was made."""
    api, space = Api(rig), "canary"
    rig.kubectl("create", "namespace", space)
    account(api, space, "ioc-runtime")
    task = {"apiVersion": "ioc-operator.dev/v1alpha1", "kind": "IocTask", "spec": {}}
    api.good("POST", path_of("IocTask", space), task | {"metadata": {"name": "canary"}})
    writer = Api(rig, token(api, space, "ioc-runtime"))
    patch = {"status": {"phase": json.dumps(time.time())}}
    path = path_of("IocTask", space, "canary", "status")
    until = time.monotonic() + PATIENCE
    while writer.call("PATCH", path, patch, patch="merge")[0] != 403:
        assert time.monotonic() < until, "the policy does not come into force"
        time.sleep(0.1)
