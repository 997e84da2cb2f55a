"""The two images as OCI archives, by buildah, on the Debian of images/base.lock."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tests.cluster.rig.cache import cache_dir, entry, key_of, lock
from tests.cluster.rig.host import ALONE, RigError, find, run
from tests.cluster.rig.images import (
    BUILD_TIMEOUT,
    DOCKERFILE,
    IGNOREFILE,
    write_pip_conf,
)

from .base import RECIPE, difference, locked, make
from .commit import Commit
from .failure import ReleaseError

TARGETS: Final = ("runtime", "operator")
COMMANDS: Final = ("buildah", "mmdebstrap", "catatonit", "unshare", "setpriv", "dpkg")


def why_not() -> str | None:
    """Why no image can be built on this machine, in a clause; None when one can."""
    if os.geteuid() != 0:
        return "making a Debian and running buildah takes root here"
    if missing := [command for command in COMMANDS if not find(command)]:
        return f"there is no {', no '.join(missing)} on this machine"
    try:
        run([*ALONE, "true"], timeout=10)
    except RigError as error:
        return f"root may not make namespaces here: {error}"
    return None


def build(source: Path, target: Path, version: str, commit: Commit) -> list[Path]:
    """Build both from an exported commit, each as `ioc-TARGET-VERSION.oci.tar`.

    :raises ReleaseError: when Debian offers another base than images/base.lock, or a step fails.
    """
    text = (source / "images" / "base.lock").read_text()
    wanted = locked(text)

    def fill(directory: Path) -> None:
        found = make(directory / "base.tar", wanted.time)
        if moved := difference(wanted.versions, found):
            raise ReleaseError(moved)

    key = key_of(source, [], text, *RECIPE)
    base = entry("release-base", key, fill) / "base.tar"
    try:
        with lock(cache_dir() / "release.lock"):
            return _build_all(source, target, base, key, version, commit)
    except RigError as error:
        raise ReleaseError(f"the images cannot be built: {error}") from None


def _build_all(
    source: Path, target: Path, base: Path, key: str, version: str, commit: Commit
) -> list[Path]:
    base_image = f"localhost/ioc-base:{key}"
    made = []
    with tempfile.TemporaryDirectory(prefix=".half-release-", dir=cache_dir()) as name:
        place = Path(name)
        if not _buildah("images", "--quiet", "--filter", f"reference={base_image}"):
            os.link(base, place / "base.tar")
            (place / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
            time = locked((source / "images" / "base.lock").read_text()).time
            _buildah("bud", f"--timestamp={time}", "--tag", base_image, str(place))
        write_pip_conf(place / "pip.conf")
        for each in TARGETS:
            image = f"localhost/ioc-{each}:{version}"
            _bud(source, image, each, base_image, place / "pip.conf", version, commit)
            layout = place / each
            _buildah("push", image, f"oci:{layout}:{image}")
            made.append(target / f"ioc-{each}-{version}.oci.tar")
            _pack(layout, made[-1], commit.time)
    return made


def _bud(
    source: Path,
    image: str,
    target: str,
    base_image: str,
    pip_conf: Path,
    version: str,
    commit: Commit,
) -> None:
    # Sites with a certificate authority or a package index of their own.
    volumes = {"/etc/ssl/certs": "/etc/ssl/certs", str(pip_conf): "/etc/pip.conf"}
    _buildah(
        "bud",
        "--layers",
        "--pull-never",
        "--isolation=chroot",
        "--network=host",
        f"--timestamp={commit.time}",
        f"--file={source / DOCKERFILE}",
        f"--ignorefile={source / IGNOREFILE}",
        f"--target={target}",
        f"--build-arg=BASE_IMAGE={base_image}",
        f"--build-arg=VERSION={version}",
        f"--build-arg=REVISION={commit.id}",
        f"--tag={image}",
        *(f"--volume={outside}:{inside}:ro" for outside, inside in volumes.items()),
        str(source),
    )


def _buildah(*arguments: str) -> str:
    """In a storage of its own: the test cluster's builds come and go as they like."""
    storage = cache_dir() / "buildah-release"
    roots = ["--root", storage / "root", "--runroot", storage / "run"]
    command = [*ALONE, "buildah", *roots, "--storage-driver", "overlay", *arguments]
    return run(command, timeout=BUILD_TIMEOUT).strip()


def _pack(layout: Path, archive: Path, time: int) -> None:
    """An OCI layout as a tar file, the same bytes at every time; the layout is removed."""
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as packed:
        for path in sorted(each for each in layout.rglob("*") if each.is_file()):
            plain = tarfile.TarInfo(str(path.relative_to(layout)))
            plain.size, plain.mtime, plain.mode = path.stat().st_size, time, 0o644
            with path.open("rb") as file:
                packed.addfile(plain, file)
    shutil.rmtree(layout)
