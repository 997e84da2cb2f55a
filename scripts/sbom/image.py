"""What is in an image, read from its OCI layout: nothing is run and nothing unpacked."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Final

WANTED: Final = re.compile(
    r"var/lib/dpkg/status|etc/os-release|usr/lib/os-release|.+\.dist-info/METADATA"
)
WHITEOUT: Final = ".wh."
NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation by which a layout names an image."""

Read = Callable[[str], bytes]
"""Gives a file of an OCI layout by its name."""


@dataclass(frozen=True)
class Content:
    """What an image holds, as far as lists of packages tell."""

    digest: str
    """Of the image's manifest, `sha256:...`: what a cluster pulls it by."""
    status: str
    """dpkg's list of packages."""
    distribution: str
    """ID and version of the system: debian-12."""
    python: list[Message]
    """Metadata of the Python packages; of two with one name the last one is imported."""


def of_archive(path: Path) -> Content:
    """What the one image of an OCI archive holds."""
    with tarfile.open(path) as archive:

        def read(name: str) -> bytes:
            file = archive.extractfile(name)
            if file is None:
                raise KeyError(name)
            return file.read()

        return content(read)


def content(read: Read, name: str | None = None) -> Content:
    """What an image in an OCI layout holds; `name` where the layout has several."""
    index = json.loads(read("index.json"))
    [entry] = [
        each
        for each in index["manifests"]
        if name is None or each.get("annotations", {}).get(NAME) == name
    ]
    manifest = json.loads(read(_place(entry["digest"])))
    files: dict[str, bytes] = {}
    for layer in manifest["layers"]:
        _apply(read(_place(layer["digest"])), files)
    release = files.get("usr/lib/os-release") or files.get("etc/os-release") or b""
    says = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', release.decode(), re.MULTILINE))
    # The deepest first: what a package has swallowed whole comes before the package itself.
    metadata = sorted((n for n in files if n.endswith("/METADATA")), key=lambda n: -n.count("/"))
    return Content(
        entry["digest"],
        files.get("var/lib/dpkg/status", b"").decode(),
        f"{says.get('ID', 'unknown')}-{says.get('VERSION_ID', 'unknown')}",
        [message_from_bytes(files[name]) for name in metadata],
    )


def _apply(layer: bytes, files: dict[str, bytes]) -> None:
    """A layer on top of what is there: its files replace, its whiteouts remove."""
    added = {}
    with tarfile.open(fileobj=io.BytesIO(layer)) as inner:
        for member in inner:
            path = PurePosixPath(member.name.removeprefix("./"))
            if path.name.startswith(WHITEOUT):
                gone = path.parent if path.name == f"{WHITEOUT}{WHITEOUT}.opq" else _shown(path)
                for name in [n for n in files if PurePosixPath(n).is_relative_to(gone)]:
                    del files[name]
            elif member.isfile() and WANTED.fullmatch(str(path)):
                if file := inner.extractfile(member):
                    added[str(path)] = file.read()
    files |= added


def _shown(whiteout: PurePosixPath) -> PurePosixPath:
    return whiteout.with_name(whiteout.name.removeprefix(WHITEOUT))


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
