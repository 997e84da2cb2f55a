"""Why an environment could not be built: a reason for machines, a sentence for people.

A tool's output is read for signs; which tool it was does not matter here.
"""

from __future__ import annotations

import errno
import re
from typing import Final, Literal, get_args

Reason = Literal[
    "BadRequirement",
    "RequirementConflict",
    "RequirementNotFound",
    "IndexUnreachable",
    "BuildFailed",
    "Timeout",
    "DiskFull",
    "TooLarge",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

_SIGNS: Final[tuple[tuple[Reason, str], ...]] = (
    # The order matters: an index that does not answer looks like one without the package.
    ("DiskFull", r"No space left on device|os error 28\b|Disk quota exceeded|os error 122\b"),
    (
        "IndexUnreachable",
        r"\b40[13] (Client )?(Error|Unauthorized|Forbidden)|HTTP error 40[13]",
    ),
    (
        "IndexUnreachable",
        r"Failed to (fetch|establish a new connection)|error sending request|Request failed after"
        r"|connection broken by|[Cc]onnection (refused|reset|aborted)|Name or service not known"
        r"|name resolution|dns error|timed out|CERTIFICATE_VERIFY_FAILED|invalid peer certificate"
        r"|Could not fetch URL|is not a trusted or secure host|HTTP error 5\d\d"
        r"|HTTP status server error",
    ),
    (
        "BuildFailed",
        r"Failed to build|Failed building|build backend|subprocess-exited-with-error"
        r"|metadata-generation-failed|Failed to download and build|build_wheel"
        r"|has an invalid wheel",
    ),
    (
        "RequirementNotFound",
        r"not found in the package registry|there (is|are) no versions? of|no versions? of"
        r"|Could not find a version|No matching distribution|no wheels? (with|for|usable|are)"
        r"|has no usable wheels|HTTP error 404|404 Not Found|was not found",
    ),
    ("RequirementConflict", r"conflicting dependencies|unsatisfiable|ResolutionImpossible"),
)
_INDEX_WORDS: Final = (
    r"\b40[13] (Client )?(Unauthorized|Forbidden|Error)|\bHTTP error \d+[^\n]*",
    r"is not a trusted or secure host",
    r"certificate verify failed[^\n(]*|invalid peer certificate: \w+",
    r"(?<=\] )[^\n\]]*(?='\)'*: /)",
    r"[Cc]onnection (refused|reset by peer|reset|aborted|timed out)",
    r"Name or service not known|Temporary failure in name resolution",
    r"failed to lookup address[^\n]*|operation timed out|timed out|dns error[^\n]*",
)
_NOISE: Final = re.compile(
    r"^\s*(\[?notice|WARNING|DEPRECATION|note:|hint:|ERROR: ResolutionImpossible|To fix this"
    r"|\d+\. |Using |Resolved |╰|For more information|This (error|is an issue)|at |$)"
)
_HEADING: Final = re.compile(r"No solution found when resolving|^error: *$|^× *$")
LONGEST: Final = 600
"""Letters of a sentence."""


class EnvironmentFailed(Exception):
    """An environment could not be built; nothing of it is left."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason: Reason = reason
        self.sentence = sentence


def reason_of(output: str) -> Reason:
    """What a tool's output speaks of."""
    for reason, sign in _SIGNS:
        if re.search(sign, output):
            return reason
    return "BuildFailed"


def last_useful_line(output: str) -> str:
    """The line of a tool's output that a person wants to see."""
    lines = [line.strip() for line in output.splitlines()]
    causes = [line for line in lines if line.startswith(("cause:", "ERROR:", "error:"))]
    useful = [
        line for line in causes or lines if not _NOISE.match(line) and not _HEADING.search(line)
    ]
    line = useful[-1] if useful else "it said nothing"
    if causes and line.startswith("cause:"):  # the last cause goes on until the end
        line = " ".join(x for x in lines[lines.index(line) :] if not x.startswith("hint:"))
    return shortened(re.sub(r"^(cause|ERROR|error):\s*", "", line).strip().rstrip("."))


def index_said(output: str) -> str:
    """Why an index could not be asked, as short as it can be said."""
    address = re.search(r"https?://[^/\s'\"`)]+", output)
    where = f" ({address[0]})" if address else ""
    for sign in _INDEX_WORDS:
        if found := re.search(sign, output):
            return f"the package index did not answer as it should{where}: {shortened(found[0])}"
    return f"the package index did not answer as it should{where}: {last_useful_line(output)}"


def shortened(text: str) -> str:
    """At most so many letters, with what was cut marked."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def of_disk(error: OSError, what: str) -> EnvironmentFailed:
    """A failure of the file system, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentFailed("DiskFull", f"no space is left for {what}")
    return EnvironmentFailed("BuildFailed", f"{what} cannot be written: {error.strerror or error}")
