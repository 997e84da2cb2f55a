"""One client for the API server: a few verbs, plain dictionaries, deadlines, a fence.

The fence stands where it counts: a write asks for the lease when its connection is in
hand, right before the request goes out, and its deadline ends before the lease does. A
process that was frozen in between finds the lease gone and sends nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from types import SimpleNamespace
from typing import Any, Final, Protocol

import aiohttp

from ioc_operator.metrics import Counter, Histogram

from .credentials import Credentials
from .errors import Gone, KubeError, NotLeader, Unreachable, error_of
from .fault import Fault
from .resources import EVENTS, Resource

Object = dict[str, Any]

MANAGER: Final = "ioc-operator"
STATUS_MANAGER: Final = "ioc-operator-status"
DEADLINE: Final = 15.0
"""Seconds that a request may take, from waiting for a connection to the end of its answer."""
PAGE: Final = 200
SILENCE: Final = 200.0
"""Seconds without a word on a watch, bookmarks included, after which it is taken as dead. An
API server sends a bookmark about once a minute; 100 s without one were seen in a quiet cluster
on a busy machine."""
META: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
META_LIST: Final = META.replace("PartialObjectMetadata", "PartialObjectMetadataList")
PATCH_TYPES: Final = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
}


class Fence(Protocol):
    """Whether we may write, and for how long."""

    def remaining(self) -> float:
        """Seconds for which a write that begins now is safe; 0 or less: none may begin."""
        ...


class Open:
    """The fence of an operator that runs without a Lease."""

    def remaining(self) -> float:
        return float("inf")


@dataclass
class Traffic:
    """What the requests of a client come to."""

    calls: Counter = field(
        default_factory=lambda: Counter(
            "ioc_operator_api_requests_total",
            "Requests to the API server, by verb, resource and code of the answer (0: none).",
            ("verb", "resource", "code"),
        )
    )
    seconds: Histogram = field(
        default_factory=lambda: Histogram(
            "ioc_operator_api_request_seconds",
            "Time of a request to the API server until its answer was read.",
            ("verb",),
        )
    )


class Client:
    """The API server. Every method raises an error of `kube.errors`, and nothing else."""

    def __init__(self, credentials: Credentials, fence: Fence | None = None, user_agent: str = ""):
        self.traffic = Traffic()
        self._fence: Fence = fence or Open()
        self._fault = Fault.from_environment()
        self._server = credentials.where.server
        self._session = credentials.session(
            headers={"User-Agent": user_agent or MANAGER},
            trace_configs=[self._guarded()],
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0),
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._session.close()

    def _guarded(self) -> aiohttp.TraceConfig:
        """Hooks that run with the connection in hand and nothing of the request sent."""
        trace = aiohttp.TraceConfig()

        async def ask(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
            if context.trace_request_ctx == "write" and self._fence.remaining() <= 0:
                raise NotLeader("not sent: the lease is not ours any more")

        trace.on_connection_reuseconn.append(ask)
        trace.on_connection_create_end.append(ask)
        return trace

    # Reading

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object, whole."""
        return await self._json("get", resource, resource.path(namespace, name))

    async def get_meta(self, resource: Resource, namespace: str, name: str) -> Object:
        """The metadata of one object, as `{"metadata": {...}}`."""
        path = resource.path(namespace, name)
        return await self._json("get", resource, path, accept=META)

    async def served(self, group: str, version: str) -> set[str]:
        """Plurals of the resources that a version of a group has; NotFound without it."""
        path = f"/apis/{group}/{version}"
        answer = await self._json("get", Resource(group, version, "", ""), path)
        return {str(each["name"]) for each in answer.get("resources", ())}

    async def pages(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        selector: str = "",
        field: str = "",
        meta: bool = True,
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """A list, by pages: the objects and the list's resourceVersion. Gone when it took
        so long that the rest cannot be had: begin again.
        """
        query = {"limit": str(PAGE)} | selected(selector, field)
        accept = META_LIST if meta else ""
        while True:
            answer = await self._json(
                "list", resource, resource.path(namespace), query=query, accept=accept
            )
            yield answer.get("items") or [], str(answer["metadata"].get("resourceVersion", ""))
            more = answer["metadata"].get("continue")
            if not more:
                return
            query["continue"] = more

    async def watch(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        since: str,
        selector: str = "",
        field: str = "",
        meta: bool = True,
        seconds: int = 300,
    ) -> AsyncIterator[tuple[str, Object]]:
        """Events as (type, object), bookmarks too, until the server ends it. Gone when it
        cannot go on from `since`.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since}
        query |= {"timeoutSeconds": str(seconds)} | selected(selector, field)
        what = f"watch {resource.plural}"
        try:
            async with self._session.get(
                self._server + resource.path(namespace),
                params=query,
                headers={"Accept": META} if meta else {},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=SILENCE),
            ) as answer:
                self.traffic.calls.add("watch", resource.plural, str(answer.status))
                if answer.status >= 400:
                    raise error_of(answer.status, parsed(await answer.read()), answer.headers, what)
                async for line in lines(answer.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _of_event(event["object"], what)
                    yield event["type"], event["object"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(f"{what}: {said(error)}") from error

    # Writing

    async def apply(self, resource: Resource, body: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply of a child, by force; its metadata as they then are.

        `dry_run`: nothing is kept; the server only says whether it would be.
        """
        path = resource.path(body["metadata"].get("namespace"), body["metadata"]["name"])
        query = {"fieldManager": MANAGER, "force": "true"}
        query |= {"dryRun": "All"} if dry_run else {}
        return await self._patch("apply", resource, path, body, query, accept=META)

    async def apply_status(self, resource: Resource, body: Object) -> Object:
        """Server-side apply of a custom resource's status, by force; the whole object then."""
        path = resource.path(body["metadata"]["namespace"], body["metadata"]["name"], "status")
        query = {"fieldManager": STATUS_MANAGER, "force": "true"}
        return await self._patch("apply", resource, path, body, query, verb="apply_status")

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Object, *, meta: bool = True
    ) -> Object:
        """JSON merge patch; the object, or its metadata, as they then are."""
        query, accept = {"fieldManager": MANAGER}, META if meta else ""
        path = resource.path(namespace, name)
        return await self._patch("merge", resource, path, body, query, accept=accept, verb="patch")

    async def _patch(
        self,
        kind: str,
        resource: Resource,
        path: str,
        body: Object,
        query: Mapping[str, str],
        *,
        accept: str = "",
        verb: str = "",
    ) -> Object:
        return await self._json(
            verb or kind,
            resource,
            path,
            method="PATCH",
            query=query,
            accept=accept,
            body=body,
            content_type=PATCH_TYPES[kind],
        )

    async def create(self, resource: Resource, body: Object, *, fenced: bool = True) -> Object:
        """POST; Conflict with reason AlreadyExists when there is one of that name."""
        path = resource.path(body["metadata"].get("namespace"))
        query = {"fieldManager": MANAGER}
        return await self._json(
            "create", resource, path, method="POST", query=query, body=body, fenced=fenced
        )

    async def replace(self, resource: Resource, body: Object, deadline: float) -> Object:
        """PUT of a Lease: outside of the fence, which it is there to keep."""
        path = resource.path(body["metadata"]["namespace"], body["metadata"]["name"])
        return await self._json(
            "replace", resource, path, method="PUT", body=body, fenced=False, deadline=deadline
        )

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, foreground: bool = False
    ) -> None:
        """Delete the object of that uid; its dependents after it, or (foreground) before it."""
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Foreground" if foreground else "Background",
        }
        path = resource.path(namespace, name)
        await self._json("delete", resource, path, method="DELETE", body=body, accept=META)

    # How a request is made

    async def _json(
        self,
        verb: str,
        resource: Resource,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        accept: str = "",
        body: Object | None = None,
        content_type: str = "application/json",
        fenced: bool = True,
        deadline: float = DEADLINE,
    ) -> Object:
        write = method != "GET"
        fenced = fenced and write
        if fenced:
            deadline = min(deadline, self._fence.remaining())
            if deadline <= 0:
                raise NotLeader("not sent: the lease is not ours")
        headers = {"Accept": accept or "application/json"}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body, separators=(",", ":")).encode()
        what = f"{verb} {path}"
        began, code = perf_counter(), 0
        counted = fenced and resource is not EVENTS
        number = self._fault.before() if counted else 0
        try:
            async with (
                asyncio.timeout(deadline),
                self._session.request(
                    method,
                    self._server + path,
                    params=query,
                    data=data,
                    headers=headers,
                    trace_request_ctx="write" if fenced else None,
                ) as answer,
            ):
                raw = await answer.read()
                code = answer.status
                if code >= 400:
                    raise error_of(code, parsed(raw), answer.headers, what)
                found = json.loads(raw)
                if not isinstance(found, dict):
                    raise ValueError("the answer is no object")
                return found
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            code = 0
            raise Unreachable(f"{what}: {said(error)}") from error
        finally:
            if counted:
                self._fault.after(number)
            self.traffic.calls.add(verb, resource.plural or "discovery", str(code))
            self.traffic.seconds.observe(perf_counter() - began, verb)


def selected(labels: str, field: str) -> dict[str, str]:
    """The part of a query that selects objects."""
    chosen = {"labelSelector": labels, "fieldSelector": field}
    return {key: value for key, value in chosen.items() if value}


def parsed(raw: bytes) -> Object:
    """A JSON object, or an empty one where the bytes are none."""
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def said(error: BaseException) -> str:
    """An error of the network for people."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def _of_event(status: Object, what: str) -> KubeError:
    code = int(status.get("code") or 500)
    return Gone(f"{what}: too old", code=410) if code == 410 else error_of(code, status, {}, what)


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length."""
    rest = b""
    async for some in content.iter_any():
        *whole, rest = (rest + some).split(b"\n") if rest else some.split(b"\n")
        for line in whole:
            if line:
                yield line
