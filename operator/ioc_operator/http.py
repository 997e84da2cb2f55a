"""`/healthz`, `/readyz` and `/metrics` on one port.

Healthy: the event loop answers, and what follows the cluster is alive. Ready: the lists
are complete; a standby is ready too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from .metrics import CONTENT_TYPE, Family, render

Question = Callable[[], str]
"""Empty when all is well, else one sentence."""


class Port:
    """The HTTP server of the operator."""

    def __init__(self, healthy: Question, ready: Question, families: Sequence[Family]):
        self._families = families
        app = web.Application(client_max_size=1024)
        app.add_routes(
            [
                web.get("/healthz", _answers(healthy)),
                web.get("/readyz", _answers(ready)),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.2, keepalive_timeout=15
        )
        self.address = ("", 0)

    async def start(self, host: str | None, port: int) -> None:
        """Listen; OSError when the port is taken. `port` 0 takes a free one."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, reuse_address=True).start()
        found = self._runner.addresses[0]
        self.address = (found[0], found[1])

    async def stop(self) -> None:
        """Close it."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        page = render(self._families)
        return web.Response(body=page.encode(), headers={"Content-Type": CONTENT_TYPE})


def _answers(question: Question) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(_: web.Request) -> web.StreamResponse:
        problem = question()
        return web.Response(text=(problem or "ok") + "\n", status=503 if problem else 200)

    return handler
