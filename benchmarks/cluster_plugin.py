"""What a plugin and packages of its own cost a start, when both are cached.

In turn, a task without a plugin and the same task with one: from a repository over https with
a token; with one package; with both. Code and packages are in the cache that the operator was
given. Two times are taken: from apply to the first answer over Channel Access, where a server
is asked what the branch is at; and, when the pod is deleted, from the new pod to its first
answer, where the commit is known. Each start comes at a random moment: a kubelet looks once a
second for containers that have ended, and that decides when the next one begins.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import ca_by_tcp
from benchmarks.cluster_one import Api, apply
from benchmarks.figures import Row, median
from cluster.operator_process import NAMESPACE, install
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import task
from support.git_host import GitHost, git_host
from support.package_index import PackageIndex

BAR = 1.5
BARE = "without plugin"
BOTH = ("git", "package")
KINDS: dict[str, tuple[str, ...]] = {
    BARE: (),
    "from Git": ("git",),
    "inline, with a package": ("package",),
    "from Git, with a package": BOTH,
}
Times = dict[str, list[float]]
"""Seconds of each start, by kind."""
CODE = """
import tiny
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def initialize(self):
        self.set_message(f"with tiny {tiny.version}")
"""
WITHOUT_PACKAGE = CODE.replace("import tiny", "").replace("{tiny.version}", "out")


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
            host.repo("tasks").commit({"guard.py": CODE, "bare/guard.py": WITHOUT_PACKAGE})
            first = apply(api, "cold", _with_plugin("cold", host, *BOTH))["CA"]
            applied: Times = {who: [] for who in KINDS}
            again: Times = {who: [] for who in KINDS}
            for number in range(starts):
                for kind, (who, parts) in enumerate(KINDS.items()):
                    name = f"kind-{kind}-{number}"
                    time.sleep(random.random())
                    made = _with_plugin(name, host, *parts)
                    applied[who].append(apply(api, name, made)["CA"])
            for number in range(starts):
                for kind, who in enumerate(KINDS):
                    time.sleep(random.random())
                    again[who].append(_started_again(api, f"kind-{kind}-{number}"))
            return _rows(first, applied, again)


def _started_again(api: Api, name: str) -> float:
    """Delete the task's pod; seconds from the next one's creation to its first answer."""
    space = "/api/v1/namespaces/bench"
    pod = f"{space}/pods/{name}-0"
    old = api.ask("GET", pod)["metadata"]["uid"]
    address = api.ask("GET", f"{space}/services/{name}")["spec"]["clusterIP"]
    api.ask("DELETE", pod)
    until = time.monotonic() + 60
    while (found := api.ask("GET", pod)) is None or found["metadata"]["uid"] == old:
        if time.monotonic() > until:
            raise RuntimeError(f"{name}: no new pod within 60 s")
        time.sleep(0.01)
    began = time.monotonic()
    while time.monotonic() - began < 30:
        try:
            ca_by_tcp.read(address, f"{name.upper()}:pressure")
            return time.monotonic() - began
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{name}: no answer within 30 s")


def _with_plugin(name: str, host: GitHost, *parts: str) -> dict[str, Any]:
    plugin: dict[str, Any] = {}
    if "git" in parts:
        secret = {"secretRef": {"name": "deploy"}}
        plugin = {"git": {"url": host.https_url("tasks"), "ref": "main", **secret}}
        if "package" not in parts:
            plugin["git"]["path"] = "bare"
    elif parts:
        plugin = {"inline": {"files": {"guard.py": CODE}}}
    if "package" in parts:
        plugin["requirements"] = ["tiny"]
    prefix = f"{name.upper()}:"
    return task(name, prefix, plugin=plugin) if plugin else task(name, prefix)


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


def _rows(first: float, applied: Times, again: Times) -> list[Row]:
    fetched = "from Git, with a package: the first, fetched and installed"
    return [
        *_starts("apply → CA answers", applied),
        Row("apply → CA answers", fetched, f"{first:.2f} s", values={"s": first}),
        *_starts("pod → CA answers", again, bar=BAR),
    ]


def _starts(case: str, times: Times, bar: float | None = None) -> list[Row]:
    bare = median(times[BARE])
    rows = []
    for who, seconds in times.items():
        p50, last = median(seconds), max(seconds)
        more = p50 - bare
        text = f"{p50:.2f} s p50, {last:.2f} s max of {len(seconds)}"
        values = {"p50": p50, "max": last, "more": more}
        if who == BARE:
            rows.append(Row(case, who, text, values=values))
            continue
        goal = "" if bar is None else f"≤ {bar:g} s more"
        reached = None if bar is None else more <= bar
        rows.append(
            Row(case, who, f"{text}; {more:.2f} s more", goal=goal, reached=reached, values=values)
        )
    return rows
