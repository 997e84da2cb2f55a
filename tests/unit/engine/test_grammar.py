"""The grammar: what may be written, what is refused and how it is said, and its cost."""

from __future__ import annotations

import ast
import contextlib
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ioc_runtime.engine.grammar import ExpressionError, Scope, nearest, parse
from ioc_runtime.engine.node import compiled, make_globals
from ioc_runtime.engine.template import parse_template
from ioc_runtime.plan import Input, Output
from support.examples import examples

SCOPE = Scope(
    signals={
        s.name: s
        for s in (
            Input("x", "float", buffer=5),
            Input("n", "int"),
            Input("mode", "enum", states=("Off", "Auto", "Manual")),
            Input("other", "enum", states=("Auto", "Off")),
            Input("door", "bool", states=("OPEN", "SHUT")),
            Input("flag", "bool"),
            Input("s", "string"),
            Input("a", "float", length=4),
            Input("names", "string", length=4),
            Output("alarm", "bool"),
        )
    },
    inputs={"x", "n", "mode", "other", "door", "flag", "s", "a", "names"},
    parameters={"limit": 2.5, "word": "Auto", "table": [1, 2, 3]},
    rules={"high"},
    functions={"own"},
)
VALUES: dict[str, Any] = {
    "x": 4.0,
    "x_buf": [1.0, 2.0, 4.0],
    "n": 7,
    "mode": 1,
    "other": 0,
    "door": 1,
    "flag": 1,
    "s": "Auto",
    "a": [1.0, 2.0, 3.0, 4.0],
    "names": ["Auto", "b"],
    "alarm": 0,
    "limit": 2.5,
    "word": "Auto",
    "table": [1, 2, 3],
    "x.severity": 1,
    "x.connected": True,
    "x.timestamp": 5.0,
    "x.previous": 3.0,
    "x.age()": lambda: 2.0,
    "rules.high.active": True,
}


