"""How many cases a property is tried with: a fifth on a person's machine, where tests are
run often and draw other cases each time; all of them in CI, or with IOC_TEST_THOROUGH=1.
Of those that take long (10 ms and more) a tenth.
"""

from __future__ import annotations

import os
from typing import Final

THOROUGH: Final = any(
    os.environ.get(name, "").lower() in ("1", "true", "yes") for name in ("CI", "IOC_TEST_THOROUGH")
)


def examples(many: int, *, long: bool = False) -> int:
    """For `max_examples` of hypothesis."""
    return many if THOROUGH else max(10, many // (10 if long else 5))
