"""Plugins fetched from real Git servers."""

from __future__ import annotations

import json
import time
from pathlib import Path

from runtime.fetch.conftest import CODE, Place
from support.git_host import GitHost, Repo, git, git_host

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
    commit = part.commit({"part.py": "X = 1\n"})
    url = host.https_url(repo.name)
    repo.submodules({"part": (host.https_url(part.name), commit)})
    trusted.fetch(url)
    assert "part/part.py" not in trusted.files()
    trusted.into = trusted.root / "again"
    assert "source" in trusted.fetch(url, submodules=True), trusted.said
    assert "part/part.py" in trusted.files()

    trusted.into = trusted.root / "hostile"
    for hostile in (
        str(part.bare),
        "/nowhere/part.git",
        f"file://{part.bare}",
        f"ext::sh -c touch {trusted.root}/pwned",
        f"--upload-pack=touch {trusted.root}/pwned",
        "",
    ):
        repo.submodules({"part": (hostile, commit)})
        error = trusted.fetch(url, submodules=True)
        assert error["reason"] == "BadSource", (hostile, error)
        assert "on the network" in error["text"] and ".git-" not in error["text"]
        assert not (trusted.root / "pwned").exists()
    repo.submodules({"part": (host.https_url(part.name), commit)}, f"touch {trusted.root}/pwned")
    assert trusted.fetch(url, submodules=True)["reason"] == "BadSource"
    assert not (trusted.root / "pwned").exists()


def test_of_submodules_those_below_the_path_come_and_the_others_harm_nobody(
    trusted: Place, host: GitHost, repo: Repo
):
    part = host.repo(f"{repo.name}-part")
    commit = part.commit({"part.py": "X = 1\n", "inner/inner.py": "Y = 2\n"})
    beside = f"../{part.name}.git"
    url = host.https_url(repo.name)
    gone = (host.https_url("gone"), commit)
    repo.submodules({"tasks/guard/part": (beside, commit), "other": gone})
    trusted.fetch(url, submodules=True, path="tasks/guard")
    assert trusted.files() == ["guard.py", "part/inner/inner.py", "part/part.py"]
    trusted.into = trusted.root / "all"
    assert trusted.fetch(url, submodules=True)["reason"] == "SourceNotFound"
    repo.submodules({"tasks/guard/part": (beside, commit)})
    for path, expected in (
        ("tasks/guard/part", ["inner/inner.py", "part.py"]),
        ("tasks/guard/part/inner", ["inner.py"]),
    ):
        trusted.into = trusted.root / path.replace("/", "-")
        trusted.fetch(url, submodules=True, path=path)
        assert trusted.files() == expected


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
