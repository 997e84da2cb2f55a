"""What tests share has to notice what it is there for."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.epics_env import PLACES, EpicsEnv
from support.spawn import Spawn, SpawnError

ROOT = Path(__file__).parents[2]

LEAKING = """
import asyncio, subprocess, sys, threading, warnings
STOP = threading.Event()

def test_process():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).returncode = 0

def test_zombie():
    subprocess.Popen(["true"]).returncode = 0

def test_orphan():
    subprocess.run(["sh", "-c", "sleep 60 >/dev/null 2>&1 &"])

def test_thread():
    threading.Thread(target=STOP.wait, daemon=True).start()

def test_task():
    global loop, task
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(60))

def test_warning():
    warnings.warn("deprecated", DeprecationWarning)

def test_clean():
    assert subprocess.run(["true"]).returncode == 0
    thread = threading.Thread(target=lambda: None)
    thread.start()
    asyncio.run(asyncio.sleep(0))

def test_killed(spawn):
    spawn("-c", "import signal; signal.signal(15, signal.SIG_IGN); print('up'); signal.pause()",
          until="up")

def test_crashed(spawn):
    spawn("-c", "print('up'); raise SystemExit(3)", until="up").popen.wait()

def test_last():
    STOP.set()
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
"""

HASTE = """
import support.leaks, support.spawn
support.leaks.GRACE = 0.3
support.spawn.STOP = 0.5
"""


def test_a_test_that_leaves_something_behind_fails(tmp_path: Path):
    (tmp_path / "test_leaking.py").write_text(LEAKING)
    conftest = (ROOT / "tests" / "conftest.py").read_text()
    (tmp_path / "conftest.py").write_text(conftest + HASTE)
    inner = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, "-q"]
        + ["-p", "no:cacheprovider", "-p", "no:randomly", tmp_path / "test_leaking.py"],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}:{ROOT / 'tests'}"},
    )
    faults = dict(re.findall(r"^(?:ERROR|FAILED) \S+::(\w+)(?: - (.*))?$", inner.stdout, re.M))
    expected = {
        "test_process": "processes behind",
        "test_zombie": "nobody waited for it",
        "test_orphan": "sleep 60",
        "test_thread": "threads behind",
        "test_task": "asyncio tasks behind",
        "test_warning": "DeprecationWarning",
        "test_killed": "had to be killed",
        "test_crashed": "the test did not notice",
    }
    assert set(faults) == set(expected), inner.stdout
    for text in expected.values():
        assert text in inner.stdout
    assert f"{len(expected) - 1} errors" in inner.stdout  # in the teardown, all but the warning


def test_every_port_of_a_session_is_another_and_every_prefix_is_new(
    epics_env: EpicsEnv, epics_session: EpicsEnv
):
    ports = [p for place in epics_env.places for p in (place.ca, place.pva, place.pva_search)]
    assert len(set(ports)) == 3 * PLACES
    assert re.fullmatch(r"T[0-9A-F]{8}:", epics_env.prefix)
    assert epics_env.places == epics_session.places


def test_this_process_searches_loopback_only():
    values = {k: v for k, v in os.environ.items() if k.startswith("EPICS_")}
    assert values["EPICS_CA_AUTO_ADDR_LIST"] == values["EPICS_PVA_AUTO_ADDR_LIST"] == "NO"
    for name in ("EPICS_CA_ADDR_LIST", "EPICS_PVA_ADDR_LIST"):
        addresses = values[name].split()
        assert len(addresses) == PLACES
        assert all(address.startswith("127.0.0.1:") for address in addresses)


def test_the_port_of_the_repeater_is_taken(epics_env: EpicsEnv):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, pytest.raises(OSError):
        probe.bind(("", epics_env.repeater))


def test_a_process_is_started_in_loopback_with_a_home_of_its_own(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    code = "import os, json; print(json.dumps({'say': 'env', **os.environ}))"
    found = spawn("-c", code)
    assert found.wait(20) == 0
    [said] = found.said("env")
    assert epics_env.environ.items() <= said.items()
    assert said["HOME"] == str(tmp_path)


def test_a_process_that_says_something_else_is_reported_with_all_it_said(spawn: Spawn):
    process = spawn("-c", "import sys; print('one'); print('two', file=sys.stderr); sys.exit(7)")
    with pytest.raises(
        SpawnError, match=r"did not say 'three' \(exit code 7\)(.|\n)*one(.|\n)*two"
    ):
        process.wait_for("three")
    assert process.wait() == 7


def test_a_frozen_process_ends_on_stop(spawn: Spawn):
    process = spawn("-c", "import signal; print('up'); signal.pause()", until="up")
    process.freeze()
    assert process.stop() == -signal.SIGTERM


def test_a_process_that_ignores_sigterm_is_killed_and_that_is_an_error(spawn: Spawn):
    code = (
        "import signal; signal.signal(15, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"
    )
    process = spawn("-c", code, until="up")
    with pytest.raises(SpawnError, match="had to be killed"):
        process.stop(timeout=0.2)
    assert process.popen.returncode == -signal.SIGKILL
