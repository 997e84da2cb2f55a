"""The commands of iocctl and kubectl ioc, as typer writes them down."""

from __future__ import annotations

import subprocess
import sys


def page(made: str, name: str, module: str) -> str:
    """All commands with their arguments and options."""
    words = ("-m", "typer", module, "utils", "docs", "--name", name, "--title", name)
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    text = done.stdout.replace("```console\n$ ", "```text\n")
    heading, _, rest = text.partition("\n")
    guide = "[cli.md](../cli.md) tells what they do with examples."
    return f"{heading}\n\n{made} {guide}\n{rest.rstrip()}\n"
