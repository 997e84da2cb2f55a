"""Where the secrets of a Git server are, and where not."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

from runtime.fetch.conftest import CODE, Place
from support.git_host import TOKEN, GitHost, Repo, git, git_host
from support.spawn import ROOT


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
