"""Configs of iocmng in short, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ioc_runtime.migrate import Converted, Findings, Wanted, convert, convert_directory
from ioc_runtime.migrate.code import Code
from ioc_runtime.spec.problem import ManifestError

IMAGE = {"image": {"path": "/plugin"}}
WRITER = Code("Mine", "IocTask", frozenset({"execute"}), writes=frozenset({"o"}))
CODE = Code("Mine", "IocTask", frozenset({"execute"}))


def made(config: str, code: Code | None = None, **wanted: Any) -> Converted:
    """What a config becomes."""
    given = {"name": "mine", "source": IMAGE} | wanted
    return convert(yaml.safe_load(config) or {}, code, Wanted(**given), Findings("config.yaml"))


def spec(config: str, code: Code | None = None, **wanted: Any) -> dict[str, Any]:
    """`spec` of what a config becomes."""
    found: dict[str, Any] = made(config, code, **wanted).document["spec"]
    return found


def notes(config: str, code: Code | None = None, **wanted: Any) -> str:
    """All notes, one a line."""
    return "\n".join(str(note) for note in made(config, code, **wanted).notes)


def problems(config: str, code: Code | None = None, **wanted: Any) -> list[str]:
    """All problems of a config that cannot be converted."""
    with pytest.raises(ManifestError) as caught:
        made(config, code, **wanted)
    return [str(problem) for problem in caught.value.problems]


def directory(root: Path, config: str, **modules: str) -> Path:
    """A plugin's directory; its config."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in modules.items():
        (root / f"{name}.py").write_text(text)
    path = root / "config.yaml"
    path.write_text(config)
    return path


def directory_problems(config: Path, class_name: str | None = None) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        convert_directory(config, Wanted("mine", source=IMAGE), class_name)
    return [str(problem) for problem in caught.value.problems]
