"""The index's address, certificates and passwords: they work, and nobody else sees them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ioc_runtime.plugin.environments import find_tool
from ioc_runtime.plugin.environments.settings import read_settings
from runtime.environments.conftest import MODULE, PATIENCE, Builder, surroundings
from support.package_index import PackageIndex, make_certificate, wait_until
from support.spawn import Spawn

SECRET = "pl4nted-s3cret"
USER = "reader"


@pytest.fixture
def locked(index: PackageIndex) -> PackageIndex:
    """The index, with a password."""
    index.account = (USER, SECRET)
    return index


def mounted(directory: Path, how: str, index: PackageIndex, password: str = SECRET) -> Path:
    """A credentials directory as a Secret gives it."""
    directory.mkdir()
    if how == "pip.conf":
        url = index.url_of(USER, password)
        (directory / "pip.conf").write_text(f"[global]\nindex-url = {url}\n")
    else:
        host = index.url.split("/")[2].partition(":")[0]
        (directory / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
        (directory / "netrc").write_text(f"machine {host} login {USER} password {password}\n")
        (directory / "netrc").chmod(0o600)
    return directory


def found_in(directory: Path, *, but: Path) -> list[str]:
    """Files below that hold the secret."""
    found = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if not path.is_relative_to(but) and SECRET.encode() in path.read_bytes():
                found.append(str(path))
    return found


@pytest.mark.parametrize("how", ["pip.conf", "netrc", "variable"])
@pytest.mark.parametrize("outcome", ["works", "refused", "missing"])
def test_a_password_gets_nowhere_but_to_the_index(
    spawn: Spawn, locked: PackageIndex, tmp_path: Path, kind: str, how: str, outcome: str
):
    if outcome == "refused":
        locked.account = (USER, "another")
    locked.slow = 0.3
    locked.add("solo", "1.0", ["nosuchpackage"] if outcome == "missing" else [])
    environ = surroundings(tmp_path)
    options = ["--cache", str(tmp_path / "cache"), "--tool", kind]
    place = tmp_path / "secret"
    if how == "variable":
        environ["PIP_INDEX_URL"] = locked.url_of(USER, SECRET)
        place.mkdir()
    else:
        options += ["--credentials", str(mounted(place, how, locked))]
    process = spawn("-m", MODULE, "build", *options, "solo", env=environ)
    commands = set()

    def ended() -> bool:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                commands.add(entry.read_bytes())
            except OSError:
                continue
        return process.popen.poll() is not None

    wait_until(ended, PATIENCE)
    code = process.wait()
    expected = {"works": "", "refused": "IndexUnreachable", "missing": "RequirementNotFound"}
    assert expected[outcome] in process.errors
    assert code == (0 if outcome == "works" else 15), process.errors
    assert any(b"pip" in command or b"/uv" in command for command in commands)
    assert not any(SECRET.encode() in command for command in commands)
    assert SECRET not in process.output + process.errors
    assert found_in(tmp_path, but=place) == []


def test_certificates_that_are_mounted_are_trusted(tmp_path: Path, kind: str, cache: Path):
    authority, server = make_certificate(tmp_path)
    with PackageIndex(server) as index:
        index.add("beta", "1.0")
        environ = surroundings(tmp_path) | {"PIP_INDEX_URL": index.url}
        builder = Builder(cache, find_tool(environ=environ, only=kind))
        failure = builder.fails("beta")
        assert failure.reason == "IndexUnreachable"
        assert "certificate" in failure.sentence
        mount = tmp_path / "mount"
        mount.mkdir()
        (mount / "ca.crt").write_text(authority.read_text())
        builder.tool = find_tool(mount, environ, kind)
        assert builder("beta").packages == {"beta": "1.0"}


def test_what_is_mounted_wins_over_what_was_around(tmp_path: Path):
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://mounted/simple\n")
    around = {"PIP_INDEX_URL": "https://around/simple", "UV_DEFAULT_INDEX": "https://uv/simple"}
    found = read_settings(tmp_path, surroundings(tmp_path) | around)
    assert found.pip["PIP_INDEX_URL"] == found.uv["UV_DEFAULT_INDEX"] == "https://mounted/simple"
    found = read_settings(None, surroundings(tmp_path) | around)
    assert found.pip["PIP_INDEX_URL"] == "https://around/simple"
    assert "UV_DEFAULT_INDEX" not in found.uv  # uv's own variable stays as it is


def test_settings_for_pip_are_told_to_uv_in_its_words(tmp_path: Path):
    (tmp_path / "pip.conf").write_text(
        "[global]\nextra-index-url =\n    https://a/simple\n    https://b/simple\n"
        "find-links = /wheels /more\ntrusted-host = a\n[install]\ntimeout = 7\n"
    )
    found = read_settings(tmp_path, surroundings(tmp_path)).uv
    assert found["UV_INDEX"] == "https://a/simple https://b/simple"
    assert found["UV_FIND_LINKS"] == "/wheels,/more"
    assert (found["UV_INSECURE_HOST"], found["UV_HTTP_TIMEOUT"]) == ("a", "7")
    assert found["UV_NO_CONFIG"] == "1"


def test_passwords_are_hidden_as_they_stand_and_decoded(tmp_path: Path):
    (tmp_path / "netrc").write_text("machine h login me password fromnetrc\n")
    variables = {"PIP_INDEX_URL": "https://me:p%40ssword@h/simple", "UV_PUBLISH_TOKEN": "t0ken"}
    redact = read_settings(tmp_path, surroundings(tmp_path) | variables).redact
    text = "https://you:other@x/ p%40ssword p@ssword fromnetrc t0ken https://x/a@b me"
    assert redact(text) == "https://***@x/ *** *** *** *** https://x/a@b me"
