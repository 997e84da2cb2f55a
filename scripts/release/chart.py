"""The charts as Helm packs them, but the same bytes at every time."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tarfile
from pathlib import Path

from .failure import ReleaseError


def build(source: Path, target: Path, time: int, helm: str) -> list[Path]:
    """Pack every chart below helm/ of an exported commit.

    :raises ReleaseError: with what Helm says.
    """
    for chart in sorted(source.glob("helm/*/Chart.yaml")):
        command = [helm, "package", str(chart.parent), "--destination", str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise ReleaseError(
                f"helm package {chart.parent.name}: {said[-1] if said else 'failed'}"
            )
    made = sorted(target.glob("*.tgz"))
    for path in made:
        path.write_bytes(settled(path.read_bytes(), time))
    return made


def settled(archive: bytes, time: int) -> bytes:
    """A .tgz with the same files, of one time and of nobody; Chart.yaml comes first."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        gzip.GzipFile(fileobj=out, mode="wb", mtime=time, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=_place):
            plain = tarfile.TarInfo(member.name)
            plain.size, plain.mtime, plain.mode = member.size, time, 0o644
            new.addfile(plain, old.extractfile(member))
    return out.getvalue()


def _place(member: tarfile.TarInfo) -> tuple[bool, str]:
    return not re.fullmatch(r"[^/]+/Chart.yaml", member.name), member.name
