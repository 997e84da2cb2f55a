"""Debian packages as components, from the status file of dpkg."""

from __future__ import annotations

import re

from .component import Component, deb


def packages(status: str) -> dict[str, tuple[str, str, str]]:
    """Package -> version, architecture, what it depends on; those that are installed."""
    found = {}
    for block in re.split(r"\n\n+", status.strip()):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", block, re.MULTILINE))
        if fields.get("Status", "").split()[-1:] == ["installed"]:
            needs = ", ".join(fields[key] for key in ("Pre-Depends", "Depends") if key in fields)
            found[fields["Package"]] = fields["Version"], fields["Architecture"], needs
    return found


def components(status: str, distribution: str) -> list[Component]:
    """One component for each installed package; `distribution` is, say, debian-12."""
    known = packages(status)
    purls = {
        name: deb(name, version, architecture, distribution)
        for name, (version, architecture, _) in known.items()
    }
    return [
        Component(name, version, purls[name], None, _requires(needs, purls))
        for name, (version, _, needs) in known.items()
    ]


def _requires(needs: str, purls: dict[str, str]) -> tuple[str, ...]:
    """Of alternatives (`a | b`) the first that is there."""
    found = set()
    for clause in filter(None, needs.split(",")):
        names = [re.split(r"[\s:(]", each.strip(), maxsplit=1)[0] for each in clause.split("|")]
        found |= {next((purls[name] for name in names if name in purls), "")}
    return tuple(sorted(found - {""}))
