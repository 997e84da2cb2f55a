"""A Kubernetes cluster as `iocctl` sees it: objects read, watched, and logs.

The `kubernetes` package knows kubeconfigs, tokens and exec plugins; it is loaded when a
command needs a cluster, and only its transport is used: objects stay plain JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from socket import socket
from threading import Lock
from typing import Any, Final
from urllib.parse import quote, urlencode

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.kubeconfig import connect

Object = dict[str, Any]

GROUP: Final = "ioc-operator.dev"
VERSION: Final = "v1alpha1"
KINDS: Final = {"IocTask": "ioctasks", "IocJob": "iocjobs"}
CONNECT: Final = 5.0
"""Seconds to reach the API server."""
ANSWER: Final = 30.0
"""Seconds for one answer of it."""
SILENCE: Final = 300
"""Seconds after which the server ends a watch, so that a dead one is noticed."""
LONGEST_WORDS: Final = 300
JSON: Final = "application/json"
METADATA: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Of objects their metadata alone."""
OF_OPERATOR: Final = "app.kubernetes.io/managed-by=ioc-operator"
"""Label of what an operator has made: pods, and its Lease."""
NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
"""What an object or a namespace can be called."""


class NotFound(Failure):
    """There is no such object."""


class Refused(Failure):
    """The API server has answered with an error that has no meaning of its own here."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"the API server answered with code {status}: {words}", Exit.NO_CLUSTER)
        self.status, self.words = status, words


class Gone(Exception):
    """A watch has to begin anew: list again."""


class Cluster:
    """An API server, with the rights of whoever the kubeconfig names."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        """:raises Failure: there is no usable kubeconfig, or the package is missing."""
        self._client, self.namespace = connect(kubeconfig, context)
        self._dialling = Lock()
        self.time: datetime | None = None
        """The API server's own time of its last answer; None where it says none."""

    def owners(self, kind: str, namespace: str | None) -> tuple[list[Object], str]:
        """All IocTasks or IocJobs of a namespace (None: of all), and the list's version."""
        answer = self.get(owners_path(kind, namespace))
        items = [{"apiVersion": f"{GROUP}/{VERSION}", "kind": kind} | i for i in answer["items"]]
        return items, str(answer.get("metadata", {}).get("resourceVersion", ""))

    def owner(self, kind: str, namespace: str, name: str) -> Object:
        """One IocTask or IocJob.

        :raises NotFound: there is none of that name
        """
        if not NAME.fullmatch(name):  # a slash would lead elsewhere
            raise NotFound(f"{name!r} is no name of an object")
        return self.get(f"{owners_path(kind, namespace)}/{quote(name)}")

    def pods(self, kind: str, namespace: str, name: str) -> list[Object]:
        """The pods of a task or job, oldest first."""
        if not NAME.fullmatch(name):
            return []
        labels = f"app.kubernetes.io/instance={name},{GROUP}/kind={kind}"
        query = {"labelSelector": labels}
        pods = self.get(f"/api/v1/namespaces/{quote(namespace)}/pods", query)["items"]
        return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))

    def pod_uids(self, namespace: str | None) -> frozenset[str]:
        """The uids of all pods that the operator has made in a namespace (None: in all)."""
        place = f"namespaces/{quote(namespace)}/" if namespace else ""
        found = self.get(f"/api/v1/{place}pods", {"labelSelector": OF_OPERATOR}, METADATA)
        return frozenset(str(pod["metadata"]["uid"]) for pod in found["items"] or ())

    def leases(self, namespace: str | None) -> list[Object]:
        """The Leases of operators; they may stand in any namespace (None)."""
        place = f"namespaces/{quote(namespace)}/" if namespace else ""
        path = f"/apis/coordination.k8s.io/v1/{place}leases"
        return list(self.get(path, {"labelSelector": OF_OPERATOR})["items"] or ())

    def service(self, namespace: str, name: str) -> Object:
        """One Service.

        :raises NotFound: there is none of that name
        """
        return self.get(f"/api/v1/namespaces/{quote(namespace)}/services/{quote(name)}")

    def dial(self, namespace: str, pod: str, port: int) -> socket:
        """A connection to a port of a pod, by way of the API server.

        What goes wrong behind the API server is told by the connection's end alone.
        """
        from kubernetes.client import ApiException, CoreV1Api
        from kubernetes.stream import portforward
        from websocket import WebSocketException

        call: Any = CoreV1Api(self._client).connect_get_namespaced_pod_portforward
        try:
            with self._dialling:  # the package exchanges a method of the client meanwhile
                forwarded = portforward(call, pod, namespace, ports=str(port))
            # What came in one TLS record with the handshake waits in the TLS layer, where the
            # package's `select` does not see it; the answer to a ping makes it look.
            forwarded.websocket.ping()
        except (ApiException, WebSocketException, OSError) as error:
            raise _not_forwarded(
                f"{namespace}/{pod}", str(getattr(error, "reason", error))
            ) from None
        found: socket = forwarded.socket(port)
        return found

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON) -> Object:
        """The JSON at a path."""
        with self._answer(path, query or {}, ANSWER, accept) as answer:
            try:
                read = json.loads(answer.data)
            except ValueError:
                raise Failure("the API server's answer is not JSON", Exit.NO_CLUSTER) from None
        if not isinstance(read, dict):
            raise Failure("the API server's answer is no object", Exit.NO_CLUSTER)
        return read

    def watch(self, path: str, version: str) -> Iterator[tuple[str, Object]]:
        """Changes since a list: ADDED, MODIFIED or DELETED with the object.

        :raises Gone: the server has forgotten what happened since
        """
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(SILENCE)}
        for line in self.lines(path, query | {"allowWatchBookmarks": "true"}):
            event = json.loads(line)
            kind, item = event.get("type"), event.get("object", {})
            if kind == "ERROR":
                raise Gone(str(item.get("message")))
            yield str(kind), item

    def lines(self, path: str, query: Mapping[str, str]) -> Iterator[str]:
        """The lines of an answer as they come, until the server ends it."""
        with self._answer(path, query, None) as answer:
            rest = b""
            try:
                for chunk in answer.stream(2**16, decode_content=True):
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        yield line.decode("utf-8", "replace")
            except Exception as error:
                if not _is_transport(error):
                    raise
                raise Failure(f"the API server hung up: {_why(error)}", Exit.NO_CLUSTER) from None
            if rest:
                yield rest.decode("utf-8", "replace")

    @contextmanager
    def _answer(
        self, path: str, query: Mapping[str, str], read: float | None, accept: str = JSON
    ) -> Iterator[Any]:
        """An answer with code 200, its body not yet read."""
        url = f"{path}?{urlencode(query)}" if query else path
        client = self._client
        method, address, headers, *_ = client.param_serialize(
            "GET", url, header_params={"Accept": accept}, auth_settings=["BearerToken"]
        )
        try:
            answer = client.rest_client.request(
                method, address, headers=headers, _request_timeout=(CONNECT, read)
            ).response
        except Exception as error:
            if not _is_transport(error):
                raise
            host = client.configuration.host
            text = f"the API server {host} cannot be reached: {_why(error)}"
            raise Failure(text, Exit.NO_CLUSTER) from None
        try:
            if answer.status != 200:
                raise _refusal(answer.status, answer.data, path)
            self.time = _date(answer.headers.get("Date"))
            yield answer
        finally:
            answer.close()