def evaluate(source: str) -> Any:
    expression = parse(source, SCOPE)
    values = make_globals({"own": lambda *a, **k: sum(a) + sum(k.values())})
    values |= VALUES
    return compiled(expression.tree, "test", values)()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x > 3 and not n < 3 or flag", True),
        ("1 < x < 5 <= n", True),
        ("x + 1 - 2 * 3 / 4", 4.0 + 1 - 1.5),
        ("n // 2 + n % 4", 6),
        ("x ** 2", 16.0),
        ("2 ** -1", 0.5),
        ("-x + +n", 3.0),
        ("1 if x > 3 else 2", 1),
        ("n in [1, 7]", True),
        ("n not in (1, 2)", True),
        ("x in a", True),
        ("n in table", False),
        ("2.0 in x_buf", True),
        ("a[0] + a[-1]", 5.0),
        ("x_buf[-1] + x_buf[n - 7]", 5.0),
        ("table[1]", 2),
        ("names[1]", "b"),
        ("[1, x, n][1]", 4.0),
        ("max(x, n)", 7),
        ("max(a)", 4.0),
        ("round(x / 3, ndigits=2)", 1.33),
        ("clamp(n, 0, high=5)", 5),
        ("last(x_buf)", 4.0),
        ("last(x_buf) > 3", True),
        ("mean(x_buf[-1])", 4.0),
        ("own(x, n, extra=1)", 12.0),
        ("x.severity == 1 and x.connected", True),
        ("x.age + x.previous + x.timestamp", 10.0),
        ("rules.high.active and alarm == 0", True),
        ("x > limit", True),
        ("0x10 + 1e-5 > 16 and True", True),
        ("x\n  > 3 and\nn > 3", True),
        # texts
        ("s == 'Auto'", True),
        ("s != word", False),
        ("'ut' in s", True),
        ("s in names", True),
        ("s in ['Auto', 'b']", True),
        ("s + '!' == 'Auto!'", True),
        ("'on' if flag else s", "on"),
        ("length(names)", 2),
        # states: by name, by index, in order
        ("mode == 'Auto'", True),
        ("'Auto' == mode", True),
        ("mode != 'Off'", True),
        ("mode == 1", True),
        ("mode > 'Off'", True),
        ("'Off' < mode < 'Manual'", True),
        ("mode in ['Off', 'Auto']", True),
        ("mode in ('Off', 2)", False),
        ("mode not in ['Manual']", True),
        ("mode == other", False),
        ("mode == s", True),
        ("s == mode", True),
        ("mode != word", False),
        ("door == 'SHUT'", True),
        ("door == 1 and door", True),
    ],
)
def test_what_may_be_written_means_what_python_means(source: str, expected: Any) -> None:
    assert evaluate(source) == expected


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        # syntax
        ("", "''", "an expression"),
        ("   ", "''", "an expression"),
        ("x >", "x >", "an expression"),
        ("x = 3", "x = 3", "an expression"),
        ("x) or (n", "x) or (n", "balanced parentheses"),
        ("x # comment\n> 3", "#", "no comment"),
        ("x > 3; n", "x > 3; n", "an expression"),
        ("x" * 1025, "...", "at most 1024 characters"),
        ("(" * 300 + "x" + ")" * 300, "(", "an expression"),
        ("-" * 100 + "x", "-", "60 levels"),
        ("+".join(["x"] * 80), "x", "60 levels"),
        ("x > \0", "x", "an expression"),
        # names
        ("y > 3", "y", "the name of an input"),
        ("x.value > 3", "x.value", "one of severity"),
        ("alarm.age > 3", "alarm.age", "alarm is an output"),
        ("s_buf", "s_buf", "`buffer:` on s"),
        ("mean > 3", "mean", "a call, mean(…)"),
        ("rules.low.active", "rules.low.active", "the id of a rule"),
        ("rules.high.state", "rules.high.state", "rules.<id>.active"),
        ("x.age.real", "x.age.real", "rules.<id>.active"),
        ("(1).real", "1 .real", "an attribute of an input"),
        # escapes
        ("__import__('os')", "__import__", "the name of a function"),
        ("x.__class__", "x.__class__", "one of severity"),
        ("().__class__.__bases__", "().__class__.__bases__", "rules.<id>.active"),
        ("(lambda: 1)()", "lambda", "the name of a function"),
        ("[i for i in a]", "for", "only operators"),
        ("{1: 2}", "{1: 2}", "only operators"),
        ("{1, 2}", "{1, 2}", "only operators"),
        ("f'{x}'", "f'{x}'", "only operators"),
        ("(y := 3)", "(y := 3)", "only operators"),
        ("await x", "await x", "only operators"),
        ("own(*a)", "own(*a)", "without *"),
        ("own(**a)", "own(**a)", "without *"),
        ("[*a]", "*a", "only operators"),
        ("x is 3", "x is 3", "== or !="),
        ("x & n", "x & n", "one of + -"),
        ("~n", "~n", "not, instead of ~"),
        ("a[0:2]", "a[0:2]", "one index"),
        ("...", "...", "a finite number"),
        ("None", "None", "a finite number"),
        ("b'x'", "b'x'", "a finite number"),
        ("1j", "1j", "a finite number"),
        ("1e999", "1e309", "a finite number"),
        ("9" * 30, "9" * 30, "63 bits"),
        # costs
        ("'x' * 3000000000", "'x'", "a number for *"),
        ("s * n", "s", "a number for *"),
        ("[1, 2] * 1000000", "[1, 2]", "a number for *"),
        ("a * n", "a", "a number for *"),
        ("'%1000000000d' % n", "'%1000000000d'", "a number for %"),
        # kinds
        ("s > 3", "3", "a text to compare with"),
        ("s and x", "s", "something true or false"),
        ("not a", "a", "something true or false"),
        ("a > 3", "a", "a single value"),
        ("a == [1, 2]", "a", "a single value"),
        ("names == names", "names", "a single value"),
        ("x in s", "s", "a list, an array or a buffer"),
        ("x in ['a']", "['a']", "a list that can hold a number"),
        ("s in a", "a", "a list that can hold a text"),
        ("x[0]", "x", "an array or a buffer"),
        ("a['b']", "'b'", "a number for an index"),
        ("[a, 1]", "[a, 1]", "a list of single values"),
        ("mean(s)", "s", "numbers for mean"),
        ("mean(['a', 1])", "['a', 1]", "numbers for mean"),
        ("sqrt(a)", "a", "one number for sqrt"),
        ("any_of(names)", "names", "one number for any_of"),
        # states
        ("mode == 'Aut'", "'Aut'", "one of Off, Auto, Manual"),
        ("mode in ['Aut']", "'Aut'", "one of Off, Auto, Manual"),
        ("mode in ['Off', s]", "s", "the name or the index of a state"),
        ("mode > s", "s", "the name of a state"),
        ("flag == 'true'", "'true'", "a number to compare with"),
        ("s == mode == 2", "s == mode == 2", "joined by `and`"),
        ("mode == 'Off' == other", "mode == 'Off' == other", "joined by `and`"),
        ("mode == 'Auto' == s", "mode == 'Auto' == s", "joined by `and`"),
        # calls
        ("sqrt()", "sqrt()", "1 arguments for sqrt, got 0"),
        ("clamp(x, 1)", "clamp(x, 1)", "3 arguments for clamp"),
        ("clamp(x, 1, hi=2)", "hi=", "an argument of clamp"),
        ("clamp(x, low=1, low=2)", "clamp", "each argument once"),
        ("own(a=1, a=2)", "own", "each argument once"),
        ("a.mean()", "a.mean", "the name of a function"),
        ("rate(x + 1)", "x + 1", "the name of an input"),
        ("rate(s)", "s", "a float or int input"),
        ("rate(alarm)", "alarm", "the name of an input"),
        ("isnan(a)", "a", "a float or int input"),
        ("rising()", "rising()", "rising(x)"),
        ("rising(s)", "s", "something true or false"),
        ("for_(x > 1)", "for_(x > 1)", "for_(condition, seconds)"),
        ("for_(x > 1, n)", "n", "a number of seconds or a parameter"),
        ("for_(x > 1, word)", "word", "a number for seconds"),
        ("votes(2)", "votes(2)", "votes(n, condition, …)"),
    ],
)
def test_what_may_not_be_written_is_told_in_one_sentence(
    source: str, value: str, expected: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source, SCOPE)
    assert value in caught.value.value
    assert expected in caught.value.expected
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("source", "near"),
    [
        ("limt > 3", "limit"),
        ("x_bf", "x_buf"),
        ("x.sevrity", "severity"),
        ("mod.age", "mode"),
        ("mode == 'Of'", "Off"),
        ("sqr(x)", "sqrt"),
        ("risin(x)", "rising"),
        ("rules.hig.active", "high"),
        ("round(x, digits=1)", "ndigits"),
        ("zzzzz", None),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_one(source: str, near: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source, SCOPE)
    assert caught.value.nearest == near


def test_nearest_finds_names_and_gives_up_on_strange_ones() -> None:
    assert nearest("presure", ["pressure", "flow"]) == "pressure"
    assert nearest("q", ["pressure"]) is None


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("x > limit", {"x", "limit"}),
        ("x_buf[0] > mean(a)", {"x", "a"}),
        ("x.severity > 1 or alarm", {"x", "alarm"}),
        ("rising(x > 1) and rules.high.active", {"x", "rules.high"}),
        ("votes(1, x, n)", {"x", "n"}),
        ("1 > 0", set()),
    ],
)
def test_an_expression_knows_what_it_reads(source: str, reads: set[str]) -> None:
    assert parse(source, SCOPE).reads == reads


