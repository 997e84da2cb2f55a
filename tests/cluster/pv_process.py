"""A CA and PVA client in a process of its own, which knows one name server and no other.

Commands come as JSON lines on standard input, answers go as JSON lines to standard
output, in order: get, put, watch (say what a monitor brings from then on), heard.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

watched: dict[str, list[Any]] = {}
channels: dict[str, Any] = {}


def ca(name: str) -> Any:
    import epics

    if name not in channels:
        channels[name] = epics.PV(name, auto_monitor=False)
    return channels[name]


def pva() -> Any:
    from p4p.client.thread import Context

    if "pva" not in channels:
        channels["pva"] = Context("pva", nt=False)
    return channels["pva"]


def get(scheme: str, name: str, timeout: float) -> Any:
    if scheme == "pva":
        value = pva().get(name, timeout=timeout)
        return {"value": plain(value["value"]), "severity": value["alarm.severity"]}
    channel = ca(name)
    if not channel.wait_for_connection(timeout=timeout):
        raise TimeoutError(f"{name} did not connect in {timeout} s")
    found = channel.get_with_metadata(timeout=timeout, use_monitor=False)
    if found is None:
        raise TimeoutError(f"{name} did not answer in {timeout} s")
    return {"value": plain(found["value"]), "severity": found["severity"]}


def put(scheme: str, name: str, value: Any, timeout: float) -> None:
    if scheme == "pva":
        pva().put(name, value, timeout=timeout)
        return
    channel = ca(name)
    if not channel.wait_for_connection(timeout=timeout):
        raise TimeoutError(f"{name} did not connect in {timeout} s")
    channel.put(value, wait=True, timeout=timeout)


def watch(name: str) -> None:
    """Values and changes of connection of a PV over CA, from now on."""
    import epics

    heard = watched.setdefault(name, [])
    channels[f"watch {name}"] = epics.PV(
        name,
        callback=lambda value=None, **_: heard.append([time.time(), plain(value)]),
        connection_callback=lambda conn=None, **_: heard.append([time.time(), f"conn {conn}"]),
    )


def plain(value: Any) -> Any:
    """JSON can say it."""
    if hasattr(value, "todict"):
        value = value.todict()
    if isinstance(value, dict) and "index" in value:
        return value["index"]
    return value.tolist() if hasattr(value, "tolist") else value


def answer(command: dict[str, Any]) -> Any:
    what, timeout = command["do"], command.get("timeout", 3.0)
    if what == "get":
        return get(command["scheme"], command["name"], timeout)
    if what == "put":
        return put(command["scheme"], command["name"], command["value"], timeout)
    if what == "watch":
        return watch(command["name"])
    return watched[command["name"]]


def main() -> None:
    for line in sys.stdin:
        try:
            said: dict[str, Any] = {"answer": answer(json.loads(line))}
        except Exception as error:  # the test is told, whatever it was
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
