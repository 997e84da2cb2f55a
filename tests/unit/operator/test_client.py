"""The client against a server that breaks in every way we know: real HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from ioc_operator.kube import errors, watch
from ioc_operator.kube.client import Client
from ioc_operator.kube.credentials import Credentials, NoCluster
from ioc_operator.kube.resources import CONFIG_MAPS, LEASES, PODS, TASKS
from ioc_operator.kube.watch import ListWatch
from ioc_operator.metrics import render

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x", "namespace": "bl01"},
    "data": {"a": "b"},
}


class Fence:
    """A lease that ends when the test says so."""

    def __init__(self, seconds: float = 100.0) -> None:
        self.seconds = seconds

    def remaining(self) -> float:
        return self.seconds


def kubeconfig(directory: Path, server: str, **user: Any) -> Path:
    path = directory / "kubeconfig"
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": "secret"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(made))
    return path


@asynccontextmanager
async def served(
    handler: Handler, directory: Path, fence: Fence | None = None, **user: Any
) -> AsyncIterator[Client]:
    """A client of a server that answers with `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    credentials = Credentials(str(kubeconfig(directory, f"http://127.0.0.1:{port}", **user)))
    client = Client(credentials, fence)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


def failure(code: int, reason: str, message: str = "words", **more: Any) -> web.Response:
    headers = more.pop("headers", {})
    body = {"kind": "Status", "code": code, "reason": reason, "message": message} | more
    return web.json_response(body, status=code, headers=headers)


TERMINATING = {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}
UNTYPED = "failed to create typed patch object (bl01/x): .spec.x: field not declared in schema"


@pytest.mark.parametrize(
    ("code", "reason", "more", "kind"),
    [
        (400, "BadRequest", {}, errors.Refused),
        (403, "Forbidden", {}, errors.Forbidden),
        (403, "Forbidden", {"details": TERMINATING}, errors.NamespaceEnding),
        (404, "NotFound", {}, errors.NotFound),
        (409, "Conflict", {}, errors.Conflict),
        (410, "Expired", {}, errors.Gone),
        (413, "RequestEntityTooLarge", {}, errors.Refused),
        (422, "Invalid", {}, errors.Refused),
        (429, "TooManyRequests", {}, errors.TooMany),
        (500, "InternalError", {}, errors.ServerError),
        (500, "", {"message": UNTYPED}, errors.Refused),
        (503, "ServiceUnavailable", {}, errors.ServerError),
        (504, "Timeout", {}, errors.ServerError),
    ],
)
def test_each_answer_is_an_error_by_what_there_is_to_do_about_it(
    tmp_path: Path, code: int, reason: str, more: dict[str, Any], kind: type[errors.KubeError]
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return failure(code, reason, **more)

    async def story() -> errors.KubeError:
        async with served(handler, tmp_path) as client:
            with pytest.raises(errors.KubeError) as caught:
                await client.apply(CONFIG_MAPS, BODY)
            return caught.value

    error = asyncio.run(story())
    assert type(error) is kind
    assert error.code == code
    assert "configmaps/x" in str(error), "which object it was"


def test_the_server_s_delay_is_read_from_header_and_body(tmp_path: Path) -> None:
    answers = [
        failure(429, "TooManyRequests", headers={"Retry-After": "7"}),
        failure(429, "TooManyRequests", details={"retryAfterSeconds": 3}),
        failure(503, "x", headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}),
    ]

    async def handler(_: web.Request) -> web.StreamResponse:
        return answers.pop(0)

    async def story() -> list[float]:
        waits = []
        async with served(handler, tmp_path) as client:
            for _ in range(3):
                with pytest.raises(errors.Transient) as caught:
                    await client.get(TASKS, "bl01", "x")
                waits.append(caught.value.retry_after)
        return waits

    assert asyncio.run(story()) == [7.0, 3.0, 0.0]


@pytest.mark.parametrize("how", ["cut", "half", "no json"])
def test_a_broken_answer_is_no_answer(tmp_path: Path, how: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if how == "cut":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        response = web.StreamResponse(headers={"Content-Length": "1000"} if how == "half" else {})
        await response.prepare(request)
        await response.write(b'{"metadata": {')
        if how == "half" and request.transport is not None:
            request.transport.abort()
        return response

    async def story() -> None:
        async with served(handler, tmp_path) as client:
            with pytest.raises(errors.Unreachable):
                await client.get(TASKS, "bl01", "x")

    asyncio.run(story())


def test_nobody_listens_is_no_answer(tmp_path: Path) -> None:
    async def story() -> None:
        credentials = Credentials(str(kubeconfig(tmp_path, "http://127.0.0.1:9")))
        client = Client(credentials)
        with pytest.raises(errors.Unreachable):
            await client.apply(CONFIG_MAPS, BODY)
        await client.close()

    asyncio.run(story())


def test_a_write_ends_before_the_lease_does(tmp_path: Path) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5.0)
        return web.json_response({})

    async def story() -> float:
        loop = asyncio.get_running_loop()
        async with served(handler, tmp_path, Fence(0.05)) as client:
            began = loop.time()
            with pytest.raises(errors.Unreachable):
                await client.apply(CONFIG_MAPS, BODY)
            return loop.time() - began

    assert asyncio.run(story()) < 2.0


def test_without_the_lease_nothing_is_sent_but_what_is_read_and_the_lease_itself(
    tmp_path: Path,
) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.method)
        return web.json_response({"metadata": {}})

    async def story() -> None:
        async with served(handler, tmp_path, Fence(0.0)) as client:
            for write in (
                client.apply(CONFIG_MAPS, BODY),
                client.apply_status(TASKS, BODY),
                client.patch(PODS, "bl01", "x", {}),
                client.create(CONFIG_MAPS, BODY),
                client.delete(CONFIG_MAPS, "bl01", "x", "uid"),
            ):
                with pytest.raises(errors.NotLeader):
                    await write
            await client.get(TASKS, "bl01", "x")
            await client.replace(LEASES, BODY, 1.0)

    asyncio.run(story())
    assert seen == ["GET", "PUT"]


@pytest.mark.parametrize("reused", [True, False])
def test_a_lease_that_is_lost_while_a_connection_is_waited_for_stops_the_write(
    tmp_path: Path, reused: bool
) -> None:
    """The fence is asked with the connection in hand, not only before."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.method)
        return web.json_response({"metadata": {}})

    class Once(Fence):
        """Open when the write begins, closed when it has its connection."""

        def __init__(self) -> None:
            super().__init__()
            self.asked = 0

        def remaining(self) -> float:
            self.asked += 1
            return 10.0 if self.asked == 1 else 0.0

    fence = Once()

    async def story() -> None:
        async with served(handler, tmp_path, fence) as client:
            if reused:
                await client.get(TASKS, "bl01", "x")
            with pytest.raises(errors.NotLeader):
                await client.apply(CONFIG_MAPS, BODY)

    asyncio.run(story())
    assert seen == (["GET"] if reused else [])
    assert fence.asked == 2


def test_a_refused_token_is_read_again_once(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        if request.headers["Authorization"] == "Bearer new":
            return web.json_response({"metadata": {}})
        token.write_text("new")  # rotated meanwhile
        return failure(401, "Unauthorized")

    async def story() -> None:
        async with served(handler, tmp_path, tokenFile=str(token)) as client:
            await client.get(TASKS, "bl01", "x")

    asyncio.run(story())
    assert seen == ["Bearer old", "Bearer new"]


def test_what_was_asked_is_counted_by_verb_resource_and_code(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return failure(409, "Conflict") if request.method == "PATCH" else web.json_response({})

    async def story() -> str:
        async with served(handler, tmp_path) as client:
            await client.get(TASKS, "bl01", "x")
            with pytest.raises(errors.Conflict):
                await client.apply_status(TASKS, BODY)
            return render([client.traffic.calls])

    page = asyncio.run(story())
    assert '{verb="get",resource="ioctasks",code="200"} 1' in page
    assert '{verb="apply_status",resource="ioctasks",code="409"} 1' in page


def test_no_cluster_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match="nowhere"):
        Credentials(str(tmp_path / "nowhere")).load()


class Sink:
    """What a list-watch says."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def put(self, _: object, raw: dict[str, Any]) -> None:
        self.heard.append(f"put {raw['metadata']['uid']}")

    def gone(self, _: object, raw: dict[str, Any]) -> None:
        self.heard.append(f"gone {raw['metadata']['uid']}")

    def listed(self, _: object, __: object, uids: set[str], version: int) -> None:
        self.heard.append(f"listed {sorted(uids)} at {version}")


def item(uid: str, version: int) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "name": uid, "resourceVersion": str(version)}}


def test_a_list_watch_goes_on_from_where_it_was_and_lists_again_after_410(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages, a watch that ends, one that is cut, bookmarks, a line of 1 MB, and a 410."""
    monkeypatch.setattr(watch, "LONGEST_BACKOFF", 0.01)
    lists = [
        [item("a", 1), item("b", 2)],
        [item("b", 2), item("c", 30)],
    ]
    large = item("c", 21) | {"spec": "x" * 1_000_000}
    watches: list[list[dict[str, Any]] | int] = [
        [{"type": "ADDED", "object": large}, {"type": "BOOKMARK", "object": item("", 25)}],
        [{"type": "DELETED", "object": item("a", 26)}],
        [{"type": "ERROR", "object": {"code": 410, "message": "too old"}}],
        [{"type": "MODIFIED", "object": item("b", 31)}],
    ]
    since: list[str] = []
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            if "continue" in request.query:
                rest = lists.pop(0)[1:]
                return web.json_response({"metadata": {"resourceVersion": "20"}, "items": rest})
            meta = {"resourceVersion": "20", "continue": "more"}
            return web.json_response({"metadata": meta, "items": lists[0][:1]})
        since.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        for event in watches.pop(0) if watches else []:
            await response.write(json.dumps(event).encode() + b"\n")
        if not watches:
            done.set()
            await asyncio.sleep(0.1)
        return response

    sink = Sink()

    async def story() -> None:
        async with served(handler, tmp_path) as client:
            follower = asyncio.create_task(ListWatch(client, CONFIG_MAPS, sink).run())
            async with asyncio.timeout(20):
                await done.wait()
            await asyncio.sleep(0.05)
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    asyncio.run(story())
    assert sink.heard[:9] == [
        "put a",
        "put b",
        "listed ['a', 'b'] at 20",
        "put c",
        "gone a",
        "put b",
        "put c",
        "listed ['b', 'c'] at 20",
        "put b",
    ]
    assert since[:4] == ["20", "25", "26", "20"]
