"""A client of both protocols in a process of its own: `python -m ioc_runtime.testing.client`.

libca reads its environment once in a process, so that of the test stays out of it. A line of
JSON in, one out: `{"get": [names]}` gives `{"got": [[value, severity, time, states], ...]}`, read
over Channel Access and over PV Access, which have to agree; `{"put": name, "words": [...]}` gives
`{"put": null}`; either `{"error": text}`. It ends with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

from ioc_runtime.cli.ca_client import CaClient
from ioc_runtime.cli.pva_client import PvaClient
from ioc_runtime.cli.reading import Address, Reading

PATIENCE: Final = 10.0
"""Seconds that an answer may take."""
AGAIN: Final = 5
"""Readings until both protocols have to agree: a value may change in between."""


class Disagree(Exception):
    """The two protocols say different things of one PV."""


def main() -> None:
    """Answer until standard input ends."""
    ca, pva = CaClient(), PvaClient()
    print(json.dumps({"did": "up"}), flush=True)
    for line in sys.stdin:
        try:
            answer = _answer(ca, pva, json.loads(line))
        except Disagree as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    os._exit(0)


def _answer(ca: CaClient, pva: PvaClient, command: dict[str, Any]) -> dict[str, Any]:
    if "put" in command:
        address = Address("ca", command["put"], command["put"])
        return {"put": None, "error": ca.put(address, command["words"], PATIENCE)}
    for turn in range(AGAIN):
        try:
            return {"got": _read(ca, pva, command["get"])}
        except Disagree:
            if turn == AGAIN - 1:
                raise
    raise AssertionError


def _read(ca: CaClient, pva: PvaClient, names: list[str]) -> list[Any]:
    by_ca = ca.get([Address("ca", name, name) for name in names], PATIENCE)
    by_pva = pva.get([Address("pva", name, name) for name in names], PATIENCE)
    return [_one(one, other) for one, other in zip(by_ca, by_pva, strict=True)]


def _one(ca: Reading, pva: Reading) -> list[Any]:
    for reading in (ca, pva):
        if reading.error is not None:
            raise Disagree(f"{reading.address.protocol}://{ca.address.name}: {reading.error}")
    if (ca.value, ca.severity) != (pva.value, pva.severity):
        raise Disagree(
            f"{ca.address.name} is {ca.value!r} {ca.severity} over Channel Access and "
            f"{pva.value!r} {pva.severity} over PV Access"
        )
    return [ca.value, ca.severity, ca.time, list(ca.choices)]


if __name__ == "__main__":
    main()
