"""What came of a cycle: from what `triggered()` returns or raises to TASK_STATUS. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from reprlib import Repr
from typing import Any, Final

from ioc_runtime.plugin.errors import NotYours, Paused, Skip

SUCCESS, LOGIC_FAILURE, IO_FAILURE, EXCEPTION, SKIPPED, STALLED = range(6)
"""TASK_STATUS."""

LONGEST: Final = 256
"""Characters of the sentence."""

_short = Repr()
_short.maxstring = _short.maxother = 60


@dataclass(frozen=True)
class Verdict:
    """TASK_STATUS, and one sentence for ERR:MSG; "" where there is nothing to add."""

    status: int
    text: str = ""


def returned(value: Any) -> Verdict:
    """`triggered()` returned `value`.

    Nothing, True, or a `JobResult` of a success is one. What cannot be understood is no
    success: a plugin written for something else may mean a failure by it.
    """
    success, message = _read(value)
    if success is None:
        expected = "expected nothing, True, False or a JobResult"
        return Verdict(EXCEPTION, f"triggered() returned {_short.repr(value)}: {expected}")
    if success:
        return Verdict(SUCCESS)
    return Verdict(LOGIC_FAILURE, _sentence(message) or "triggered() says that it failed")


def raised(error: BaseException, sentence: str) -> Verdict:
    """`triggered()` raised; `sentence` says where and what."""
    if isinstance(error, Skip):
        return Verdict(SKIPPED, _sentence(error))
    if isinstance(error, Paused):
        return Verdict(LOGIC_FAILURE, "the task was paused in the cycle (ENABLE is 0)")
    # A wrong owner is a mistake in the code, although Python has it among I/O errors.
    if isinstance(error, OSError) and not isinstance(error, NotYours):
        return Verdict(IO_FAILURE, _sentence(sentence))
    return Verdict(EXCEPTION, _sentence(sentence))


def _read(value: Any) -> tuple[bool | None, Any]:
    """(whether it is a success, None for who knows; why not)."""
    if value is None:
        return True, ""
    plain = getattr(value, "tolist", None)  # numpy's bool
    success = value if plain is None else plain()
    message = ""
    if isinstance(value, dict):
        success, message = value.get("success"), value.get("message")
    elif hasattr(value, "success"):
        success, message = value.success, getattr(value, "message", "")
    return (success if isinstance(success, bool) else None), message


def _sentence(text: Any) -> str:
    """One line, whatever the code gave as one."""
    line = " ".join(str(text or "").split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
