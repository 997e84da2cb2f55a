"""YAML files as kubectl would send them, with the line of every value.

Stricter than kubectl where a loss would be silent: a duplicate key and a null are
errors. Bounded in size, depth and expansion, so that no file can take the process
down. Built on libyaml's events: its own loader recurses without a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from ioc_runtime.spec.problem import (
    MOST_PROBLEMS,
    NOTHING,
    ManifestError,
    Path,
    Problem,
    show_path,
)
from ioc_runtime.spec.scalars import disagreement, resolve

LARGEST_FILE: Final = 4 * 2**20
"""Characters of a file with all its documents."""
LARGEST_DOCUMENT: Final = 2**20
"""Characters of one document; an API server takes little more."""
MOST_NODES: Final = 60_000
"""Values of one document, with what aliases add."""
MOST_TEXT: Final = 2 * 2**20
"""Characters in the values of one document, with what aliases add."""
DEEPEST: Final = 40
MOST_DOCUMENTS: Final = 200
MOST_WARNINGS: Final = 50

_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_PARSER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR_TAGS: Final = ("tag:yaml.org,2002:str", "!")
_MERGE: Final = "<<"


@dataclass(frozen=True)
class Lines:
    """The line of a value, and those of the values inside it."""

    line: int
    inside: dict[str, Lines] | list[Lines] | None = None


@dataclass(frozen=True)
class Document:
    """One document of a file, as the JSON data model has it."""

    data: Any
    file: str | None = None
    lines: Lines | None = None
    warnings: tuple[Problem, ...] = ()
    origins: dict[Path, str] = field(default_factory=dict)
    """Where a value comes from that is not in the file: `--set`."""

    def line(self, path: Path) -> int | None:
        """Line of a value; of the nearest thing around it when it is missing."""
        lines = self.lines
        if lines is None or path in self.origins:
            return None
        for part in path:
            inside = lines.inside
            if isinstance(inside, dict) and part in inside:
                lines = inside[str(part)]
            elif isinstance(inside, list) and isinstance(part, int) and part < len(inside):
                lines = inside[part]
            else:
                break
        return lines.line

    def problem(self, path: Path, value: Any, expected: str, nearest: str | None = None) -> Problem:
        """A problem with its place filled in."""
        file = self.origins.get(path, self.file)
        return Problem(show_path(path), value, expected, nearest, self.line(path), file)


def read_documents(text: str, file: str | None = None) -> list[Document | ManifestError]:
    """The documents of a file, in order; a damaged one gives its errors instead.

    :raises ManifestError: when the file as a whole is of no use
    """
    if len(text) > LARGEST_FILE:
        raise _refuse(file, 1, f"a file of at most {LARGEST_FILE} characters, got {len(text)}")
    documents: list[Document | ManifestError] = []
    for first_line, chunk in _chunks(text.removeprefix("\ufeff")):
        if len(documents) == MOST_DOCUMENTS:
            raise _refuse(file, first_line, f"at most {MOST_DOCUMENTS} documents in a file")
        try:
            document = _read(chunk, first_line, file)
        except ManifestError as error:
            documents.append(error)
        else:
            if document is not None:
                documents.append(document)
    return documents


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Each document with the number of its first line, split where kubectl splits."""
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text) if match.start())]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        chunk = text[start:end]
        yield line, chunk
        line += chunk.count("\n")


def _refuse(file: str | None, line: int, expected: str, value: Any = NOTHING) -> ManifestError:
    return ManifestError([Problem("", value, expected, None, line, file)])


def _read(chunk: str, first_line: int, file: str | None) -> Document | None:
    if len(chunk) > LARGEST_DOCUMENT:
        expected = f"a document of at most {LARGEST_DOCUMENT} characters, got {len(chunk)}"
        raise _refuse(file, first_line, expected)
    builder = _Builder(chunk, first_line, file)
    try:
        found = builder.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise _refuse(file, line, f"YAML ({reason})") from None
    except (yaml.YAMLError, UnicodeError) as error:
        reason = str(getattr(error, "reason", "") or "unreadable characters")
        raise _refuse(file, first_line, f"YAML in UTF-8 ({reason})") from None
    if found is None:
        return None
    if builder.problems:
        raise ManifestError(builder.problems, builder.warnings)
    data, lines = found
    return Document(data, file, lines, tuple(builder.warnings))


@dataclass
class _Anchor:
    """What an alias brings: the value itself, and how much of everything it is."""

    data: Any
    lines: Lines
    nodes: int
    text: int


