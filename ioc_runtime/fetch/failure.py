"""What can go wrong: a reason for programs, and one sentence for people."""

from __future__ import annotations

from typing import Final

SOURCE_NOT_FOUND: Final = "SourceNotFound"
AUTH_FAILED: Final = "AuthFailed"
REF_NOT_FOUND: Final = "RefNotFound"
HOST_KEY_MISMATCH: Final = "HostKeyMismatch"
TLS_FAILED: Final = "TlsFailed"
TIMEOUT: Final = "Timeout"
TOO_LARGE: Final = "TooLarge"
BAD_SOURCE: Final = "BadSource"
DISK_FULL: Final = "DiskFull"
FETCH_FAILED: Final = "FetchFailed"

REASONS: Final = {
    SOURCE_NOT_FOUND: "There is no repository or directory at this address, or its server "
    "does not answer.",
    AUTH_FAILED: "The server wants credentials, or other ones.",
    REF_NOT_FOUND: "The repository has no such branch, tag or commit (any more).",
    HOST_KEY_MISMATCH: "The server's ssh key is not the one in `known_hosts`.",
    TLS_FAILED: "The server's certificate is not trusted.",
    TIMEOUT: "The source did not come in time.",
    TOO_LARGE: "The source has more bytes or files than a plugin may have.",
    BAD_SOURCE: "The source holds something that a plugin may not have, as a link that leaves it "
    "or a submodule that is not on the network.",
    DISK_FULL: "There is no room for the source.",
    FETCH_FAILED: "Git failed in another way; the message has its words.",
}
"""Meaning of each reason; the reference prints them."""


class FetchFailed(Exception):
    """A source cannot be had; the text is one sentence for a person.

    :ivar reason: a key of `REASONS`
    :ivar unreachable: nothing is known to be wrong with what was asked for: the server
        was not reached, so what is kept of an earlier time may be used
    """

    def __init__(self, reason: str, sentence: str, *, unreachable: bool = False) -> None:
        super().__init__(sentence)
        self.reason, self.unreachable = reason, unreachable
