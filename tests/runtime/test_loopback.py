"""The fixtures with real IOCs: several at a time, over both protocols, and nobody else."""

from __future__ import annotations

from support.epics_env import EpicsEnv
from support.leaks import children
from support.spawn import Spawn

IOC = """
import signal, sys
from softioc import asyncio_dispatcher, builder, softioc
builder.SetDeviceName(sys.argv[1].rstrip(":"))
builder.records.ai("X", VAL=float(sys.argv[2]), PINI="YES")
builder.LoadDatabase()
softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher())
print("up")
signal.pause()
"""

CA_CLIENT = """
import os, sys, threading
import epicscorelibs.path.pyepics, epics
values = [epics.caget(name, timeout=5) for name in sys.argv[1:]]
children = open(f"/proc/self/task/{threading.get_native_id()}/children").read().split()
print("got", *values, "children", len(children))
"""

PVA_CLIENT = """
import sys
from p4p.client.thread import Context
with Context("pva") as context:
    print("got", *(float(context.get(name, timeout=5)) for name in sys.argv[1:]))
"""


def test_clients_find_two_servers_over_both_protocols(spawn: Spawn, epics_env: EpicsEnv):
    names = [epics_env.prefix + place + ":X" for place in "AB"]
    for place, name in enumerate(names):
        spawn("-c", IOC, name[:-1], str(place + 1), env=epics_env.server(place), until="up")

    over_ca = spawn("-c", CA_CLIENT, *names)
    over_pva = spawn("-c", PVA_CLIENT, *names)

    assert over_ca.wait(30) == 0, over_ca.errors
    assert over_ca.lines[-1] == "got 1.0 2.0 children 0"  # libca forked no repeater
    assert over_pva.wait(30) == 0, over_pva.errors
    assert over_pva.lines[-1] == "got 1.0 2.0"


def test_a_client_in_the_test_process_finds_a_server_and_leaves_nothing(
    spawn: Spawn, epics_env: EpicsEnv
):
    from p4p.client.thread import Context

    spawn("-c", IOC, epics_env.prefix, "7", env=epics_env.server(1), until="up")
    before = children()
    with Context("pva") as context:
        assert float(context.get(epics_env.prefix + "X", timeout=10)) == 7.0
    assert children() == before
