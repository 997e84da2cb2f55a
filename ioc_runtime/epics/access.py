"""Access security: who may write what. Always on.

- RO: everything the runtime publishes. Nobody writes any of its fields, so a client
  cannot open a record by `DISP`, change its `SCAN` or its limits, or process it.
- OPERATOR: set-points and commands. `VAL` may be written (the one field of access
  level 0) by whom the plan names, or by everyone. Each put is audited.
- OPERATOR_ARRAYS: the same for set-points that are arrays of floats; their puts are
  audited without a name (`declare.ARRAYS` says why).
- DEFAULT: every other record (devIocStats, a database of the user's own without a
  group). Read only; a record of the user's that clients shall write says
  `field(ASG, "OPERATOR")`.

Who somebody is: the user name is what the client says, over CA and over PVA, and is
not verified. A host is compared by its address: a CA client says what its host is
called, so with names anyone could be anyone, and a PVA client is known by its address
alone. Names are resolved once, at start; a name that cannot be resolved lets nobody
in, and `resolve` says which. Behind a NAT or a gateway all clients have its address.
Without a limit to hosts CA reports the name a client gives, which reads better in the
audit.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterable
from typing import Final

from ioc_runtime.epics.declare import ARRAYS, OPERATOR, PUBLISHED
from ioc_runtime.plan import Access

_RESOLVE_SECONDS: Final = 3.0
ANY: Final = "*"

_GROUP = re.compile(r'\bASG\s*\(\s*"?([^"\s)]+)"?\s*\)')
_COMMENT = re.compile(r"#[^\n]*")


class AccessError(Exception):
    """The access rules of the plan cannot be used; the text says why."""


def hosts_of(access: Access) -> list[str]:
    """Hosts that the generated rules name."""
    named = (*access.hosts, *(host for _, host in access.users if host != ANY))
    return list(dict.fromkeys(named))


def by_address(access: Access) -> bool:
    """Whether hosts are compared by address: whenever a host is named."""
    return access.acf is not None or bool(hosts_of(access))


def resolve(hosts: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Address of each host, and the hosts that have none within 3 s."""
    found: dict[str, str] = {}

    def look(host: str) -> None:
        try:
            found[host] = socket.gethostbyname(host)
        except (OSError, UnicodeError):
            pass

    wanted = list(hosts)
    threads = [threading.Thread(target=look, args=(host,), daemon=True) for host in wanted]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _RESOLVE_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    known = dict(found)
    return known, [host for host in wanted if host not in known]


def rules(access: Access, addresses: dict[str, str] | None = None) -> str:
    """The access rules as EPICS reads them.

    `addresses` gives hosts their IP address; a host without one stays as it is.

    :raises AccessError: rules of the user's own that open what the runtime publishes.
    """
    if access.acf is not None:
        return _completed(access.acf)
    return _generated(access, addresses or {})


def trapped(text: str) -> frozenset[str]:
    """Groups of an access file whose puts are trapped; DEFAULT is also that of no group."""
    return frozenset(name for name, body in _groups(text).items() if "TRAPWRITE" in body)


def _groups(text: str) -> dict[str, str]:
    return {name: _body(text, name) for name in _GROUP.findall(_COMMENT.sub("", text))}


def _generated(access: Access, addresses: dict[str, str]) -> str:
    groups, writers = "", []
    if access.hosts:
        groups += _hag("HOSTS", [addresses.get(host, host) for host in access.hosts])
        writers.append("HAG(HOSTS)")
    for index, (user, host) in enumerate(access.users):
        groups += f'UAG(USER{index}) {{"{_plain(user)}"}}\n'
        writer = f"UAG(USER{index})"
        if host != ANY:
            groups += _hag(f"HOST{index}", [addresses.get(host, host)])
            writer += f" HAG(HOST{index})"
        writers.append(writer)
    conditions = [f" {{ {writer} }}" for writer in writers] or [""]
    text = groups + _asg("DEFAULT", []) + _asg(PUBLISHED, [])
    text += _asg(OPERATOR, [f"RULE(0, WRITE, TRAPWRITE){each}" for each in conditions])
    return text + _asg(ARRAYS, [f"RULE(0, WRITE){each}" for each in conditions])


def _asg(name: str, rules: list[str]) -> str:
    body = "".join(f"    {rule}\n" for rule in ["RULE(1, READ)", *rules])
    return f"ASG({name}) {{\n{body}}}\n"


def _hag(name: str, hosts: list[str]) -> str:
    return f"HAG({name}) {{" + ", ".join(f'"{_plain(host)}"' for host in hosts) + "}\n"


def _plain(text: str) -> str:
    if not text or re.search(r'["\\\s]|[^\x20-\x7e]', text):
        raise AccessError(f"access: expected a host or a user name, got {text!r}")
    return text


def _completed(text: str) -> str:
    """Rules of the user's own, with the groups they leave out; RO must stay shut."""
    groups = _groups(text)
    if "WRITE" in groups.get(PUBLISHED, ""):
        raise AccessError(
            f"access: group {PUBLISHED} is what the runtime publishes and cannot be written; "
            "expected no WRITE rule in it"
        )
    if "TRAPWRITE" in groups.get(ARRAYS, ""):
        raise AccessError(
            f"access: puts of group {ARRAYS} cannot be trapped; expected no TRAPWRITE"
        )
    open_to_all = ["RULE(0, WRITE, TRAPWRITE)"]
    missing = [_asg(name, []) for name in ("DEFAULT", PUBLISHED) if name not in groups]
    if OPERATOR not in groups:
        missing.append(_asg(OPERATOR, open_to_all))
    if ARRAYS not in groups:
        body = _body(text, OPERATOR)
        alike = re.sub(r"\s*,\s*TRAPWRITE", "", body) if body else None
        missing.append(
            f"ASG({ARRAYS}) {{{alike}}}\n"
            if alike is not None
            else _asg(ARRAYS, ["RULE(0, WRITE)"])
        )
    return text.rstrip("\n") + "\n" + "".join(missing)


def _body(text: str, group: str) -> str:
    """Everything between the braces of a group, those of its rules included."""
    plain = _COMMENT.sub("", text)
    found = re.search(rf'\bASG\s*\(\s*"?{re.escape(group)}"?\s*\)\s*{{', plain)
    if found is None:
        return ""
    depth, start = 1, found.end()
    for index in range(start, len(plain)):
        depth += {"{": 1, "}": -1}.get(plain[index], 0)
        if not depth:
            return plain[start:index]
    return ""
