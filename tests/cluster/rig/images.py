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
from .host import ALONE, RigError, find, run, say, step

CHECKOUT: Final = Path(__file__).parents[3]
DOCKERFILE: Final = "images/Dockerfile"
IGNOREFILE: Final = "images/Dockerfile.dockerignore"
ATTEMPTS: Final = 5

RUNTIME_IMAGE: Final = "localhost/ioc-runtime:dev"
OPERATOR_IMAGE: Final = "localhost/ioc-operator:dev"
TARGETS: Final = {RUNTIME_IMAGE: "runtime", OPERATOR_IMAGE: "operator"}

NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation by which a layout names an image."""

SUITE: Final = "bookworm"
BASE_PACKAGES: Final = "python3,python3-venv,ca-certificates,catatonit,git,openssh-client"

BUILD_TIMEOUT: Final = 1200.0


def store() -> Path:
    """The cache entry with the images of the present sources.

    It holds `oci`, a layout of the images, and `containerd`, the root of a containerd
    that has them unpacked.
    """
    base_key = key_of(CHECKOUT, [], SUITE, BASE_PACKAGES)
    for _ in range(ATTEMPTS):
        key = _sources_key(CHECKOUT, base_key)
        try:
            return entry("store", key, lambda half, key=key: _make(half, base_key, key))
        except _Changed:
            say("the sources changed meanwhile: once more")
    raise RigError("the sources change faster than images can be built of them")


def copy_store(source: Path, target: Path) -> None:
    """A containerd root of its own for a rig."""
    with lock(cache_dir() / "store.lock"):
        _link(source / "containerd", target)


def load(source: Path, pid: int, root: Path) -> None:
    """Import the images of a store into the containerd of a running rig, which is at `root`."""
    with lock(cache_dir() / "store.lock"):
        _import(pid, source / "oci", root)


def _make(directory: Path, base_key: str, key: str) -> None:
    base = entry("base", base_key, _make_base)
    with _scratch() as context:
        for path in _sources(CHECKOUT):
            copy = context / path.relative_to(CHECKOUT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        if _sources_key(context, base_key) != key:
            raise _Changed
        with step("images of the present sources"):
            _build_images(context, base / "base.tar", f"localhost/ioc-base:{base_key}")
    for image, (base_size, own) in sizes().items():
        say(f"{image}: {own / 1e6:.0f} MB beyond its base of {base_size / 1e6:.0f} MB")
    with step("the store of images"):
        _make_store(directory)


class _Changed(Exception):
    """A source file changed between the look at it and its copy."""


def _link(source: Path, target: Path) -> None:
    """Copy a directory of containerd by hard links, but for the databases.

    containerd never writes to a layer or a blob that is complete; it only unlinks it.
    """
    run(["cp", "--archive", "--link", source, target])
    for database in source.rglob("*.db"):
        own = target / database.relative_to(source)
        own.unlink()
        shutil.copy2(database, own)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A directory that is removed afterwards, by the next build if this one is killed."""
    with tempfile.TemporaryDirectory(prefix=".half-store-", dir=cache_dir()) as name:
        yield Path(name)


def _sources_key(root: Path, base_key: str) -> str:
    recipe = Path(__file__).read_text()
    return key_of(root, _sources(root), base_key, recipe)


def _sources(root: Path) -> Iterator[Path]:
    """Every file that goes into an image, or says how."""
    yield root / DOCKERFILE
    yield root / IGNOREFILE
    yield root / "images/install.sh"
    yield from (root / "requirements" / f"{n}.txt" for n in ("runtime-image", "operator-image"))
    for package in ("ioc_runtime", "operator/ioc_operator"):
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _make_base(directory: Path) -> None:
    include = f"--include={BASE_PACKAGES}"
    with step("Debian with Python as the base of the images"):
        debian = ["mmdebstrap", "--mode=root", "--variant=apt", include, SUITE]
        run([*ALONE, *debian, directory / "base.tar"], timeout=BUILD_TIMEOUT)


def _build_images(checkout: Path, base_tar: Path, base_image: str) -> None:
    """Build all images into the layout; what buildah has built before it does not repeat."""
    try:
        _build_all(checkout, base_tar, base_image)
    except RigError as error:
        # A build that was killed may have left buildah's storage in pieces.
        with step(f"images once more, from nothing ({str(error)[-1000:]})"):
            shutil.rmtree(_storage(), ignore_errors=True)
            _build_all(checkout, base_tar, base_image)


