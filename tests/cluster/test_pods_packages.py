"""Packages of plugins on real pods: where they come from, who builds them, how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.from_git import assert_no_secret, guard, label, secret, source_of
from cluster.invariants import check
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import API, Tasks, current, of
from support.git_host import TOKEN, GitHost, Repo
from support.package_index import PackageIndex, make_certificate

pytestmark = pytest.mark.timeout(420)

PASSWORD = "index-p4ssword-0815"
NAME = "ioc-plugin-index"

WITH_PACKAGE = """
import tiny
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def initialize(self):
        self.set_output("label", tiny.WORD)
"""

JOB = """
import tiny
from ioc_runtime import JobBase

class Scan(JobBase):
    def execute(self):
        return {"word": tiny.WORD}
"""


def test_packages_come_from_the_sites_index_by_a_container_that_sees_no_credentials(
    operator: Operator, tasks: Tasks, host: GitHost, repo: Repo, rig: Rig, tmp_path: Path
):
    authority, server = make_certificate(tmp_path, rig.host_address)
    with PackageIndex(server, rig.host_address) as index:
        index.add("tiny", "1.0", files={"tiny.py": "WORD = 'installed'\n"})
        index.account = ("reader", PASSWORD)
        # Where it is and whom to trust is no secret; who we are is one.
        config = {
            "pip.conf": f"[global]\nindex-url = {index.url}\n",
            "ca.crt": authority.read_text(),
        }
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}
        tasks.apply(made | {"data": config})
        netrc = f"machine {rig.host_address} login reader password {PASSWORD}\n"
        secret(tasks, {"netrc": netrc}, NAME)
        repo.commit({"guard/guard.py": WITH_PACKAGE})
        secret(tasks, host.token_files())
        task = guard(tasks, host.https_url("tasks"))
        # A process of its own finds its packages, too.
        task["spec"]["plugin"] |= {"requirements": ["tiny>=1,<2"], "isolation": "process"}
        tasks.apply(task)
        uid = tasks.ready("guard")["status"]["pod"]["uid"]
        assert label(tasks) == "installed"
        pod = tasks.pod("guard")
        assert pod is not None
        seen = {
            each["name"]: {mount["name"] for mount in each["volumeMounts"]}
            for each in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
        }
        assert {name for name, mounts in seen.items() if "credentials" in mounts} == {"fetch"}
        assert {name for name, mounts in seen.items() if "index" in mounts} == {"install"}

        tasks.patch("guard", {"plugin": {"requirements": ["no-such-package-here"]}})
        message = tasks.stalled("guard", "RequirementNotFound", patience=90)
        assert "no-such-package-here" in message
        tasks.patch("guard", {"plugin": {"requirements": ["numpy<1"]}})
        message = tasks.stalled("guard", "RequirementConflict", patience=90)
        assert "numpy" in message and "What ran before runs on." in message
        secret(tasks, {"netrc": netrc.replace(PASSWORD, f"{PASSWORD}-of-old")}, NAME)
        tasks.patch("guard", {"plugin": {"requirements": ["tiny==1.0"]}})
        tasks.stalled("guard", "IndexUnreachable", patience=90)
        assert tasks.uid("guard") == uid
        assert_no_secret(tasks, operator, PASSWORD, TOKEN)


def test_rows_98_to_100_jobs_at_once_fail_fast_then_share_one_build_and_a_later_one_has_none(
    installed: Path, rig: Rig, namespace: str, host: GitHost, repo: Repo, tmp_path: Path
):
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)  # pods run as another user
    tasks = Tasks(rig.kubectl, namespace)
    repo.commit({"scan/scan.py": JOB})
    three = ["one", "two", "three"]

    def stalled(found: dict[str, Any]) -> bool:
        return current(found) and of(found, "Stalled").get("reason") == "RequirementNotFound"

    with (
        Operator(installed, tmp_path, "--plugin-cache", f"host:{cache}"),
        PackageIndex(address=rig.host_address) as index,
    ):
        where = f"index-url = {index.url}\ntrusted-host = {rig.host_address}\n"
        secret(tasks, {"pip.conf": f"[global]\n{where}"}, NAME)
        secret(tasks, host.token_files())
        tasks.apply(*(_job(tasks, name, host) for name in three))
        for name in three:
            tasks.wait(stalled, name, "iocjob", patience=180)
        assert index.downloads("tiny") == 0
        index.add("tiny", "1.0", files={"tiny.py": "WORD = 'built'\n"})
        for name in three:  # the kubelet tries again after 10 or 20 s
            found = tasks.wait(lambda t: of(t, "Complete"), name, "iocjob", patience=180)
            assert found["status"]["run"]["result"]["data"] == {"word": "built"}
        assert index.downloads("tiny") == 1

        asked = len(index.asked)
        tasks.apply(_job(tasks, "four", host))
        found = tasks.wait(lambda t: of(t, "Complete"), "four", "iocjob", patience=180)
        assert source_of(found)["commit"]
        assert len(index.asked) == asked, "nobody was asked for anything"
        (pod,) = tasks.list("pod", "-l", "job-name=four-1")
        log = tasks.run("logs", pod["metadata"]["name"], "-c", "install")
        assert "cache hit, nothing to install" in log
        check(rig.kubectl, namespace)


def _job(tasks: Tasks, name: str, host: GitHost) -> dict[str, Any]:
    git = {"url": host.https_url("tasks"), "ref": "main", "path": "scan"}
    plugin = {"git": git | {"secretRef": {"name": "deploy"}}, "requirements": ["tiny"]}
    spec = {"prefix": tasks.prefix(name), "plugin": plugin}
    return {"apiVersion": API, "kind": "IocJob", "metadata": {"name": name}, "spec": spec}