class _Builder:
    """Makes plain data of one document's events."""

    def __init__(self, text: str, first_line: int, file: str | None) -> None:
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=_PARSER))
        self.first_line, self.file = first_line, file
        self.path: list[str | int] = []
        self.anchors: dict[str, _Anchor | None] = {}
        self.nodes = self.text = 0
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def document(self) -> tuple[Any, Lines] | None:
        """The document's data; None for one that holds nothing."""
        found = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                found = self.node(next(self.events))
        if found is None or found[0] is None and not self.problems:
            return None
        return found

    def node(self, event: Any) -> tuple[Any, Lines]:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self.fatal(event, f"at most {MOST_NODES} values in a document")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        anchor = event.anchor
        before = self.nodes, self.text
        if anchor is not None:
            self.anchors[anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            data, lines = self.scalar(event), Lines(self.line(event))
        elif len(self.path) >= DEEPEST:
            raise self.fatal(event, f"at most {DEEPEST} levels")
        elif isinstance(event, yaml.MappingStartEvent):
            data, lines = self.mapping(event)
        else:
            data, lines = self.sequence(event)
        if anchor is not None:
            self.anchors[anchor] = _Anchor(
                data, lines, self.nodes - before[0], self.text - before[1]
            )
        return data, lines

    def alias(self, event: Any) -> tuple[Any, Lines]:
        if event.anchor not in self.anchors:
            raise self.fatal(event, "an anchor that stands before its alias", f"*{event.anchor}")
        anchor = self.anchors[event.anchor]
        if anchor is None:
            raise self.fatal(event, "no alias inside what it stands for", f"*{event.anchor}")
        self.nodes += anchor.nodes
        self.count_text(event, anchor.text)
        if self.nodes > MOST_NODES:
            raise self.fatal(event, f"at most {MOST_NODES} values in a document, aliases included")
        return anchor.data, Lines(self.line(event), anchor.lines.inside)

    def count_text(self, event: Any, more: int) -> None:
        self.text += more
        if self.text > MOST_TEXT:
            raise self.fatal(event, f"at most {MOST_TEXT} characters in a document's values")

    def scalar(self, event: Any) -> Any:
        text = event.value
        self.count_text(event, len(text))
        if event.tag in _STR_TAGS or event.tag is None and not event.implicit[0]:
            return text
        if event.tag is not None:
            self.untagged(event)
            return text
        value = resolve(text)
        reading = disagreement(text, value)
        if reading and len(self.warnings) < MOST_WARNINGS and self.counts:
            other = "quotes" if isinstance(value, str | bool) else "another way to write it"
            self.warnings.append(self.at(event, text, f"{other}: {reading}"))
        if value is None and self.counts:
            self.wrong(event, None, "a value; leave the field out if there is none")
        elif isinstance(value, float) and value - value != 0:
            self.wrong(event, text, "a finite number")
        return value

    @property
    def counts(self) -> bool:
        """Whether we stand in what the user writes: not in metadata or status."""
        return bool(self.path) and self.path[0] not in ("metadata", "status")

    def sequence(self, event: Any) -> tuple[Any, Lines]:
        items: list[Any] = []
        lines: list[Lines] = []
        self.untagged(event)
        self.path.append(0)
        while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
            self.path[-1] = len(items)
            data, where = self.node(inner)
            items.append(data)
            lines.append(where)
        self.path.pop()
        return items, Lines(self.line(event), lines)

    def mapping(self, event: Any) -> tuple[Any, Lines]:
        data: dict[str, Any] = {}
        lines: dict[str, Lines] = {}
        merged: list[tuple[dict[str, Any], dict[str, Lines]]] = []
        self.untagged(event)
        while not isinstance(inner := next(self.events), yaml.MappingEndEvent):
            key = self.key(inner)
            self.path.append(key)
            value, where = self.node(next(self.events))
            if key == _MERGE and not inner.style:
                merged += self.merge(inner, value, where)
            elif key in data:
                first = lines[key].line
                self.wrong(inner, key, f"each key once (it stands on line {first} already)")
            else:
                data[key] = value
                lines[key] = Lines(self.line(inner), where.inside)
            self.path.pop()
        for more, places in merged:
            data = {**more, **data}
            lines = {**places, **lines}
        return data, Lines(self.line(event), lines)

    def key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag not in (None, *_STR_TAGS):
            raise self.fatal(event, "a plain text as the key")
        self.nodes += 1
        self.count_text(event, len(event.value))
        if event.implicit[0] and not isinstance(resolve(event.value), str):
            reading = disagreement(event.value, resolve(event.value)) or "it is not a text"
            self.wrong(event, event.value, f"quotes around this key ({reading})")
        return str(event.value)

    def merge(
        self, event: Any, value: Any, where: Lines
    ) -> list[tuple[dict[str, Any], dict[str, Lines]]]:
        """What `<<: *anchor` brings in: one map or several, the first one wins."""
        values = value if isinstance(value, list) else [value]
        places: Any = where.inside if isinstance(value, list) else [where]
        if not values or not all(isinstance(item, dict) for item in values):
            self.wrong(event, _MERGE, "a map, or a list of maps, to merge")
            return []
        return [
            (item, place.inside if isinstance(place.inside, dict) else {})
            for item, place in zip(values, places or (), strict=True)
        ]

    def untagged(self, event: Any) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.wrong(event, tag, "no tag but !!str")

    def line(self, event: Any) -> int:
        return self.first_line + int(event.start_mark.line)

    def at(self, event: Any, value: Any, expected: str) -> Problem:
        path = show_path(tuple(self.path))
        return Problem(path, value, expected, None, self.line(event), self.file)

    def wrong(self, event: Any, value: Any, expected: str) -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            raise ManifestError(self.problems, self.warnings)
        self.problems.append(self.at(event, value, expected))

    def fatal(self, event: Any, expected: str, value: Any = NOTHING) -> ManifestError:
        """An error after which nothing of the document is of use."""
        return ManifestError([*self.problems, self.at(event, value, expected)], self.warnings)
