"""Values on a command line that begin as options do: -1, -1e-3, -inf, -idle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from typer.core import TyperCommand

_NUMBER: Final = re.compile(
    r"-(0[xX][0-9a-fA-F_]+|[0-9_]+(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+([eE][-+]?[0-9]+)?"
    r"|inf|infinity|nan)",
    re.IGNORECASE,
)


class TakesValues(TyperCommand):
    """A command whose arguments are a PV and what to write: a number is never an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Options first, then `--` and all values, which the parser then leaves alone."""
        takes = {
            name: not getattr(param, "is_flag", False)
            for param in self.get_params(ctx)
            if param.param_type_name == "option"
            for name in (*param.opts, *param.secondary_opts)
        }
        parsed: list[str] = super().parse_args(ctx, apart(args, takes))
        return parsed


def apart(words: Sequence[str], takes: Mapping[str, bool]) -> list[str]:
    """The words with all values behind `--`.

    :param takes: for each name of an option, whether a value follows it
    """
    options: list[str] = []
    values: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            values += left
            break
        if not _is_option(word, takes):
            values.append(word)
            continue
        options.append(word)
        if takes.get(word):
            if not left:
                return list(words)  # its value is missing, which the parser says
            options.append(left.pop(0))
    return [*options, "--", *values] if values else options


def _is_option(word: str, takes: Mapping[str, bool]) -> bool:
    """Whether the parser is to judge it: `--anything`, or the letter of an option."""
    if _NUMBER.fullmatch(word) or len(word) < 2:
        return False
    return word.startswith("--") or word[:2] in takes
