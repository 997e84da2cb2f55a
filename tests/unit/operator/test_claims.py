"""Who gets which PV names."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ioc_operator.claims import Claims, Denied, Names, Standing, Wish
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
    claims.restore({key("young"): Standing("VAC:")})
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


def waiting_for_a_name() -> Claims:
    """Nobody has the prefix A:, and one who wants it is kept from it by a name in A:B:."""
    claims = Claims()
    claims.want(wish("inner", "A:B:", "1", "P"))
    assert claims.want(wish("old", "A:", "2", "B:P")) == Denied(key("inner"), "A:B:P")
    return claims


def test_a_newcomer_does_not_overtake_one_who_waits_for_the_same():
    claims = waiting_for_a_name()
    assert claims.want(wish("new", "A:", "3")) == Denied(key("old"), "A:")
    assert claims.release(key("inner")) == [key("old")]


def test_an_older_one_is_not_kept_back_by_a_newcomer_who_waits():
    claims = waiting_for_a_name()
    assert claims.want(wish("oldest", "A:", "0")) is None


def test_one_who_waits_no_longer_makes_way():
    claims = waiting_for_a_name()
    claims.want(wish("new", "A:", "3"))
    claims.withdraw(key("old"))
    assert claims.retry() == [key("new")]


def test_one_who_now_waits_for_something_else_makes_way():
    claims = waiting_for_a_name()
    claims.want(wish("new", "A:", "3"))
    claims.want(wish("old", "A:B:", "2"))
    assert claims.retry() == [key("new")]


def test_an_edit_that_adds_no_name_is_no_question_whatever_is_unknown_around_it():
    claims = Claims()
    claims.want(wish("outer", "A:", "1"))
    claims.want(wish("inner", "A:B:", "2", "P"))
    claims.want(wish("outer", "Z:", "1"), serving=["A:"])
    assert claims.want(replace(wish("inner", "A:B:", "2", "P"), config="edited")) is None
    assert claims.want(wish("inner", "A:B:", "2", "P", "Q")) == Denied(key("outer"), "A:B:Q")


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
    claims.restore({key("a"): Standing("VAC:"), key("b"): Standing("VAC:")})
    assert claims.want(wish("c", "VAC:")) is not None
    assert claims.want(wish("a", "VAC:")) is not None
    claims.release(key("b"))
    assert claims.want(wish("a", "VAC:")) is None


def test_an_edit_back_to_what_its_own_pod_still_serves_goes_before_those_who_wait():
    claims = Claims()
    claims.want(wish("a", "VAC:", "2"))
    claims.want(wish("a", "RF:", "2"), serving=["VAC:"])
    claims.want(wish("older", "VAC:", "1"))
    assert claims.want(wish("a", "VAC:", "2"), serving=["VAC:"]) is None
    assert claims.release(key("a")) == [key("older")]


def test_a_denied_edit_gives_back_nothing_that_its_pod_serves():
    claims = Claims()
    claims.want(wish("a", "VAC:"))
    claims.want(wish("b", "RF:"))
    claims.want(wish("a", "RF:"), serving=["VAC:"])
    assert claims.want(wish("c", "VAC:"), serving=[]) == Denied(key("a"), "VAC:")


def test_a_pod_of_before_an_edit_keeps_its_prefix_over_a_restart():
    claims = Claims()
    claims.restore({key("a"): Standing("RF:", serving=frozenset({"VAC:"}))})
    claims.settle([wish("a", "RF:", "2"), wish("b", "VAC:", "1")])
    assert claims.waiting == {key("b")}
    assert claims.want(wish("a", "RF:", "2"), serving=["RF:"]) is None
    assert claims.retry() == [key("b")]


def in_force(name: str, prefix: str, created: str, *names: str) -> Wish:
    return replace(wish(name, prefix, created, *names), config=f"config-of-{name}")


def test_what_is_in_force_is_no_question_after_a_restart_though_an_older_edit_wants_it():
    claims = Claims()
    claims.restore({key("edited"): Standing("A:"), key("runs"): Standing("A:B:", "config-of-runs")})
    edited = in_force("edited", "A:", "2020", "B:P")
    claims.settle([edited, in_force("runs", "A:B:", "2026", "P")])
    assert claims.waiting == {key("edited")}
    assert claims.want(edited) == Denied(key("runs"), "A:B:P")


def test_while_the_names_of_an_incumbent_are_unknown_nobody_gets_any_below_its_prefix():
    claims = Claims()
    claims.restore({key("bad-edit"): Standing("A:")})
    assert isinstance(claims.want(wish("new", "A:B:", "2026", "P")), Denied)
    assert claims.want(wish("bad-edit", "A:", "2020", "Q")) is None
    assert claims.retry() == [key("new")]


def test_an_edit_that_drops_a_name_lets_the_one_who_waits_for_it_in():
    claims = Claims()
    claims.want(wish("outer", "A:", "1", "B:P"))
    assert isinstance(claims.want(wish("inner", "A:B:", "2", "P")), Denied)
    assert claims.retry() == []
    claims.want(wish("outer", "A:", "1", "Q"))
    assert claims.retry() == [key("inner")]


def test_names_are_asked_for_only_where_prefixes_lie_in_one_another():
    def never() -> frozenset[str]:
        raise AssertionError("compiled for nothing")

    claims = Claims()
    for number in range(20):
        lone = Wish(key(f"t{number}"), str(number), "1", f"BL{number:02}:", never, "c")
        assert claims.want(lone) is None
        assert claims.want(lone) is None


PREFIXES = st.sampled_from(["A:", "A:B:", "A:B:C:", "B:", "AB:"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from("pqrs"), PREFIXES),
        st.tuples(st.just("release"), st.sampled_from("pqrs"), st.none()),
    ),
    max_size=40,
)


class Model:
    """The rules, as they are told to people, by looking at everything each time."""

    def __init__(self) -> None:
        self.held: dict[str, Wish] = {}
        self.serving: dict[str, frozenset[str]] = {}
        self.waiting: dict[str, Wish] = {}

    def owns(self, name: str, prefix: str) -> bool:
        held = self.held.get(name)
        return prefix in self.serving.get(name, ()) or (held is not None and held.prefix == prefix)

    def prefixes(self, name: str) -> set[str]:
        held = self.held.get(name)
        return {*self.serving.get(name, ())} | ({held.prefix} if held else set())

    def may(self, name: str, want: Wish) -> bool:
        others = [other for other in {*self.held, *self.serving} if other != name]
        if any(self.owns(other, want.prefix) for other in others):
            return False
        if not self.owns(name, want.prefix):
            rivals = (w for n, w in self.waiting.items() if n != name and w.prefix == want.prefix)
            if any(rival.age < want.age for rival in rivals):
                return False
        mine = self.held.get(name)
        new = want.names() - (mine.names() if mine and mine.prefix == want.prefix else frozenset())
        for other in others:
            for prefix in self.prefixes(other):
                if not (prefix.startswith(want.prefix) or want.prefix.startswith(prefix)):
                    continue
                held = self.held.get(other)
                if held and held.prefix == prefix:
                    if new & held.names():
                        return False
                elif any(pv.startswith(prefix) for pv in new):
                    return False
        return True

    def want(self, name: str, want: Wish, serving: frozenset[str]) -> bool:
        self.serving[name] = serving
        if self.may(name, want):
            self.held[name] = want
            self.waiting.pop(name, None)
            return True
        self.waiting[name] = want
        return False

    def retry(self) -> list[str]:
        granted: list[str] = []
        while True:
            ready = [
                (want.age, name, want)
                for name, want in self.waiting.items()
                if self.may(name, want)
            ]
            if not ready:
                return granted
            _, name, want = min(ready)
            self.want(name, want, self.serving.get(name, frozenset()))
            granted.append(name)

    def release(self, name: str) -> None:
        for book in (self.held, self.serving, self.waiting):
            book.pop(name, None)  # type: ignore[attr-defined]


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["want", "want", "want", "release", "withdraw"]),
        st.sampled_from("pqrst"),
        PREFIXES,
        st.sets(st.sampled_from(["P", "B:P", "B:C:P", "B:ENABLE", "C:P"]), max_size=2),
        st.booleans(),
    ),
    max_size=40,
)


@given(MOVES)
def test_it_decides_as_one_would_who_looks_at_everything_each_time(
    moves: list[tuple[str, str, str, set[str], bool]],
):
    claims, model = Claims(), Model()
    for what, name, prefix, names, old_pod in moves:
        if what == "want":
            asked = wish(name, prefix, f"created-{name}", *names)
            asked = replace(asked, config=" ".join([prefix, *sorted(names)]))
            held = model.held.get(name)
            serving = frozenset({held.prefix} if held and old_pod else ())
            granted = claims.want(asked, serving) is None
            assert granted == model.want(name, asked, serving)
        elif what == "release":
            claims.release(key(name))
            model.release(name)
        else:
            claims.withdraw(key(name))
            model.waiting.pop(name, None)
        claims.retry()
        model.retry()
        for each in "pqrst":
            held = model.held.get(each)
            assert claims.held(key(each)) == (held.prefix if held else None)
        assert claims.waiting == {key(each) for each in model.waiting}


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