def test_what_changes_with_time_is_known() -> None:
    ticks = {
        s: parse(s, SCOPE).ticks for s in ("x", "x.age > 1", "rising(rate(x) > 1)", "x_buf[0]")
    }
    assert ticks == {"x": False, "x.age > 1": True, "rising(rate(x) > 1)": True, "x_buf[0]": False}


def test_the_results_of_an_expression_are_known_where_they_are_literals() -> None:
    assert parse("'Off' if x > 1 else 'On' if x else s", SCOPE).constants == ("Off", "On")


@pytest.mark.parametrize(
    "source",
    [
        "pow(9, pow(9, 9))",
        "9 ** 9 ** 9",
        "n ** n ** n ** n",
        "(2 ** 1000) ** 1000",
        "(-8) ** 0.5",
        "round(x, 100000000)",
        "exp(1000)",
        "own(1) * 'x'",
        "last(x_buf, 0)",
        "x / 0",
        "a[17]",
        "a[0.5]",
        "table[n]",
        "('a' if flag else x) * 3000000000",
        "('a' if flag else x) < x",
    ],
)
def test_what_would_be_huge_or_has_no_answer_raises_at_once(source: str) -> None:
    began = time.process_time()
    with pytest.raises((ArithmeticError, ValueError, TypeError, LookupError)):
        evaluate(source)
    assert time.process_time() - began < 0.5


# --- fuzzing

LEAVES = st.sampled_from(
    [
        *VALUES,
        "x.age",
        "9",
        "1e308",
        "'text'",
        "True",
        "0",
        "-1",
        "9999999999999999",
        "rules",
        "foo",
    ]
)
NAMES = st.sampled_from(
    "abs round sqrt log exp pow floor ceil clamp min max mean std variance median rms any_of "
    "all_of count_true length sum_of diff last moving_avg derivative rate changed rising "
    "falling for_ votes isnan own eval".split()
)
OPERATORS = st.sampled_from(
    "+ - * / // % ** < <= > >= == != and or in is & | << @".split() + ["not in", "if 1 else"]
)


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, OPERATORS, inner),
        st.builds(
            lambda name, args: f"{name}({', '.join(args)})", NAMES, st.lists(inner, max_size=3)
        ),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("not {}".format, inner),
        st.builds("{}.{}".format, inner, st.sampled_from(["age", "real", "active", "__class__"])),
    )


EXPRESSIONS = st.recursive(LEAVES, grow, max_leaves=12)
MESSY = st.text(alphabet="xna+-*/()[]{}.,'\"\\:=<>!& \n#0129eε\0", max_size=40)
EVALUATION_ERRORS = (ArithmeticError, ValueError, TypeError, LookupError, NameError)


