"""Everything that may stand in the way of a plugin from Git."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.fetch.git import LOOK
from runtime.fetch.conftest import CODE, Place
from support.git_host import TOKEN, GitHost, Repo, keygen
from support.leaks import orphans_reaped
from support.spawn import ROOT

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
