"""The SBOMs of a release: of the wheel from the pins, of an image from what is in it."""

from __future__ import annotations

import hashlib
import zipfile
from email import message_from_bytes
from importlib.metadata import distributions
from pathlib import Path
from typing import Final
from urllib.parse import quote

from scripts import locks
from scripts.licences.statement import normal
from scripts.sbom import debian
from scripts.sbom import distributions as python
from scripts.sbom.component import Component, pypi
from scripts.sbom.document import document
from scripts.sbom.image import of_archive

from .failure import ReleaseError

NAME: Final = "ioc-operator"
LICENCE: Final = "Apache-2.0"


def write(path: Path, version: str, time: int, source: Path) -> Path:
    """Write `FILE.cdx.json` beside a wheel or an image's archive."""
    if path.suffix == ".whl":
        kind, (subject, components) = "library", of_wheel(path, version, source)
    else:
        kind, (subject, components) = "container", of_image(path, version)
    text = document(subject, components, time=time, kind=kind, sha256=sha256(path))
    bill = path.with_name(f"{path.name}.cdx.json")
    bill.write_text(text)
    return bill


def of_wheel(path: Path, version: str, source: Path) -> tuple[Component, list[Component]]:
    """What `pip install ioc-operator` brings, without extras, in the versions that were tested.

    :raises ReleaseError: when the environment is not that of requirements/.
    """
    pins = locks.pins("runtime", source / "requirements")
    metadata = [each.metadata for each in distributions() if normal(each.metadata["Name"]) in pins]
    found = {normal(each["Name"]): each["Version"] for each in metadata}
    if found != pins:
        wrong = sorted(name for name in pins if found.get(name) != pins[name])
        raise ReleaseError(
            f"{', '.join(wrong)} differ from requirements/runtime.txt in this environment: "
            "remove it and run `make setup`"
        )
    components = python.components(metadata)
    with zipfile.ZipFile(path) as wheel:
        [name] = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        asked = python.required(message_from_bytes(wheel.read(name)).get_all("Requires-Dist") or [])
    direct = tuple(each.purl for each in components if each.name in asked)
    return Component(NAME, version, pypi(NAME, version), LICENCE, direct), components


def of_image(path: Path, version: str) -> tuple[Component, list[Component]]:
    """The Debian and Python packages that an image's archive holds."""
    holds = of_archive(path)
    components = debian.components(holds.status, holds.distribution)
    components += python.components(holds.python)
    name = path.name.removesuffix(f"-{version}.oci.tar")
    purl = f"pkg:oci/{name}@{quote(holds.digest, safe='')}?tag={version}"
    everything = tuple(each.purl for each in components)
    return Component(name, version, purl, LICENCE, everything), components


def sha256(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