@settings(max_examples=examples(400))
@given(st.one_of(EXPRESSIONS, EXPRESSIONS, MESSY))
def test_any_text_is_refused_in_one_sentence_or_is_cheap_to_evaluate(source: str) -> None:
    began = time.process_time()
    try:
        expression = parse(source, SCOPE)
    except ExpressionError:
        return
    finally:
        assert time.process_time() - began < 1.0
    values = make_globals({"own": lambda *a, **k: len(a)}) | VALUES
    for site in expression.sites:
        values[site.key] = True
    function = compiled(expression.tree, "fuzz", values)
    began = time.process_time()
    try:
        function()
    except EVALUATION_ERRORS:
        pass
    except Exception as error:
        assert type(error).__name__ == "Uncertain"  # noqa: PT017
    assert time.process_time() - began < 0.5


WORST = [
    "+".join(["s"] * 59),
    "*".join(["9223372036854775807"] * 50),
    "*".join(["2**1000"] * 50),
    "diff(" * 50 + "x_buf" + ")" * 50,
    "[" + ",".join(["n"] * 500) + "][1]",
    "(n<" * 55 + "n" + ")" * 55,
    " or ".join(["n<0"] * 140),
]


def evaluate_with_the_largest_values(source: str, elements: int) -> None:
    largest = {"s": "ε" * 120, "x_buf": [1.7e308] * elements}
    values = make_globals({}) | VALUES | largest
    with contextlib.suppress(ArithmeticError):
        compiled(parse(source, SCOPE).tree, "worst", values)()


@pytest.mark.parametrize("source", WORST, ids=lambda source: source[:12])
def test_the_longest_expressions_stay_small(source: str) -> None:
    """The worst that 1024 characters can ask for: 500 bytes for each element of a buffer."""
    elements = 10_000  # each one that is allocated is traced, which takes its time
    tracemalloc.start()
    try:
        evaluate_with_the_largest_values(source, elements)
        assert tracemalloc.get_traced_memory()[1] < 500 * elements
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("source", WORST, ids=lambda source: source[:12])
def test_the_longest_expressions_cost_less_than_a_hundred_plain_walks_of_the_buffer(
    source: str,
) -> None:
    """The walk is the same machine's, in the same moment: no figure of another machine."""
    buffer = [1.7e308] * 100_000
    began = time.process_time()
    total = 0.0
    for value in buffer:
        total += value / 1e300
    walked = time.process_time()
    evaluate_with_the_largest_values(source, len(buffer))
    assert time.process_time() - walked < 100 * max(walked - began, 0.002)


def test_no_name_reaches_the_builtins() -> None:
    values = make_globals({})
    tree = ast.Name(id="open", ctx=ast.Load())
    with pytest.raises(NameError):
        compiled(tree, "test", values)()


# --- messages


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("{x:.2f} mbar above {limit:.1e}", "4.00 mbar above 2.5e+00"),
        ("{x}", "4"),
        ("{mode} {mode:>8} {mode:d}", "Auto     Auto 1"),
        ("{s} {s:>6s}", "Auto   Auto"),
        ("{a}", "[1, 2, 3, 4]"),
        ("{x_buf}", "[1, 2, 4]"),
        ("{n:d} {x:d} {n:.1f}", "7 4 7.0"),
        ("{x.severity} {x.age:.1f}", "1 2.0"),
        ("{rules.high.active}", "True"),
        ("{{literal}}", "{literal}"),
        ("{x:%}", "400.000000%"),
    ],
)
def test_a_message_shows_values_with_their_formats(text: str, shown: str) -> None:
    assert parse_template(text, SCOPE).render(VALUES) == shown


def test_what_is_not_known_shows_as_a_question_mark() -> None:
    template = parse_template("{x:.2f} {mode} {x.age}", SCOPE)
    assert template.render({}) == "? ? ?"
    assert template.render({"x": float("inf"), "mode": 99}) == "inf 99 ?"
    assert parse_template("{x:d}", SCOPE).render({"x": float("inf")}) == "inf"


def test_an_input_with_the_name_of_a_function_is_no_function_in_a_message() -> None:
    scope = Scope(signals={"mean": Input("mean", "float")})
    assert parse_template("{mean}", scope).render(make_globals({})) == "?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "a message with {name} in it"),
        ("{}", "the name of an input"),
        ("{0}", "the name of an input"),
        ("{x!r}", "the name of an input"),
        ("{x + 1}", "the name of an input"),
        ("{x.__class__}", "one of severity"),
        ("{y}", "the name of an input"),
        ("{x:{n}}", "a format such as"),
        ("{x:1000000000}", "a format such as"),
        ("{s:.2f}", "no number format"),
        ("{a:d}", "no number format"),
        ("x" * 501, "at most 500 characters"),
    ],
)
def test_a_message_that_cannot_be_made_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_template(text, SCOPE)
    assert expected in str(caught.value)
