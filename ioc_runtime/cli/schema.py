"""`iocctl schema`: the JSON schema of the manifests, for editors."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Kind = Literal["IocTask", "IocJob"]


def schema(
    kind: Annotated[
        Kind | None, typer.Option("--kind", "-k", help="Of one kind; by default of both.")
    ] = None,
) -> None:
    """Print the JSON schema of the manifests: completion and checks in your editor.

    Save it beside the manifest and let the manifest's first line name it:
    `# yaml-language-server: $schema=ioc.schema.json`.
    """
    from ioc_runtime.spec.json_schema import schema_text

    print(schema_text(kind), end="")
