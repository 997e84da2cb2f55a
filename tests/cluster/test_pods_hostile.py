"""Git sources on real pods that are not what they should be: hooks, parts, servers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cluster.from_git import CODE, assert_no_secret, edit, guard, label, secret, told
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import Tasks
from support.git_host import TOKEN, GitHost, Repo, keygen

pytestmark = pytest.mark.timeout(420)

EVIL = "#!/bin/sh\ntouch /tmp/pwned /var/lib/ioc-plugin/pwned\n"
CONFIG = """[core]
\tbare = true
\thooksPath = hooks
\tfsmonitor = hooks/post-checkout
[filter "evil"]
\tsmudge = hooks/post-checkout
\tprocess = hooks/post-checkout
"""
HOOKED = {
    **{f"{where}/post-checkout": EVIL for where in ("hooks", ".githooks", "guard/hooks")},
    ".gitattributes": "* filter=evil\n",
    "guard/.gitattributes": "* filter=evil\n",
    ".gitconfig": CONFIG,
    # a directory that git takes for a repository, with a configuration of its own
    **{f"guard/{file}": "" for file in ("objects/x", "refs/x")},
    "guard/HEAD": "ref: refs/heads/main\n",
    "guard/config": CONFIG,
    "guard/setup.py": "open('/tmp/pwned', 'w')\n",
    "guard/guard.py": """
import glob
from ioc_runtime import TaskBase

class Guard(TaskBase):
    def initialize(self):
        marks = glob.glob("/tmp/pwned") + glob.glob("/var/lib/ioc-plugin/**/pwned")
        self.set_output("label", str(marks or "unharmed"))
""",
}
WITH_PART = "from part import LABEL\n" + CODE.replace('"{label}"', "LABEL")


def test_a_repository_runs_no_hook_and_its_parts_come_from_the_network_alone(
    operator: Operator, tasks: Tasks, host: GitHost, repo: Repo
):
    secret(tasks, host.token_files())
    hooked = host.repo("hooked")
    hooked.write(HOOKED)
    for hook in hooked.checkout.rglob("post-checkout"):
        hook.chmod(0o755)
    hooked.commit()
    part = host.repo("part")
    commit = part.commit({"__init__.py": 'LABEL = "of a part"\n'})
    url = host.https_url("tasks")
    repo.write({"guard/guard.py": WITH_PART})
    repo.submodules({"guard/part": ("../part.git", commit)})
    tasks.apply(
        guard(tasks, host.https_url("hooked"), "hooked", submodules=True),
        guard(tasks, url, submodules=True),
    )
    assert tasks.ready("hooked") and label(tasks, "hooked") == "unharmed"
    uid = tasks.ready("guard")["status"]["pod"]["uid"]
    assert label(tasks) == "of a part"

    for branch, address in (
        ("a-path", str(part.bare)),
        ("a-file", f"file://{part.bare}"),
        ("a-command", "ext::sh -c touch% /var/lib/ioc-plugin/pwned"),
    ):
        repo.submodules({"guard/part": (address, commit)}, branch=branch)
        edit(tasks, ref=branch)
        message = told(tasks, "guard", "BadSource")
        assert "on the network" in message and "What ran before runs on." in message
    assert tasks.uid("guard") == uid and label(tasks) == "of a part"
    assert_no_secret(tasks, operator, TOKEN)


def test_a_server_that_is_another_one_or_says_nothing_is_told_and_what_ran_runs_on(
    operator: Operator, tasks: Tasks, rig: Rig, host: GitHost, repo: Repo, tmp_path: Path
):
    keygen(tmp_path / "other")
    files = host.key_files()
    address, kind, _ = files["known_hosts"].split()
    key = (tmp_path / "other.pub").read_text().split()[1]
    secret(tasks, host.token_files())
    secret(tasks, files | {"known_hosts": f"{address} {kind} {key}\n"}, "impostor")
    secret(tasks, {"password": TOKEN}, "untrusting")
    url = host.https_url("tasks")
    tasks.apply(guard(tasks, url))
    uid = tasks.ready("guard", patience=90)["status"]["pod"]["uid"]
    good = {"url": url, "secretRef": {"name": "deploy"}}
    with socket.create_server((rig.host_address, 0)) as silent:
        nobody = f"https://{rig.host_address}:{silent.getsockname()[1]}/x.git"
        for fields, reason in (
            ({"url": host.ssh_url("tasks"), "secretRef": {"name": "impostor"}}, "HostKeyMismatch"),
            ({"secretRef": {"name": "untrusting"}}, "TlsFailed"),
            ({"url": nobody}, "Timeout"),
        ):
            edit(tasks, **good | fields)
            assert "What ran before runs on." in told(tasks, "guard", reason)
            assert tasks.uid("guard") == uid and label(tasks) == "one"
    identity = files["identity"].splitlines()[3]
    assert_no_secret(tasks, operator, TOKEN, identity)