def owners_path(kind: str, namespace: str | None) -> str:
    """Where the API server has objects of a kind."""
    place = f"namespaces/{quote(namespace)}/" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}/{place}{KINDS[kind]}"


def _date(header: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def _is_transport(error: Exception) -> bool:
    """Whether a connection, and not our code, has failed."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    return isinstance(error, HTTPError | ApiException | OSError)


def _why(error: Exception) -> str:
    """The innermost reason, on one line."""
    inner = getattr(error, "reason", None)
    while isinstance(inner, Exception):
        error, inner = inner, getattr(inner, "reason", None)
    text = " ".join(str(error).split()) or type(error).__name__
    return (text.rpartition("Failed to establish a new connection: ")[2] or text)[:LONGEST_WORDS]


def _not_forwarded(pod: str, words: str) -> Failure:
    """Why there is no way to a pod's port; `words` are those of a websocket's handshake."""
    body = words.partition("-+-+-")[2].rpartition("-+-+-")[2]
    try:
        said = str(json.loads(body.strip().removeprefix("b'").removesuffix("'"))["message"])
    except (ValueError, KeyError, TypeError):
        said = " ".join(words.split())
    if "403" in words.partition("-+-+-")[0]:
        said = said[:LONGEST_WORDS].rstrip(": ")
        needs = "it takes the rights to get and create pods/portforward"
        return Failure(f"no way to pod {pod}: {said}; {needs}", Exit.NO_CLUSTER)
    return Failure(f"no way to pod {pod}: {said[:LONGEST_WORDS]}", Exit.NO_CLUSTER)


def _refusal(code: int, body: bytes, path: str) -> Failure:
    """What an error code means for the person at the terminal."""
    try:
        words = str(json.loads(body)["message"])[:LONGEST_WORDS]
    except (ValueError, KeyError, TypeError):
        words = body[:LONGEST_WORDS].decode("utf-8", "replace").strip()
    if code == 404:
        if path.startswith(f"/apis/{GROUP}") and '"' not in words:
            text = f"the cluster does not know {GROUP}: its CRDs are not installed"
            return Failure(text, Exit.NO_CLUSTER)
        return NotFound(words or "not found")
    if code == 401:
        return Failure("the API server does not accept these credentials", Exit.NO_CLUSTER)
    if code == 403:
        return Failure(f"the API server does not permit it: {words}", Exit.NO_CLUSTER)
    return Refused(code, words)
