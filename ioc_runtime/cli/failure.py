"""What went wrong, in one sentence for the person at the terminal."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `iocctl` itself; a serving process adds those of the runtime."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_CLUSTER = 3
    BAD_SPEC = 15


class Failure(Exception):
    """A mistake or a fault that one sentence explains; shown without a traceback."""

    def __init__(self, text: str, code: int = Exit.FAILED) -> None:
        super().__init__(text)
        self.code = code
