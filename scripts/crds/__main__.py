"""Write crds/ and the chart's copies, or say whether they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import yaml

import scripts.crds as package
from scripts.crds import deprecated
from scripts.crds.definition import GROUP, KINDS, definition

ROOT: Final = Path(__file__).resolve().parents[2]
DIRECTORY: Final = ROOT / "crds"
CHART: Final = ROOT / "helm" / "ioc-operator" / "templates" / "crds"
DEPRECATIONS: Final = CHART.parent / "deprecations.yaml"
"""There while a field is deprecated."""
HEAD: Final = "# Made from ioc_runtime/spec by `make crds`; not to be edited.\n"
METADATA: Final = "metadata:\n  name: "
TEMPLATE: Final = """\
metadata:
  labels: {{- include "ioc-operator.labels" . | nindent 4 }}
  {{- if .Values.crds.keep }}
  annotations: {helm.sh/resource-policy: keep}
  {{- end }}
  name: """


def texts() -> dict[Path, str]:
    """Every file, as it ought to be."""
    found = {}
    for kind in KINDS:
        name = f"{GROUP}_{kind.lower()}s.yaml"
        made = yaml.safe_dump(definition(kind), sort_keys=False, width=100, allow_unicode=True)
        found[DIRECTORY / name] = HEAD + made
        found[CHART / name] = HEAD + template(made)
    models = {kind: model for kind, (model, _, _) in KINDS.items()}
    if warnings := deprecated.template(deprecated.policies(GROUP, models, GROUP), HEAD):
        found[DEPRECATIONS] = warnings
    return found


def template(text: str) -> str:
    """The same as Helm's template: with labels, and kept when the release goes."""
    if "{{" in text or text.count(METADATA) != 1:
        raise ValueError("a definition that Helm would read as something else")
    body = text.replace(METADATA, TEMPLATE)
    return f"{{{{- if .Values.crds.enabled }}}}\n{body}{{{{- end }}}}\n"


def main() -> int:
    """0: written, or up to date; 1: not up to date."""
    parser = argparse.ArgumentParser(prog="python -m scripts.crds", description=package.__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    wanted = texts()
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    if DEPRECATIONS not in wanted and DEPRECATIONS.exists():
        stale.append(DEPRECATIONS)
    for path in stale:
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} is not up to date: run `make crds`", file=sys.stderr)
            continue
        if path not in wanted:
            path.unlink()
            print(f"removed {name}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
        print(f"wrote {name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
