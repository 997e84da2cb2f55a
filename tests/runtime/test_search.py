"""Names that somebody serves already are found, with who it is, and are found again later."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from ioc_runtime.epics.search import PVA_SERVER, Search, who_serves
from ioc_runtime.plan import Input
from runtime.source import Source, followed, linked, wait_until
from support.epics_env import EpicsEnv
from support.spawn import Spawn


def test_served_names_are_found_with_the_address_of_their_server(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    source = Source(spawn, epics_env, tmp_path).start()
    names = [source.prefix + name for name in ("F", "E", "NOBODY")]
    address = f"localhost:{epics_env.places[1].ca}"
    assert who_serves(names, timeout=3) == dict.fromkeys(names[:2], address)
    assert who_serves(names[:2], ["ca"], 10) == dict.fromkeys(names[:2], address)
    assert who_serves(names[:2], ["pva"], 10) == dict.fromkeys(names[:2], PVA_SERVER)


def test_a_search_in_vain_takes_its_time_and_leaves_nothing_behind(epics_env: EpicsEnv):
    threads = threading.active_count()
    began = time.monotonic()
    assert who_serves([f"{epics_env.prefix}N{n}" for n in range(500)], timeout=0.5) == {}
    assert 0.5 <= time.monotonic() - began < 3
    assert threading.active_count() == threads
    assert who_serves([]) == {}


def test_names_searched_in_vain_are_found_by_links_when_they_are_served_later(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    source = Source(spawn, epics_env, tmp_path)
    with Search([source.prefix + "F"]) as search:
        assert search.wait(1.0) == {}
    source.start()
    inputs = [Input(s, "float", link=linked(s, source.prefix + "F")) for s in ("ca", "pva")]
    with followed(*inputs) as (_, heard):
        wait_until(lambda: heard.value(0) == heard.value(1) == 0.25, 3)
