"""The API server as one token sees it: requests by hand, answers as they come."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any, Final

from cluster.rig import Rig

Object = dict[str, Any]

GROUP_PATH: Final = "/apis/ioc-operator.dev/v1alpha1"
TYPES: Final = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "": "application/json",
}


class Api:
    """Requests with one token, or as somebody else. `call` gives any answer."""

    def __init__(self, rig: Rig, token: str | None = None, impersonate: str = "") -> None:
        self._url = rig.api_url
        self._headers = {"Authorization": f"Bearer {token or rig.admin_token}"}
        if impersonate:
            self._headers["Impersonate-User"] = impersonate
        self._tls = ssl.create_default_context(cafile=str(rig.ca_file))

    def call(
        self, method: str, path: str, body: Object | None = None, *, patch: str = ""
    ) -> tuple[int, Object]:
        """`patch`: "apply" or "merge"."""
        headers = self._headers | {"Content-Type": TYPES[patch]}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20, context=self._tls) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def good(
        self, method: str, path: str, body: Object | None = None, *, patch: str = ""
    ) -> Object:
        """The body of an answer that has to be good."""
        code, answer = self.call(method, path, body, patch=patch)
        assert code < 300, f"{method} {path}: {code} {answer.get('message')}"
        return answer


def path_of(kind: str, namespace: str, name: str = "", sub: str = "") -> str:
    """Of an IocTask or IocJob, or of all of a namespace."""
    parts = [GROUP_PATH, "namespaces", namespace, f"{kind.lower()}s", name, sub]
    return "/".join(part for part in parts if part)
