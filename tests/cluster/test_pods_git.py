"""Plugins from Git on real pods, from real servers beside the cluster."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from cluster.from_git import (
    CODE,
    assert_no_secret,
    edit,
    guard,
    label,
    secret,
    source_of,
    told,
)
from cluster.invariants import check
from cluster.pv import PvClient
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import API, Tasks, current, of, task
from support.git_host import TOKEN, GitHost, Repo, git, keygen

pytestmark = pytest.mark.timeout(420)


def test_a_task_from_git_serves_and_says_its_commit(
    operator: Operator, tasks: Tasks, host: GitHost, repo: Repo
):
    secret(tasks, host.token_files())
    tasks.apply(guard(tasks, host.https_url("tasks")))
    found = tasks.ready("guard")
    assert source_of(found)["commit"] == git(repo.checkout, "rev-parse", "HEAD")
    assert label(tasks) == "one"

    secret(tasks, host.key_files(), "ssh")
    by_ssh = guard(tasks, host.ssh_url("tasks"), "by-ssh", secretRef={"name": "ssh"})
    tasks.apply(by_ssh)
    tasks.ready("by-ssh")
    assert label(tasks, "by-ssh") == "one"
    assert_no_secret(tasks, operator, TOKEN, host.key.read_text().splitlines()[3])


def test_a_branch_that_moves_moves_no_pod_until_it_is_asked_for(
    operator: Operator, tasks: Tasks, host: GitHost, repo: Repo
):
    secret(tasks, host.token_files())
    tasks.apply(guard(tasks, host.https_url("tasks")))
    first = source_of(tasks.ready("guard"))["commit"]
    repo.commit({"guard/guard.py": CODE.format(label="two")})
    kept = tasks.get("configmap", "guard-config")["data"]["source.json"]
    assert json.loads(kept)["commit"] == first

    uid = tasks.uid("guard")
    tasks.run("delete", "pod", "guard-0")
    found = tasks.wait(lambda t: t["status"].get("pod", {}).get("uid") not in (None, uid), "guard")
    found = tasks.ready("guard")
    assert source_of(found)["commit"] == first, "pinned"
    assert label(tasks) == "one"

    second = git(repo.checkout, "rev-parse", "HEAD")
    edit(tasks, ref=second)
    found = tasks.ready("guard")
    assert source_of(found)["commit"] == second
    assert label(tasks) == "two"

    edit(tasks, ref="main")
    tasks.patch("guard", {"plugin": {"updatePolicy": "OnRestart"}})
    uid = tasks.ready("guard")["status"]["pod"]["uid"]
    third = repo.commit({"guard/guard.py": CODE.format(label="three")})
    time.sleep(1.0)
    assert label(tasks) == "two", "only at a restart"
    tasks.run("delete", "pod", "guard-0")
    found = tasks.wait(lambda t: t["status"].get("pod", {}).get("uid") not in (None, uid), "guard")
    found = tasks.ready("guard")
    assert source_of(found)["commit"] == third
    assert label(tasks) == "three"


def test_a_source_that_is_not_to_be_had_leaves_the_last_good_one_running(
    operator: Operator, tasks: Tasks, host: GitHost, repo: Repo, tmp_path: Path
):
    secret(tasks, host.token_files())
    keygen(tmp_path / "stranger")
    secret(tasks, host.key_files() | {"identity": (tmp_path / "stranger").read_text()}, "stranger")
    secret(tasks, {"password": f"{TOKEN}-wrong", "ca.crt": host.ca.read_text()}, "wrong")
    url = host.https_url("tasks")
    tasks.apply(guard(tasks, url))
    uid = tasks.ready("guard")["status"]["pod"]["uid"]
    good = {"url": url, "ref": "main", "path": "guard", "secretRef": {"name": "deploy"}}
    (repo.checkout / "guard/out").symlink_to("/etc/shadow")
    repo.commit(branch="hostile")
    git(repo.checkout, "rm", "-q", "--cached", "guard/out")
    (repo.checkout / "guard/out").unlink()
    repo.commit({"guard/guard.py": "import no_such_module_anywhere\n" + CODE}, branch="broken")
    (repo.checkout / "guard/huge").write_bytes(bytes(120 * 1024 * 1024))
    repo.commit(branch="huge")
    for fields, reason in (
        ({"ref": "nothing"}, "RefNotFound"),
        ({"secretRef": {"name": "wrong"}}, "AuthFailed"),
        ({"url": host.ssh_url("tasks"), "secretRef": {"name": "stranger"}}, "AuthFailed"),
        ({"url": host.https_url("nothing")}, "SourceNotFound"),
        ({"ref": "hostile"}, "BadSource"),
        ({"ref": "broken"}, "PluginFailed"),
        ({"ref": "huge"}, "TooLarge"),
    ):
        edit(tasks, **good | fields)
        message = told(tasks, "guard", reason)
        assert "What ran before runs on." in message
        assert_no_secret(tasks, operator, TOKEN)  # while the pod that tries it is there
        pod = tasks.pod("guard")
        assert pod and pod["metadata"]["uid"] == uid, reason
        assert label(tasks) == "one"
    edit(tasks, **good)
    found = tasks.ready("guard")
    assert found["status"]["pod"]["uid"] == uid, "back where it was, nothing had to be replaced"
    until = time.monotonic() + 20
    while tasks.list("job"):
        assert time.monotonic() < until, "the try is still there"
        time.sleep(0.2)
    assert_no_secret(tasks, operator, TOKEN)


def test_a_first_start_without_its_source_says_why_and_goes_on_when_it_is_there(
    operator: Operator, tasks: Tasks, host: GitHost, repo: Repo
):
    secret(tasks, host.token_files())
    tasks.apply(guard(tasks, host.https_url("tasks"), ref="later"))
    assert "later" in told(tasks, "guard", "RefNotFound")
    repo.push("later")
    found = tasks.wait(
        lambda t: current(t) and of(t, "Ready")["status"] == "True", "guard", patience=90
    )
    assert source_of(found)["ref"] == "later"


def test_files_of_a_config_map_are_a_plugin(operator: Operator, tasks: Tasks):
    outputs = {"label": {"type": "string"}, "alarm": {"type": "bool"}}
    made = task(
        "guard", tasks.prefix("guard"), outputs=outputs, plugin={"configMap": {"name": "code"}}
    )
    tasks.apply(made)
    assert "'code' is not there" in tasks.stalled("guard", "SourceNotFound")
    code = {"guard.py": CODE.format(label="mapped"), "helper.txt": "x"}
    tasks.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code"}, "data": code}
    )
    tasks.wait(lambda t: of(t, "Ready").get("status") == "True", "guard", patience=120)
    assert label(tasks) == "mapped"


JOB = """
from ioc_runtime import JobBase

