"""The images of the project, built from the checkout and put where a node finds them.

Three steps, each kept in the cache: a Debian with Python as the base (no registry is
asked), the two targets of images/Dockerfile, and a containerd store that holds them
unpacked. A rig starts from a copy of the store that shares its files.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from . import control, slots
from .cache import cache_dir, entry, key_of, lock, newest
from .components import CONTAINERD_SOCKET, PAUSE_IMAGE, containerd_toml
from .host import RigError, find, run, step

CHECKOUT: Final = Path(__file__).parents[3]
DOCKERFILE: Final = CHECKOUT / "images" / "Dockerfile"

RUNTIME_IMAGE: Final = "localhost/ioc-runtime:dev"
OPERATOR_IMAGE: Final = "localhost/ioc-operator:dev"
TARGETS: Final = {RUNTIME_IMAGE: "runtime", OPERATOR_IMAGE: "operator"}

SUITE: Final = "bookworm"
BASE_PACKAGES: Final = "python3,python3-venv,ca-certificates,catatonit"

BUILD_TIMEOUT: Final = 1200.0
ALONE: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A build that is killed leaves no mounts and no processes."""


def store() -> Path:
    """The directory of a containerd store with the images of the present sources."""
    base_key = key_of([], SUITE, BASE_PACKAGES)

    def make(directory: Path) -> None:
        base = entry("base", base_key, _make_base)
        with step("images of the present sources"):
            _build_images(base / "base.tar", f"localhost/ioc-base:{base_key}")
        with step("the store of images"):
            _make_store(directory)

    return entry("store", key_of(_sources(), base_key, PAUSE_IMAGE), make)


def copy_store(source: Path, target: Path) -> None:
    """A store of its own for a rig."""
    with lock(cache_dir() / "store.lock"):
        _link_store(source, target)


def _link_store(source: Path, target: Path) -> None:
    """Copy a store by hard links, but for the databases.

    containerd never writes to a layer or a blob that is complete; it only unlinks it.
    """
    run(["cp", "--archive", "--link", source, target])
    for database in source.rglob("*.db"):
        own = target / database.relative_to(source)
        own.unlink()
        shutil.copy2(database, own)


def load(pid: int) -> None:
    """Import what `store` built last into the containerd of a running rig."""
    with lock(cache_dir() / "store.lock"):
        _import(pid, set())


