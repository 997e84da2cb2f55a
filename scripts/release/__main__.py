"""Build a release of the commit that is checked out: `make release [VERSION=x.y.z]`.

Into dist/VERSION/: wheel, source archive, charts, images, what each consists of, and
SHA256SUMS. Nothing is published. The same commit gives the same files, so that a second
run changes nothing; the directory is replaced as a whole, or not at all.

Exit codes: 0 everything is there, 1 it cannot be released (one sentence says why), 2 wrong
usage, 3 built without the charts or the images, because this machine cannot build those.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import bills, chart, images, python
from .commit import Commit, export, head, version_of
from .failure import ReleaseError
from .helm import find_helm
from .promises import broken

ROOT: Final = Path(__file__).resolve().parents[2]
SUMS: Final = "SHA256SUMS"
INCOMPLETE: Final = 3

Step = Callable[[Path, Path, str, Commit], list[Path]]


def main() -> int:
    """Build what can be built, and say what was."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", help="must be the one in ioc_runtime/version.py")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="instead of dist/")
    parser.add_argument("--without-images", action="store_true", help="leave the images out")
    parser.add_argument("--without-charts", action="store_true", help="leave the charts out")
    chosen = parser.parse_args()
    left_out = {
        word: "not asked for" for word in ("images", "charts") if getattr(chosen, f"without_{word}")
    }
    try:
        return release(chosen.output.absolute(), chosen.version, left_out)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1


def release(output: Path, wanted: str | None, left_out: dict[str, str]) -> int:
    """Build into `output`/VERSION; `left_out` has what is not asked for, with the reason.

    :raises ReleaseError: when the commit is not fit for it or a step fails.
    """
    version = version_of(ROOT, wanted)
    commit = head(ROOT)
    if reason := broken(ROOT, version):
        raise ReleaseError(reason)
    chosen = dict(left_out)
    impossible = {} if "images" in chosen else {"images": images.why_not()}
    helm = None
    if "charts" not in chosen:
        helm, impossible["charts"] = find_helm()
    chosen |= {word: why for word, why in impossible.items() if why}
    output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="release-") as exported,
        tempfile.TemporaryDirectory(prefix=".half-", dir=output) as half,
    ):
        source, target = Path(exported), Path(half) / version
        target.mkdir()
        export(ROOT, commit, source)
        _step("wheel and source archive", lambda: python.build(source, target, commit.time))
        if helm:
            _step("charts", lambda: chart.build(source, target, commit.time, helm))
        if "images" not in chosen:
            _step("images", lambda: images.build(source, target, version, commit))
        described = [*target.glob("*.whl"), *target.glob("*.oci.tar")]
        _step(
            "bills of materials",
            lambda: [bills.write(path, version, commit.time, source) for path in described],
        )
        _write_sums(target)
        _replace(output / version, target)
    _summary(output / version, version, commit, chosen)
    return INCOMPLETE if chosen.keys() - left_out.keys() else 0


def _step(what: str, build: Callable[[], list[Path]]) -> None:
    began = time.monotonic()
    made = build()
    print(f"release: {what}: {len(made)} files, {time.monotonic() - began:.1f} s", flush=True)


def _write_sums(target: Path) -> None:
    lines = [f"{bills.sha256(path)}  {path.name}\n" for path in sorted(target.iterdir())]
    (target / SUMS).write_text("".join(lines))


def _replace(place: Path, made: Path) -> None:
    """Put a whole release where an earlier one may be; there is none for a moment only."""
    if place.exists():
        place.rename(made.parent / "earlier")
    made.rename(place)
    shutil.rmtree(made.parent / "earlier", ignore_errors=True)


def _summary(place: Path, version: str, commit: Commit, left_out: dict[str, str]) -> None:
    print(f"\nioc-operator {version}, commit {commit.id[:12]}, in {place}:\n")
    for path in sorted(place.iterdir()):
        size = path.stat().st_size
        print(f"  {size / 1e6:8.2f} MB  {bills.sha256(path)[:12]}  {path.name}")
    for word, why in sorted(left_out.items()):
        print(f"\n  WITHOUT {word}: {why}")
    print(f"\nCheck it with: cd {place} && sha256sum --check --quiet {SUMS}")
    print("Nothing was published: docs/release.md says how.")


if __name__ == "__main__":
    sys.exit(main())
