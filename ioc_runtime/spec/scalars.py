"""What a plain YAML scalar means to kubectl, and to others.

kubectl reads YAML with Go's yaml.v2 rules: `y`, `on` and `Off` are booleans, `010`
is 8, `1e-5` is a number, `1:30` and dates are text. Other readers (PyYAML, YAML 1.2)
disagree on these. A manifest is read here as the cluster would read it, and a scalar
that others read differently earns a warning.
"""

from __future__ import annotations

import re
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_SPECIAL: Final[dict[str, float]] = {
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_FIRST: Final = frozenset("+-.0123456789")
_LONGEST_NUMBER: Final = 400

_CORE_WORDS: Final = frozenset(
    ("true", "True", "TRUE", "false", "False", "FALSE", "", "~", "null", "Null", "NULL")
)
_CORE_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_PY_WORDS: Final = frozenset(word for word in _WORDS if word not in ("y", "Y", "n", "N"))
_PY_INT = re.compile(r"[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)")
_PY_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_PY_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|[-+]?\.[0-9][0-9_]*([eE][-+][0-9]+)?"
)
_PY_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar, by kubectl's rules."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST or len(text) > _LONGEST_NUMBER:
        return text
    if text in _SPECIAL:
        return _SPECIAL[text]
    plain = text.replace("_", "")
    number = _number(plain)
    if number is None or number in (float("inf"), float("-inf")):
        return text
    if isinstance(number, float) and number.is_integer() and _fits(int(number)):
        return int(number)  # JSON writes 2.0 as 2
    return number


def disagreement(text: str, value: Scalar) -> str | None:
    """How other readers take a plain scalar that kubectl reads as `value`.

    A phrase such as "kubectl reads a boolean, others a text", or None when all agree.
    """
    if text[:1] not in _FIRST and text not in _WORDS:
        return None
    if _octal(text) and isinstance(value, int) and abs(value) != int(text.lstrip("+-")):
        return f"kubectl reads {value}, others {int(text)}"
    ours = _kind(value)
    others = sorted({_core(text), _pyyaml(text)} - {ours})
    return f"kubectl reads {ours}, others {' or '.join(others)}" if others else None


def _number(plain: str) -> int | float | None:
    if _INT.fullmatch(plain):
        digits = plain.lstrip("+-")
        octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
        whole = int(digits, 8 if octal else 0)
        whole = -whole if plain[0] == "-" else whole
        if _fits(whole):
            return whole
    return float(plain) if _FLOAT.fullmatch(plain) else None


def _fits(whole: int) -> bool:
    return -(2**63) <= whole < 2**63


def _octal(text: str) -> bool:
    digits = text.lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits.isdigit()


def _kind(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "a text"


def _core(text: str) -> str:
    """The reading of YAML 1.2."""
    if text in _CORE_WORDS:
        return _kind(_WORDS[text])
    number = _CORE_INT.fullmatch(text) or _FLOAT.fullmatch(text) or text in _SPECIAL
    return "a number" if number else "a text"


def _pyyaml(text: str) -> str:
    """The reading of PyYAML, which is YAML 1.1 with rules of its own."""
    if text in _PY_WORDS:
        return _kind(_WORDS[text])
    if _PY_SEXAGESIMAL.fullmatch(text):
        return "a number to the base of 60"
    if _PY_INT.fullmatch(text) or _PY_FLOAT.fullmatch(text) or text in _SPECIAL:
        return "a number"
    return "a date" if _PY_DATE.fullmatch(text) else "a text"
