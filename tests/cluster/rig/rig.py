"""One test cluster: bring it up, use it, disturb it, take it down."""

from __future__ import annotations

import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from . import cgroups, control, dns, images, network, slots
from .binaries import binaries
from .cache import cache_dir
from .components import (
    CONTAINERD_SOCKET,
    CONTROL_PLANE,
    NODE,
    NODE_NAME,
    Layout,
    command,
    write_configuration,
)
from .host import RigError, find, why_not
from .pki import make_pki, write_kubeconfig

READY_TIMEOUT: Final = 60.0


_built: dict[bool, tuple[Path, Path | None]] = {}


def build(*, node: bool = True) -> tuple[Path, Path | None]:
    """Programs and, for a node, the store of images of the present sources.

    From the cache, or built into it; RigError when this machine cannot. One process gets
    the same ones each time: an edit does not change what a test run tests.
    """
    if reason := why_not(node=node):
        raise RigError(reason)
    built = _built.get(node)
    if not built or not all(path.exists() for path in built if path):
        built = _built[node] = binaries(), images.store() if node else None
    return built


class Rig:
    """A running cluster. Make one by `Rig.up`; a `with` block takes it down at its end."""

    def __init__(self, record: slots.Record, process: subprocess.Popen[bytes] | None = None):
        self.record = record
        self._process = process
        facts = record.facts
        self.layout = Layout(
            record.slot, record.data, Path(facts["binaries"]), audit=facts["audit"]
        )
        self.control_plane_only: bool = facts["control_plane"]

    # Up and down

    @classmethod
    def up(cls, name: str | None = None, *, control_plane: bool = False, audit: bool = True) -> Rig:
        """Bring up a cluster that ends with this process, or at `down`.

        `control_plane`: etcd, API server, controllers and scheduler alone, in about 3 s;
        pods stay Pending. RigError, in one sentence, when it cannot be had.
        """
        name = name or f"test-{secrets.token_hex(4)}"
        built, store = build(node=not control_plane)
        rigs = cache_dir() / "rigs"
        rigs.mkdir(exist_ok=True)
        data = rigs / f"{name}-{secrets.token_hex(4)}"
        facts = {"binaries": str(built), "control_plane": control_plane, "audit": audit}
        facts["store"] = str(store or "")
        record, hold = slots.take(name, data, **facts)
        try:
            data.mkdir(mode=0o700)
            if store:
                images.copy_store(store, data / "containerd")
            process, pid = control.start_supervisor(record.slot.control, data, hold)
        finally:
            os.close(hold)
        rig = cls(record.write(pid=pid), process)
        try:
            rig._begin(pid)
        except BaseException:
            rig.down()
            raise
        return rig

    @classmethod
    def find(cls, name: str) -> Rig | None:
        """The running rig of that name."""
        for record in slots.records():
            if record.name == name and record.pid and record.alive():
                return cls(record)
        return None

    def _begin(self, pid: int) -> None:
        network.connect(self.record.slot, pid)
        make_pki(self.layout.pki, self.record.slot.address, str(self.record.slot.services[1]))
        write_configuration(self.layout)
        if not self.control_plane_only:
            cgroups.make(self.record.slot.cgroup)
            self._first("containerd")
        self._first("etcd")
        self._first("kube-apiserver")
        self.wait_for_api()
        for name in CONTROL_PLANE[2:]:
            self._first(name)
        if not self.control_plane_only:
            # The kubelet gives up at once when nobody listens there.
            socket = Path(f"/proc/{pid}/root{CONTAINERD_SOCKET}")
            self._wait(socket.exists, "containerd does not listen", READY_TIMEOUT)
            for name in NODE[1:]:
                self._first(name)
        self.wait_ready()
        self.record = self.record.write(ready=True)

    def down(self) -> None:
        """End every process of it and remove what it made on this machine."""
        slots.end(self.record)
        if self._process:
            self._process.communicate()

    def detach(self) -> None:
        """Let it go on when this process ends."""
        self._ask(do="detach")

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    # How to reach it

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.layout.kubeconfig("admin")

    @property
    def api_url(self) -> str:
        return self.layout.api_url

    @property
    def ca_file(self) -> Path:
        return self.layout.pki / "ca.crt"

    @property
    def admin_token(self) -> str:
        return (self.layout.pki / "admin.token").read_text()

    @property
    def dns_address(self) -> str:
        """Of the cluster's DNS; it answers this machine too."""
        return self.record.slot.address

    @property
    def host_address(self) -> str:
        """This machine's, as pods reach it."""
        return self.record.slot.host_address

    def resolve(self, name: str) -> list[str]:
        """The addresses that the cluster's DNS gives for a name, say `NAME.NAMESPACE.svc...`."""
        return dns.resolve(self.dns_address, name)

    def write_kubeconfig(self, path: Path, token: str) -> Path:
        """A kubeconfig for another token, say of a ServiceAccount."""
        write_kubeconfig(path, self.ca_file, self.api_url, token)
        return path

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 60.0
    ) -> str:
        """What kubectl prints; RigError with its error when it fails and `check` is true."""
        done = subprocess.run(
            [self.layout.binaries / "kubectl", "--kubeconfig", self.kubeconfig, *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",  # a log holds whatever a program has printed
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise RigError(f"kubectl {' '.join(args)[:200]}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def helm(self) -> Path:
        """Helm 3's executable."""
        return self.layout.binaries / "helm"

    def inside(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs a command on the node, in the rig's namespaces."""
        return control.inside(self.record.pid, argv)

    def node_exec(
        self, argv: Sequence[str | Path], **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the node; `options` as for subprocess.run."""
        options = {"capture_output": True, "text": True, "check": True, "timeout": 60} | options
        return subprocess.run(self.inside(argv), **options)

    def api_get(self, path: str, timeout: float = 5.0) -> bytes:
        """The body of a GET as administrator; urllib's errors when it fails."""
        request = urllib.request.Request(
            self.api_url + path, headers={"Authorization": f"Bearer {self.admin_token}"}
        )
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return answer.read()

    # What it is doing

    def status(self) -> dict[str, dict[str, Any]]:
        """Per component: pid (inside), exit_code (None: runs), stopped (by `stop`), log.

        And while it runs: state (as ps has it), cpu_seconds, memory_bytes.
        """
        return self._ask(do="status")

    def cpu_seconds(self, name: str = "kube-apiserver") -> float:
        """Processor time that a component has used since it was started."""
        return self.status()[name]["cpu_seconds"]

    def log(self, name: str) -> str:
        """All that a component has said."""
        return self.layout.log(name).read_text(errors="replace")

    def audit_events(self) -> Iterator[dict[str, Any]]:
        """Every write to the API server, as its audit log has it (Metadata level).

        The interesting ones: `verb`, `user.username`, `userAgent`, `objectRef`,
        `responseStatus.code`.
        """
        if not self.layout.audit_log.exists():
            return
        with self.layout.audit_log.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)

    def check(self) -> None:
        """RigError with the end of its log when a component ended that nobody stopped."""
        for name, component in self.status().items():
            if component["exit_code"] is not None and not component["stopped"]:
                said = self.log(name).strip()[-1500:]
                code = component["exit_code"]
                raise RigError(f"rig {self.name}: {name} ended with {code}: {said}")

    def wait_for_api(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until the API server says it is ready."""

        def ready() -> bool:
            return self.api_get("/readyz") == b"ok"

        self._wait(ready, "its API server does not get ready", timeout)

    def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until pods could run: the node Ready, DNS answering, accounts made."""
        self.wait_for_api(timeout)

        def default_account() -> bool:
            return bool(self.api_get("/api/v1/namespaces/default/serviceaccounts/default"))

        self._wait(default_account, "no ServiceAccount is made in namespace default", timeout)
        if self.control_plane_only:
            return

        def node_ready() -> bool:
            node = json.loads(self.api_get(f"/api/v1/nodes/{NODE_NAME}"))
            conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
            return conditions.get("Ready") == "True" and not node["spec"].get("taints")

        self._wait(node_ready, "its node does not get Ready", timeout)

        def names_known() -> bool:
            return bool(self.resolve("kubernetes.default.svc.cluster.local"))

        self._wait(names_known, "its DNS does not answer", timeout)

    def _wait(self, is_so: Any, otherwise: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        last = ""
        while True:
            try:
                if is_so():
                    return
            except (OSError, urllib.error.URLError, KeyError) as error:
                last = f" ({error})"
            self.check()
            if time.monotonic() > deadline:
                raise RigError(
                    f"rig {self.name}: {otherwise} within {timeout:g} s{last}; "
                    f"logs are in {self.layout.data / 'log'}"
                )
            time.sleep(0.05)

    # Faults

    def stop(self, name: str, number: int = signal.SIGKILL, timeout: float = 30.0) -> int:
        """End a component and wait until it is gone; returns its exit code.

        On SIGTERM the API server waits up to a minute for the watches of its clients.
        """
        return self._ask(timeout + 10, do="stop", name=name, signal=number, within=timeout)

    def start(self, name: str) -> None:
        """Start again a component that was stopped; it need not be ready yet."""
        self._ask(do="start", name=name)

    def add(self, name: str, argv: Sequence[str | Path]) -> None:
        """Start a further program on the node; from then on it is one of the components."""
        log = str(self.layout.log(name))
        self._ask(do="start", name=name, argv=[str(word) for word in argv], log=log)

    def pause(self, name: str) -> None:
        """Freeze a component (SIGSTOP) until `resume`."""
        self._ask(do="signal", name=name, signal=signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a frozen component go on."""
        self._ask(do="signal", name=name, signal=signal.SIGCONT)

    def load_images(self) -> bool:
        """Give a rig that is up the images of the present sources; False if it has them.

        Pods that run keep theirs.
        """
        store = images.store()
        if str(store) == self.record.facts["store"]:
            return False
        images.load(store, self.record.pid, self.layout.data / "containerd")
        self.record = self.record.write(store=str(store))
        return True

    def delete_namespaces(self, timeout: float = 120.0) -> None:
        """Delete every namespace but the system's own, and wait until they are gone."""
        listed = json.loads(self.api_get("/api/v1/namespaces"))["items"]
        names = [item["metadata"]["name"] for item in listed]
        own = [n for n in names if n != "default" and not n.startswith("kube-")]
        if own:
            self.kubectl("delete", "namespace", *own, "--wait=true", timeout=timeout)

    def _first(self, name: str) -> None:
        argv = command(self.layout, name)
        self.add(name, [find(argv[0]) or argv[0], *argv[1:]])

    def _ask(self, timeout: float = 60.0, **request: Any) -> Any:
        return control.ask(self.record.slot.control, timeout, **request)
