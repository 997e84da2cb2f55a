"""The part of the public API that reads and writes several PVs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

from ioc_runtime.plugin.bound import Bound
from ioc_runtime.plugin.results import PvReading, PvWrite, Results

Casts = Mapping[str, Callable[[Any], Any] | None]


class PvAccess(Bound):
    """`read`, `write` and what chooses PVs, for tasks and jobs."""

    @property
    def prefixes(self) -> Mapping[str, str]:
        """`spec.prefixes`: `{main}P1` is the PV whose name begins with `prefixes["main"]`."""
        return self._task.prefixes

    def tagged(self, *tags: str, name: str = "*") -> list[str]:
        """Names of the inputs and outputs that have all these tags, in the manifest's order.

        `name` is a pattern: `*` any characters, `?` one, `[ab]` one of these.

        :raises UnknownName: nothing in the manifest has such a tag.
        """
        return self._task.tagged(tags, name)

    @overload
    def read(  # type: ignore[overload-overlap]  # a text is one name, not many
        self, names: str, timeout: float = 2.0
    ) -> PvReading: ...

    @overload
    def read(
        self,
        names: Iterable[str] | Casts = (),
        timeout: float = 2.0,
        *,
        tag: str | None = None,
    ) -> Results[PvReading]: ...

    def read(
        self,
        names: str | Iterable[str] | Casts = (),
        timeout: float = 2.0,
        *,
        tag: str | None = None,
    ) -> PvReading | Results[PvReading]:
        """Read any PVs, all at once: `ca://X.EGU`, `pva://Y`, a bare name, `{prefix}Z`.

        A name of an input or output reads that; other bare names take `spec.protocol`.
        A dict names a cast for each (`{"ca://X": int}`). `tag` adds all inputs and outputs
        with that tag. Waits until all are there, at most `timeout` seconds for the whole
        call. What fails (no answer, a cast, an index without a state) is a result with
        value None and an `error`; `raise_for_error()` raises it.

        :raises UnknownName: a prefix or the tag is not in the manifest.
        """
        if isinstance(names, str):
            call = self._task.anywhere.begin_read([names], timeout)
            return call.results(call.batch.wait(call.until, self._task.runs))[0]
        call = self._task.anywhere.begin_read(self._task.with_tag(names, tag), timeout)
        return call.results(call.batch.wait(call.until, self._task.runs))

    async def aread(
        self,
        names: Iterable[str] | Casts = (),
        timeout: float = 2.0,
        *,
        tag: str | None = None,
    ) -> Results[PvReading]:
        """`read` for async code: the plugin's other tasks go on meanwhile."""
        listed: Iterable[str] | Casts = [names] if isinstance(names, str) else names
        call = self._task.anywhere.begin_read(self._task.with_tag(listed, tag), timeout)
        return call.results(await call.batch.arrive(call.until))

    def write(self, values: Mapping[str, Any], timeout: float = 2.0) -> Results[PvWrite]:
        """Write any PVs, all at once, and wait until their servers have processed them.

        Names are those of `read`. Waits at most `timeout` seconds for the whole call; what
        was not sent by then is not sent later. Each write is in the log. What fails is a
        result with an `error`; `raise_for_error()` raises it.

        :raises Paused: ENABLE is 0; nothing was written.
        :raises Ended: the plugin has been stopped; nothing was written.
        :raises UnknownName: a prefix is not in the manifest.
        """
        call = self._task.anywhere.begin_write(values, timeout)
        return call.results(call.batch.wait(call.until, self._task.runs))

    async def awrite(self, values: Mapping[str, Any], timeout: float = 2.0) -> Results[PvWrite]:
        """`write` for async code: the plugin's other tasks go on meanwhile."""
        call = self._task.anywhere.begin_write(values, timeout)
        return call.results(await call.batch.arrive(call.until))
