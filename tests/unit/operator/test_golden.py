"""What each case becomes, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from ioc_operator import desired
from ioc_operator.children import namespace_children
from unit.operator.golden import CASES, FOLDER, SETTINGS, Object, as_yaml, children


@pytest.fixture(autouse=True)
def of_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version alone changes no golden file."""
    monkeypatch.setattr(desired, "__version__", "0")


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--regenerate"))


def compare(name: str, objects: list[Object], regenerate: bool) -> None:
    path: Path = FOLDER / f"{name}.yaml"
    text = as_yaml(objects)
    if regenerate:
        path.write_text(text)
    assert path.read_text() == text, "pytest --regenerate writes it anew: look at the difference"


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_case_becomes_its_golden_file(case: str, regenerate: bool):
    compare(case, children(case), regenerate)


def test_a_namespace_gets_an_account_and_its_binding(regenerate: bool):
    compare("namespace", namespace_children("bl01", SETTINGS), regenerate)


def test_there_is_no_golden_file_without_a_case():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*CASES, "namespace"}
