"""The blocks of the documents, and what is done with each: what a page shows is tried.

A comment of HTML right before a block says how it is tried; a reader does not see it.

| comment | the block is |
|---|---|
| `<!-- run: laptop -->` | run by a shell with a real `iocctl`, in a network of its own |
| `<!-- run: cluster -->` | the same, with kubectl, helm and a cluster with a node |
| `<!-- run: laptop, exit 1 -->` | the same, and has to end with this code |
| `<!-- run: laptop, terminal NAME -->` | the same, in another terminal, where it goes on |
| `<!-- run: laptop, again -->` | the same, again and again until it prints what it should |
| `<!-- output -->` | lines that the block before it prints; numbers may be others, but for `2/3` |
| `<!-- output of NAME -->` | lines that come in that terminal |
| `<!-- fragment: PATH -->` | a part of a manifest: the value at `spec` or below, of an IocTask |
| `<!-- fragment of IocJob: PATH -->` | the same of an IocJob |
| `<!-- tested by: FILE -->` | tried by this file of tests/, in its own way |
| `<!-- parsed: WHY -->` | command lines of iocctl or kubectl ioc that only have to be ones |
| `<!-- not run: WHY -->` | not tried, for this reason |

| comment, anywhere | |
|---|---|
| `<!-- before: COMMAND -->` | run too, unseen: what the page takes for granted |
| `<!-- prints: TEXT -->`, `<!-- NAME prints: TEXT -->` | as an output, unseen |
| `<!-- Ctrl-C: NAME -->` | ends what runs in that terminal |

Needs no comment: a whole manifest (it has to compile), Python (it has to load as the plugin
of the page's first manifest), and `text`, which is no code. A block whose first line is
`# NAME` with an ending is that file: it is there for the commands that follow. What goes on in
another terminal says next what it prints.

All that a page runs on a laptop is run in order, by one shell, in one new directory that has
the `helm` and `examples` of the checkout; all that it runs with a cluster by another one, in
another directory. Both have the files of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HINTS: Final = ("run", "fragment", "fragment of IocJob", "tested by", "parsed", "not run")
"""Comments that belong to the block below them; outputs are others."""
OTHERS: Final = ("values", "end of values")
"""Comments that mean something to a generator."""
WHERE: Final = ("laptop", "cluster")


class PageError(AssertionError):
    """A page that does not keep to the rules; says where."""


@dataclass(frozen=True)
class Hint:
    """`<!-- kind: text -->`"""

    kind: str
    text: str = ""

    @property
    def terminal(self) -> str:
        """The terminal that it speaks of, "" for the block before it."""
        found = re.fullmatch(r"output of (\w+)|(\w+) prints", self.kind)
        return (found[1] or found[2]) if found else ""

    @property
    def is_output(self) -> bool:
        """Whether the block is what something prints."""
        return re.fullmatch(r"output( of \w+)?", self.kind) is not None

    @property
    def is_aside(self) -> bool:
        """Whether it stands for itself."""
        return re.fullmatch(r"before|Ctrl-C|(\w+ )?prints", self.kind) is not None


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    hint: Hint | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str:
        """The file that it is, "" for none."""
        found = re.match(r"# ([\w./-]+\.\w+)\n", self.text)
        return found[1] if found and self.language in ("yaml", "python") else ""

    @property
    def where(self) -> str:
        """`laptop`, `cluster`, or "" when it is not run by a shell."""
        return self.options[0] if self.hint and self.hint.kind == "run" else ""

    @property
    def options(self) -> list[str]:
        """Where it is run, and the options behind that."""
        return re.split(r",\s*", self.hint.text) if self.hint else []

    def option(self, name: str) -> str:
        """What stands behind `name` in the options, "" if it is not there."""
        for option in self.options[1:]:
            if option.startswith(f"{name} "):
                return option.removeprefix(f"{name} ")
        return ""


@dataclass(frozen=True)
class Aside:
    """Something to do between the blocks."""

    page: str
    line: int
    hint: Hint

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def pages() -> tuple[str, ...]:
    """Every document, by its path from the root."""
    found = [ROOT / "README.md"]
    for place in ("docs", "examples", "helm"):
        found += sorted((ROOT / place).rglob("*.md"))
    return tuple(str(path.relative_to(ROOT)) for path in found)


@cache
def steps(page: str) -> tuple[Block | Aside, ...]:
    """What is on a page, in its order.

    :raises PageError: a comment that means nothing, or one without a block
    """
    return tuple(_steps(page, (ROOT / page).read_text()))


def blocks() -> list[Block]:
    """The blocks of all pages."""
    return [step for page in pages() for step in steps(page) if isinstance(step, Block)]


def run_on(where: str) -> list[str]:
    """The pages that have something to run there."""
    return [
        page
        for page in pages()
        if any(isinstance(step, Block) and step.where == where for step in steps(page))
    ]


def typed(page: str, where: str) -> list[Block | Aside]:
    """What is to be done there: files, commands, and what belongs to those."""
    every = steps(page)
    found, before = [], ""
    for number, step in enumerate(every):
        if isinstance(step, Block) and step.where:
            before = step.where
        after = next((s.where for s in every[number:] if isinstance(s, Block) and s.where), "")
        first = isinstance(step, Aside) and step.hint.kind == "before"
        place = (after or before) if first else before
        if place == where or (isinstance(step, Block) and step.file):
            found.append(step)
    return found


def _steps(page: str, text: str) -> Iterator[Block | Aside]:
    hint: Hint | None = None
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if fence := re.match(r"^(\s*)(`{3,})(.*)$", line):
            indent, ticks, language = fence.groups()
            inner = []
            for _, each in lines:
                if each.strip() == ticks:
                    break
                inner.append(each.removeprefix(indent))
            body = "".join(f"{each}\n" for each in inner)
            yield Block(page, number, language.strip(), body, hint)
            hint = None
        elif comment := re.match(r"^\s*<!--\s*(.+?)\s*-->$", line):
            kind, _, rest = comment[1].partition(":")
            found = Hint(kind, rest.strip())
            if found.is_aside:
                yield Aside(page, number, found)
            elif (found.is_output or kind in HINTS) and hint is None:
                hint = found
            elif kind in OTHERS:
                continue
            else:
                raise PageError(f"{page}:{number}: a comment that means nothing: {line}")
        elif line.strip() and hint is not None:
            raise PageError(f"{page}:{number}: expected a block after the comment before it")
    if hint is not None:
        raise PageError(f"{page}: expected a block after its last comment")
