"""Addresses of PVs of others: `ca://NAME`, `pva://NAME`, a bare name, `{prefix}NAME`.

The same in the links of a manifest and in what a plugin reads and writes by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from ioc_runtime.plan import Link

_NAME = re.compile(r"[A-Za-z0-9_:;+\[\]<>{}/.#@%&*()=|~!?^$-]{1,200}")
_FILTER = re.compile(r"(?P<base>[^{}]+\.[A-Z0-9$]*)(?P<json>\{[^\s\\]*\})")
_FIELD = re.compile(r"[A-Z][A-Z0-9]{0,3}\$?")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")

_TEMPLATE = re.compile(r"(?P<scheme>(?:[A-Za-z]+://)?)\{(?P<key>[A-Za-z_][A-Za-z0-9_]*)\}")

EXPECTED = "ca://NAME or pva://NAME"


class BadLink(ValueError):
    """A link cannot be; the text says what would be right."""


def template_key(text: str) -> str | None:
    """The key of an address that begins with one (`{main}P1`, `ca://{main}P1`), or None.

    Braces further on belong to the name: there are facilities whose names have them.
    """
    found = _TEMPLATE.match(text)
    return found["key"] if found else None


def expand(text: str, prefixes: Mapping[str, str]) -> str:
    """The address with the prefix that its key stands for; others as they are.

    :raises KeyError: with the key, when there is no such prefix
    """
    found = _TEMPLATE.match(text)
    if found is None:
        return text
    return found["scheme"] + prefixes[found["key"]] + text[found.end() :]


def parse_link(text: str, protocol: Literal["ca", "pva"], poll: float | None = None) -> Link:
    """Scheme and name of a link; `protocol` is that of one without a scheme.

    :raises BadLink: with what was expected
    """
    scheme = _SCHEME.match(text)
    name = text[scheme.end() :] if scheme else text
    word = scheme["scheme"] if scheme else protocol
    if word == "pva":
        chosen: Literal["ca", "pva"] = "pva"
    elif word == "ca":
        chosen = "ca"
    else:
        raise BadLink(EXPECTED)
    plain = _NAME.fullmatch(name) or chosen == "ca" and _FILTER.fullmatch(name)
    if not plain or name.startswith((".", "$")):
        raise BadLink(f"{EXPECTED} with the name of a PV: no spaces, quotes or commas")
    return Link(chosen, name, poll)


def record_of(link: Link) -> str:
    """Name of the record a link is about: without field and filter."""
    name = link.name
    if filtered := _FILTER.fullmatch(name):
        name = filtered["base"].removesuffix(".")
    record, dot, field = name.rpartition(".")
    return record if dot and _FIELD.fullmatch(field) else name
