"""What the documents show: each block is of a kind that is tried, and links lead somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import yaml

from ioc_runtime.compile import check_text, compile_text
from ioc_runtime.plan import Plugin
from ioc_runtime.plugin.loader import load
from support.pages import (
    ROOT,
    WHERE,
    Aside,
    Block,
    Hint,
    PageError,
    _steps,
    blocks,
    pages,
    run_on,
    steps,
    typed,
)

API = "ioc-operator.dev/"
LANGUAGES = ("sh", "yaml", "python", "pycon", "text")
DIRECTIVE = re.compile(r"\{[\w-]+\}")
"""What the site's generator does itself, as a table of contents."""
LINK = re.compile(
    r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"|!\[[^\]]*\]\(([^)\s]+)\)"
)


def is_manifest(block: Block) -> bool:
    return block.language == "yaml" and f"apiVersion: {API}" in block.text


def is_plugin(block: Block) -> bool:
    return block.language == "python" and block.hint is None and "test_" not in block.file


def is_used(block: Block) -> bool:
    """A file that the commands of its page name, or a file of tests beside such commands."""
    name = block.file.rpartition("/")[2]
    every = [step for step in steps(block.page) if isinstance(step, Block) and step.where]
    return bool(name) and any(name in other.text or "test_" in name for other in every)


def run_of(page: str) -> set[str]:
    """Where a page is run."""
    return {step.where for step in steps(page) if isinstance(step, Block)} - {""}


@pytest.mark.parametrize("page", pages())
def test_each_block_of_a_page_is_tried_or_says_why_not(page: str):
    last: Block | None = None
    starting = awaited = None
    terminals = set()
    for step in steps(page):
        if isinstance(step, Aside):
            assert step.hint.text, f"{step}: expected something behind {step.hint.kind}"
            starting = starting if step.hint.kind == "before" else None
            continue
        assert step.language in LANGUAGES or DIRECTIVE.match(step.language), (
            f"{step}: expected a block of {', '.join(LANGUAGES)}, found {step.language!r}"
        )
        hint = step.hint or Hint("")
        expected = starting or awaited
        assert expected is None or hint.is_output, f"{expected}: what does it print?"
        starting = step if step.option("terminal") else None
        terminals.add(step.option("terminal"))
        awaited = step if "again" in step.options else None
        if hint.kind == "" or hint.is_output:
            assert not hint.text, f"{step}: expected nothing behind {hint.kind}"
        else:
            assert hint.text, f"{step}: expected something behind {hint.kind}"
        if hint.kind == "run":
            assert step.language == "sh", f"{step}: a shell runs blocks of sh"
            assert step.where in WHERE, f"{step}: expected run: {' or '.join(WHERE)}"
            for option in step.options[1:]:
                assert re.fullmatch(r"exit \d+|terminal \w+|again", option), f"{step}: {option}?"
        elif hint.is_output:
            known = hint.terminal in terminals if hint.terminal else last and last.where
            assert known, f"{step}: of which block that is run?"
            assert step.language == "text", f"{step}: output is text"
        elif hint.kind == "tested by":
            assert page in (ROOT / hint.text).read_text(), f"{step}: {hint.text} says nothing of it"
        elif hint.kind == "parsed":
            lines = [line for line in step.text.splitlines() if line]
            ours = all(line.startswith(("iocctl ", "kubectl ioc ")) for line in lines)
            assert ours, f"{step}: expected iocctl or kubectl ioc alone"
        elif hint.kind.startswith("fragment"):
            assert step.language == "yaml", f"{step}: a fragment is yaml"
        elif hint.kind == "":
            tried = is_manifest(step) or is_plugin(step) or is_used(step)
            tried |= step.language == "text"
            assert tried or DIRECTIVE.match(step.language), (
                f"{step}: is it run? see support/pages.py"
            )
        last = step


@pytest.mark.parametrize(
    "text",
    [
        "<!-- rum: laptop -->\n```sh\nls\n```\n",
        "<!-- run: laptop -->\nwords\n```sh\nls\n```\n",
        "<!-- run: laptop -->\n<!-- output -->\n```sh\nls\n```\n",
        "```sh\nls\n```\n<!-- output -->\n",
    ],
)
def test_a_comment_that_is_mistyped_or_stands_alone_is_a_mistake(text: str):
    with pytest.raises(PageError):
        list(_steps("page", text))


