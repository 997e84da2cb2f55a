"""A second reconcile writes nothing: looked at in the API server's own log of writes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Final

from cluster.invariants import OWNERS
from cluster.rig import Rig

LOOK: Final = "ioc-operator.dev/look"
"""An annotation of the operator's group that means nothing: it makes it look again."""
QUIET: Final = 0.7
"""Seconds for that look; what is on its way anyway (a pod that starts) may take some more."""
OTHERS: Final = ("events", "leases")

_numbers = itertools.count(1)


def check_quiet(rig: Rig, namespace: str, patience: float = 20.0) -> None:
    """Fail when the operator goes on writing each time it looks at what it has done.

    Where no operator runs nothing is written: that is for the test to know.
    """
    if not rig.kubectl("get", OWNERS, "-n", namespace, "-o", "name").strip():
        return
    until = time.monotonic() + patience
    while True:
        before = len(list(written(rig, namespace)))
        look = f"{LOOK}={next(_numbers)}"
        rig.kubectl("annotate", OWNERS, "-n", namespace, "--all", "--overwrite", look)
        time.sleep(QUIET)
        found = [one for one in list(written(rig, namespace))[before:] if not refused(one)]
        if not found:
            return
        assert time.monotonic() < until, f"namespace {namespace} is not quiet: {found}"


def refused(write: str) -> bool:
    """Whether the API server did not take it: what is in error may be tried again."""
    return int(write.rsplit(" ", 1)[1]) >= 400


def written(rig: Rig, namespace: str) -> Iterator[str]:
    """The operator's writes to a namespace, Events and Leases apart, refused ones too."""
    for event in rig.audit_events():
        ref = event.get("objectRef", {})
        ours = event.get("userAgent", "").startswith("ioc-operator")
        if ours and ref.get("namespace") == namespace and ref["resource"] not in OTHERS:
            code = event.get("responseStatus", {}).get("code")
            below = f"/{ref['subresource']}" if ref.get("subresource") else ""
            yield f"{event['verb']} {ref['resource']}/{ref.get('name', '')}{below} {code}"
