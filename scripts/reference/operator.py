"""What the operator is told by flags, and what it counts."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Final

from ioc_operator.app import Operator
from ioc_operator.flags import FLAGS
from ioc_operator.kube.credentials import Credentials
from ioc_operator.metrics import Family
from ioc_operator.settings import Settings
from scripts.reference.markdown import code, table

NOWHERE: Final = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""
"""A cluster for an operator that is made to be asked, and never started."""


def flags() -> str:
    """Flags, their variables and defaults."""
    defaults = {each.name: each.default for each in fields(Settings)}
    rows = []
    for flag in FLAGS:
        default = defaults[flag.field]
        shown = code(str(default).lower() if isinstance(default, bool) else default)
        words = f"{flag.option} {flag.metavar}".strip()
        given = shown if default not in ("", ()) else "-"
        rows.append((code(words), code(flag.env), given, flag.help))
    return table(("Flag", "Variable", "Default", "Meaning"), rows)


def metrics() -> str:
    """What /metrics shows."""
    rows = []
    for family in asyncio.run(_families()):
        labels = ", ".join(map(code, getattr(family, "labels", ())))
        rows.append((code(family.name), family.kind, labels, family.help))
    return table(("Metric", "Kind", "Labels", "Meaning"), sorted(rows))


async def _families() -> list[Family]:
    with tempfile.TemporaryDirectory() as place:
        kubeconfig = Path(place) / "kubeconfig"
        kubeconfig.write_text(NOWHERE)
        operator = Operator(Settings(), Credentials(str(kubeconfig)))
    try:
        return operator.families()
    finally:
        await operator.close()