class Scan(JobBase):
    def execute(self):
        return {"word": "WORD"}
"""


def test_a_job_runs_the_commit_that_was_found_once_and_none_that_is_not_there(
    operator: Operator, tasks: Tasks, host: GitHost, repo: Repo
):
    secret(tasks, host.token_files())
    first = repo.commit({"scan/scan.py": JOB.replace("WORD", "one")})
    source = {"url": host.https_url("tasks"), "path": "scan", "secretRef": {"name": "deploy"}}
    spec = {"prefix": tasks.prefix("scan"), "plugin": {"git": source | {"ref": "later"}}}
    tasks.apply({"apiVersion": API, "kind": "IocJob", "metadata": {"name": "scan"}, "spec": spec})
    told(tasks, "scan", "RefNotFound", "iocjob")
    found = tasks.get("iocjob", "scan")
    assert not found["status"]["run"].get("job"), "no run was spent on it"
    repo.push("later")
    found = tasks.wait(lambda t: of(t, "Complete"), "scan", "iocjob", patience=90)
    assert found["status"]["run"]["result"]["data"] == {"word": "one"}
    assert source_of(found)["commit"] == first
    repo.commit({"scan/scan.py": JOB.replace("WORD", "two")}, branch="later")
    tasks.patch("scan", {"runId": "again"}, "iocjob")
    found = tasks.wait(
        lambda t: t["status"]["run"]["number"] == 2 and of(t, "Complete"), "scan", "iocjob"
    )
    assert source_of(found)["commit"] == first, "pinned"
    assert found["status"]["run"]["result"]["data"] == {"word": "one"}
    names = [each["metadata"]["name"] for each in tasks.list("job")]
    assert sorted(names) == ["scan-1", "scan-2"], "the try is gone"


def test_with_the_server_gone_a_new_pod_runs_the_commit_that_is_cached(
    installed: Path, rig: Rig, namespace: str, host: GitHost, repo: Repo, tmp_path: Path
):
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)  # pods run as another user
    tasks = Tasks(rig.kubectl, namespace)
    with Operator(installed, tmp_path, "--plugin-cache", f"host:{cache}"):
        secret(tasks, host.token_files())
        tasks.apply(guard(tasks, host.https_url("tasks")))
        found = tasks.ready("guard")
        commit, uid = source_of(found)["commit"], found["status"]["pod"]["uid"]
        host.stop()
        tasks.run("delete", "pod", "guard-0")
        tasks.wait(lambda t: t["status"].get("pod", {}).get("uid") not in (None, uid), "guard")
        assert source_of(tasks.ready("guard"))["commit"] == commit
        assert label(tasks) == "one"
        host.start()
        repo.write({"guard/guard.py": CODE.format(label="rewritten")})
        git(repo.checkout, "commit", "-q", "--all", "--amend", "-m", "history is written anew")
        repo.push()
        repo.forget()
        uid = tasks.ready("guard")["status"]["pod"]["uid"]
        tasks.run("delete", "pod", "guard-0")
        tasks.wait(lambda t: t["status"].get("pod", {}).get("uid") not in (None, uid), "guard")
        assert source_of(tasks.ready("guard"))["commit"] == commit, "after a forced push"
        assert label(tasks) == "one"
        check(rig.kubectl, namespace)


def test_a_directory_written_for_iocmng_runs_from_git_without_an_edit(
    operator: Operator, tasks: Tasks, host: GitHost
):
    repo = host.repo("iocmng")
    place = Path(__file__).parents[1] / "data" / "iocmng" / "continuous"
    repo.commit({f"m/{path.name}": path.read_text() for path in place.iterdir() if path.is_file()})
    secret(tasks, host.token_files())
    source = {"url": host.https_url("iocmng"), "ref": "main", "path": "m"}
    spec = {
        "prefix": tasks.prefix("mng"),
        "plugin": {"config": "config.yaml", "git": source | {"secretRef": {"name": "deploy"}}},
    }
    tasks.apply({"apiVersion": API, "kind": "IocTask", "metadata": {"name": "mng"}, "spec": spec})
    found = tasks.wait(
        lambda t: of(t, "Ready").get("reason") in ("Running", "InputsDisconnected"), "mng"
    )
    assert source_of(found)["commit"] == git(repo.checkout, "rev-parse", "HEAD")
    with PvClient(tasks.address("mng")) as client:
        client.wait_for(tasks.prefix("mng") + "ENABLE", 1)
