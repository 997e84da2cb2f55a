"""What Argo CD would show of objects: `kubectl get ioc -o yaml | python -m scripts.argocd.health`.

It runs the health scripts of this checkout as Argo CD runs them, on the objects or lists of
objects that come on standard input, as YAML or JSON. Exit code 0: all are Healthy; 1: some are
not; 2: what came is no IocTask or IocJob.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import yaml

from scripts.argocd.__main__ import GROUP, KINDS, SCRIPTS
from scripts.argocd.lua import run


def main() -> int:
    """A line for each object."""
    if len(sys.argv) > 1:
        print(__doc__, file=sys.stderr)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    try:
        objects = [one for each in yaml.safe_load_all(sys.stdin) for one in listed(each)]
    except yaml.YAMLError as error:
        return refused(f"expected YAML or JSON: {error}")
    wrong = [kind for each in objects if (kind := each.get("kind")) not in KINDS]
    if wrong or not objects:
        found = f", got {wrong[0]!r}" if wrong else ", got nothing"
        return refused(f"expected objects of kind {' or '.join(KINDS)}{found}")
    healthy = True
    for each in objects:
        kind, name = each["kind"], each.get("metadata", {}).get("name", "")
        said = run((SCRIPTS / GROUP / kind / "health.lua").read_text(), each)
        healthy = healthy and said["status"] == "Healthy"
        print(f"{kind} {name}: {said['status']}  {said.get('message', '')}".rstrip())
    return 0 if healthy else 1


def listed(found: Any) -> Iterator[dict[str, Any]]:
    """The objects of a document: it, or the items of a list."""
    if isinstance(found, dict) and str(found.get("kind", "")).endswith("List"):
        found = found.get("items")
    for each in found if isinstance(found, list) else [found]:
        if each is not None:
            yield each if isinstance(each, dict) else {"kind": type(each).__name__}


def refused(text: str) -> int:
    """One sentence for whoever typed it."""
    print(f"health: {text}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
