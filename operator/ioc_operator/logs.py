"""How the operator logs: lines for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final

QUIET: Final = ("kopf", "aiohttp", "asyncio", "kubernetes", "urllib3")
"""Libraries whose everyday words are of no use here."""


class Text(logging.Formatter):
    """`2026-11-21T05:12:33.120Z WARNING leader: no lease: ...`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(place)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return moment(record)

    def format(self, record: logging.LogRecord) -> str:
        record.place = place(record)
        return super().format(record)


class Json(logging.Formatter):
    """time, level, logger, message; `error` with the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": moment(record),
            "level": record.levelname.lower(),
            "logger": place(record),
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def moment(record: logging.LogRecord) -> str:
    """RFC 3339, UTC, with milliseconds."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


def place(record: logging.LogRecord) -> str:
    """Who says it, without the package's name."""
    return record.name.removeprefix("ioc_operator.")


def without_traceback(record: logging.LogRecord) -> bool:
    """Its tracebacks lead through itself alone; the line says what it is about."""
    if record.exc_info:
        record.exc_info = record.exc_text = None
    return True


def not_in_a_thread(record: logging.LogRecord) -> bool:
    """What kopf warns of: it takes no signals in a thread. That is what the thread is for."""
    return "OS signals are ignored" not in str(record.msg)


def set_up(level: str, form: str) -> None:
    """Log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    if level != "DEBUG":
        handler.addFilter(lambda r: not r.name.startswith("kopf") or without_traceback(r))
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").addFilter(not_in_a_thread)
