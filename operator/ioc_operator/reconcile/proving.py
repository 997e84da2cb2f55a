"""The tests that manifests bring, run before an edit comes into force.

On a thread, one manifest at a time, so that the event loop and the lease go on whatever
somebody has written into his tests; their work is counted, and its time limited.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final

from ioc_operator.desired import Judged, Wanted, sentence
from ioc_operator.names import Key
from ioc_runtime.compile import Compiled, Failed, prove

LONGEST: Final = 30.0
"""Seconds of processor time for the tests of one manifest. The work that they may make
(`compile.proving`) takes eight at most; this is for what is slower than anybody thought."""


class Proving:
    """Runs tests, and remembers what came of those of each task's present spec."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._found: dict[Key, tuple[str, str, str]] = {}
        """uid and hash of a spec, and what fails of its tests."""

    async def failures(self, wanted: Wanted, judged: Judged) -> str:
        """What fails of the manifest's tests, for the status; "" when all pass."""
        compiled = judged.compiled
        if compiled is None or not compiled.proofs:
            self._found.pop(wanted.key, None)
            return ""
        made_of = wanted.uid, wanted.config_hash
        known = self._found.get(wanted.key)
        if known is not None and known[:2] == made_of:
            return known[2]
        async with self._turn:
            failed = await _on_a_thread(compiled)
        text = sentence([str(one) for one in failed])
        self._found[wanted.key] = (*made_of, text)
        return text

    def forget(self, key: Key) -> None:
        """Of an object that is gone."""
        self._found.pop(key, None)


async def _on_a_thread(compiled: Compiled) -> list[Failed]:
    left = threading.Event()

    def work() -> list[Failed]:
        limit = time.thread_time() + LONGEST
        return prove(
            compiled.plan,
            compiled.proofs,
            stop=lambda: left.is_set() or time.thread_time() > limit,
        )

    try:
        return await asyncio.to_thread(work)
    finally:
        left.set()  # nobody waits any more: the thread ends with the present event
