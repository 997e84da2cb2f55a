"""What a plugin from Git with packages of its own costs a start, when both are cached.

In turn, a task without a plugin and the same task with one: a repository over https with a
token, and one package, both in the cache that the operator was given. Two times are taken: from
apply to the first answer over Channel Access, where the server is asked what the branch is at;
and, when the pod is deleted, from the new pod to its first answer, where the commit is known.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

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
            applied = _Pairs([], [])
            for number in range(starts):
                applied.plain.append(apply(api, f"plain-{number}")["CA"])
                name = f"cached-{number}"
                applied.cached.append(apply(api, name, _with_plugin(name, host))["CA"])
            again = _Pairs([], [])
            for number in range(starts):
                again.plain.append(_started_again(api, f"plain-{number}"))
                again.cached.append(_started_again(api, f"cached-{number}"))
            return _rows(first, applied, again)


class _Pairs(NamedTuple):
    """Seconds without a plugin, and with one that is cached."""

    plain: list[float]
    cached: list[float]

    @property
    def more(self) -> float:
        return median(self.cached) - median(self.plain)


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


def _rows(first: float, applied: _Pairs, again: _Pairs) -> list[Row]:
    fetched = "the first of them, fetched and installed"
    return [
        *_pair("apply → CA answers", applied),
        Row("apply → CA answers", fetched, f"{first:.2f} s", values={"s": first}),
        *_pair("pod → CA answers", again, bar=BAR),
    ]


def _pair(case: str, seconds: _Pairs, bar: float | None = None) -> list[Row]:
    def row(who: str, times: list[float], **more: Any) -> Row:
        p50, last = median(times), max(times)
        text = f"{p50:.2f} s p50, {last:.2f} s max of {len(times)}{more.pop('said', '')}"
        return Row(case, who, text, values={"p50": p50, "max": last}, **more)

    goal = {} if bar is None else {"goal": f"≤ {bar:g} s more", "reached": seconds.more <= bar}
    return [
        row("without plugin", seconds.plain),
        row(
            "from Git with a package, cached",
            seconds.cached,
            said=f"; {seconds.more:.2f} s more",
            **goal,
        ),
    ]
