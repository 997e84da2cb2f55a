"""The pure parts of the test cluster: cache, addresses, DNS, command lines."""

from __future__ import annotations

import ast
import itertools
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import cluster.rig
from cluster.rig import binaries, cache, components, dns, host, images, slots
from cluster.rig.__main__ import path_line
from support.spawn import ROOT, Spawn

PACKAGE = Path(cluster.rig.__file__).parent


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IOC_RIG_CACHE", str(tmp_path / "cache"))
    return cache.cache_dir()


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.endswith(".lock")}


def test_a_cache_entry_is_made_once(own_cache: Path):
    made = []

    def make(directory: Path) -> None:
        made.append(directory)
        (directory / "file").write_text("whole")

    for _ in range(2):
        assert (cache.entry("thing", "k1", make) / "file").read_text() == "whole"
    assert len(made) == 1


def test_a_build_that_fails_leaves_nothing_that_counts_and_the_next_one_sweeps(own_cache: Path):
    def half(directory: Path) -> None:
        (directory / "file").write_text("half")
        raise host.RigError("no")

    with pytest.raises(host.RigError):
        cache.entry("thing", "k1", half)
    assert not (own_cache / "thing-k1").exists()
    cache.entry("thing", "k1", lambda directory: None)
    assert names(own_cache) == {"thing-k1"}


def test_a_build_that_is_killed_leaves_nothing_that_counts(own_cache: Path, spawn: Spawn):
    script = (
        "import time\nfrom cluster.rig import cache\n"
        "def make(directory):\n"
        "    (directory / 'file').write_text('half'); print('made half', flush=True)\n"
        "    time.sleep(600)\n"
        "cache.entry('thing', 'k1', make)"
    )
    builder = spawn("-c", script, env={"PYTHONPATH": str(PACKAGE.parents[1])}, until="made half")
    builder.kill()
    assert not (own_cache / "thing-k1").exists()
    cache.entry("thing", "k1", lambda directory: None)
    assert names(own_cache) == {"thing-k1"}
    assert list((own_cache / "thing-k1").iterdir()) == []


def test_the_cache_keeps_the_entries_that_were_used_last(own_cache: Path):
    for number in range(cache.KEEP + 2):
        path = cache.entry("thing", str(number), lambda directory: None)
        os.utime(path, (number, number))
    newest = {f"thing-{number}" for number in range(2, cache.KEEP + 2)}
    assert names(own_cache) == newest
    assert cache.newest("thing") == own_cache / f"thing-{cache.KEEP + 1}"


def test_a_key_follows_contents_places_and_texts(tmp_path: Path):
    def key(text: str = "t", **files: str) -> str:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
        return cache.key_of(tmp_path, [tmp_path / name for name in files], text)

    keys = [key(a="1"), key(a="2"), key(b="1"), key(a="1", b=""), key(text="u", a="1")]
    keys.append(key(**{"d/a": "1"}))
    assert len(set(keys)) == len(keys)
    assert key(a="1") == keys[0]


def test_no_two_slots_share_an_address():
    networks = [
        network
        for slot in map(slots.Slot, range(slots.SLOTS))
        for network in (slot.services, slot.pods, slot.link)
    ]
    assert all(network.is_private for network in networks)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(networks, 2))


