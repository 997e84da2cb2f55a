"""Where the API server is, and what proves who we are.

The `kubernetes` package finds both: the pod's own token (read again every minute), a
kubeconfig, its exec plugins. Reading them may start a program, so it happens in a thread,
and its result is kept: a request costs a string.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

KEEP: Final = 30.0
"""Seconds for which a header is used without asking for it again."""


class NoCluster(Exception):
    """There is neither a pod's token nor a usable kubeconfig; the text says what is wrong."""


@dataclass(frozen=True)
class Where:
    """What of a kubeconfig does not change while the process lives."""

    server: str
    tls: ssl.SSLContext | bool
    tls_server_name: str | None
    proxy: str | None


class Credentials:
    """The API server's address, and an Authorization header that stays fresh.

    One object serves several event loops: each takes a session of its own.
    """

    def __init__(self, kubeconfig: str | None = None, context: str | None = None):
        self._kubeconfig, self._context = kubeconfig, context
        self._configuration: Any = None
        self._where: Where | None = None
        self._header: str | None = None
        self._read_at = float("-inf")

    def load(self) -> Where:
        """Find the cluster; NoCluster in one sentence when there is none. Blocks."""
        self._configuration = configuration(self._kubeconfig, self._context)
        self._read()
        c = self._configuration
        self._where = Where(
            c.host.rstrip("/"), tls(c), getattr(c, "tls_server_name", None) or None, c.proxy or None
        )
        return self._where

    @property
    def where(self) -> Where:
        if self._where is None:
            self.load()
        if self._where is None:
            raise NoCluster("The API server is not known.")
        return self._where

    async def header(self, *, stale: str | None = None) -> str | None:
        """Of a request; `stale` is one that the server has refused: never that again if
        there is a newer one.
        """
        old = time.monotonic() - self._read_at > KEEP
        if old or (stale is not None and stale == self._header):
            await asyncio.to_thread(self._read, stale is not None)
        return self._header

    def _read(self, renew: bool = False) -> None:
        if renew:
            self._configuration = configuration(self._kubeconfig, self._context)
        self._header = authorization(self._configuration)
        self._read_at = time.monotonic()

    def session(self, **options: Any) -> aiohttp.ClientSession:
        """A session for the running event loop that proves who we are at every request.

        A 401 is answered once with credentials read anew.
        """
        where = self.where
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=where.tls),
            proxy=where.proxy,
            middlewares=(self._authorize,),
            auto_decompress=True,
            **options,
        )

    async def _authorize(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        request.server_hostname = self.where.tls_server_name
        header = await self.header()
        if header is not None:
            request.headers["Authorization"] = header
        answer = await handler(request)
        if answer.status != 401:
            return answer
        fresh = await self.header(stale=header)
        if fresh is None or fresh == header:
            return answer
        answer.release()
        request.headers["Authorization"] = fresh
        return await handler(request)


def configuration(kubeconfig: str | None, context: str | None) -> Any:
    """The kubernetes package's, of the kubeconfig if one is named, else of the pod we are
    in, else of the usual kubeconfig.
    """
    from kubernetes import config
    from kubernetes.client import Configuration

    found = Configuration()
    try:
        in_cluster = not (kubeconfig or context) and os.environ.get("KUBERNETES_SERVICE_HOST")
        if in_cluster:
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            load: Any = config.load_kube_config
            load(config_file=kubeconfig, context=context, client_configuration=found)
    except (config.ConfigException, OSError) as error:
        where = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        tried = "the pod's service account" if in_cluster else f"the kubeconfig {where}"
        raise NoCluster(f"No cluster: {tried} cannot be used: {error}") from error
    return found


def authorization(found: Any) -> str | None:
    """The header's value. Blocks: a hook may read a file or run a program."""
    key = found.get_api_key_with_prefix("BearerToken", alias="authorization")
    if key:
        scheme, _, token = str(key).strip().partition(" ")
        return f"{scheme.capitalize()} {token}" if token else f"Bearer {scheme}"
    if found.username and found.password:
        return aiohttp.encode_basic_auth(found.username, found.password)
    return None


def tls(found: Any) -> ssl.SSLContext | bool:
    """How the server is checked and the client shown; False for plain HTTP's sake only."""
    if not found.host.startswith("https"):
        return True
    context = ssl.create_default_context(cafile=found.ssl_ca_cert or None)
    if not found.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if found.cert_file:
        context.load_cert_chain(found.cert_file, found.key_file or None)
    return context
