"""For tests: end the process at a given write, as a crash there would.

`IOC_OPERATOR_FAULT=exit-before:7` ends it (no clean-up, exit code 86) right before the
7th write goes out, `exit-after:7` once its answer is there and before anybody has seen
it. Leases and Events do not count. Without the variable nothing of this is in the way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "IOC_OPERATOR_FAULT"
EXIT_CODE: Final = 86


@dataclass
class Fault:
    """Counts writes, and ends the process at one of them."""

    when: str = ""
    at: int = 0
    seen: int = 0

    @classmethod
    def from_environment(cls) -> Fault:
        """What the variable asks for; ValueError with a sentence when it makes no sense."""
        text = os.environ.get(VARIABLE, "")
        if not text:
            return cls()
        when, _, number = text.partition(":")
        if when not in ("exit-before", "exit-after") or not number.isdigit():
            raise ValueError(
                f"{VARIABLE} is {text!r}; expected exit-before:N or exit-after:N with a number N"
            )
        return cls(when, int(number))

    def before(self) -> int:
        """A write is about to go out: its number, for `after`."""
        self.seen += 1
        if self.when == "exit-before" and self.seen == self.at:
            os._exit(EXIT_CODE)
        return self.seen

    def after(self, number: int) -> None:
        """The answer to that write has arrived."""
        if self.when == "exit-after" and number == self.at:
            os._exit(EXIT_CODE)
