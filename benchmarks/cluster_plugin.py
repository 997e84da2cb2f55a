"""What a plugin from Git with packages of its own costs a start, when both are cached.

In turn, a task without a plugin and the same task with one: a repository over https with a
token, and one package, both in the cache that the operator was given. The time is that from
apply to the first answer over Channel Access.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.cluster_one import Api, apply
from benchmarks.figures import Row, median
from cluster.operator_process import NAMESPACE, install
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import task
from support.git_host import GitHost, git_host
from support.package_index import PackageIndex

BAR = 1.5
CODE = """
import tiny
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def initialize(self):
        self.set_message(f"with tiny {tiny.version}")
"""


def run(starts: int) -> list[Row]:
    """The rows, of so many starts of either kind."""
    with tempfile.TemporaryDirectory() as name, Rig.up() as rig:
        directory = Path(name)
        cache = directory / "cache"
        cache.mkdir(mode=0o777)
        cache.chmod(0o777)  # pods run as another user
        kubeconfig = install(rig, directory)
        rig.kubectl("create", "namespace", "bench")
        api = Api(rig)
        flags = ("--lease-namespace", NAMESPACE, "--plugin-cache", f"host:{cache}")
        with (
            git_host(directory / "git", rig.host_address) as host,
            PackageIndex(address=rig.host_address) as index,
            Operator(kubeconfig, directory, *flags),
        ):
            index.add("tiny", "1.0")
            _secrets(api, host, index, rig)
            host.repo("tasks").commit({"guard.py": CODE})
            first = apply(api, "cold", _with_plugin("cold", host))["CA"]
            plain, cached = [], []
            for number in range(starts):
                plain.append(apply(api, f"plain-{number}")["CA"])
                name = f"cached-{number}"
                cached.append(apply(api, name, _with_plugin(name, host))["CA"])
            return _rows(first, plain, cached)


def _with_plugin(name: str, host: GitHost) -> dict[str, Any]:
    source = {"url": host.https_url("tasks"), "ref": "main", "secretRef": {"name": "deploy"}}
    plugin = {"git": source, "requirements": ["tiny"]}
    return task(name, f"{name.upper()}:", plugin=plugin)


def _secrets(api: Api, host: GitHost, index: PackageIndex, rig: Rig) -> None:
    config = f"[global]\nindex-url = {index.url}\ntrusted-host = {rig.host_address}\n"
    for name, files in (("deploy", host.token_files()), ("ioc-plugin-index", {"pip.conf": config})):
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": files,
        }
        api.ask("POST", "/api/v1/namespaces/bench/secrets", body)


def _rows(first: float, plain: list[float], cached: list[float]) -> list[Row]:
    more = median(cached) - median(plain)
    count = f"s p50, {{:.2f}} s max of {len(plain)}"
    return [
        Row(
            "apply → CA answers",
            "without plugin",
            f"{median(plain):.2f} {count.format(max(plain))}",
            values={"p50": median(plain), "max": max(plain)},
        ),
        Row(
            "apply → CA answers",
            "from Git with a package, cached",
            f"{median(cached):.2f} {count.format(max(cached))}; {more:.2f} s more",
            goal=f"≤ {BAR:g} s more",
            reached=more <= BAR,
            values={"p50": median(cached), "max": max(cached), "more": more},
        ),
        Row(
            "apply → CA answers",
            "the first of them, fetched and installed",
            f"{first:.2f} s",
            values={"s": first},
        ),
    ]
