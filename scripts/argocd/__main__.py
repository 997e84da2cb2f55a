"""Write examples/gitops/argocd/, or say whether it is up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import yaml

import scripts.argocd as package

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPTS: Final = ROOT / "helm" / "ioc-operator" / "argocd" / "resource_customizations"
TARGET: Final = ROOT / "examples" / "gitops" / "argocd"
GROUP: Final = "ioc-operator.dev"
KINDS: Final = ("IocTask", "IocJob")
HEAD: Final = "# Made from helm/ioc-operator/argocd by `make argocd`; not to be edited.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of many lines as such."""


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(value: object) -> str:
    """YAML to be read by people."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120)


def entries() -> dict[str, str]:
    """Keys and values of argocd-cm."""
    found = {}
    for kind in KINDS:
        folder = SCRIPTS / GROUP / kind
        key = f"{GROUP}_{kind}"
        found[f"resource.customizations.health.{key}"] = (folder / "health.lua").read_text()
        found[f"resource.customizations.actions.{key}"] = dump(
            {
                "discovery.lua": (folder / "actions" / "discovery.lua").read_text(),
                "definitions": [
                    {"name": path.parent.name, "action.lua": path.read_text()}
                    for path in sorted((folder / "actions").glob("*/action.lua"))
                ],
            }
        )
    return found


def texts() -> dict[Path, str]:
    """Every file, as it ought to be."""
    made = entries()
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": made,
    }
    values = "# Values of the argo-cd chart.\n" + dump({"configs": {"cm": made}})
    patch = "# kubectl patch configmap argocd-cm -n argocd --patch-file argocd-cm.yaml\n" + dump(
        config_map
    )
    return {TARGET / "values.yaml": HEAD + values, TARGET / "argocd-cm.yaml": HEAD + patch}


def main() -> int:
    """0: written, or up to date; 1: not up to date."""
    parser = argparse.ArgumentParser(prog="python -m scripts.argocd", description=package.__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    wanted = texts()
    stale = [path for path, text in wanted.items() if not _holds(path, text)]
    for path in stale:
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} is not up to date: run `make argocd`", file=sys.stderr)
            continue
        path.write_text(text := wanted[path])
        print(f"wrote {name}, {len(text)} characters")
    return 1 if check and stale else 0


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
