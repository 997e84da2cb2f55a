"""Who gets which PV names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ioc_operator.claims import Claims, Denied, Names, Wish
from ioc_operator.names import Key


def key(name: str) -> Key:
    return Key("IocTask", "bl01", name)


def served(prefix: str, *names: str) -> Names:
    return lambda: frozenset(prefix + name for name in (*names, "ENABLE"))


def wish(name: str, prefix: str, created: str = "2026-01-01", *names: str) -> Wish:
    return Wish(key(name), f"uid-{name}", created, prefix, served(prefix, *names))


def test_a_free_prefix_is_granted_and_held():
    claims = Claims()
    assert claims.want(wish("a", "VAC:")) is None
    assert claims.held(key("a")) == "VAC:"


def test_a_second_claimant_is_denied_and_told_the_owner():
    claims = Claims()
    claims.want(wish("a", "VAC:"))
    assert claims.want(wish("b", "VAC:")) == Denied(key("a"), "VAC:")


def test_the_incumbent_wins_over_an_older_object_that_edits_its_way_in():
    claims = Claims()
    claims.want(wish("young", "VAC:", "2026-06-01"))
    claims.want(wish("old", "RF:", "2020-01-01"))
    assert claims.want(wish("old", "VAC:", "2020-01-01")) == Denied(key("young"), "VAC:")
    assert claims.held(key("old")) == "RF:", "a losing edit keeps what it had"


def test_new_claimants_go_by_age_then_uid():
    claims = Claims()
    claims.settle([wish("c", "VAC:", "2026-02"), wish("b", "VAC:"), wish("a", "VAC:")])
    assert claims.held(key("a")) == "VAC:"
    assert claims.waiting == {key("b"), key("c")}


def test_what_was_held_before_a_restart_stays_with_its_owner():
    claims = Claims()
    claims.restore({key("young"): "VAC:"})
    claims.settle([wish("old", "VAC:", "2020"), wish("young", "VAC:", "2026")])
    assert claims.held(key("young")) == "VAC:"
    assert claims.waiting == {key("old")}


def test_the_oldest_of_those_who_wait_gets_what_is_released():
    claims = Claims()
    claims.want(wish("a", "VAC:"))
    claims.want(wish("young", "VAC:", "2026-03"))
    claims.want(wish("old", "VAC:", "2026-02"))
    assert claims.release(key("a")) == [key("old")]
    assert claims.held(key("old")) == "VAC:"


def test_a_newcomer_does_not_overtake_one_who_waits_for_the_same():
    claims = Claims()
    claims.want(wish("a", "VAC:"))
    claims.want(wish("old", "VAC:", "2026-02"))
    claims.withdraw(key("a"))
    assert isinstance(claims.want(wish("new", "VAC:", "2026-05")), Denied)


def test_nested_prefixes_live_together_while_no_full_name_meets():
    claims = Claims()
    claims.want(wish("outer", "VAC:", "1", "P"))
    assert claims.want(wish("inner", "VAC:SUB:", "2", "P")) is None


def test_nested_prefixes_meet_in_a_full_name():
    claims = Claims()
    claims.want(wish("outer", "VAC:", "1", "SUB:P"))
    assert claims.want(wish("inner", "VAC:SUB:", "2", "P")) == Denied(key("outer"), "VAC:SUB:P")
    other = Claims()
    other.want(wish("inner", "VAC:SUB:", "1", "P"))
    assert other.want(wish("outer", "VAC:", "2", "SUB:P")) == Denied(key("inner"), "VAC:SUB:P")


def test_an_old_prefix_stays_its_own_while_a_pod_serves_it():
    claims = Claims()
    claims.want(wish("a", "VAC:"))
    assert claims.want(wish("a", "RF:"), serving=["VAC:"]) is None
    assert claims.want(wish("b", "VAC:")) == Denied(key("a"), "VAC:")
    assert claims.want(wish("a", "RF:"), serving=["RF:"]) is None
    assert claims.retry() == [key("b")]


def test_a_forged_second_claim_grants_nothing_to_either():
    claims = Claims()
    claims.restore({key("a"): "VAC:", key("b"): "VAC:"})
    assert claims.want(wish("c", "VAC:")) is not None
    assert claims.want(wish("a", "VAC:")) is not None
    claims.release(key("b"))
    assert claims.want(wish("a", "VAC:")) is None


PREFIXES = st.sampled_from(["A:", "A:B:", "A:B:C:", "B:", "AB:"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from("pqrs"), PREFIXES),
        st.tuples(st.just("release"), st.sampled_from("pqrs"), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_no_name_ever_has_two_owners(steps: list[tuple[str, str, str | None]]):
    claims = Claims()
    for what, name, prefix in steps:
        if what == "want" and prefix is not None:
            claims.want(wish(name, prefix, f"created-{name}", "B:P", "P"))
        else:
            claims.release(key(name))
        owners: dict[str, str] = {}
        for each in "pqrs":
            held = claims.held(key(each))
            for pv in served(held, "B:P", "P")() if held else ():
                assert owners.setdefault(pv, each) == each
        for waiting in claims.waiting:
            assert claims.held(waiting) is None or waiting in claims.waiting


@given(STEPS)
def test_nothing_is_left_in_the_books_when_all_have_gone(
    steps: list[tuple[str, str, str | None]],
):
    claims = Claims()
    for _, name, prefix in steps:
        claims.want(wish(name, prefix or "Z:"), serving=["OLD:"] if prefix is None else [])
    for name in "pqrs":
        claims.release(key(name))
    assert claims.want(wish("z", "A:")) is None
    assert claims.release(key("z")) == []
    assert claims.waiting == frozenset()
