"""One requirement of a plugin, as PEP 508 writes it: `scipy>=1.14,<2; python_version > "3.11"`.

Pure and small: the operator and `iocctl validate` check a manifest with it, the builder of
environments reads requirements files with it. It checks the form; which version fits is
decided by the tool that installs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MOST_LETTERS: Final = 500

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_EXTRAS: Final = re.compile(r"\s*\[\s*([^\]]*?)\s*\]")
_VERSION: Final = re.compile(
    r"v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*"
    r"(?:[._-]?(?:a|b|c|rc|alpha|beta|pre|preview)[._-]?[0-9]*)?"
    r"(?:-[0-9]+|[._-]?(?:post|rev|r)[._-]?[0-9]*)?"
    r"(?:[._-]?dev[._-]?[0-9]*)?(?:\+[a-z0-9]+(?:[._-][a-z0-9]+)*)?",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*(\S+)\s*")
_HASH: Final = re.compile(r"sha256=([0-9a-f]{64})")
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<paren>[()])|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<op>===|==|~=|!=|<=|>=|<|>)|(?P<word>[A-Za-z_.]+))"
)
_VARIABLES: Final = frozenset(
    "python_version python_full_version os_name sys_platform platform_release platform_system "
    "platform_version platform_machine platform_python_implementation implementation_name "
    "implementation_version extra".split()
)


class BadRequirement(Exception):
    """The text is no requirement that is taken; says what was expected."""


@dataclass(frozen=True)
class Requirement:
    """A requirement whose form has been checked."""

    name: str
    """As it is compared: lower case, with single `-`."""
    extras: tuple[str, ...] = ()
    specifier: str = ""
    """`>=1.14,<2`, or nothing."""
    url: str = ""
    """Of a wheel, with its sha256."""
    marker: str = ""

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        where = f" @ {self.url}" if self.url else self.specifier
        space = " " if self.url else ""
        return f"{self.name}{extras}{where}" + (f"{space}; {self.marker}" if self.marker else "")


def normal(name: str) -> str:
    """A package's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> Requirement:
    """The requirement.

    :raises BadRequirement: with what was expected, as a phrase that follows "expected"
    """
    text = text.strip()
    if len(text) > MOST_LETTERS:
        raise BadRequirement(f"at most {MOST_LETTERS} characters")
    if any(ord(letter) < 32 or letter == "\\" for letter in text):
        raise BadRequirement("one line, without backslashes or control characters")
    _refuse_other_forms(text)
    found = _NAME.match(text)
    if found is None:
        raise BadRequirement("a package's name first, as in scipy>=1.14")
    name, rest = normal(found[0]), text[found.end() :]
    extras: tuple[str, ...] = ()
    if given := _EXTRAS.match(rest):
        extras, rest = _extras(given[1]), rest[given.end() :]
    if rest.lstrip().startswith("@"):
        url, _, marker = rest.lstrip()[1:].strip().partition(" ;")
        return Requirement(name, extras, "", _checked_url(url.strip()), _marker(marker))
    specifier, semicolon, marker = rest.partition(";")
    if semicolon and not marker.strip():
        raise BadRequirement("a marker after the ;")
    return Requirement(name, extras, _specifier(specifier), "", _marker(marker))


def _refuse_other_forms(text: str) -> None:
    if text.startswith("-"):
        raise BadRequirement(
            "a package and its versions; options are not taken here, the package index is "
            "configured for the runtime"
        )
    if text.startswith(("git+", "hg+", "svn+", "bzr+", "http:", "https:", "file:")):
        raise BadRequirement("a name first: `name @ https://…/file.whl#sha256=…`")
    if text.startswith((".", "/")):
        raise BadRequirement("a package of an index; a path is not taken")
    if "#" in text and "@" not in text:
        raise BadRequirement("no comment in it")


def _extras(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")] if text else []
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadRequirement(f"names of extras between the brackets, got {name!r}")
    return tuple(sorted({normal(name) for name in names}))


def _specifier(text: str) -> str:
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    if not text:
        return ""
    clauses = []
    for part in text.removesuffix(",").split(","):
        found = _CLAUSE.fullmatch(part)
        if found is None:
            raise BadRequirement(
                f"versions as in ==1.2, >=1.2,<2 or ~=1.4 after the name, got {part.strip()!r}"
            )
        clauses.append(_clause(found[1], found[2]))
    return ",".join(sorted(clauses))


def _clause(operator: str, version: str) -> str:
    bare = version
    if operator in ("==", "!="):
        bare = version.removesuffix(".*")
    if operator != "===" and not _VERSION.fullmatch(bare):
        raise BadRequirement(f"a version after {operator}, got {version!r}")
    if operator == "~=" and "." not in version:
        raise BadRequirement(f"a version with at least two parts after ~=, got {version!r}")
    return f"{operator}{version}"


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.password or parts.username
    except ValueError:
        raise BadRequirement("an address after the @") from None
    if parts.scheme not in ("https", "http") or not host or " " in url:
        raise BadRequirement(
            "the https address of a wheel after the @; for code in a repository, "
            "publish a wheel or put it beside the plugin"
        )
    if secret:
        raise BadRequirement("an address without user and password: they belong in a Secret")
    if not parts.path.endswith(".whl") or not _HASH.fullmatch(parts.fragment):
        raise BadRequirement("the address of a wheel with its hash: https://…/file.whl#sha256=…")
    return url


def _marker(text: str) -> str:
    """Its form; tokens with one space between them.

    Grammar: or_ := and_ ("or" and_)*; and_ := one ("and" one)*; one := "(" or_ ")" | comparison.
    """
    text = text.strip()
    if not text:
        return ""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadRequirement(f"a marker such as python_version > '3.11', got {text!r}")
        tokens.append(found[0].strip())
        at = found.end()
    if _any_of(tokens, 0, 0) != len(tokens):
        raise BadRequirement(f"a marker such as python_version > '3.11', got {text!r}")
    return " ".join(tokens)


def _any_of(tokens: list[str], at: int, depth: int) -> int:
    at = _one(tokens, at, depth)
    while at < len(tokens) and tokens[at] in ("and", "or"):
        at = _one(tokens, at + 1, depth)
    return at


def _one(tokens: list[str], at: int, depth: int) -> int:
    def token(n: int) -> str:
        return tokens[n] if n < len(tokens) else ""

    if token(at) == "(" and depth < 20:
        at = _any_of(tokens, at + 1, depth + 1)
        if token(at) == ")":
            return at + 1
        raise BadRequirement("a marker with as many ) as (")
    left = _value(token(at))
    if token(at + 1) == "not" and token(at + 2) == "in":
        at += 1
    elif token(at + 1) not in ("in", "===", "==", "~=", "!=", "<=", ">=", "<", ">"):
        raise BadRequirement(f"a comparison in the marker, got {token(at + 1)!r}")
    right = _value(token(at + 2))
    if left == right == "text":
        raise BadRequirement("a marker that compares a variable, such as python_version")
    return at + 3


def _value(token: str) -> str:
    if token[:1] in ("'", '"'):
        return "text"
    if token in _VARIABLES:
        return "variable"
    raise BadRequirement(f"a marker's variable such as python_version or a text, got {token!r}")
