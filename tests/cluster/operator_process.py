"""The operator as a process of this machine, with the shipped role, against a test cluster.

`python -m ioc_operator` with a kubeconfig that holds the token of the chart's
ServiceAccount: what the role does not allow, the process cannot do.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.rig import Rig

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "ioc-operator"
NAMESPACE: Final = "ioc-operator"
WANTED: Final = (
    *("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)
START: Final = 20.0


def install(rig: Rig, directory: Path) -> Path:
    """CRDs, role and admission policy of the checkout; a kubeconfig for the operator."""
    rig.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    made = "\n---\n".join(json.dumps(each) for each in chart(rig) if each["kind"] in WANTED)
    space = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    rig.kubectl("apply", "-f", "-", stdin=space)
    rig.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=made)
    for kind in ("ioctasks", "iocjobs"):
        crd = f"crd/{kind}.ioc-operator.dev"
        rig.kubectl("wait", "--for=condition=Established", crd, "--timeout=20s")
    collects_garbage(rig)
    account = next(
        each["metadata"]["name"] for each in chart(rig) if each["kind"] == "ServiceAccount"
    )
    token = rig.kubectl("create", "token", account, "-n", NAMESPACE, "--duration=24h").strip()
    return rig.write_kubeconfig(directory / "operator.kubeconfig", token)


def collects_garbage(rig: Rig) -> None:
    """Wait until the controllers know the new kinds: they look for such every half minute,
    and until then leave children of a deleted task where they are.
    """
    space = ("-n", NAMESPACE)
    suspended = {"prefix": "GARBAGE:", "suspend": True, "inputs": {"x": {"type": "float"}}}
    api = "ioc-operator.dev/v1alpha1"
    body = {"apiVersion": api, "kind": "IocTask", "metadata": {"name": "garbage"}}
    rig.kubectl("apply", *space, "-f", "-", stdin=json.dumps(body | {"spec": suspended}))
    uid = rig.kubectl("get", *space, "ioctask", "garbage", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": api, "kind": "IocTask", "name": "garbage", "uid": uid}
    child = {"metadata": {"name": "garbage", "ownerReferences": [owner]}}
    child |= {"apiVersion": "v1", "kind": "ConfigMap"}
    rig.kubectl("apply", *space, "-f", "-", stdin=json.dumps(child))
    rig.kubectl("delete", *space, "ioctask", "garbage")
    rig.kubectl("wait", *space, "--for=delete", "configmap/garbage", "--timeout=100s", timeout=110)


def chart(rig: Rig) -> list[dict[str, Any]]:
    """What the chart makes, but for its test."""
    command = [rig.helm(), "template", "ioc-operator", CHART, "--no-hooks"]
    command += ["--namespace", NAMESPACE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


class OperatorProcess:
    """One running operator. Ended by its pid, at the latest when its `with` block ends."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path):
        self.popen, self._log = popen, log

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def log(self) -> str:
        """All it has said."""
        return self._log.read_text(errors="replace")

    @property
    def url(self) -> str:
        """Of its probes and metrics, once it has said the port."""
        until = time.monotonic() + START
        while time.monotonic() < until and self.popen.poll() is None:
            if found := re.search(r"probes and metrics on \S+ port (\d+)", self.log):
                return f"http://127.0.0.1:{found[1]}"
            time.sleep(0.02)
        raise AssertionError(f"the operator has not begun:\n{self.log}")

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self, patience: float = START) -> OperatorProcess:
        """Wait until it says that it is ready."""
        until = time.monotonic() + patience
        while (answer := self.ask("/readyz"))[0] != 200:
            assert time.monotonic() < until, f"{answer[1]}\n{self.log}"
            time.sleep(0.05)
        return self

    def metric(self, start: str) -> float:
        """Sum of the samples whose name and labels begin so."""
        lines = self.ask("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def leads(self, patience: float = START) -> OperatorProcess:
        """Wait until it leads."""
        until = time.monotonic() + patience
        while self.metric("ioc_operator_leader ") != 1:
            assert time.monotonic() < until, self.log
            time.sleep(0.05)
        return self

    @property
    def identity(self) -> str:
        """What the Lease and the user agent call it."""
        found = re.search(r"leading as (\S+)", self.log)
        assert found, self.log
        return found[1]

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def stop(self, within: float = 3.0) -> int:
        """SIGTERM; its exit code."""
        self.send(signal.SIGTERM)
        return self.popen.wait(within)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)


@contextmanager
def operator(
    kubeconfig: Path, directory: Path, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[OperatorProcess]:
    """An operator with these flags; probes on a free port."""
    number = len(list(directory.glob("operator-*.log")))
    log = directory / f"operator-{number}.log"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("IOC_OPERATOR", "POD_"))}
    with log.open("wb") as out:
        popen = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-m", "ioc_operator"),
                *("--kubeconfig", str(kubeconfig), "--http-host", "127.0.0.1"),
                *("--http-port", "0", *flags),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=clean | {"PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}"} | dict(environment or {}),
        )
    process = OperatorProcess(popen, log)
    try:
        yield process
    finally:
        process.kill()