def _sources() -> Iterator[Path]:
    """Every file that goes into an image."""
    yield from (DOCKERFILE, DOCKERFILE.with_name("install.sh"))
    yield from (CHECKOUT / "requirements" / f"{n}.txt" for n in ("runtime", "operator-image"))
    for package in ("ioc_runtime", "operator/ioc_operator"):
        for path in sorted((CHECKOUT / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _make_base(directory: Path) -> None:
    include = f"--include={BASE_PACKAGES}"
    with step("Debian with Python as the base of the images"):
        run(
            ["mmdebstrap", "--mode=root", "--variant=apt", include, SUITE, directory / "base.tar"],
            timeout=BUILD_TIMEOUT,
        )


def _build_images(base_tar: Path, base_image: str) -> None:
    """Build all images into the layout; what buildah has built before it does not repeat."""
    try:
        _build_all(base_tar, base_image)
    except RigError as error:
        # A build that was killed may have left buildah's storage in pieces.
        with step(f"images once more, from nothing ({str(error)[-300:]})"):
            shutil.rmtree(_storage(), ignore_errors=True)
            _build_all(base_tar, base_image)


def _build_all(base_tar: Path, base_image: str) -> None:
    with tempfile.TemporaryDirectory(prefix=".half-store-", dir=cache_dir()) as name:
        context = Path(name)
        if not _buildah("images", "--quiet", "--filter", f"reference={base_image}"):
            os.link(base_tar, context / "base.tar")
            _bud(context, base_image, "FROM scratch\nADD base.tar /\n")
        shutil.copy2(find("catatonit") or "catatonit", context / "pause")
        pause = 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause", "-P"]\n'
        _bud(context, PAUSE_IMAGE, pause)
        pip_conf = context / "pip.conf"
        _write_pip_conf(pip_conf)
        for image, target in TARGETS.items():
            # A stage without a name would be pruned below, and pip run again next time.
            packages = f"localhost/ioc-{target}-packages:cache"
            _bud_target(packages, f"{target}-packages", base_image, pip_conf)
            _bud_target(image, target, base_image, pip_conf)
    for image in (PAUSE_IMAGE, *TARGETS):
        # Into a layout of files, uncompressed: blobs that are there are not written again.
        _buildah("push", "--disable-compression", image, f"oci:{_layout()}:{image}")
    _buildah("rmi", "--prune")
    _forget_old_blobs()


def _bud(context: Path, image: str, dockerfile: str) -> None:
    path = context / "Dockerfile"
    path.write_text(dockerfile)
    _buildah("bud", "--layers", "--pull-never", "--file", str(path), "--tag", image, str(context))


def _bud_target(image: str, target: str, base_image: str, pip_conf: Path) -> None:
    # Sites with a certificate authority or a package index of their own.
    volumes = {"/etc/ssl/certs": "/etc/ssl/certs", str(pip_conf): "/etc/pip.conf"}
    arguments = [f"--volume={source}:{place}:ro" for source, place in volumes.items()]
    _buildah(
        "bud",
        "--layers",
        "--pull-never",
        "--isolation=chroot",
        "--network=host",
        f"--file={DOCKERFILE}",
        f"--ignorefile={DOCKERFILE}.dockerignore",
        f"--target={target}",
        f"--build-arg=BASE_IMAGE={base_image}",
        f"--tag={image}",
        *arguments,
        str(CHECKOUT),
    )


def _write_pip_conf(path: Path) -> None:
    """What the caller's environment tells pip, as the file that pip in the image reads."""
    settings = {"cert": "/etc/ssl/certs/ca-certificates.crt"}
    for name in ("index-url", "extra-index-url", "trusted-host", "timeout"):
        if value := os.environ.get(f"PIP_{name.replace('-', '_').upper()}"):
            settings[name] = value
    parser = configparser.RawConfigParser()
    parser["global"] = settings
    with path.open("w") as file:
        parser.write(file)


def _buildah(*arguments: str) -> str:
    storage = _storage()
    roots = ["--root", storage / "root", "--runroot", storage / "run"]
    command = [*ALONE, "buildah", *roots, "--storage-driver", "overlay", *arguments]
    return run(command, timeout=BUILD_TIMEOUT).strip()


def _storage() -> Path:
    return cache_dir() / "buildah"


def _layout() -> Path:
    """The images as an OCI layout: index.json and blobs."""
    return cache_dir() / "oci"


def _blob(digest: str) -> Path:
    return _layout() / "blobs" / digest.replace(":", "/")


def _reachable(digests: Iterator[str]) -> Iterator[str]:
    for digest in digests:
        yield digest
        manifest = json.loads(_blob(digest).read_text())
        yield manifest["config"]["digest"]
        yield from (layer["digest"] for layer in manifest["layers"])


def _forget_old_blobs() -> None:
    index = json.loads((_layout() / "index.json").read_text())
    kept = {_blob(d) for d in _reachable(m["digest"] for m in index["manifests"])}
    for blob in (_layout() / "blobs" / "sha256").iterdir():
        if blob not in kept:
            blob.unlink()


def _make_store(directory: Path) -> None:
    """Import the layout with a containerd that runs for this alone."""
    if earlier := newest("store"):
        directory.rmdir()
        _link_store(earlier, directory)
    known = {path.name for path in directory.glob("*content*/blobs/sha256/*")}
    with tempfile.TemporaryDirectory(prefix=".half-store-", dir=cache_dir()) as name:
        work = Path(name)
        (work / "containerd.toml").write_text(containerd_toml(directory, "none"))
        with _containerd(work) as pid:
            _import(pid, known)


@contextmanager
def _containerd(work: Path) -> Iterator[int]:
    """Run a containerd in namespaces of its own; gives the pid to enter them by."""
    place = slots.ROOT / "build"
    place.mkdir(parents=True, exist_ok=True)
    with lock(slots.ROOT / "build.lock"):
        socket = place / "control"
        socket.unlink(missing_ok=True)
        process, pid = control.start_supervisor(socket, work)
        try:
            argv = [find("containerd"), "--config", str(work / "containerd.toml")]
            log = str(work / "containerd.log")
            control.ask(socket, do="start", name="containerd", argv=argv, log=log)
            yield pid
            control.ask(socket, do="stop", name="containerd", signal=signal.SIGTERM, within=30)
        finally:
            process.communicate()
            shutil.rmtree(place)


def _import(pid: int, known: set[str]) -> None:
    """Import the layout, without the blobs that the store knows, into a containerd."""
    leave_out = [f"--exclude=blobs/sha256/{digest}" for digest in sorted(known)]
    with tempfile.TemporaryDirectory(prefix=".half-store-", dir=cache_dir()) as name:
        archive = Path(name) / "images.tar"
        run(["tar", "--create", "--file", archive, "--directory", _layout(), *leave_out, "."])
        ctr = ["ctr", "--address", CONTAINERD_SOCKET, "--connect-timeout", "20s"]
        ctr += ["--namespace", "k8s.io", "images", "import"]
        run(control.inside(pid, [*ctr, archive]), timeout=BUILD_TIMEOUT)
