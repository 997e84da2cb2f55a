"""Components as a CycloneDX document, the same bytes for the same content."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from .component import Component

SPEC: Final = "1.6"
SPACE: Final = uuid.UUID("7a0d4f0e-0a53-4d5c-9d0b-0f8f3c0c5f6e")
"""Of our serial numbers: the same content gets the same number."""


def document(
    subject: Component, components: Sequence[Component], *, time: int, kind: str, sha256: str
) -> str:
    """The document about one file of a release.

    `kind` is CycloneDX's word for it (library, application, container), `time` is in seconds
    since 1970, `sha256` that of the file.
    """
    ordered = sorted(components, key=lambda each: each.purl)
    about = _component(subject, kind) | {"hashes": [{"alg": "SHA-256", "content": sha256}]}
    body: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": about,
        },
        "components": [_component(each, "library") for each in ordered],
        "dependencies": [
            {"ref": each.purl, "dependsOn": sorted(each.requires)} for each in (subject, *ordered)
        ],
    }
    content = json.dumps(body, sort_keys=True)
    body["serialNumber"] = f"urn:uuid:{uuid.uuid5(SPACE, content)}"
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def _component(each: Component, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": kind,
        "bom-ref": each.purl,
        "name": each.name,
        "version": each.version,
        "purl": each.purl,
    }
    if each.licence:
        found["licenses"] = [{"expression": each.licence}]
    return found
