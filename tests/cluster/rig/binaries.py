"""Kubernetes, etcd, CoreDNS and Helm, built from the Go module beside this file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from .cache import entry, key_of
from .host import ALONE, RigError, find, run, step

MODULE: Final = Path(__file__).with_name("go")

NAMES: Final = (
    "etcd",
    "coredns",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
"""What the one binary can be called as."""

HELM: Final = "helm.sh/helm/v3/cmd/helm"


def binaries() -> Path:
    """The directory that holds them; builds them when they are not in the cache."""
    files = sorted(path for path in MODULE.iterdir() if path.is_file())
    flags = _ldflags((MODULE / "go.mod").read_text())
    return entry("bin", key_of(MODULE, files, flags, run(["go", "env", "GOARCH"])), _build)


def _build(directory: Path) -> None:
    flags = _ldflags((MODULE / "go.mod").read_text())
    go = find("go")
    if not go:
        raise RigError("there is no `go` on PATH to build the test cluster with")
    # Settings of a developer's own must not change what is built.
    env = {name: value for name, value in os.environ.items() if name != "GOFLAGS"}
    env |= {"CGO_ENABLED": "0", "GOWORK": "off"}
    build = [go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", flags]
    with step("Kubernetes, etcd and Helm from source (5 minutes with cold caches)"):
        run([*ALONE, *build, "-o", directory, ".", HELM], env=env, cwd=MODULE)
    for name in NAMES:
        (directory / name).symlink_to("rig")


def _ldflags(go_mod: str) -> str:
    """The versions that a release build writes into the binaries.

    Without them Kubernetes calls itself v0.0.0-master, which no chart's kubeVersion
    and no parser of versions takes.
    """
    kubernetes = _version(go_mod, "k8s.io/kubernetes")
    helm = _version(go_mod, "helm.sh/helm/v3")
    major, minor, _ = kubernetes.removeprefix("v").split(".")
    values = {
        "k8s.io/component-base/version.gitVersion": kubernetes,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/component-base/version.gitTreeState": "clean",
        "k8s.io/component-base/version.gitCommit": "none",
        "k8s.io/component-base/version.buildDate": "1970-01-01T00:00:00Z",
        "k8s.io/client-go/pkg/version.gitVersion": kubernetes,
        "helm.sh/helm/v3/internal/version.version": helm,
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": major,
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": minor,
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def _version(go_mod: str, module: str) -> str:
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise RigError(f"{MODULE / 'go.mod'} requires no {module}")
    return found[1]
