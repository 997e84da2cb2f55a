"""A proxy in front of the API server whose answers go wrong, one kind after the other."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from cluster.rig import Rig

FAULTS: Final = (
    "429",
    "500",
    "503",
    "409",
    "slow",
    "cut before it arrives",
    "cut after it is done",
    "cut in the middle of the answer",
)
EVERY: Final = 5
"""Of so many requests one goes wrong."""
RETRY_AFTER: Final = 1
SLOW: Final = 2.0
WATCH: Final = 3.0
"""Seconds after which a watch is cut."""
_HOP: Final = {"host", "transfer-encoding", "content-length", "connection", "content-encoding"}


class FaultyApi:
    """Answers on loopback for an API server; use it in a `with` block."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.met: Counter[str] = Counter()
        """How often each fault was met, by name."""
        self.waited: list[tuple[float, str]] = []
        """Seconds between a 429 and the next request for the same, and what it was. Of patches:
        several parts of the operator read the same lists, and Events are made at one address."""
        self.at_peace = False
        """Set it to let everything pass."""
        self.blind = False
        """While it is set, watches are cut as soon as they begin."""
        self.expired: set[str] = set()
        """What of a watch has been told, once, that it is too old; see `expire`."""
        self._expiring = False
        self.url = ""
        self._told_to_wait: dict[tuple[str, str], float] = {}
        self._numbers, self._faults = itertools.count(1), itertools.cycle(FAULTS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FaultyApi:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def kubeconfig(self, of: Path, path: Path) -> Path:
        """The same user, through here."""
        path.touch(mode=0o600)
        path.write_text(of.read_text().replace(self._rig.api_url, self.url))
        return path

    def expire(self) -> None:
        """The next watch of each kind is told that its resourceVersion is gone (410)."""
        self.expired, self._expiring = set(), True

    async def _start(self) -> None:
        trusted = ssl.create_default_context(cafile=str(self._rig.ca_file))
        self._session = ClientSession(
            connector=TCPConnector(ssl=trusted, limit=0),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}  # of connections that were cut
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self._watch(request)
        same = request.method, request.path
        if told := self._told_to_wait.pop(same, None):
            self.waited.append((time.monotonic() - told, request.path))
        if self.at_peace or next(self._numbers) % EVERY:
            return await self._pass(request)
        fault = next(self._faults)
        self.met[fault] += 1
        if fault.isdigit():
            if fault == "429" and request.method == "PATCH":
                self._told_to_wait[same] = time.monotonic()
            return _refusal(int(fault))
        if fault == "slow":
            await asyncio.sleep(SLOW)
            return await self._pass(request)
        if fault != "cut before it arrives":
            answer = await self._pass(request)
            if fault == "cut in the middle of the answer":
                await _half(request, answer)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _ask(self, request: web.Request, body: bytes) -> Any:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        url = self._rig.api_url + request.path_qs
        return self._session.request(
            request.method,
            url,
            headers=headers,
            data=body or None,
            skip_auto_headers=("Content-Type", "User-Agent"),
        )

    async def _pass(self, request: web.Request) -> web.Response:
        async with self._ask(request, await request.read()) as answer:
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            if coding := answer.headers.get("Content-Encoding"):
                headers["Content-Encoding"] = coding
            return web.Response(status=answer.status, headers=headers, body=await answer.read())

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """What comes within a while; then the connection is gone."""
        assert request.transport is not None
        if self.blind:
            request.transport.abort()
            return web.Response()
        if self._expiring and request.path not in self.expired:
            self.expired.add(request.path)
            # As the API server says it: an answer that begins well, and is nothing but this.
            return web.json_response({"type": "ERROR", "object": _status(410, "Expired")})
        async with self._ask(request, b"") as answer:
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            out = web.StreamResponse(status=answer.status, headers=headers)
            await out.prepare(request)
            try:
                async with asyncio.timeout(None if self.at_peace else WATCH):
                    await self._stream(answer, out)
            except (TimeoutError, ConnectionError):
                self.met["watch cut"] += 1
                if request.transport is not None:
                    request.transport.abort()
            return out

    async def _stream(self, answer: Any, out: web.StreamResponse) -> None:
        chunks = aiter(answer.content.iter_any())
        while not self.blind:
            try:
                async with asyncio.timeout(0.2):
                    chunk = await anext(chunks)
            except TimeoutError:
                continue
            except StopAsyncIteration:
                return
            await out.write(chunk)
        raise ConnectionError("nobody is to see anything")


async def _half(request: web.Request, answer: web.Response) -> None:
    """Say how long the answer is, and send the first half of it."""
    body = bytes(answer.body or b"")  # type: ignore[arg-type]
    out = web.StreamResponse(status=answer.status, headers=answer.headers)
    out.content_length = len(body)
    await out.prepare(request)
    await out.write(body[: len(body) // 2])


def _refusal(code: int) -> web.Response:
    reason = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError"}.get(code, "Unknown")
    headers = {"Retry-After": str(RETRY_AFTER)} if code == 429 else {}
    return web.json_response(_status(code, reason), status=code, headers=headers)


def _status(code: int, reason: str) -> dict[str, Any]:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return said | {"reason": reason, "message": f"a fault of the test: {code}"}
