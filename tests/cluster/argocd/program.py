"""Argo CD itself, built from the Go module beside this file.

    PYTHONPATH=.:operator:tests python -m cluster.argocd.program

builds it and prints the directory. One program is all of Argo CD: it does what the name says
that it is called by. The module of a release names a part of it, gitops-engine, by a
directory that is in no module; go.mod names the same commit instead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from cluster.rig import RigError
from cluster.rig.cache import entry, key_of
from cluster.rig.host import ALONE, find, run, step

MODULE: Final = Path(__file__).with_name("go")
ARGO_CD: Final = "github.com/argoproj/argo-cd/v3"

NAMES: Final = ("argocd-application-controller", "argocd-repo-server", "argocd-server")
"""What `argocd` can be called as, besides."""

WRAPPERS: Final = ("git-verify-wrapper.sh",)
"""Scripts that its image has on the path."""

INSTALLATION: Final = "install.yaml"
"""Argo CD's own manifests, of the same release, beside the program."""

ASKED: Final = "IOC_TEST_ARGOCD"
"""With 1 in this variable the tests with Argo CD are run."""

PACKAGES: Final = {
    "redis-server": "redis-server",
    "docker-registry": "docker-registry",
    "git": "git",
}
"""Command -> Debian package, to run it."""


def version() -> str:
    """The release, as v1.2.3."""
    text = (MODULE / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(ARGO_CD)} (v\S+)", text, re.MULTILINE)
    assert found, f"go.mod requires no {ARGO_CD}"
    return found[1]


def why_not() -> str | None:
    """Why it cannot run on this machine, in one sentence; None when it can."""
    missing = sorted(package for command, package in PACKAGES.items() if not find(command))
    if missing:
        return (
            "Argo CD needs Debian packages that are missing: "
            f"apt-get install --no-install-recommends {' '.join(missing)}"
        )
    return None


def skip_unless_asked_for() -> None:
    """Skip the module of tests that says so, unless somebody is ready to wait for the build."""
    if os.environ.get(ASKED) != "1":
        how = f"Argo CD takes 5 to 20 minutes to build: `make test-argocd`, or {ASKED}=1"
        pytest.skip(how, allow_module_level=True)


def program() -> Path:
    """The directory that holds `argocd` and its names; builds them if they are not cached."""
    files = sorted(path for path in MODULE.iterdir() if path.is_file())
    return entry("argocd", key_of(MODULE, files, _ldflags(), *NAMES, *WRAPPERS), _build)


def _ldflags() -> str:
    release = version().removeprefix("v")
    return f"-s -w -X {ARGO_CD}/common.version={release}"


def _build(directory: Path) -> None:
    go = find("go")
    if not go:
        raise RigError("there is no `go` on PATH to build Argo CD with")
    # Settings of a developer's own must not change what is built.
    env = {name: value for name, value in os.environ.items() if name != "GOFLAGS"}
    env |= {"CGO_ENABLED": "0", "GOWORK": "off"}
    build = [go, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", _ldflags()]
    argocd = directory / "argocd"
    with step(f"Argo CD {version()} from source (5 to 20 minutes with cold caches)"):
        run([*ALONE, "nice", *build, "-o", argocd, f"{ARGO_CD}/cmd"], env=env, cwd=MODULE)
    source = json.loads(run([go, "mod", "download", "-json", ARGO_CD], env=env, cwd=MODULE))
    of_release = Path(source["Dir"])
    shutil.copyfile(of_release / "manifests" / INSTALLATION, directory / INSTALLATION)
    for name in WRAPPERS:
        shutil.copyfile(of_release / "hack" / name, directory / name)
        (directory / name).chmod(0o755)
    for name in NAMES:
        (directory / name).symlink_to("argocd")


if __name__ == "__main__":
    try:
        print(program())
    except RigError as error:
        sys.exit(str(error))
