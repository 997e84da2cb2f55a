"""What can go wrong with a request, by what there is to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

UNTYPED: Final = "failed to create typed patch object"
"""What the API server says, with a 500, to an applied object that has a field of a wrong
type or one that it does not know: no repeat will help."""


class KubeError(Exception):
    """A request did not do what it was sent for.

    `code` is the HTTP status, 0 when there was no answer; `reason` the API's own word
    (`AlreadyExists`, `Expired`); the text is a sentence for people, with the server's
    words; `retry_after` is in seconds where the server gave one.
    """

    code: int = 0

    def __init__(self, text: str, *, code: int = 0, reason: str = "", retry_after: float = 0.0):
        super().__init__(text)
        self.code, self.reason, self.retry_after = code, reason, retry_after


class NotLeader(KubeError):
    """A write without the lease: it was not sent."""


class Transient(KubeError):
    """No answer, or one that says: not now. The same request may succeed later."""


class Unreachable(Transient):
    """No answer, or only a part of one. Whether a write was done is not known."""


class TooMany(Transient):
    """429."""


class ServerError(Transient):
    """5xx."""


class NamespaceEnding(Transient):
    """The namespace is being deleted: nothing new can be made in it."""


class Conflict(KubeError):
    """409: the object is not as the request supposed."""


class NotFound(KubeError):
    """404."""


class Gone(KubeError):
    """410: a watch or a list cannot go on from where it was."""


class Refused(KubeError):
    """400, 422 and other 4xx: the server will not take this, now or later."""


class Forbidden(KubeError):
    """403 (and 401 with fresh credentials): we lack a permission."""


def error_of(
    code: int, status: Mapping[str, Any], headers: Mapping[str, str], what: str
) -> KubeError:
    """The error for an answer: `status` is the Status object that it held, or empty."""
    reason = str(status.get("reason") or "")
    words = str(status.get("message") or "").strip() or f"HTTP {code}"
    text = f"{what}: {words}"
    kind = Refused if UNTYPED in words else _kind(code, reason, status)
    return kind(text, code=code, reason=reason, retry_after=_retry_after(status, headers))


def _kind(code: int, reason: str, status: Mapping[str, Any]) -> type[KubeError]:
    if code == 403 and _namespace_ends(status):
        return NamespaceEnding
    by_code: dict[int, type[KubeError]] = {
        401: Forbidden,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        410: Gone,
        429: TooMany,
    }
    if code in by_code:
        return by_code[code]
    if reason == "Expired":
        return Gone
    return ServerError if code >= 500 or code == 408 else Refused


def _namespace_ends(status: Mapping[str, Any]) -> bool:
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    if not isinstance(causes, list):
        return False
    return any(c.get("reason") == "NamespaceTerminating" for c in causes if isinstance(c, Mapping))


def _retry_after(status: Mapping[str, Any], headers: Mapping[str, str]) -> float:
    details = status.get("details")
    said = headers.get("Retry-After") or (
        details.get("retryAfterSeconds") if isinstance(details, Mapping) else None
    )
    try:
        return max(0.0, float(said or 0))
    except ValueError:  # an HTTP date: no API server sends one
        return 0.0
