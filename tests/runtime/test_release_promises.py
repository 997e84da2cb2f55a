"""A release that takes something from the API's users is refused unless it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.release.promises import broken
from support.sources import commit_all, git

CRD = """\
spec:
  versions:
  - name: v1alpha1
    served: true
    schema: {openAPIV3Schema: {type: object, properties: {a: {}, b: {}}}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A release 0.2.0 with a tag, and then a commit without the field b."""
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "x.yaml").write_text(CRD)
    log(tmp_path, "## [0.2.0] - 2030-01-31\n\n### Added\n\n- This.\n")
    commit_all(tmp_path)
    git(tmp_path, "tag", "v0.2.0")
    (tmp_path / "crds" / "x.yaml").write_text(CRD.replace(", b: {}", ""))
    commit_all(tmp_path)
    return tmp_path


def log(repository: Path, text: str) -> None:
    (repository / "CHANGELOG.md").write_text(f"# Changelog\n\n{text}")


def test_a_patch_release_takes_nothing(repository: Path):
    assert broken(repository, "0.2.1") == (
        "since v0.2.0 users lose x.yaml: b is gone: not in a patch release (docs/versions.md)"
    )


def test_a_minor_release_says_what_it_takes(repository: Path):
    log(repository, "## [0.3.0] - 2030-02-28\n\n### Added\n\n- That.\n")
    said = broken(repository, "0.3.0")
    assert said is not None and "says nothing about it under Changed or Removed" in said
    log(repository, "## [0.3.0] - 2030-02-28\n\n### Removed\n\n- The field b.\n")
    assert broken(repository, "0.3.0") is None


def test_a_kind_that_goes_is_named(repository: Path):
    (repository / "crds" / "x.yaml").unlink()
    said = broken(repository, "0.2.1")
    assert said is not None and "x.yaml: the kind is gone" in said


def test_what_only_adds_may_be_released(repository: Path):
    (repository / "crds" / "x.yaml").write_text(CRD.replace("b: {}", "b: {}, c: {}"))
    assert broken(repository, "0.2.1") is None


def test_the_tag_of_the_release_itself_is_not_the_last_release(repository: Path):
    log(repository, "## [0.3.0] - 2030-02-28\n\n- That.\n")
    git(repository, "tag", "v0.3.0")
    assert broken(repository, "0.3.0") is not None


def test_the_first_release_has_nothing_to_keep(repository: Path):
    git(repository, "tag", "--delete", "v0.2.0")
    assert broken(repository, "0.2.1") is None
