"""The Debian that the images of a release stand on: which versions, and nothing else.

images/base.lock names every package of it with its version. A mirror that has newer ones
makes the release fail, so that a newer base is always a commit that somebody looked at.
"""

from __future__ import annotations

import argparse
import re
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.sbom.debian import packages
from tests.cluster.rig.host import ALONE, RigError, run
from tests.cluster.rig.images import BASE_PACKAGES, BUILD_TIMEOUT, SUITE

from .failure import ReleaseError

LOCK: Final = Path(__file__).resolve().parents[2] / "images" / "base.lock"
HEAD: Final = """\
# The Debian packages below the images of a release, with their versions: {suite}, {architecture}.
# Made by `make base`; not to be edited. `time` is that of its files, in seconds since 1970.
time {time}
"""
RECIPE: Final = (
    *("mmdebstrap", "--mode=root", "--variant=apt", f"--include={BASE_PACKAGES}"),
    # Copied from the machine that builds, to have a network meanwhile.
    '--customize-hook=rm "$1/etc/hostname" "$1/etc/resolv.conf"',
    SUITE,
)
SHOWN: Final = 5
"""Packages that a refusal names."""


@dataclass(frozen=True)
class Base:
    """What images/base.lock asks for."""

    time: int
    versions: Mapping[str, str]


def locked(text: str) -> Base:
    """Read a base.lock."""
    found = dict(re.findall(r"^(\S+) (\S+)$", re.sub("(?m)^#.*$", "", text), re.MULTILINE))
    return Base(int(found.pop("time")), found)


def make(target: Path, moment: int) -> dict[str, str]:
    """Write a base as a tar file; returns its packages with their versions."""
    debian = [f"SOURCE_DATE_EPOCH={moment}", *RECIPE, str(target)]
    try:
        run([*ALONE, "env", *debian], timeout=BUILD_TIMEOUT)
    except RigError as error:
        raise ReleaseError(f"the base of the images cannot be made: {error}") from None
    return {name: version for name, (version, _, _) in packages(_status(target)).items()}


def difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """How a base differs from the lock, as a sentence; None when it does not."""
    moved = sorted(n for n in {*wanted} | {*found} if wanted.get(n) != found.get(n))
    if not moved:
        return None
    said = [f"{n} {wanted.get(n, 'not there')} -> {found.get(n, 'gone')}" for n in moved[:SHOWN]]
    more = f" and {len(moved) - SHOWN} more" if len(moved) > SHOWN else ""
    return (
        f"Debian has moved on since images/base.lock: {', '.join(said)}{more}: "
        "run `make base`, look at the difference and commit it"
    )


def _status(base: Path) -> str:
    with tarfile.open(base) as archive:
        for name in ("./var/lib/dpkg/status", "var/lib/dpkg/status"):
            try:
                file = archive.extractfile(name)
            except KeyError:
                continue
            if file is not None:
                return file.read().decode()
    raise ReleaseError("the base of the images has no list of its packages")


def main() -> int:
    """Write images/base.lock anew, from what Debian offers now."""
    argparse.ArgumentParser(prog="python -m scripts.release.base", description=__doc__).parse_args()
    moment = int(time.time())
    with tempfile.TemporaryDirectory(prefix="base-") as place:
        try:
            versions = make(Path(place) / "base.tar", moment)
        except ReleaseError as error:
            print(f"base: {error}", file=sys.stderr)
            return 1
    before = dict(locked(LOCK.read_text()).versions) if LOCK.exists() else {}
    if before == versions:
        print(f"base: images/base.lock is up to date, {len(versions)} packages")
        return 0
    architecture = run(["dpkg", "--print-architecture"]).strip()
    head = HEAD.format(suite=SUITE, architecture=architecture, time=moment)
    LOCK.write_text(head + "".join(f"{n} {v}\n" for n, v in sorted(versions.items())))
    moved = sum(before.get(name) != version for name, version in versions.items())
    print(f"base: wrote images/base.lock, {len(versions)} packages, {moved} new or moved")
    return 0


if __name__ == "__main__":
    sys.exit(main())
