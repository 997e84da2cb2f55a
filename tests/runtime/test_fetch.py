"""Plugins fetched from real Git servers, and everything that may stand in the way."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.fetch.git import LOOK
from support.git_host import TOKEN, GitHost, Repo, git, git_host, keygen
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


# what comes


def test_a_directory_of_a_branch_comes_over_https_with_a_token(
    trusted: Place, host: GitHost, repo: Repo
):
    found = trusted.fetch(host.https_url(repo.name), path="tasks/guard")
    assert trusted.files() == ["guard.py"]
    assert found["directory"] == str(trusted.into / "files")
    assert found["source"] == {
        "url": host.https_url(repo.name),
        "ref": "main",
        "path": "tasks/guard",
        "commit": git(repo.checkout, "rev-parse", "HEAD"),
    }


def test_it_comes_over_ssh_with_a_key(place: Place, host: GitHost, repo: Repo):
    place.secret(host.key_files())
    found = place.fetch(host.ssh_url(repo.name))
    assert found["source"]["commit"] == git(repo.checkout, "rev-parse", "HEAD"), place.said
    assert place.files() == ["README", "tasks/guard/guard.py"]


def test_branches_tags_and_commits_are_found(trusted: Place, host: GitHost, repo: Repo):
    url = host.https_url(repo.name)
    first = git(repo.checkout, "rev-parse", "HEAD")
    repo.tag("v1")
    second = repo.commit({"README": "two"}, branch="feature/two")
    for ref, commit in (
        ("main", first),
        ("v1", first),
        ("feature/two", second),
        ("refs/heads/main", first),
        ("HEAD", first),
        (second, second),
    ):
        assert trusted.fetch(url, ref=ref)["source"]["commit"] == commit, ref


def test_a_commit_that_no_branch_leads_to_comes_as_long_as_the_server_has_it(
    trusted: Place, host: GitHost, repo: Repo
):
    url, old = host.https_url(repo.name), git(repo.checkout, "rev-parse", "HEAD")
    git(repo.checkout, "commit", "-q", "--amend", "-m", "another")
    repo.push()
    assert trusted.fetch(url, ref=old)["source"]["commit"] == old
    repo.forget()
    trusted.into = trusted.root / "elsewhere"
    error = trusted.fetch(url, ref=old)
    assert error["reason"] == "RefNotFound"
    assert "does not keep the old ones" in error["text"]


def test_submodules_come_if_asked_for_and_only_over_the_network(
    trusted: Place, host: GitHost, repo: Repo
):
    part = host.repo(f"{repo.name}-part")
    part.commit({"part.py": "X = 1\n"})
    url = host.https_url(repo.name)
    modules = '[submodule "part"]\n\tpath = part\n\turl = {}\n'
    commit = git(part.checkout, "rev-parse", "HEAD")
    git(repo.checkout, "update-index", "--add", "--cacheinfo", f"160000,{commit},part")
    repo.write({".gitmodules": modules.format(host.https_url(part.name))})
    git(repo.checkout, "add", ".gitmodules")
    git(repo.checkout, "commit", "-q", "-m", "part")
    repo.push()
    trusted.fetch(url)
    assert "part/part.py" not in trusted.files()
    trusted.into = trusted.root / "again"
    assert "source" in trusted.fetch(url, submodules=True), trusted.said
    assert "part/part.py" in trusted.files()

    for hostile in (
        str(part.bare),
        f"file://{part.bare}",
        f"ext::sh -c touch {trusted.root}/pwned",
    ):
        repo.write({".gitmodules": modules.format(hostile)})
        git(repo.checkout, "add", ".gitmodules")
        git(repo.checkout, "commit", "-q", "-m", "hostile")
        repo.push()
        trusted.into = trusted.root / "hostile"
        error = trusted.fetch(url, submodules=True)
        assert error["say"] == "error", hostile
        assert not (trusted.root / "pwned").exists()


# pinned, and not


def test_a_commit_is_kept_though_the_branch_moves(trusted: Place, host: GitHost, repo: Repo):
    url = host.https_url(repo.name)
    first = trusted.fetch(url)["source"]
    second = repo.commit({"README": "two"})
    assert trusted.fetch(url)["source"] == first
    assert trusted.fetch(url, policy="OnRestart")["source"]["commit"] == second
    assert (trusted.into / "files/README").read_text() == "two"


def test_a_new_pod_takes_the_commit_that_was_kept_for_it(trusted: Place, host: GitHost, repo: Repo):
    url = host.https_url(repo.name)
    first = trusted.fetch(url)["source"]
    repo.commit({"README": "two"})
    kept = trusted.root / "source.json"
    kept.write_text(json.dumps(first))
    trusted.into = trusted.root / "new"
    assert trusted.fetch(url, "--kept", str(kept))["source"] == first
    assert (trusted.into / "files/README").read_text() == "one"
    kept.write_text(json.dumps(first | {"url": "https://another"}))
    trusted.into = trusted.root / "newer"
    assert trusted.fetch(url, "--kept", str(kept))["source"] != first


def test_with_the_server_gone_what_is_kept_goes_on(tmp_path: Path):
    with git_host(tmp_path / "host") as host:
        repo = host.repo("guard")
        commit = repo.commit({"guard.py": CODE})
        place = Place(tmp_path)
        place.secret(host.token_files())
        url, cached = host.https_url("guard"), ("--cache", str(place.cache))
        first = place.fetch(url, *cached)
        assert first["source"]["commit"] == commit
        host.stop()
        assert place.fetch(url, *cached)["source"] == first["source"], "the same pod again"
        again = place.fetch(url, *cached, policy="OnRestart")["source"]
        assert (again["commit"], again["note"].split(":")[0]) == (commit, "SourceNotFound")

        kept = tmp_path / "source.json"
        kept.write_text(json.dumps(first["source"]))
        place.into = tmp_path / "new"
        assert place.fetch(url, *cached, "--kept", str(kept))["source"] == first["source"]
        assert place.files() == ["guard.py"], "another pod, from the cache"
        place.into = tmp_path / "newer"
        began = time.monotonic()
        error = place.fetch(url, "--kept", str(kept))
        assert error["reason"] == "SourceNotFound" and time.monotonic() - began < 30
        assert "onnect" in error["text"]


# what goes wrong


def test_what_the_server_does_not_give_is_told_by_its_reason(
    place: Place, host: GitHost, repo: Repo
):
    url, files = host.https_url(repo.name), host.token_files()

    def reason(files: dict[str, str], url: str = url, **more: Any) -> str:
        place.secret({"password": "", "identity": "", "known_hosts": "", "username": ""} | files)
        error = place.fetch(url, "--timeout", "20", **more)
        assert error.get("say") == "error", error
        return error["reason"]

    assert reason({"ca.crt": files["ca.crt"]}) == "AuthFailed"
    assert "no credentials" in place.said or "with " in place.said
    assert reason(files | {"password": "wrong-token-0815"}) == "AuthFailed"
    assert reason(files, ref="nothing") == "RefNotFound"
    assert "has no branch or tag 'nothing'" in place.said
    assert reason(files, url=host.https_url("nothing")) == "SourceNotFound"
    assert reason(files, path="nowhere") == "SourceNotFound"
    assert reason(files, path="README") == "SourceNotFound"
    assert reason(files, url="https://no-such-host.invalid/x.git") == "SourceNotFound"
    (place.root / "secret/ca.crt").unlink()
    assert reason({"password": TOKEN}) == "TlsFailed"


def test_an_ssh_server_and_its_client_have_to_know_each_other(
    place: Place, host: GitHost, repo: Repo, tmp_path: Path
):
    url, files = host.ssh_url(repo.name), host.key_files()
    keygen(tmp_path / "stranger")
    stranger = (tmp_path / "stranger").read_text()
    other = (tmp_path / "stranger.pub").read_text().split()[1]
    server = files["known_hosts"].split()[0]
    for changed, expected in (
        ({"identity": stranger}, "AuthFailed"),
        ({"known_hosts": f"{server} ssh-ed25519 {other}\n"}, "HostKeyMismatch"),
        ({"known_hosts": ""}, "HostKeyMismatch"),
    ):
        place.secret(files | changed)
        assert place.fetch(url)["reason"] == expected
    (place.root / "secret/known_hosts").unlink()
    error = place.fetch(url)
    assert error["reason"] == "HostKeyMismatch"
    assert "there is no known_hosts" in error["text"]


def test_too_much_is_refused_before_it_fills_the_disk(trusted: Place, host: GitHost, repo: Repo):
    url = host.https_url(repo.name)
    repo.commit({f"many/f{n}": str(n) for n in range(50)})
    assert trusted.fetch(url, "--most-files", "20")["reason"] == "TooLarge"
    assert "source" in trusted.fetch(url, "--most-files", "20", path="tasks/guard")
    noise = random.Random(1).randbytes(2_000_000)
    (repo.checkout / "noise").write_bytes(noise)
    repo.commit()
    trusted.into = trusted.root / "large"
    assert trusted.fetch(url, "--most-bytes", "1")["reason"] == "TooLarge"
    assert trusted.fetch(url, "--most-transfer", "1")["reason"] == "TooLarge"
    assert [p.name for p in trusted.into.iterdir()] == [], "nothing of it is left"
    assert "source" in trusted.fetch(url, "--most-bytes", "1", path="tasks/guard")


@pytest.mark.parametrize(
    "leads", ["/etc/passwd", "../../../../etc/passwd", "ring", "../.git/config"]
)
def test_a_link_that_leads_out_of_the_plugin_is_refused(
    leads: str, trusted: Place, host: GitHost, repo: Repo
):
    (repo.checkout / "tasks/guard/ring").symlink_to(leads)
    repo.commit()
    error = trusted.fetch(host.https_url(repo.name), path="tasks/guard")
    assert error["reason"] == "BadSource" and "ring is a link" in error["text"]
    assert not (trusted.into / "files").exists()


def test_a_path_that_is_a_link_out_of_the_repository_is_refused(
    trusted: Place, host: GitHost, repo: Repo
):
    (repo.checkout / "out").symlink_to("/etc")
    repo.commit()
    error = trusted.fetch(host.https_url(repo.name), path="out")
    assert error["reason"] in ("BadSource", "SourceNotFound")


def test_links_inside_the_plugin_stay(trusted: Place, host: GitHost, repo: Repo):
    (repo.checkout / "tasks/guard/also.py").symlink_to("guard.py")
    repo.commit()
    trusted.fetch(host.https_url(repo.name), path="tasks/guard")
    assert (trusted.into / "files/also.py").read_text() == CODE


def test_nothing_of_a_repository_is_run_when_it_is_fetched(
    trusted: Place, host: GitHost, repo: Repo
):
    evil = f"#!/bin/sh\ntouch {trusted.root}/pwned\n"
    hooks = {f"{where}/post-checkout": evil for where in (".githooks", "hooks", "tasks/hooks")}
    repo.write(hooks | {".gitattributes": "* filter=evil\n", "setup.py": evil})
    for name in hooks:
        (repo.checkout / name).chmod(0o755)
    (repo.checkout / ".gitconfig").write_text('[core]\n\thooksPath = hooks\n[filter "evil"]\n')
    repo.commit()
    assert "source" in trusted.fetch(host.https_url(repo.name))
    assert not (trusted.root / "pwned").exists()
    assert not os.access(trusted.into / "files/hooks/post-checkout", os.X_OK)


def test_a_server_that_says_nothing_is_given_up(place: Place):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"git://127.0.0.1:{silent.getsockname()[1]}/x.git"
        began = time.monotonic()
        error = place.fetch(url, "--timeout", "2")
        assert error["reason"] == "Timeout" and time.monotonic() - began < 10
    assert [p.name for p in place.into.iterdir()] == []


# secrets


def test_a_secret_is_nowhere_but_in_its_file(trusted: Place, host: GitHost, repo: Repo):
    url = host.https_url(repo.name)
    for more in ({}, {"ref": "nothing"}, {"path": "nowhere"}):
        trusted.fetch(url, "--cache", str(trusted.cache), **more)
    trusted.secret(host.token_files() | {"password": f"{TOKEN}-wrong"})
    trusted.fetch(url, ref="elsewhere")
    trusted.secret(host.key_files())
    key = [line for line in host.key.read_text().splitlines() if "KEY" not in line]
    trusted.fetch(host.ssh_url(repo.name), ref="elsewhere")
    for secret in (TOKEN, *key):
        assert secret not in trusted.said
        found = [
            path
            for path in trusted.root.rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ]
        assert all(path.parent.name == "secret" for path in found)


def test_a_secret_is_in_no_argument_and_no_environment(
    trusted: Place, host: GitHost, repo: Repo, tmp_path: Path
):
    (repo.checkout / "noise").write_bytes(random.Random(2).randbytes(3_000_000))
    repo.commit()
    command = trusted.command(host.https_url(repo.name))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    seen, names = set[bytes](), set[str]()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for pid in descendants(process.pid):
                for what in ("cmdline", "environ"):
                    try:
                        text = Path(f"/proc/{pid}/{what}").read_bytes()
                    except OSError:
                        continue
                    seen.add(text)
                    names |= {text.split(b"\0")[0].decode("utf-8", "replace")}
    assert process.returncode == 0
    assert any("git" in name for name in names), "git was seen at work"
    assert not [text for text in seen if TOKEN.encode() in text]


def test_another_server_is_not_given_the_token(trusted: Place, tmp_path: Path, host: GitHost):
    with git_host(tmp_path / "evil") as evil:
        stolen = evil.repo("part")
        stolen.commit({"part.py": "X = 1\n"})
        mine = host.repo("with-evil-part")
        commit = git(stolen.checkout, "rev-parse", "HEAD")
        mine.write({"guard.py": CODE})
        url = evil.https_url("part")
        mine.write({".gitmodules": f'[submodule "part"]\n\tpath = part\n\turl = {url}\n'})
        git(mine.checkout, "add", "--all")
        git(mine.checkout, "update-index", "--add", "--cacheinfo", f"160000,{commit},part")
        git(mine.checkout, "commit", "-q", "-m", "part")
        mine.push()
        both = host.ca.read_text() + evil.ca.read_text()
        trusted.secret(host.token_files() | {"ca.crt": both})
        # The other one would take this very token; so if it was offered, the part is there.
        error = trusted.fetch(host.https_url("with-evil-part"), submodules=True)
        assert error["reason"] == "AuthFailed", error


def descendants(pid: int) -> list[int]:
    found, ahead = [], [pid]
    while ahead:
        here = ahead.pop()
        found.append(here)
        try:
            tasks = Path(f"/proc/{here}/task/{here}/children").read_text()
        except OSError:
            continue
        ahead += [int(each) for each in tasks.split()]
    return found


# dying


def test_killed_at_any_moment_it_leaves_what_was_there_whole(
    trusted: Place, host: GitHost, repo: Repo, tmp_path: Path
):
    url = host.https_url(repo.name)
    trusted.fetch(url, "--cache", str(trusted.cache))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    for turn in range(12):
        commit = repo.commit({"README": f"turn {turn}", "more": f"{turn}"})
        command = trusted.command(url, "--cache", str(trusted.cache), policy="OnRestart")
        with orphans_reaped():
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, process_group=0
            )
            time.sleep(0.03 * turn)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said = json.loads((trusted.into / "plugin.json").read_text())
        if said["source"]["commit"] == commit:
            assert (trusted.into / "files/README").read_text() == f"turn {turn}"
        for kept in (trusted.cache / "sources").iterdir():
            if not kept.name.startswith("."):
                assert (kept / "files/README").exists() and (kept / "source.json").exists()
    last = trusted.fetch(url, "--cache", str(trusted.cache), policy="OnRestart")
    assert last["source"]["commit"] == commit
    assert (trusted.into / "files/README").read_text() == "turn 11"
    time.sleep(2 * LOOK)


def test_a_full_disk_is_one_sentence(trusted: Place, host: GitHost, repo: Repo):
    small = Path("/dev/full")
    if not small.exists() or os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full disk needs root, for a small file system")
    trusted.into.mkdir()
    options = ["-t", "tmpfs", "-o", "size=200k", "none", str(trusted.into)]
    if subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("NOT TESTED: no file system may be mounted here")
    try:
        (repo.checkout / "noise").write_bytes(random.Random(3).randbytes(600_000))
        repo.commit()
        error = trusted.fetch(host.https_url(repo.name))
        assert error["reason"] == "DiskFull", error
        assert [p.name for p in trusted.into.iterdir()] == []
    finally:
        subprocess.run(["umount", str(trusted.into)], check=True)
