"""No advisory known, some known, and nobody to ask are three different answers."""

from __future__ import annotations

from typing import Any

from scripts.audit.verdict import FINE, FOUND, UNKNOWN, verdict

ASKED = {"kopf": "1.0", "p4p": "4.0"}
ADVISORY = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": ["CVE-2"], "description": "bad"}


def clean(name: str) -> dict[str, Any]:
    return {"name": name, "version": ASKED[name], "vulns": []}


def skipped(name: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": f"Dependency not found on PyPI: {name}"}


def judge(*entries: dict[str, Any]) -> tuple[int, tuple[str, ...]]:
    given = verdict({"dependencies": list(entries), "fixes": []}, ASKED, "X")
    return given.code, given.sentences


def test_nothing_known_about_packages_that_were_looked_up_is_fine():
    assert judge(clean("kopf"), clean("p4p")) == (FINE, ("X knows of nothing against 2 packages",))


def test_an_advisory_is_named_with_the_version_that_mends_it():
    code, sentences = judge(clean("p4p"), clean("kopf") | {"vulns": [ADVISORY]})
    assert code == FOUND
    assert sentences == ("kopf 1.0: PYSEC-1, CVE-2; mended in 1.1",)


def test_an_accepted_advisory_is_told_with_the_reason_and_fails_nothing():
    answer = {"dependencies": [clean("p4p"), clean("kopf") | {"vulns": [ADVISORY]}]}
    given = verdict(answer, ASKED, "X", {"CVE-2": "we serve no files, until 2030-02"})
    assert given.code == FINE
    assert given.sentences == (
        "kopf 1.0: PYSEC-1, CVE-2; mended in 1.1; accepted: we serve no files, until 2030-02",
        "X knows of nothing else against 2 packages",
    )
    other = verdict(answer, ASKED, "X", {"CVE-3": "another one"})
    assert other.code == FOUND


def test_a_service_that_knows_no_package_at_all_has_checked_nothing():
    code, sentences = judge(skipped("kopf"), skipped("p4p"))
    assert code == UNKNOWN
    assert sentences[0].startswith("nothing was checked, X cannot be asked from here")


def test_an_empty_answer_has_checked_nothing():
    assert judge()[0] == UNKNOWN


def test_a_package_that_was_not_looked_up_is_not_fine():
    code, sentences = judge(clean("kopf"), skipped("p4p"))
    assert code == UNKNOWN
    assert sentences == ("X says nothing about 1 of 2: p4p",)


def test_an_advisory_is_told_also_where_another_package_was_not_looked_up():
    code, sentences = judge(clean("kopf") | {"vulns": [ADVISORY]}, skipped("p4p"))
    assert code == FOUND
    assert [each.split(":")[0] for each in sentences] == ["kopf 1.0", "X says nothing about 1 of 2"]
