"""What keeps a commit from being released, and that archives are the same at every time."""

from __future__ import annotations

import gzip
import io
import tarfile
from datetime import date
from pathlib import Path

import pytest
from packaging.version import Version

from scripts.release.base import difference, locked
from scripts.release.bump import bump
from scripts.release.chart import settled
from scripts.release.commit import faults, semantic, version_of

ROOT = Path(__file__).parents[2]
CHARTS = [str(path.relative_to(ROOT)) for path in ROOT.glob("helm/*/Chart.yaml")]
LOG = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2030-01-31\n\n### Added\n\n- This.\n"
CHART = 'name: x\nversion: 0.2.0\nappVersion: "0.2.0"\n'


def why_not(
    version: str = "0.2.0", wanted: str | None = None, chart: str = CHART, log: str = LOG
) -> list[str]:
    return faults(version, wanted, {"helm/x/Chart.yaml": chart}, log)


def test_a_commit_whose_files_agree_can_be_released():
    assert why_not() == []
    assert why_not(wanted="0.2.0") == []


def test_this_checkout_could_be_released():
    assert version_of(ROOT)


def test_another_version_than_that_of_the_file_is_refused():
    assert why_not(wanted="0.3.0") == [
        "VERSION=0.3.0 is asked for and ioc_runtime/version.py says 0.2.0"
    ]


@pytest.mark.parametrize(("version", "word"), [("0.2", ""), ("next", "which is no version")])
def test_a_version_that_is_none_or_written_otherwise_is_refused(version: str, word: str):
    found = why_not(version)
    assert found and word in found[0]


def test_a_chart_of_another_version_is_refused():
    found = why_not(chart='version: 0.1.0\nappVersion: "0.2.0.dev0"\n')
    assert found == [
        "version in helm/x/Chart.yaml is 0.1.0, not 0.2.0",
        "appVersion in helm/x/Chart.yaml is 0.2.0.dev0, not 0.2.0",
    ]


@pytest.mark.parametrize(
    ("log", "word"),
    [
        ("# Changelog\n\n## [Unreleased]\n\n- This.\n", "has no section [0.2.0]"),
        (LOG.replace(" - 2030-01-31", ""), "does not end with a date"),
        (LOG.replace("- This.\n", ""), "is empty"),
        (LOG.replace("- This.\n", "## [0.1.0] - 2029-01-31\n\n- This.\n"), "is empty"),
    ],
)
def test_a_version_that_the_changelog_does_not_describe_is_refused(log: str, word: str):
    [sentence] = why_not(log=log)
    assert word in sentence


def test_a_development_version_is_described_by_what_is_unreleased():
    chart = 'version: 0.2.0-dev\nappVersion: "0.2.0.dev0"\n'
    assert why_not("0.2.0.dev0", chart=chart, log="## [Unreleased]\n\n- This.\n") == []
    assert why_not("0.2.0.dev0", chart=chart, log="## [Unreleased]\n\n## [0.1.0]\n") == []
    [sentence] = why_not("0.2.0.dev0", chart=chart, log="## [0.1.0] - 2029-01-31\n\n- This.\n")
    assert "no section [Unreleased]" in sentence


@pytest.mark.parametrize(
    ("version", "chart"),
    [
        ("0.2.0", "0.2.0"),
        ("1.0", "1.0.0"),
        ("0.2.0.dev0", "0.2.0-dev"),
        ("0.2.0.dev3", "0.2.0-dev.3"),
        ("0.2.0rc1", "0.2.0-rc.1"),
        ("0.2.0a2", "0.2.0-alpha.2"),
    ],
)
def test_charts_write_versions_in_the_way_of_semantic_versioning(version: str, chart: str):
    assert semantic(Version(version)) == chart


def checkout(place: Path) -> Path:
    """The files that name a version, as they are here, and a changelog."""
    for name in ("ioc_runtime/version.py", *CHARTS):
        copy = place / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((ROOT / name).read_text())
    (place / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- This.\n")
    return place


@pytest.mark.parametrize("version", ["7.0.0", "7.1.0rc1", "7.1.0.dev0"])
def test_a_checkout_that_was_given_a_version_can_be_released(tmp_path: Path, version: str):
    root = checkout(tmp_path)
    assert {"ioc_runtime/version.py", *CHARTS} <= {*bump(root, Version(version), date(2030, 1, 31))}
    assert version_of(root, version) == version
    assert bump(root, Version(version), date(2030, 1, 31)) == []


def test_what_was_unreleased_is_the_release_and_the_next_begins_empty(tmp_path: Path):
    root = checkout(tmp_path)
    log = root / "CHANGELOG.md"
    bump(root, Version("7.0.0"), date(2030, 1, 31))
    assert log.read_text() == "# Changelog\n\n## [7.0.0] - 2030-01-31\n\n- This.\n"
    bump(root, Version("7.1.0.dev0"), date(2030, 2, 1))
    assert log.read_text() == (
        "# Changelog\n\n## [Unreleased]\n\n## [7.0.0] - 2030-01-31\n\n- This.\n"
    )
    assert version_of(root) == "7.1.0.dev0"


def packed(names: list[str], moment: int, user: str) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=moment) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name in names:
            member = tarfile.TarInfo(name)
            member.mtime, member.uname, member.size = moment, user, len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return out.getvalue()


def test_a_chart_has_the_same_bytes_whenever_and_by_whomever_it_is_packed():
    names = ["x/values.yaml", "x/Chart.yaml", "x/charts/y/Chart.yaml", "x/templates/a.yaml"]
    one, other = packed(names, 1000, "ann"), packed(names[::-1], 2000, "bob")
    assert one != other
    assert settled(one, 5) == settled(other, 5)
    with tarfile.open(fileobj=io.BytesIO(settled(one, 5))) as archive:
        found = archive.getmembers()
        assert [each.name for each in found][0] == "x/Chart.yaml"
        assert {each.name for each in found} == {*names}
        assert {(each.mtime, each.uname, each.mode) for each in found} == {(5, "", 0o644)}
        for each in found:
            file = archive.extractfile(each)
            assert file is not None and file.read() == each.name.encode()


def test_a_base_with_other_packages_than_the_lock_is_told_apart():
    base = locked("# Debian\ntime 5\nbase-files 12.4\nlibc6 2.36-9\nold 1\n")
    assert base.time == 5
    assert difference(base.versions, {"base-files": "12.4", "libc6": "2.36-9", "old": "1"}) is None
    said = difference(base.versions, {"base-files": "12.4", "libc6": "2.36-10", "new": "1"})
    assert said is not None
    assert "libc6 2.36-9 -> 2.36-10, new not there -> 1, old 1 -> gone: run `make base`" in said


def test_the_lock_of_the_base_names_what_the_images_need():
    base = locked((ROOT / "images" / "base.lock").read_text())
    assert base.time > 1_700_000_000
    assert {"python3", "catatonit", "git", "openssh-client", "libc6"} <= {*base.versions}
