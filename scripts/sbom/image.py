"""What is in an image, read from its OCI archive: nothing is run and nothing unpacked."""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Final

WANTED: Final = re.compile(
    r"var/lib/dpkg/status|etc/os-release|usr/lib/os-release|.+\.dist-info/METADATA"
)
WHITEOUT: Final = ".wh."


@dataclass(frozen=True)
class Content:
    """What an image holds, as far as lists of packages tell."""

    digest: str
    """Of the image's manifest, `sha256:...`: what a cluster pulls it by."""
    config: dict[str, object]
    status: str
    """dpkg's list of packages."""
    distribution: str
    """ID and version of the system: debian-12."""
    python: list[Message]
    """Metadata of the Python packages."""


def content(archive: Path) -> Content:
    """Read an OCI archive that holds one image."""
    with tarfile.open(archive) as outer:
        index = json.loads(_blob(outer, "index.json"))
        [entry] = index["manifests"]
        manifest = json.loads(_blob(outer, _place(entry["digest"])))
        config = json.loads(_blob(outer, _place(manifest["config"]["digest"])))
        files: dict[str, bytes] = {}
        for layer in manifest["layers"]:
            _apply(_blob(outer, _place(layer["digest"])), files)
    release = files.get("usr/lib/os-release") or files.get("etc/os-release") or b""
    says = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', release.decode(), re.MULTILINE))
    return Content(
        entry["digest"],
        config,
        files.get("var/lib/dpkg/status", b"").decode(),
        f"{says.get('ID', 'unknown')}-{says.get('VERSION_ID', 'unknown')}",
        [message_from_bytes(text) for name, text in files.items() if name.endswith("/METADATA")],
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


def _blob(archive: tarfile.TarFile, name: str) -> bytes:
    for candidate in (name, f"./{name}"):
        try:
            file = archive.extractfile(candidate)
        except KeyError:
            continue
        if file is not None:
            return file.read()
    raise KeyError(name)
