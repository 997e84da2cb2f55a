"""Databases that a manifest brings: a plain subset, names within the prefix.

Only `record`, `field`, `info` and `alias`, with quoted texts, so that what is served
is known before anything starts and nothing in it can reach outside. Whether a field
exists and takes its value is for the IOC to say when it loads the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ioc_runtime.compile.collector import Collector
from ioc_runtime.compile.names import Names
from ioc_runtime.spec.problem import Path

MACROS: Final = ("$(P)", "${P}")
RECORD_TYPES: Final = frozenset(
    "aai aao ai ao aSub bi bo calc calcout compress dfanout event fanout histogram int64in "
    "int64out longin longout lsi lso mbbi mbbiDirect mbbo mbboDirect permissive printf sel seq "
    "state stringin stringout sub subArray waveform".split()
)
GROUPS: Final = ("RO", "OPERATOR")
"""Access groups a record may be in: read only, or writable as `access` says."""
MOST_RECORDS: Final = 1000

_TOKEN = re.compile(
    r"[ \t\r\n]+|#[^\n]*"
    r'|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<word>[A-Za-z0-9_:.+-]+)|(?P<mark>[(){},])'
)
_NAME = re.compile(r"[A-Za-z0-9_:;+\[\]<>{}/-]+")
_FIELD = re.compile(r"[A-Z][A-Z0-9]{0,3}")


class _Bad(ValueError):
    def __init__(self, value: str, expected: str) -> None:
        self.value, self.expected = value, expected


def compile_databases(texts: list[str], names: Names, collector: Collector) -> tuple[str, ...]:
    """The texts with `$(P)` replaced; their records join the names of the task."""
    done = []
    records = 0
    for i, text in enumerate(texts):
        path: Path = ("spec", "database", i)
        for macro in MACROS:
            text = text.replace(macro, names.prefix)
        try:
            for name in _records(text, names.prefix):
                records += 1
                if records > MOST_RECORDS:
                    raise _Bad(name, f"at most {MOST_RECORDS} records")
                names.claim(path, name, "a record of `database` already")
        except _Bad as error:
            collector.wrong(path, error.value, error.expected)
        done.append(text)
    return tuple(done)


def _records(text: str, prefix: str) -> Iterator[str]:
    """Names of records and aliases, without the prefix."""
    tokens = _Tokens(text)
    while (word := tokens.next()) is not None:
        if word not in ("record", "grecord"):
            raise _Bad(word, "record(type, name)")
        tokens.take("(")
        kind = tokens.word()
        if kind not in RECORD_TYPES:
            raise _Bad(kind, "a record type of EPICS base")
        tokens.take(",")
        yield _name(tokens.text(), prefix)
        tokens.take(")")
        tokens.take("{")
        while (part := tokens.word()) != "}":
            yield from _part(part, tokens, prefix)


def _part(part: str, tokens: _Tokens, prefix: str) -> Iterator[str]:
    tokens.take("(")
    if part == "alias":
        yield _name(tokens.text(), prefix)
    elif part in ("field", "info"):
        name = tokens.word().strip('"')
        if part == "field" and not _FIELD.fullmatch(name):
            raise _Bad(name, "the name of a field")
        tokens.take(",")
        text = tokens.text()
        if part == "field" and name == "ASG" and text not in GROUPS:
            raise _Bad(text, f"one of the access groups {' and '.join(GROUPS)}")
    else:
        raise _Bad(part, "field(…), info(…) or alias(…)")
    tokens.take(")")


def _name(name: str, prefix: str) -> str:
    if not name.startswith(prefix):
        raise _Bad(name, "a record name that starts with $(P)")
    rest = name.removeprefix(prefix)
    if not _NAME.fullmatch(rest):
        raise _Bad(name, "a record name of letters, digits and _ : ; + - [ ] < > { } /")
    return rest


class _Tokens:
    def __init__(self, text: str) -> None:
        self.tokens = self._scan(text)

    @staticmethod
    def _scan(text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise _Bad(text[at : at + 40], "record, field, info or alias with quoted texts")
            at = found.end()
            if found.lastgroup:
                yield found[0]

    def next(self) -> str | None:
        return next(self.tokens, None)

    def word(self) -> str:
        found = self.next()
        if found is None:
            raise _Bad("the end of the text", "a closed record")
        return found

    def take(self, mark: str) -> None:
        found = self.word()
        if found != mark:
            raise _Bad(found, mark)

    def text(self) -> str:
        found = self.word()
        if not found.startswith('"'):
            raise _Bad(found, "a quoted text")
        if "$(" in found or "${" in found:
            raise _Bad(found, "no macro but $(P)")
        return found[1:-1]
