"""Serves a plan without an engine: `served_ioc.py PLAN FIFO`.

Commands are lines of JSON in the FIFO, each answered by a line on standard output;
puts and audit entries are printed as they come.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from ioc_runtime.epics.cabi.memory import RecordMemory
from ioc_runtime.epics.served import Served
from ioc_runtime.plan import from_json

plan = from_json(Path(sys.argv[1]).read_text())
refused: dict[str, tuple[list[Any], Any]] = {}
slots = {signal.name: index for index, signal in enumerate(plan.signals)}


def say(kind: str, **what: Any) -> None:
    os.write(1, json.dumps({"say": kind} | what).encode() + b"\n")  # whole, from any thread


def on_put(name: str, value: Any) -> None:
    say("put", name=name, value=value)
    if name in refused and value in refused[name][0]:
        served.restore(slots[name], refused[name][1])


served = Served(plan, on_put, lambda entry: say("audit", **entry._asdict()))


def run(command: dict[str, Any]) -> Any:
    match command.pop("do"):
        case "post":
            command["ns"] = command.get("ns", 0)
            served.post(slots[command.pop("name")], **command)
        case "pair":
            # Both under one lock: EPICS sends neither before both are made.
            memory = RecordMemory(plan.prefix + command["name"], "", {}, keep_interpreter=False)
            memory.lock(memory.pointer)
            served.post(slots[command["name"]], command["value"], 0, 0, 0)
            served.post(slots[command["name"]], None, 3, 14, 0)
            memory.unlock(memory.pointer)
        case "together":
            # A pass that writes many: [[name, value, severity, status, ns], ...] at once.
            assert served.together is not None
            served.together.lock()
            try:
                for name, *post in command["posts"]:
                    served.joint_writers[slots[name]](*post)
                for index, state in command["rules"]:
                    served.joint_rule_writers[index](state, 0, 0, 0)
            finally:
                served.together.unlock()
        case "rule":
            served.rule(command["index"], command["state"], 0)
        case "standard":
            served.standard(**command)
        case "inputs":
            served.inputs_connected(command["flags"])
        case "outputs":
            served.outputs_connected(command["flags"])
        case "refuse":
            refused[command["name"]] = (command["values"], command["good"])
        case "hang":
            import ctypes

            ctypes.PyDLL(None).usleep(int(command["seconds"] * 1e6))
        case "modules":
            return sorted(sys.modules)
    return None


start = time.perf_counter()
served.serve()
say("ready", seconds=time.perf_counter() - start, names=served.names, warnings=served.warnings)
with open(sys.argv[2]) as commands:
    while line := commands.readline():
        say("done", answer=run(json.loads(line)))
served.close()
