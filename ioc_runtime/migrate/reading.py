"""Reads YAML as iocmng does: by PyYAML's rules, but bounded and with duplicates told.

iocmng takes the last of two equal keys without a word, and reads `1e-5` as a text.
"""

from __future__ import annotations

import datetime
import math
from typing import Any, Final

import yaml

from ioc_runtime.migrate.notes import Findings, Place

LARGEST: Final = 2**20
"""Characters of a file."""
MOST: Final = 60_000
"""Values of a file, with what aliases add."""
DEEPEST: Final = 40


class _Loader(yaml.SafeLoader):
    """PyYAML's own, that remembers which keys stood twice."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[tuple[str, int]] = []

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A map; iocmng sees the last of several equal keys."""
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if name in seen and name != "<<":
                self.twice.append((name, key.start_mark.line + 1))
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def read(text: str, findings: Findings) -> dict[str, Any] | None:
    """The map that a file holds, as plain JSON data; None with a problem."""
    if len(text) > LARGEST:
        findings.wrong((), len(text), f"a file of at most {LARGEST} characters")
        return None
    loader = None
    try:
        loader = _Loader(text)
        data = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" in line {mark.line + 1}" if mark else ""
        reason = " ".join(part for part in (error.context, error.problem) if part)
        findings.wrong((), reason, f"YAML{line}")
        return None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        findings.wrong((), str(error)[:200], "YAML that can be read")
        return None
    finally:
        if loader is not None:
            loader.dispose()
    for name, again in loader.twice:
        findings.wrong((), name, f"each key once; it stands twice, in line {again} again")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        findings.wrong((), type(data).__name__, "a map")
        return None
    plain = _Plain(findings)
    made = plain.value(data, (), 0)
    return None if plain.given_up else made


class _Plain:
    """Copies what PyYAML gives as JSON data, within bounds."""

    def __init__(self, findings: Findings) -> None:
        self.findings, self.left, self.given_up = findings, MOST, False

    def value(self, value: Any, where: Place, depth: int) -> Any:
        self.left -= 1
        if self.given_up:
            return None
        if self.left < 0 or depth > DEEPEST:
            self.given_up = True
            expected = f"at most {MOST} values in {DEEPEST} levels, aliases included"
            self.findings.wrong(where, "more", expected)
            return None
        if isinstance(value, dict):
            return {
                self.key(key, where): self.value(item, (*where, str(key)), depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item, (*where, i), depth + 1) for i, item in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            self.findings.wrong(where, str(value), "a finite number")
        elif isinstance(value, datetime.date | datetime.datetime | bytes | set):
            self.findings.wrong(where, str(value)[:60], "a number or a text; quote it")
            return str(value)
        return value

    def key(self, key: Any, where: Place) -> str:
        if not isinstance(key, str):
            self.findings.wrong(where, str(key), "quotes around this key: it is read as no text")
        return str(key)
