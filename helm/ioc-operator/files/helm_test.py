"""Apply a task, read its PVs over both protocols, remove it: the pod of `helm test` runs this.

It says each step, and ends with 1 and a sentence where one goes wrong. Only the standard
library, and `iocctl` to read.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

Object = dict[str, Any]

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAUSE = 0.5
UNSEEN = "no operator has seen it; do test.labels fit labelSelector?"


class Failed(Exception):
    """One sentence."""


class Api:
    """The API server, with the account of this pod."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self._url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))

    def __call__(self, method: str, path: str, body: Object | None = None) -> Object | None:
        """The answer; None where there is no such object."""
        headers = {
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self._tls) as answer:
                found: Object = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            if error.code == 404 and method != "POST":
                return None
            raise Failed(f"{method} {path}: {error.code} {_message(said)}") from None
        except OSError as error:
            raise Failed(f"{method} {path}: {error}") from None


class Test:
    """One task from its beginning to its end."""

    def __init__(self, task: Object, seconds: float) -> None:
        self._api, self._task = Api(), task
        self._until = time.monotonic() + seconds
        meta = task["metadata"]
        self._name, space = meta["name"], meta["namespace"]
        self._tasks = f"/apis/ioc-operator.dev/v1alpha1/namespaces/{space}/ioctasks"
        self._path = f"{self._tasks}/{self._name}"
        self._service = f"/api/v1/namespaces/{space}/services/{self._name}"

    def run(self) -> None:
        """Failed where something goes wrong; the task is removed in any case."""
        self.remove()
        self._api("POST", self._tasks, self._task)
        try:
            print(f"applied IocTask {self._name}", flush=True)
            self.ready()
            self.read()
        finally:
            self.remove()
        print("removed it")

    def remove(self) -> None:
        """No task of the name is left, be it ours or that of a test which was cut short."""
        self._api("DELETE", self._path)
        last_resort = max(self._until, time.monotonic() + 10)
        while self._api("GET", self._path) is not None:
            if time.monotonic() > last_resort:
                raise Failed(f"IocTask {self._name} is deleted and does not go")
            time.sleep(PAUSE)

    def ready(self) -> None:
        """Wait until the operator says so."""
        while True:
            found = self._api("GET", self._path) or {}
            said = {c["type"]: c for c in found.get("status", {}).get("conditions", ())}
            if said.get("Ready", {}).get("status") == "True":
                print(f"Ready: {said['Ready'].get('message', '')}", flush=True)
                return
            if time.monotonic() > self._until:
                why = said.get("Stalled") or said.get("Ready")
                told = f"{why['reason']}: {why['message']}" if why else UNSEEN
                raise Failed(f"IocTask {self._name} does not get Ready: {told}")
            time.sleep(PAUSE)

    def read(self) -> None:
        """The value is there over both protocols, and moves."""
        service = self._api("GET", self._service)
        if service is None:
            raise Failed(f"IocTask {self._name} is Ready and has no Service")
        address = service["spec"]["clusterIP"]
        name = self._task["spec"]["prefix"] + "value"
        for scheme in ("ca", "pva"):
            first = value = self._get(f"{scheme}://{name}", address)
            while value == first:
                if time.monotonic() > self._until:
                    raise Failed(f"{scheme}://{name} stays at {value}, though it is simulated")
                time.sleep(PAUSE)
                value = self._get(f"{scheme}://{name}", address)
            print(f"{scheme}://{name} at {address}: {first}, then {value}", flush=True)

    def _get(self, name: str, address: str) -> float:
        """The value that the PV has now."""
        epics = {
            f"EPICS_{protocol}_{variable}": value
            for protocol in ("CA", "PVA")
            for variable, value in (
                ("NAME_SERVERS", address),
                ("ADDR_LIST", ""),
                ("AUTO_ADDR_LIST", "NO"),
            )
        }
        command = [sys.executable, "-m", "ioc_runtime.cli", "pv", "get", "-o", "json", name]
        while True:
            done = subprocess.run(
                command, env=os.environ | epics, capture_output=True, text=True, timeout=60
            )
            if done.returncode == 0:
                return float(json.loads(done.stdout)["value"])
            if time.monotonic() > self._until:
                said = (done.stdout + done.stderr).strip()
                raise Failed(f"{name} at {address} is not read: {said}")
            time.sleep(PAUSE)


def _message(text: str) -> str:
    """What the API server says, out of its answer."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


def _task() -> Object:
    """The manifest of the chart, with a prefix of its own; it goes when this pod goes."""
    task: Object = json.loads(Path(os.environ["TASK"]).read_text())
    pod, uid = os.environ["POD_NAME"], os.environ["POD_UID"]
    task["spec"]["prefix"] = f"HELM-TEST:{uid[:8]}:"
    if task["metadata"]["namespace"] == os.environ["POD_NAMESPACE"]:
        owner = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        task["metadata"]["ownerReferences"] = [owner]
    return task


def main() -> int:
    """The exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was done"))
    try:
        Test(_task(), float(os.environ["TIMEOUT"])).run()
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
