"""What went wrong in a plugin: one sentence, and the frames of its own files."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import FrameType

SENTENCE_MAX = 400
TRACEBACK_MAX = 3000
"""Characters; the last error of a process has to fit 4 KiB with all its fields."""


def describe(error: BaseException, root: Path | None, package: str = "") -> tuple[str, str]:
    """(sentence, traceback) of an error, with file names relative to the plugin's root.

    The sentence starts with the plugin's file and line, when it was raised below one.
    The traceback holds the plugin's own frames only. `package` is the private name
    of the plugin's package, which a person need not see.
    """
    frames = [
        traceback.FrameSummary(_inside(f.filename, root), f.lineno, f.name, line=f.line)
        for f in traceback.extract_tb(error.__traceback__)
        if _inside(f.filename, root)
    ]
    text = _text(error)
    where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    if isinstance(error, SyntaxError) and error.filename and _inside(error.filename, root):
        text = f"SyntaxError: {error.msg}"
        where = f"{_inside(error.filename, root)}:{error.lineno or 1}: "
    sentence = _tidy(f"{where}{text}", root, package)
    lines = traceback.format_list(frames)
    lines += _syntax(error) if isinstance(error, SyntaxError) else [f"{text}\n"]
    shown = _tidy("".join(lines), root, package)
    if len(shown) > TRACEBACK_MAX:
        shown = "…" + shown[1 - TRACEBACK_MAX :]
    return _one_line(sentence), shown


def where_is(thread_id: int | None, root: Path | None) -> str:
    """` at guard.py:12`: the plugin's line in which a thread is now, or ""."""
    frames = sys._current_frames()  # noqa: SLF001 - its documented name
    frame: FrameType | None = frames.get(thread_id or 0)
    while frame is not None:
        inside = _inside(frame.f_code.co_filename, root)
        if inside:
            return f" at {inside}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _text(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the plugin called exit({error.code!r:.60}), which a plugin cannot do"
    try:
        said = str(error)
    except BaseException as broken:  # __str__ is the plugin's code, too
        said = f"(its text cannot be shown: {type(broken).__name__})"
    name = type(error).__name__
    return f"{name}: {said}" if said else name


def _syntax(error: SyntaxError) -> list[str]:
    lines = []
    if error.text:
        text = error.text.rstrip("\n")
        indent = len(text) - len(text.lstrip())
        lines.append(f"    {text.lstrip()}\n")
        if error.offset:
            lines.append(f"    {' ' * max(0, error.offset - 1 - indent)}^\n")
    return [*lines, f"SyntaxError: {error.msg}\n"]


def _inside(filename: str, root: Path | None) -> str:
    """`filename` relative to the plugin's root; "" when it is not below it."""
    if root is None or not filename.startswith(f"{root}{os.sep}"):
        return ""
    return filename[len(str(root)) + 1 :]


def _tidy(text: str, root: Path | None, package: str) -> str:
    if root is not None:
        text = text.replace(f"{root}{os.sep}", "")
    if package:
        text = text.replace(f"{package}.", "").replace(package, "the plugin")
    return text


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SENTENCE_MAX else f"{text[: SENTENCE_MAX - 1]}…"
