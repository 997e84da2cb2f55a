"""A ConfigMap's volume as a kubelet keeps it: files are exchanged all at once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ioc_runtime.plan import Plan, to_json


class Volume:
    """`plan.json` is a link to `..data/plan.json`, and `..data` one to a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.json"
        self._turn = 0
        path.mkdir()

    def write(self, plan: Plan | str, requests: str = "") -> None:
        """Exchange the plan (or whatever text) for this one, with requests beside it."""
        old = self.path / f"..{self._turn}"
        self._turn += 1
        new = self.path / f"..{self._turn}"
        new.mkdir()
        (new / "plan.json").write_text(plan if isinstance(plan, str) else to_json(plan))
        if requests:
            (new / "requests.json").write_text(requests)
        link = self.path / "..data_tmp"
        link.symlink_to(new.name)
        os.rename(link, self.path / "..data")
        if not self.plan.is_symlink():
            self.plan.symlink_to("..data/plan.json")
            (self.path / "requests.json").symlink_to("..data/requests.json")
        shutil.rmtree(old, ignore_errors=True)
