"""What the tests of the status share: a healthy task and its pod, to be spoilt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ioc_operator.status import Container, Ended, Facts, Pod, View

START = datetime(2026, 3, 1, 3, 0, 0, tzinfo=UTC)
HASH = "a" * 64
OTHER = "b" * 64


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(**changes: Any) -> Container:
    return Container(
        **{
            **{"name": "ioc", "image": "ioc-runtime:1", "ready": True, "started": True},
            **{"started_at": at(2)},
            **changes,
        }
    )


def pod(**changes: Any) -> Pod:
    fields: dict[str, Any] = {
        **{"name": "guard-0", "uid": "u1", "phase": "Running", "node": "n0", "ip": "10.0.0.7"},
        **{"created_at": at(0), "ready": True, "ready_since": at(3), "containers_ready": True},
        **{"container": container(), "config": HASH, "shape": "s1", "claim": "BL01:VAC:"},
    }
    return Pod(**{**fields, **changes})


def starting(**changes: Any) -> Pod:
    """A pod that does not answer its probes yet."""
    one = container(ready=False, started=False)
    return pod(**{"ready": False, "containers_ready": False, "container": one, **changes})


def waiting(reason: str, message: str = "", **changes: Any) -> Pod:
    one = container(ready=False, started=False, started_at="", waiting=reason)
    return starting(phase="Pending", container=replace(one, waiting_message=message, **changes))


def ended(code: int | None = 12, reason: str = "Error", message: str = "", when: float = 60):
    return Ended(reason, code, message, at(when))


def report(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        **{"podUID": "u1", "configHash": HASH, "observedGeneration": 3, "time": at(4)},
        **{"state": "RUN", "message": "", "plugin": {"state": "loaded"}},
        "inputs": {"connected": 12, "total": 12, "disconnected": []},
        "rules": {"active": [], "invalid": []},
    }
    return {**fields, **changes}


def view(**changes: Any) -> View:
    """A task that is as it should be."""
    fields: dict[str, Any] = {
        **{"generation": 3, "now": START + timedelta(seconds=100), "runtime": report()},
        **{"facts": Facts(inputs=12, rules=True, plugin=True), "claim": "BL01:VAC:"},
        **{"applied": True, "config_hash": HASH, "pod": pod()},
    }
    return View(**{**fields, **changes})


def later(one: View, seconds: float, **changes: Any) -> View:
    return replace(one, now=one.now + timedelta(seconds=seconds), **changes)


def condition(status: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return next((c for c in status["conditions"] if c["type"] == kind), None)


def reasons(status: dict[str, Any]) -> dict[str, str]:
    """Each condition as `True Running`."""
    return {c["type"]: f"{c['status']} {c['reason']}" for c in status["conditions"]}
