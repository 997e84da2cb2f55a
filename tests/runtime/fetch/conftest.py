"""A Git server, and the place where the plugin of one task goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.git_host import GitHost, Repo, git_host
from support.leaks import orphans_reaped
from support.spawn import ROOT

CODE = "from ioc_runtime import TaskBase\n\nclass Guard(TaskBase):\n    pass\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with git_host(tmp_path_factory.mktemp("git")) as host:
        yield host


@pytest.fixture
def repo(host: GitHost, request: pytest.FixtureRequest) -> Repo:
    repo = host.repo(f"r{abs(hash(request.node.nodeid)):x}")
    repo.commit({"tasks/guard/guard.py": CODE, "README": "one"})
    return repo


class Place:
    """Where one task's plugin goes, with the credentials it has."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.into, self.cache = root / "into", root / "cache"
        self.credentials: Path | None = None
        self.said = ""

    def secret(self, files: dict[str, str]) -> None:
        self.credentials = self.root / "secret"
        self.credentials.mkdir(exist_ok=True)
        for name, text in files.items():
            path = self.credentials / name
            path.unlink(missing_ok=True)
            path.write_text(text)
            path.chmod(0o400)

    def command(self, url: str, *options: str, policy: str = "Pinned", **git: Any) -> list[str]:
        plan = {
            "name": "g",
            "namespace": "d",
            "prefix": "G:",
            "format": 1,
            "plugin": {"source": {"git": {"url": url, "ref": "main"} | git}},
        }
        if policy != "Pinned":
            plan["plugin"] |= {"update_policy": policy}
        self.root.joinpath("plan.json").write_text(json.dumps(plan))
        words = [sys.executable, "-m", "ioc_runtime.fetch", str(self.root / "plan.json")]
        words += ["--into", str(self.into), *options]
        if self.credentials:
            words += ["--credentials", str(self.credentials)]
        return words

    def fetch(self, url: str, *options: str, **more: Any) -> dict[str, Any]:
        """Run it; what it has written, or the error that it said."""
        command = self.command(url, *options, **more)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.root)}
        with orphans_reaped():
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=50
            )
        self.said += done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode:
            (error,) = [line for line in lines if line["say"] == "error"]
            assert done.returncode == error["exit"] == 15
            assert error["text"] in done.stderr
            return error
        return json.loads((self.into / "plugin.json").read_text())

    def files(self) -> list[str]:
        root = self.into / "files"
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def trusted(place: Place, host: GitHost) -> Place:
    """With the token."""
    place.secret(host.token_files())
    return place
