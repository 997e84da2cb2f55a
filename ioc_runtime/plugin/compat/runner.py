"""`iocmng.runner`."""

from __future__ import annotations

import logging
from typing import Any


def run_ioc(plugin_class: type, **_: Any) -> None:
    """Nothing: the task runs already."""
    logging.getLogger("plugin").warning(
        "run_ioc(%s) does nothing: the task runs already", plugin_class.__name__
    )
