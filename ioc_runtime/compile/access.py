"""Who may write: `host`, `user@host`, `user@*`, fit for an access security file."""

from __future__ import annotations

import re

from ioc_runtime.compile.collector import Collector
from ioc_runtime.plan import Access
from ioc_runtime.spec.deploy import Access as AccessSpec

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$-]*")

EXPECTED = "host, user@host or user@*"


def compile_access(spec: AccessSpec, collector: Collector) -> Access:
    """The lists of hosts and of users; what could break out of a file is refused."""
    hosts: list[str] = []
    users: list[tuple[str, str]] = []
    for i, entry in enumerate(spec.operators):
        user, at, host = entry.rpartition("@")
        good = _HOST.fullmatch(host) is not None
        if at:
            good = _USER.fullmatch(user) is not None and (good or host == "*")
        if not good:
            collector.wrong(("spec", "access", "operators", i), entry, EXPECTED)
        elif at:
            users.append((user, host))
        else:
            hosts.append(host)
    return Access(hosts=tuple(dict.fromkeys(hosts)), users=tuple(dict.fromkeys(users)))
