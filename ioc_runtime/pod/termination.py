"""The last words of a container: JSON that the kubelet puts into the pod's status."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

PATH: Final = "/dev/termination-log"
LARGEST: Final = 4096
"""Bytes that the kubelet reads."""


def last_words(reason: str, text: str, exit_code: int, **more: Any) -> str:
    """One object of at most `LARGEST` bytes; what is too long loses its end."""
    words: dict[str, Any] = {"reason": reason, "text": text, "exit": exit_code, **more}
    said = json.dumps(words, ensure_ascii=False)
    if len(said.encode()) <= LARGEST:
        return said
    for name in more:  # the sentence is worth more than the rest
        del words[name]
        said = json.dumps(words, ensure_ascii=False)
        if len(said.encode()) <= LARGEST:
            return said
    room = LARGEST - len(json.dumps(words | {"text": ""}).encode()) - 3
    words["text"] = text.encode()[: room // 2].decode("utf-8", "ignore") + "…"
    return json.dumps(words, ensure_ascii=False)


def leave(words: str, path: str | None = None) -> bool:
    """Write the last words where the kubelet looks; False where there is no such place."""
    target = Path(path or os.environ.get("IOC_TERMINATION_LOG") or PATH)
    if not target.exists():
        return False
    try:
        target.write_text(words, encoding="utf-8")
    except OSError:
        return False
    return True
