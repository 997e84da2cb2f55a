"""What `iocctl run` does before it starts a process: have the plugin's code and packages here.

It starts the same program that a pod's init container runs. On a laptop git uses what its
user has set up (an agent, a credential helper), unless `--credentials` names files. A branch
is asked for anew at each run; without the server the last commit that was seen is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ioc_runtime.cli.failure import Exit, Failure
from ioc_runtime.cli.terminal import printable
from ioc_runtime.plan import Plan, from_json, to_json

Tell = Callable[[str], None]


def is_needed(plan: Plan) -> bool:
    """Whether something has to be fetched or installed for this plan."""
    plugin = plan.plugin
    if plugin is None:
        return False
    elsewhere = plugin.source is not None and "builtin" not in plugin.source
    return bool(elsewhere or plugin.requirements or plugin.requirements_from)


def completed(plan: Plan, made_ready: Sequence[str]) -> Plan:
    """The plan to serve, where a file of the plugin says what there is."""
    if not made_ready:
        return plan
    path = json.loads(Path(made_ready[1]).read_text()).get("plan")
    return from_json(Path(path).read_text(encoding="utf-8")) if path else plan


def fetch(
    plan: Plan,
    into: Path,
    tell: Tell,
    credentials: Path | None = None,
    files: Path | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> list[str]:
    """Options for the serving process, once all is there.

    :param into: an empty directory that outlives the serving process
    :param files: what stands in for a ConfigMap
    :param manifest: the document of the plan, for `plugin.config`
    :raises Failure: with one sentence
    """
    source = (plan.plugin.source or {}) if plan.plugin is not None else {}
    if "configMap" in source and files is None:
        name = source["configMap"].get("name")
        raise Failure(
            f"spec.plugin.configMap: {name!r} is in a cluster: expected its files in a directory "
            "that --plugin-files names",
            Exit.USAGE,
        )
    path = into / "plan.json"
    path.write_text(to_json(plan))
    if manifest is not None:
        (into / "manifest.json").write_text(json.dumps(manifest, default=str))
    cache = cache_directory()
    kept = cache / "kept" / f"{_name(source)}.json"
    command = [sys.executable, "-m", "ioc_runtime.fetch", str(path), "--into", str(into)]
    command += ["--cache", str(cache), "--kept", str(kept), "--fresh"]
    for option, value in (("--credentials", credentials), ("--files", files)):
        if value is not None:
            command += [option, str(value.absolute())]
    _run(command, tell)
    _keep(kept, into / "plugin.json")
    return ["--plugin", str(into / "plugin.json")]


def cache_directory() -> Path:
    """Where code and packages of plugins are kept for the next run."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~"), ".cache")
    return base / "ioc-operator"


def _run(command: list[str], tell: Tell) -> None:
    error = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101
        for line in process.stdout:
            said = _event(line)
            if said.get("say") == "log":
                tell(printable(str(said.get("text"))))
            elif said.get("say") == "error":
                error = f"{said.get('reason')}: {printable(str(said.get('text')))}"
        told = process.stderr.read().strip().splitlines()
    if process.returncode:
        raise Failure(error or (told[-1] if told else "the fetch has failed"), Exit.BAD_SPEC)


def _event(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _name(source: Any) -> str:
    return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:32]


def _keep(kept: Path, outcome: Path) -> None:
    """Remember the commit, for a run without the server; a convenience, so never an error."""
    try:
        source = json.loads(outcome.read_text()).get("source")
        if source:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps({key: source[key] for key in ("url", "ref", "commit")}))
    except (OSError, ValueError, KeyError):
        return
