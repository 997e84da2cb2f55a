"""values.yaml with what its comments say: the comment right above a key describes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_KEY = re.compile(r"^( *)([A-Za-z]\w*):")
_COMMENT = re.compile(r"^ *# ?(.*)$")
_INDENT = 2


class Undescribed(Exception):
    """A key without a comment."""


@dataclass(frozen=True)
class Value:
    """One key of values.yaml."""

    path: str
    """With dots: `image.tag`."""
    text: str
    default: Any
    inner: tuple[Value, ...] = ()
    """Keys below it that have comments of their own; a map without any is free."""


def read(text: str) -> tuple[Value, ...]:
    """The keys in their order; Undescribed where one has no comment."""
    return tuple(_values(yaml.safe_load(text), (), _comments(text)))


def leaves(values: tuple[Value, ...]) -> Iterator[Value]:
    """Those that a person sets."""
    for each in values:
        if each.inner:
            yield from leaves(each.inner)
        else:
            yield each


def _values(
    found: dict[str, Any], above: tuple[str, ...], comments: dict[str, str]
) -> Iterator[Value]:
    for name, default in found.items():
        path = ".".join((*above, name))
        if path not in comments:
            raise Undescribed(f"{path} of values.yaml has no comment")
        below = {f"{path}.{key}" for key in default} if isinstance(default, dict) else set()
        inner = below and below & comments.keys()
        made = tuple(_values(default, (*above, name), comments)) if inner else ()
        yield Value(path, comments[path], default, made)


def _comments(text: str) -> dict[str, str]:
    """By path: the lines of comment that stand right above a key, as one text."""
    found: dict[str, str] = {}
    above: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            said.append(comment[1])
            continue
        if key := _KEY.match(line):
            del above[len(key[1]) // _INDENT :]
            above.append(key[2])
            if said:
                found[".".join(above)] = " ".join(said)
        said = []
    return found
