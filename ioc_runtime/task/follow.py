"""Follows the file of the plan: what is written there comes into force.

A ConfigMap's files are replaced all at once, by a link to another directory; a person's
file is written in place. Both show in what the system says of the file (`stat`), which
is looked at 20 times a second. A file that cannot be read as a plan may be half written:
it is refused when it has stayed so for a while.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.plan import FORMAT, Plan, PlanError, from_json
from ioc_runtime.task.reload import Refusal
from ioc_runtime.task.requests import FILE, Requests

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task

PERIOD: Final = 0.05
"""Seconds between two looks at the file."""
SETTLED: Final = 0.5
"""Seconds after which a file that has not changed counts as written to its end."""

log = logging.getLogger("ioc_runtime")

Look = tuple[int, ...]


class Follower:
    """Offers what a file holds to a task, in a thread of its own."""

    def __init__(self, path: Path, task: Task) -> None:
        self._path, self._task = path, task
        self._requests = Requests(path.with_name(FILE), task)
        self._seen: Look | None = None
        self._since = 0.0
        """When the file began to look as it does, monotonic."""
        self._open = True
        """Whether what it holds has not been judged to the end."""
        self._read: bytes | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def start(self) -> None:
        """Start to follow; what the file holds now is offered, too."""
        self._thread.start()

    def stop(self, timeout: float = 0.2) -> None:
        """Take over nothing more."""
        self._stopping.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
                self._requests.turn()
            except Exception:
                log.exception("the plan's file could not be followed")
            self._stopping.wait(PERIOD)

    def _turn(self) -> None:
        """Look at the file, and read it until it has stood still for a while.

        Two writes in quick succession may look the same to the system.
        """
        look = _look(self._path)
        now = time.monotonic()
        if look != self._seen:
            self._seen, self._since, self._open = look, now, True
        settled = now - self._since > SETTLED
        if look is None or (settled and not self._open):
            return
        try:
            data = self._path.read_bytes()
        except OSError:
            return
        self._open = data != self._read and not self._judge(data, settled=settled)
        if not self._open:
            self._read = data

    def _judge(self, data: bytes, *, settled: bool) -> bool:
        """Take the plan over or refuse it; False: it is to be read again."""
        began = time.monotonic()
        task = self._task
        try:
            plan = _plan(data)
            if plan.config_hash == task.config_hash and (plan.config_hash or plan == task.plan):
                task.refused = None
                return True
            held = task.reload(plan)
        except Refusal as refusal:
            if refusal.reason == "BadPlan" and not refusal.config_hash and not settled:
                return False
            self._refuse(refusal)
            return True
        task.refused = None
        log.info("a new configuration is in force")
        task.sayings.say(
            "reload",
            config_hash=plan.config_hash,
            seconds=round(time.monotonic() - began, 4),
            held=round(held, 5),
        )
        return True

    def _refuse(self, refusal: Refusal) -> None:
        if refusal == self._task.refused:
            return
        self._task.refused = refusal
        log.warning("a new configuration is not in force: %s", refusal.text)
        self._task.sayings.say(
            "refused",
            config_hash=refusal.config_hash,
            reason=refusal.reason,
            text=refusal.text,
        )


def _look(path: Path) -> Look | None:
    """What the system says of the file; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def _plan(data: bytes) -> Plan:
    """The plan in the file.

    :raises Refusal: it is none, or one of a newer format; the hash is "" where it is not
        JSON at all, which may be half of a plan
    """
    try:
        return from_json(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Refusal("", "BadPlan", "the plan is not UTF-8") from None
    except PlanError as error:
        found = _parsed(data)
        config_hash = str(found.get("config_hash") or "")
        version = found.get("format")
        newer = isinstance(version, int) and version > FORMAT
        raise Refusal(config_hash, "RuntimeTooOld" if newer else "BadPlan", str(error)) from None


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
