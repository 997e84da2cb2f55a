"""What git says when it fails, as a reason and a sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ioc_runtime.fetch.failure import (
    AUTH_FAILED,
    BAD_SOURCE,
    DISK_FULL,
    FETCH_FAILED,
    HOST_KEY_MISMATCH,
    REF_NOT_FOUND,
    SOURCE_NOT_FOUND,
    TIMEOUT,
    TLS_FAILED,
    FetchFailed,
)

LONGEST: Final = 300

# In this order: a server that cannot be trusted is told before one that refuses.
_SIGNS: Final[tuple[tuple[str, str], ...]] = (
    (
        BAD_SOURCE,
        r"transport '.*' not allowed|no url found for submodule|invalid value for '?submodule|"
        r"not a valid path|not to be a symbolic link|"
        # A clone looks for a path before it asks whether a path is allowed.
        r"repository '[^':]*' does not exist",
    ),
    (
        HOST_KEY_MISMATCH,
        r"host key verification failed|remote host identification has changed|"
        r"no .* host key is known for",
    ),
    (TLS_FAILED, r"ssl certificate|certificate verif|unable to get local issuer|self.signed"),
    (
        AUTH_FAILED,
        r"authentication failed|could not read (username|password)|invalid credentials|"
        r"permission denied|access denied|terminal prompts disabled|"
        r"returned error: 40[13]|invalid username or (password|token)",
    ),
    (DISK_FULL, r"no space left on device|disk quota exceeded"),
    (
        REF_NOT_FOUND,
        r"couldn't find remote ref|not our ref|unadvertised object|"
        r"reference is not a tree|bad object|remote branch .* not found",
    ),
    (TIMEOUT, r"operation too slow|timed out|timeout"),
    (
        SOURCE_NOT_FOUND,
        r"repository .*not found|does not appear to be a git repository|returned error: 404|"
        r"could not resolve host|name or service not known|temporary failure in name resolution|"
        r"connection refused|no route to host|network is unreachable|couldn't connect|"
        r"failed to connect|connection reset|connection closed|broken pipe|early eof|"
        r"returned error: 5\d\d|empty reply|hung up|not exported|"
        r"unable to find remote helper|unable to look up|"
        r"no such file or directory|does not exist",
    ),
)
_UNREACHABLE: Final = re.compile(
    r"could not resolve|not known|temporary failure|refused|no route|unreachable|connect|"
    r"reset|closed|broken pipe|early eof|error: 5\d\d|empty reply|hung up|unable to look up",
    re.IGNORECASE,
)
_CHATTER: Final = re.compile(
    r"^(remote: (Enumerating|Counting|Compressing|Total)|Receiving|Resolving|Updating|"
    r"warning: redirecting|hint:|From |\s*$|@@@|Cloning into|Submodule |Please make sure|"
    r"and the repository exists)",
    re.IGNORECASE,
)
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]+@")


def failure(said: str, what: str, secrets: Iterable[str] = ()) -> FetchFailed:
    """The failure that git's standard error tells of.

    :param what: what was asked for, as in "branch main of https://…"
    """
    kind = next((r for r, sign in _SIGNS if re.search(sign, said, re.IGNORECASE)), FETCH_FAILED)
    words = clean(_telling(said), secrets)
    unreachable = kind == TIMEOUT or (
        kind == SOURCE_NOT_FOUND and _UNREACHABLE.search(said) is not None
    )
    return FetchFailed(kind, f"{what}: {words or 'git failed'}", unreachable=unreachable)


def clean(text: str, secrets: Iterable[str]) -> str:
    """`text` on one line of bounded length, without secrets and without user info of URLs."""
    for secret in secrets:
        text = text.replace(secret, "***")
    text = " ".join(_USERINFO.sub("***@", text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _telling(said: str) -> str:
    """The lines that say what is wrong."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", said)]
    lines = [line for line in lines if line and not _CHATTER.search(line)]
    errors = [line for line in lines if re.match(r"(fatal|error|ERROR|remote|ssh)", line)]
    chosen: list[str] = []
    for line in [*lines[:1], *errors]:
        if line not in chosen:
            chosen.append(line)
    return "; ".join(chosen[:3])
