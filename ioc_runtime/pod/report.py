"""Writes what a task says of itself to `status.runtime` of its own object.

Only on change, at least a second apart, the newest word alone. What changes all the time
(a rule that flaps) is written less and less often; a configuration that came into force
is told at once, since somebody waits for it. Whatever the API server does, the task does
not notice.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ioc_runtime.pod.api import Answer, Api, NoAnswer
from ioc_runtime.pod.environment import Environment
from ioc_runtime.pod.words import Words, moment, words

if TYPE_CHECKING:
    from ioc_runtime.task.task import Task

LOOK: Final = 0.1
"""Seconds between two looks for something new."""
GAP: Final = 1.0
WIDEST_GAP: Final = 15.0
"""Seconds between two reports: at least, and where changes do not end."""
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries where the API server does not take a report."""
LATE: Final = 30.0
"""Seconds after which news that nobody has taken make the status a lie. The pod is not Ready
then: so much its node can tell."""
LAST_TRY: Final = 0.3
URGENT: Final = ("configHash", "refused", "state", "job")
"""What somebody waits for: told without the widened gap."""

CONTENT_TYPE: Final = "application/apply-patch+yaml"
MANAGER: Final = "ioc-runtime"

log = logging.getLogger(__name__)


class Pace:
    """When the next report may go out. Pure: the times come from the caller."""

    def __init__(self) -> None:
        self._last = -LONGEST_WAIT
        self._gap = GAP
        self._wait = GAP
        self.not_before = -LONGEST_WAIT

    def may(self, now: float, *, urgent: bool) -> bool:
        """Whether a report may be sent now."""
        return now >= self.not_before and now >= self._last + (GAP if urgent else self._gap)

    def sent(self, now: float) -> None:
        """One went out: the next may follow the sooner, the longer it was quiet before."""
        quiet = now - self._last > 2 * self._gap
        self._gap = GAP if quiet else min(WIDEST_GAP, self._gap * 1.5)
        self._last, self._wait = now, GAP

    def failed(self, now: float, retry_after: float | None = None) -> None:
        """It was not taken: wait longer each time."""
        wait = max(self._wait, retry_after or 0.0)
        self._wait = min(LONGEST_WAIT, self._wait * 2)
        self.not_before = now + min(wait, LONGEST_WAIT) * random.uniform(0.8, 1.2)


class Reporter:
    """Reports a task from a thread of its own."""

    def __init__(
        self,
        task: Task,
        environment: Environment,
        manifest: Path,
        api: Api | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Of `task`; the generation in the file `manifest` belongs to the plan beside it."""
        self._task, self._environment, self._manifest = task, environment, manifest
        self._api, self._clock = api or Api(), clock
        self._pace = Pace()
        self._told: Words | None = None
        self._trouble = ""
        self._untold_since: float | None = None
        self._generation: tuple[str, int | None] = ("", None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def start(self) -> None:
        """Begin; the first report goes out at once."""
        self._thread.start()

    def stop(self) -> None:
        """A last word, if the API server takes it within `LAST_TRY` seconds."""
        self._stopping.set()
        self._thread.join(LAST_TRY)
        if not self._thread.is_alive():
            now = self._words()
            if now != self._told and not self._trouble:
                self._send(now, LAST_TRY)

    def late(self) -> str:
        """Why the status has not been what the task says for so long; "" if it is."""
        since = self._untold_since
        if since is None or (seconds := self._clock() - since) < LATE:
            return ""
        return f"the report has not been taken for {seconds:.0f} s: {self._trouble or 'no answer'}"

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception:
                log.exception("the report failed")
                self._has_news()
            self._stopping.wait(LOOK)

    def _turn(self) -> None:
        now = self._words()
        if now == self._told:
            self._untold_since = None
            return
        self._has_news()
        told = self._told or {}
        urgent = any(now.get(field) != told.get(field) for field in URGENT)
        if self._pace.may(self._clock(), urgent=urgent):
            self._send(now)

    def _has_news(self) -> None:
        if self._untold_since is None:
            self._untold_since = self._clock()

    def _words(self) -> Words:
        return words(self._task, self._environment.pod_uid, self._observed())

    def _observed(self) -> int | None:
        """Generation of the plan in force; the file beside it is read once per plan."""
        in_force = self._task.config_hash
        if self._generation[0] != in_force or self._generation[1] is None:
            self._generation = (in_force, generation(self._manifest))
        return self._generation[1]

    def _send(self, said: Words, timeout: float | None = None) -> None:
        body = {
            "apiVersion": "ioc-operator.dev/v1alpha1",
            "kind": self._environment.kind,
            "metadata": {
                "name": self._environment.name,
                "namespace": self._environment.namespace,
            },
            "status": {"runtime": said | {"time": moment(time.time())}},
        }
        path = f"{self._environment.status_path}?fieldManager={MANAGER}&force=true"
        more = {} if timeout is None else {"timeout": timeout}
        try:
            answer = self._api.patch(path, CONTENT_TYPE, json.dumps(body).encode(), **more)
        except NoAnswer as error:
            self._failed(str(error))
            return
        if 200 <= answer.status < 300:
            self._told, self._untold_since = said, None
            self._pace.sent(self._clock())
            if self._trouble:
                log.info("reports are taken again")
            self._trouble = ""
        else:
            self._failed(refusal(answer), answer.retry_after)

    def _failed(self, why: str, retry_after: float | None = None) -> None:
        self._pace.failed(self._clock(), retry_after)
        if why != self._trouble:  # one line for each kind of trouble
            log.warning("the report was not taken, and is tried again: %s", why)
        self._trouble = why


def refusal(answer: Answer) -> str:
    """Why a report was not taken, in one line."""
    try:
        message = str(json.loads(answer.text).get("message") or "")
    except (ValueError, AttributeError):
        message = ""
    return f"HTTP {answer.status} {message[:300]}".strip()


def generation(manifest: Path) -> int | None:
    """metadata.generation in the manifest's file; None where it cannot be read."""
    try:
        found = json.loads(manifest.read_bytes())["metadata"]["generation"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None