def _build_all(checkout: Path, base_tar: Path, base_image: str) -> None:
    with _scratch() as context:
        if not _buildah("images", "--quiet", "--filter", f"reference={base_image}"):
            os.link(base_tar, context / "base.tar")
            _bud(context, base_image, "FROM scratch\nADD base.tar /\n")
        shutil.copy2(find("catatonit") or "catatonit", context / "pause")
        pause = 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause", "-P"]\n'
        _bud(context, PAUSE_IMAGE, pause)
        pip_conf = context / "pip.conf"
        write_pip_conf(pip_conf)
        for image, target in TARGETS.items():
            # A stage without a name would be pruned below, and pip run again next time.
            packages = f"localhost/ioc-{target}-packages:cache"
            _bud_target(checkout, packages, f"{target}-packages", base_image, pip_conf)
            _bud_target(checkout, image, target, base_image, pip_conf)
    for image in (PAUSE_IMAGE, *TARGETS):
        _buildah("push", image, f"oci:{_layout()}:{image}")
    _buildah("rmi", "--prune")
    _forget_old_blobs()


def _bud(context: Path, image: str, dockerfile: str) -> None:
    path = context / "Dockerfile"
    path.write_text(dockerfile)
    _buildah("bud", "--layers", "--pull-never", "--file", str(path), "--tag", image, str(context))


def _bud_target(checkout: Path, image: str, target: str, base_image: str, pip_conf: Path) -> None:
    # Sites with a certificate authority or a package index of their own.
    volumes = {"/etc/ssl/certs": "/etc/ssl/certs", str(pip_conf): "/etc/pip.conf"}
    arguments = [f"--volume={source}:{place}:ro" for source, place in volumes.items()]
    _buildah(
        "bud",
        "--layers",
        "--pull-never",
        "--isolation=chroot",
        "--network=host",
        f"--file={checkout / DOCKERFILE}",
        f"--ignorefile={checkout / IGNOREFILE}",
        f"--target={target}",
        f"--build-arg=BASE_IMAGE={base_image}",
        f"--tag={image}",
        *arguments,
        str(checkout),
    )


def write_pip_conf(path: Path) -> None:
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
    """Leave the layout with the present images alone: a push only ever adds."""
    path = _layout() / "index.json"
    index = json.loads(path.read_text())
    index["manifests"] = [m for m in index["manifests"] if NAME in m.get("annotations", {})]
    path.write_text(json.dumps(index))
    kept = {_blob(d) for d in _reachable(m["digest"] for m in index["manifests"])}
    for blob in (_layout() / "blobs" / "sha256").iterdir():
        if blob not in kept:
            blob.unlink()


def sizes() -> dict[str, tuple[int, int]]:
    """Bytes of each image as it was built last, unpacked: of its base, and beyond it."""
    found = {}
    for entry_of_index in json.loads((_layout() / "index.json").read_text())["manifests"]:
        name = entry_of_index["annotations"][NAME]
        if name in TARGETS:
            manifest = json.loads(_blob(entry_of_index["digest"]).read_text())
            base, *own = (_unpacked(_blob(layer["digest"])) for layer in manifest["layers"])
            found[name] = (base, sum(own))
    return found


def _unpacked(layer: Path) -> int:
    """The size that a gzip file says it has when it is unpacked: its last four bytes."""
    with layer.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(), "little")


def _make_store(directory: Path) -> None:
    """Fill a cache entry from the layout, starting from the last one if there is one."""
    own = directory / "oci"
    run(["cp", "--archive", "--link", _layout(), own])
    # The one file that the next build writes to.
    (own / "index.json").unlink()
    shutil.copy2(_layout() / "index.json", own)
    root = directory / "containerd"
    if earlier := newest("store"):
        _link(earlier / "containerd", root)
    with _scratch() as work:
        (work / "containerd.toml").write_text(containerd_toml(root, "none"))
        with _containerd(work) as pid:
            _import(pid, own, root)


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


def _import(pid: int, layout: Path, root: Path) -> None:
    """Import a layout, but for the blobs that it has already, into the containerd at `root`."""
    known = sorted(path.name for path in root.glob("*content*/blobs/sha256/*"))
    leave_out = [f"--exclude=blobs/sha256/{digest}" for digest in known]
    with _scratch() as work:
        archive = work / "images.tar"
        run(["tar", "--create", "--file", archive, "--directory", layout, *leave_out, "."])
        ctr = ["ctr", "--address", CONTAINERD_SOCKET, "--connect-timeout", "20s"]
        ctr += ["--namespace", "k8s.io", "images", "import"]
        run(control.inside(pid, [*ctr, archive]), timeout=BUILD_TIMEOUT)
