"""Manifests that mean harm: size, depth, cost, escape, and every wrong type."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

HOSTILE_EXPRESSIONS = (
    "pow(9, pow(9, 9))",
    "9 ** 9 ** 9 ** 9",
    "'x' * 3000000000",
    "[0] * 10 ** 10",
    "(1, 2) * 1000000000",
    "2 ** 100000000 > 1",
    "1 << 10 ** 9",
    "10 ** 400 + 1",
    "1e308 * 10",
    "__import__('os').system('true')",
    "().__class__.__mro__[1].__subclasses__()",
    "(lambda: 1)()",
    "[x for x in range(10 ** 9)]",
    "{**{}}",
    "f'{1}'",
    "print(1)",
    "open('/etc/passwd')",
    "exec('1')",
    "rules.__class__",
    "mean.__globals__",
    "x := 1",
    "yield 1",
    "await x",
    "*[1]",
    "a; b",
    "1 if",
    "not " * 250 + "1",
    "-" * 1000 + "1",
    "(" * 400 + "1" + ")" * 400,
    "[" * 300,
    "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((",
    "abs(" * 200 + "1" + ")" * 200,
    "1 " + "+ 1 " * 250,
    "1 < " * 250 + "1",
    "True and " * 110 + "True",
    "1 if 1 else " * 80 + "1",
    "'" + "a" * 1000 + "'",
    "x" * 5000,
    "\0",
    "1\n+\n1",
    "1 # comment",
    ") or (1",
    "'\\N{DIGIT ONE}'",
    "0x" + "f" * 1000,
    "9" * 1000,
    "1_0_0",
    "1e999",
    "1j",
    "b'x'",
    "...",
    "None",
    "nan",
    "inf",
    "float('nan')",
    "ｘ + 1",
    "µ > 1",
    "\u202e1",
    "𝐚𝐛𝐬(1)",
    "x.severity.severity",
    "rules.a.b.c",
    "last([], 10 ** 9)",
    "round(1, 10 ** 9)",
    "votes(1, *[1])",
    "for_(1, 10 ** 9)",
    "for_(1, nothing)",
    "rate(1)",
    "max()",
    "max(1, key=abs)",
    "clamp(1)",
    "'a' < 1",
    "'a' in 'b' in 'c'",
    "1 in 2",
    "[[1]]",
    "[1][0:1]",
    "[1][10 ** 30]",
    "[1]['a']",
    "",
    "   ",
    "{",
    "`x`",
    "$(P)",
    "import os",
    "1 if 1",
    "a.b",
    "abs",
    "abs(abs)",
    "abs(1)(2)",
    "'" * 3,
    "\\",
    "1" + "\\\n" * 300 + "+1",
)

HOSTILE_TEXTS = (
    "{",
    "}",
    "{}",
    "{0}",
    "{x.__class__}",
    "{x[0]}",
    "{x!r}",
    "{x:{y}}",
    "{x:999999999}",
    "{x:.999999999f}",
    "{x:>99999999999999999999}",
    "{{}}" * 100,
    "{a}" * 160,
    "\x1b[2J",
    "%n%s%x",
    "$(PATH)",
    "\ud800",
    "\u202e\u0000",
    "é" * 500,
)

HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2.7,
    1e308,
    -1e-320,
    2**31,
    -(2**31) - 1,
    2**63,
    2**64,
    10**300,
    float("nan"),
    float("inf"),
    "",
    " ",
    "0",
    "1e3",
    "Off",
    "y",
    "x" * 61,
    "x" * 300,
    "x" * 5000,
    "µ" * 30,
    "\0",
    "\n",
    "\x7f",
    "$(P)",
    "${HOME}",
    '") { field(INP, "x',
    "../../etc/passwd",
    "ca://",
    "ca://A B",
    "pva://'\"",
    "http://x",
    "ca://BL01:VAC:STATUS",
    "F:STATUS",
    "NaN",
    "enum",
    "float",
    "rise",
    "drive",
    "triggered",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": ""},
    {"a": None},
    {"low": 1, "high": 0},
    {"low": "a"},
    {"lolo": 5, "hihi": 1},
    ["a", "A"],
    ["1", "2"],
    ["Off"] * 17,
    [1, "a"],
    [1] * 2000,
    {"name": "x", "condition": "1"},
    {"git": {"url": "x"}},
    {"inline": {"files": {"../x.py": ""}}},
    {"inline": {"files": {"a.py": "x" * 200_000}}},
    {"inline": {"files": {"a.py": "", "a.py/b.py": ""}}},
    {"operators": ['") }', "a@b@c", "*@*", "@", "x@"]},
    {"STATUS": "STATUS"},
    {"NOPE": "x"},
    ['record(ai, "$(P)x") { field(INP, "y") }'],
    ['record(ai, "OTHER") {}'],
    ['record(ai, "$(P)STATUS") {}'],
    ['include "x"', "record(", 'record(xx, "$(P)a") {}', "registrar(x)", '"'],
    {f"k{i}": i for i in range(1100)},
)


def hostile(rng: random.Random) -> str:
    """One of the attacks."""
    return rng.choice(ATTACKS)(rng)


def _task(spec: Any, **more: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "ioc-operator.dev/v1alpha1",
            "kind": "IocTask",
            "metadata": {"name": "hostile"},
            "spec": spec,
            **more,
        }
    )


def _rules(rng: random.Random) -> str:
    count = rng.choice((999, 1000, 1001, 10_000))
    names = [f"r{i}".ljust(rng.choice((5, 50)), "x") for i in range(count)]
    source = rng.choice(("a > 1", "a > 1 and b < 2 or not a", "a" + " + a" * 100, "aa", "o"))
    rules = [{"id": n, "condition": source, "outputs": {"o": 1}} for n in names]
    inputs = {"a": {"type": "float"}, "b": {"type": "int"}}
    return _task({"inputs": inputs, "outputs": {"o": {"type": "bool"}}, "rules": rules})


def _signals(rng: random.Random) -> str:
    count = rng.choice((1000, 1001, 5000))
    data = {
        "type": rng.choice(("float", "string", "flaot")),
        "length": rng.choice((1, 1000, 10**6)),
    }
    return _task({"inputs": {f"i{i}".ljust(50, "x"): data for i in range(count)}})


def _unknown_names(rng: random.Random) -> str:
    count = 1000
    inputs = {f"temperature_{i:04d}".ljust(54, "q"): {"type": "float"} for i in range(count)}
    rules = [
        {"id": f"r{i}", "condition": f"temperatur_{i:04d}".ljust(54, "q") + " > 1"}
        for i in range(count)
    ]
    return _task({"prefix": "A:", "inputs": inputs, "rules": rules})


def _unknown_fields(rng: random.Random) -> str:
    rule = {f"field{i}": i for i in range(50)}
    return _task({"rules": [rule] * rng.choice((10, 800))})


def _cycle(rng: random.Random) -> str:
    count = rng.choice((1, 2, 1000))
    outputs = {f"t{i}": {"type": "float"} for i in range(count)}
    closed = rng.random() < 0.7
    transforms = [
        {
            "output": f"t{i}",
            "expression": f"t{(i + 1) % count} + 1" if closed or i < count - 1 else "1",
        }
        for i in range(count)
    ]
    return _task({"outputs": outputs, "transforms": transforms})


def _dense_cycle(rng: random.Random) -> str:
    count = 60
    outputs = {f"t{i}": {"type": "float"} for i in range(count)}
    everything = " + ".join(outputs)
    transforms = [{"output": name, "expression": everything} for name in outputs]
    return _task({"outputs": outputs, "transforms": transforms})


def _deep(rng: random.Random) -> str:
    depth = rng.choice((39, 45, 500, 20_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ("- ", ""), ("? ", "")))
    return f"spec:\n  x: {opening * depth}1{closing * depth}"


def _bomb(rng: random.Random) -> str:
    width, levels = rng.choice(((10, 10), (2, 30), (100, 4)))
    lines = ["a0: &a0 [x, y]"]
    for i in range(1, levels):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]")
    return "\n".join(lines)


def _text_bomb(rng: random.Random) -> str:
    return f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 500)}]\n"


def _merge_bomb(rng: random.Random) -> str:
    lines = ["spec:", "  a0: &a0 {x: 1}"]
    for i in range(1, 60):
        lines.append(f"  a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}")
    return "\n".join(lines)


def _recursive(rng: random.Random) -> str:
    return rng.choice(("a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}", "*a", "a: *nothing"))


def _large(rng: random.Random) -> str:
    return rng.choice(
        (
            "x" * (2**20 + 5),
            "[" + "1," * 200_000 + "1]",
            "a: 1\n" * 30_000,
            "- \n" * 100_000,
            "---\n" * 5_000,
            "#" * 900_000,
            "a: " + '"' + "\\n" * 400_000 + '"',
            "a:" + " " * 900_000 + "1",
            "k: |\n" + "  line\n" * 100_000,
            "? a\n" * 20_000,
            "!!" * 100_000,
            "&a " * 20_000,
            "{a: " * 3_000,
            "\t" * 10_000,
            "'" + "''" * 100_000,
        )
    )


def _binary(rng: random.Random) -> str:
    return "".join(chr(rng.randrange(256)) for _ in range(rng.choice((10, 1000, 50_000))))


def _scalar(rng: random.Random) -> str:
    return rng.choice(
        ("", "null", "~", "5", "text", "[]", "{}", "---", "...", "%YAML 9.9\n---\na: 1", "\ufeff",
         "!!python/object/apply:os.system ['true']", "!!binary aGk=", "2001-01-01", "- a\n- b")
    )  # fmt: skip


def _numbers(rng: random.Random) -> str:
    number = rng.choice(
        (".nan", ".inf", "-.inf", "9" * 5_000, "1e" + "9" * 300, "0x" + "f" * 3_000, "0" * 4_000,
         "1" + "_" * 300, "-0", "1:" * 200 + "1", "+.5", "0b" + "1" * 390)
    )  # fmt: skip
    return (
        "apiVersion: ioc-operator.dev/v1alpha1\nkind: IocTask\nmetadata: {name: n}\nspec:\n"
        f"  period: {number}\n  parameters: {{p: {number}}}\n"
        f"  inputs: {{a: {{type: float, value: {number}, length: {number}}}}}\n"
    )


def _documents(rng: random.Random) -> str:
    one = _task({"prefix": "SAME:"})
    return "\n---\n".join([one] * rng.choice((2, 5, 199, 300)))


def _job(rng: random.Random) -> str:
    return json.dumps(
        {
            "apiVersion": "ioc-operator.dev/v1alpha1",
            "kind": rng.choice(("IocJob", "IocJobs", "ioctask", "List", 7)),
            "metadata": rng.choice(({"name": "j"}, {"name": "J_"}, {}, None, {"name": "x" * 300})),
            "spec": rng.choice(({}, {"function": "x"}, {"run": "Runing"}, {"scan": {}}, None, 1)),
        }
    )


def _quadratic_names(rng: random.Random) -> str:
    words = [f"{'ab' * 14}{i:03d}" for i in range(1000)]
    states = {"type": "enum", "states": ["Off", "On"]}
    return _task(
        {
            "prefix": "A:",
            "inputs": dict.fromkeys(words, states),
            "ruleDefaults": {w[::-1]: 1 for w in words},
            "aliases": dict.fromkeys(words[:100], "x"),
        }
    )


def _expressions(rng: random.Random) -> str:
    """Many of the longest expressions that are allowed."""
    part = rng.choice(("a + ", "a > 1 or ", "abs(a) + ", "max(a, 1) - ", "a if a else ", "- a +"))
    source = (part * 400)[: 1020 // len(part) * len(part)] + "a"
    count = rng.choice((10, 120, 1000))
    rules = [{"id": f"r{i}", "condition": source} for i in range(count)]
    return _task({"inputs": {"a": {"type": "float"}}, "rules": rules})


ATTACKS: tuple[Callable[[random.Random], str], ...] = (
    _rules,
    _signals,
    _unknown_names,
    _unknown_fields,
    _cycle,
    _dense_cycle,
    _deep,
    _bomb,
    _text_bomb,
    _merge_bomb,
    _recursive,
    _large,
    _binary,
    *(_scalar,) * 2,
    *(_numbers,) * 4,
    _documents,
    *(_job,) * 2,
    _quadratic_names,
    _expressions,
)
