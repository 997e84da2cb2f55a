"""Access rules as text: what is generated, and what a user's own may say."""

from __future__ import annotations

import pytest

from ioc_runtime.epics.access import AccessError, by_address, hosts_of, resolve, rules, trapped
from ioc_runtime.plan import Access


def group(text: str, name: str) -> list[str]:
    lines = text[text.rindex(f"ASG({name})") :].splitlines()
    return [line.strip() for line in lines[1 : lines.index("}")]]


def test_by_default_everyone_may_put_operators_values_and_nothing_else():
    text = rules(Access())
    assert group(text, "DEFAULT") == group(text, "RO") == ["RULE(1, READ)"]
    assert group(text, "OPERATOR") == ["RULE(1, READ)", "RULE(0, WRITE, TRAPWRITE)"]
    assert group(text, "OPERATOR_ARRAYS") == ["RULE(1, READ)", "RULE(0, WRITE)"]
    assert not by_address(Access())


def test_each_named_writer_has_a_rule_of_its_own():
    access = Access(hosts=("opi1", "10.0.0.7"), users=(("alice", "*"), ("bob", "opi2")))
    text = rules(access, {"opi1": "10.0.0.1", "opi2": "10.0.0.2"})
    assert 'HAG(HOSTS) {"10.0.0.1", "10.0.0.7"}' in text
    assert group(text, "OPERATOR")[1:] == [
        "RULE(0, WRITE, TRAPWRITE) { HAG(HOSTS) }",
        "RULE(0, WRITE, TRAPWRITE) { UAG(USER0) }",
        "RULE(0, WRITE, TRAPWRITE) { UAG(USER1) HAG(HOST1) }",
    ]
    assert 'UAG(USER1) {"bob"}' in text
    assert 'HAG(HOST1) {"10.0.0.2"}' in text
    assert hosts_of(access) == ["opi1", "10.0.0.7", "opi2"]
    assert by_address(access)


@pytest.mark.parametrize("name", ['a"b', "two words", "", "ü", "a\\b"])
def test_a_name_that_would_break_the_file_is_refused(name: str):
    with pytest.raises(AccessError, match="expected a host or a user name"):
        rules(Access(hosts=(name,)))


def test_a_file_of_the_users_own_gets_the_groups_it_leaves_out():
    own = "# ASG(RO) { RULE(1, WRITE) } is only a comment\nUAG(ops) {alice}\n"
    own += "ASG(OPERATOR) { RULE(1, READ) RULE(0, WRITE, TRAPWRITE) { UAG(ops) } }"
    text = rules(Access(acf=own))
    assert text.startswith(own)
    assert group(text, "RO") == ["RULE(1, READ)"]
    assert text.count("ASG(OPERATOR)") == 1
    assert "ASG(OPERATOR_ARRAYS) { RULE(1, READ) RULE(0, WRITE) { UAG(ops) } }" in text
    assert trapped(text) == {"OPERATOR"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ASG(RO) { RULE(1, READ) RULE(1, WRITE) { UAG(x) } }", "cannot be written"),
        ('ASG("RO"){RULE(1,READ){HAG(a)} RULE(0,WRITE)}', "cannot be written"),
        ("ASG(OPERATOR_ARRAYS) { RULE(0, WRITE, TRAPWRITE) }", "expected no TRAPWRITE"),
    ],
)
def test_a_file_that_opens_what_is_published_is_refused(text: str, reason: str):
    with pytest.raises(AccessError, match=reason):
        rules(Access(acf=text))


def test_names_without_an_address_are_told():
    found, lost = resolve(["127.0.0.1", "no-such-host.invalid"])
    assert found == {"127.0.0.1": "127.0.0.1"}
    assert lost == ["no-such-host.invalid"]