def test_a_block_is_read_with_its_hint_its_options_and_its_file():
    text = "- so:\n\n  <!-- run: laptop, exit 2, terminal b -->\n\n  ```sh\n  a\n    b\n  ```\n"
    (block,) = _steps("page", text)
    assert isinstance(block, Block)
    assert (block.line, block.language, block.text) == (5, "sh", "a\n  b\n")
    assert (block.where, block.option("exit"), block.option("terminal")) == ("laptop", "2", "b")
    (named,) = _steps("page", "```yaml\n# a/b.yaml\nx: 1\n```\n")
    assert isinstance(named, Block)
    assert named.file == "a/b.yaml"


def test_pages_are_run_in_both_places():
    assert all(run_on(where) for where in WHERE)


def test_each_place_runs_its_commands_and_what_belongs_to_them(monkeypatch: pytest.MonkeyPatch):
    text = """
```yaml
# a.yaml
x: 1
```
<!-- before: b -->
<!-- run: laptop -->
```sh
c
```
<!-- output -->
```text
d
```
<!-- before: e -->
<!-- run: cluster, terminal 2 -->
```sh
f
```
<!-- prints: g -->
"""
    found = tuple(_steps("page", text))
    monkeypatch.setattr("support.pages.steps", lambda page: found)
    laptop = [found[n] for n in (0, 1, 2, 3)]
    cluster = [found[n] for n in (0, 4, 5, 6)]
    assert [typed("page", where) for where in WHERE] == [laptop, cluster]


@pytest.mark.parametrize("block", [b for b in blocks() if is_manifest(b)], ids=str)
def test_a_manifest_that_is_shown_is_good(block: Block):
    if block.hint and block.hint.kind == "not run":
        pytest.fail(f"{block}: a manifest is always tried")
    for text in re.split(r"^---$", block.text, flags=re.MULTILINE):
        if API in text:
            checked = check_text(text, file=str(block))
            assert [str(problem) for problem in (*checked.problems, *checked.warnings)] == []


@pytest.mark.parametrize(
    "block", [b for b in blocks() if b.hint and b.hint.kind.startswith("fragment")], ids=str
)
def test_a_part_of_a_manifest_that_is_shown_is_good_in_its_place(block: Block):
    assert block.hint is not None
    kind = block.hint.kind.partition(" of ")[2] or "IocTask"
    path = block.hint.text.split(".")
    assert path[0] == "spec"
    whole = {
        "apiVersion": f"{API}v1alpha1",
        "kind": kind,
        "metadata": {"name": "shown", "namespace": "bl01"},
        "spec": {},
    }
    place = whole
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = yaml.safe_load(block.text)
    checked = check_text(json.dumps(whole), file=str(block))
    assert [str(problem) for problem in checked.problems] == []


@pytest.mark.parametrize("block", [b for b in blocks() if is_plugin(b)], ids=str)
def test_python_that_is_shown_loads_as_a_plugin_of_the_first_manifest(block: Block):
    kind = "IocJob" if re.search(r"JobBase|def main", block.text) else "IocTask"
    near = [b.text for b in steps(block.page) if isinstance(b, Block) and is_manifest(b)]
    fitting = [text for text in near if f"kind: {kind}" in text]
    names = tuple(re.findall(r"@register_function\(\"(\w+)\"", block.text))
    plugin = Plugin(files={"shown.py": block.text}, functions=names)
    loaded = load(replace(compile_text(fitting[0])[0].plan, plugin=plugin))
    loaded.close()


def links(page: str) -> Iterator[str]:
    """What a page links to, other than other sites."""
    text = re.sub(r"^(\s*)```.*?^\1```$", "", (ROOT / page).read_text(), flags=re.M | re.S)
    text = re.sub(r"`[^`]*`", "", text)
    for found in LINK.finditer(text):
        target = next(group for group in found.groups() if group)
        if not re.match(r"[a-z]+:", target):
            yield target


@cache
def anchors(path: Path) -> set[str]:
    """What the headings of a page can be linked by."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        number = 0
        while f"{slug}-{number}" * bool(number) in found or (not number and slug in found):
            number += 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").iterdir()), ids=str)
def test_a_picture_is_one_that_needs_nothing_from_elsewhere(picture: Path):
    root = ElementTree.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root[0].text and root[1].text, "expected a title and a description"
    assert "http" not in picture.read_text().replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("page", [*pages(), "CHANGELOG.md"])
def test_a_link_of_a_page_leads_to_a_file_and_a_heading(page: str):
    lost = []
    for target in links(page):
        name, _, anchor = unquote(target).partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            lost.append(target)
    assert lost == []
