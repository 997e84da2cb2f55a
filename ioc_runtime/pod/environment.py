"""What the pod tells its process about itself, by environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KINDS: Final = {"IocTask": "ioctasks", "IocJob": "iocjobs"}


class BadEnvironment(Exception):
    """A variable is missing or makes no sense; the text names it."""


@dataclass(frozen=True)
class Environment:
    """One pod, and the object it belongs to."""

    kind: str
    namespace: str
    name: str
    pod_name: str
    pod_uid: str
    probe_port: int
    report: bool

    @property
    def status_path(self) -> str:
        """Where its status is, on the API server."""
        return (
            f"/apis/ioc-operator.dev/v1alpha1/namespaces/{self.namespace}"
            f"/{KINDS[self.kind]}/{self.name}/status"
        )


def read_environment(variables: Mapping[str, str]) -> Environment:
    """The pod that `variables` (os.environ) tell of.

    :raises BadEnvironment: with one sentence
    """

    def word(name: str) -> str:
        value = variables.get(name, "")
        if not value:
            raise BadEnvironment(f"--pod: expected the environment variable {name}, it is not set")
        return value

    kind = word("IOC_KIND")
    if kind not in KINDS:
        raise BadEnvironment(f"--pod: IOC_KIND is {kind!r}, expected IocTask or IocJob")
    text = variables.get("IOC_PROBE_PORT") or "8081"
    if not text.isdecimal() or not 0 <= int(text) <= 65_535:
        raise BadEnvironment(f"--pod: IOC_PROBE_PORT is {text!r}, expected a port number")
    report = variables.get("IOC_REPORT") or "1"
    if report not in ("0", "1"):
        raise BadEnvironment(f"--pod: IOC_REPORT is {report!r}, expected 0 or 1")
    return Environment(
        kind,
        word("IOC_NAMESPACE"),
        word("IOC_NAME"),
        word("IOC_POD_NAME"),
        word("IOC_POD_UID"),
        int(text),
        report == "1",
    )
