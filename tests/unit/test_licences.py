"""Every pinned package has a licence that is known and accepted."""

from __future__ import annotations

from email import message_from_string
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from scripts import locks
from scripts.licences import page
from scripts.licences.allowed import SHIPPED, TOOLS, NotSpdx, met
from scripts.licences.statement import Unknown, statement

PAGE = Path(__file__).parents[2] / "docs" / "licences.md"


def says(**fields: str | list[str]) -> str:
    """What a package with this metadata is taken to say."""
    lines = ["Name: thing", "Version: 1"]
    for key, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            lines.append(f"{key.replace('_', '-')}: {value}")
    return statement(message_from_string("\n".join(lines) + "\n\n"))[0]


def new_complaints(changed: str) -> list[str]:
    """What is wrong with a page that is not wrong with the one that there is."""
    before = page.complaints(PAGE.read_text())
    return [each for each in page.complaints(changed) if each not in before]


def test_every_pinned_package_has_an_accepted_licence():
    assert page.complaints(PAGE.read_text()) == []


def test_the_page_says_what_the_installed_packages_say():
    rows = page.rows(PAGE.read_text())
    seen = 0
    for package, row in rows.items():
        try:
            installed = metadata(package)
        except PackageNotFoundError:
            continue
        if installed["Version"] == row.version:
            assert statement(installed) == (row.licence, row.where), package
            seen += 1
    assert seen > 20


def test_a_new_package_fails_until_its_licence_is_looked_up():
    text = PAGE.read_text()
    without = "\n".join(line for line in text.splitlines() if not line.startswith("| kopf "))
    [sentence] = new_complaints(without)
    assert sentence.startswith("kopf ") and sentence.endswith("run `make licences`")


def test_another_version_fails_until_its_licence_is_looked_up():
    version = locks.pins("operator")["kopf"]
    stale = PAGE.read_text().replace(f"| kopf | {version} |", "| kopf | 1.0 |")
    [sentence] = new_complaints(stale)
    assert sentence.startswith(f"kopf {version} is not in docs/licences.md")


def test_a_package_that_went_fails_until_its_row_goes():
    text = PAGE.read_text() + "| gone | 1.0 | MIT | metadata | runtime |\n"
    assert new_complaints(text) == ["gone is no longer pinned: run `make licences`"]


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "AGPL-3.0-or-later", "LicenseRef-Mine"])
def test_an_unsuitable_licence_fails(licence: str):
    text = PAGE.read_text()
    version = locks.pins("operator")["kopf"]
    changed = text.replace(f"| kopf | {version} | MIT |", f"| kopf | {version} | {licence} |")
    assert new_complaints(changed) == [
        f"the licence of kopf, {licence}, is not accepted for what users get"
    ]


def test_a_tool_may_have_a_licence_that_what_users_get_may_not():
    assert page.unsuitable("tool", "LGPL-2.1-or-later", shipped=False) == []
    assert page.unsuitable("tool", "LGPL-2.1-or-later", shipped=True) != []
    assert page.unsuitable("tool", "GPL-3.0-only", shipped=False) != []
    assert page.unsuitable("tool", "see LICENSE", shipped=False) == [
        "the licence of tool, 'see LICENSE', is no SPDX expression"
    ]


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", True),
        ("(MIT OR GPL-2.0-only) AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT AND Apache-2.0", True),
        ("GPL-3.0-only AND MIT OR Apache-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", False),
    ],
)
def test_an_expression_is_met_by_what_is_accepted(expression: str, fine: bool):
    assert met(expression, SHIPPED) is fine


@pytest.mark.parametrize("text", ["", "MIT Apache-2.0", "MIT AND", "(MIT", "AND", "MIT)", "a/b"])
def test_what_is_no_expression_is_refused(text: str):
    with pytest.raises(NotSpdx):
        met(text, TOOLS)


def test_a_package_says_its_licence_in_one_of_three_ways():
    assert says(License_Expression="MIT OR Apache-2.0", License="GPL") == "MIT OR Apache-2.0"
    assert says(License="Apache License 2.0") == "Apache-2.0"
    assert says(Classifier=["Topic :: X", "License :: OSI Approved :: MIT License"]) == "MIT"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"License": "BSD"},
        {"License": "Do as you like, but not on Sundays"},
        {"Classifier": ["License :: OSI Approved :: BSD License"]},
        {"Classifier": ["License :: OSI Approved"]},
        {
            "Classifier": [
                "License :: OSI Approved :: MIT License",
                "License :: OSI Approved :: ISC License (ISCL)",
            ]
        },
    ],
)
def test_what_may_mean_several_licences_is_unknown(fields: dict[str, str | list[str]]):
    with pytest.raises(Unknown, match="thing 1 says"):
        says(**fields)