def test_a_slot_is_alive_as_long_as_somebody_holds_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spawn: Spawn
):
    monkeypatch.setattr(slots, "ROOT", tmp_path)
    record = slots.Record(slots.Slot(3), {"name": "mine", "data": "/nowhere"})
    record.slot.directory.mkdir()
    record = record.write(pid=17)
    assert not record.alive()
    script = (
        "import fcntl, sys, time\nfile = open(sys.argv[1], 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); time.sleep(600)"
    )
    holder = spawn("-c", script, record.slot.lock_file, until="held")
    assert record.alive()
    holder.kill()
    assert not record.alive()
    [found] = slots.records()
    assert (found.name, found.pid) == ("mine", 17)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A DNS server that answers each query with the next of these, id and question put before."""
    answers: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        monkeypatch.setattr(dns, "PORT", server.getsockname()[1])

        def serve() -> None:
            query, client = server.recvfrom(512)
            flags, counts, records = answers[0][:2], answers[0][2:10], answers[0][10:]
            server.sendto(query[:2] + flags + counts + query[12:] + records, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield answers
        thread.join()


RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04"
ALIAS = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x04\x01a\xc0\x0c"


def test_dns_gives_every_address_and_passes_over_other_records(name_server: list[bytes]):
    counts = b"\x00\x01\x00\x03\x00\x00\x00\x00"
    records = ALIAS + RECORD + bytes([10, 0, 0, 1]) + RECORD + bytes([10, 0, 0, 2])
    name_server.append(b"\x81\x80" + counts + records)
    assert dns.resolve("127.0.0.1", "a.b.svc.cluster.local") == ["10.0.0.1", "10.0.0.2"]


def test_dns_knows_no_such_name(name_server: list[bytes]):
    name_server.append(b"\x81\x83" + b"\x00\x01" + bytes(6))
    assert dns.resolve("127.0.0.1", "nobody.local") == []


def test_dns_that_cannot_tell_is_an_error(name_server: list[bytes]):
    name_server.append(b"\x81\x82" + b"\x00\x01" + bytes(6))
    with pytest.raises(OSError, match="code 2"):
        dns.resolve("127.0.0.1", "broken.local")


def test_every_component_has_a_command_line_and_finds_its_files(tmp_path: Path):
    layout = components.Layout(slots.Slot(5), tmp_path, Path("/bin-dir"))
    components.write_configuration(layout)
    made = {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    for name in components.CONTROL_PLANE + components.NODE:
        argv = components.command(layout, name)
        named = [word.split("=")[-1] for word in argv]
        configured = {w for w in named if w.endswith((".json", ".toml", "Corefile"))}
        assert configured <= made, shlex.join(argv)
    addresses = {"10.165.0.0/16", "10.176.20.0/22", "10.177.5.2"}
    words = " ".join(sum((components.command(layout, n) for n in components.CONTROL_PLANE), []))
    assert all(address in words for address in addresses)


def test_the_versions_of_a_release_are_written_into_the_binaries():
    go_mod = "require (\n\tk8s.io/kubernetes v1.37.2\n)\n\trequire helm.sh/helm/v3 v3.22.0 // x\n"
    with pytest.raises(host.RigError, match="helm"):
        binaries._ldflags(go_mod)
    flags = binaries._ldflags((PACKAGE / "go" / "go.mod").read_text())
    assert "k8s.io/component-base/version.gitVersion=v1." in flags
    assert "helm.sh/helm/v3/internal/version.version=v3." in flags


def test_what_goes_into_an_image_is_what_its_key_covers():
    root = images.CHECKOUT
    covered = {str(path.relative_to(root)) for path in images._sources(root)}
    copied = [
        word
        for line in (root / images.DOCKERFILE).read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert copied
    for source in copied:
        assert any(path == source or path.startswith(f"{source}/") for path in covered), source


def test_a_user_who_is_not_root_is_told_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert host.why_not() == (
        "a test cluster needs root, to make namespaces and network interfaces"
    )


def test_the_rig_loads_the_standard_library_alone():
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            found = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module or ""]
            for name in found:
                assert name.split(".")[0] in sys.stdlib_module_names, f"{path.name}: {name}"


def test_the_command_line_says_what_it_can_do():
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster.rig", "--help"],
        cwd=images.CHECKOUT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0
    for command in ("up", "down", "status", "build", "exec"):
        assert f"\n    {command} " in done.stdout


def test_the_path_has_our_own_programs_where_both_of_them_are(tmp_path: Path):
    half, whole = tmp_path / "half", tmp_path / "whole"
    for place, names in ((half, ("iocctl",)), (whole, ("iocctl", "kubectl-ioc"))):
        place.mkdir()
        for name in names:
            (place / name).touch()
    assert path_line(Path("/rig"), (half, whole, tmp_path)) == (
        f"export PATH=/rig:{whole}:$PATH   # kubectl, helm, iocctl, kubectl-ioc"
    )
    assert path_line(Path("/rig"), (half,)) == "export PATH=/rig:$PATH   # kubectl, helm"


def test_a_reader_that_has_gone_ends_it_quietly():
    command = [sys.executable, "-m", "tests.cluster.rig", "down", "--name", "there-is-none"]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, timeout=30)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
