"""Argo CD in a rig: its programs on the node, its own accounts, and what it reads from.

Its pods would need an image, so the programs run as processes of the node, in the network of
the rig: nothing of them is seen outside. Objects, roles and settings are those of the
release's own manifests; `argocd-cm` is patched as docs/argocd.md says.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.argocd.program import INSTALLATION, program
from cluster.invariants import Object
from cluster.rig import Rig
from scripts.argocd.__main__ import TARGET
from support.git_host import GitHost

NAMESPACE: Final = "argocd"
GIT, REGISTRY = "git.example.org", "registry.example.org"
"""The names that examples/gitops has for the servers: on the node they lead to ours."""
INSTALLED: Final = (
    *("CustomResourceDefinition", "ServiceAccount", "ConfigMap", "Secret"),
    *("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
)
"""What is taken of the manifests: all but what would run pods."""
REGISTRY_ADDRESS: Final = "127.0.0.3"
SPACE: Final = ("-n", NAMESPACE)
PATIENCE: Final = 120.0

App = Callable[[Object], Any]


class ArgoCd:
    """A running one, and a person at its command line."""

    def __init__(self, rig: Rig, directory: Path, git: GitHost) -> None:
        self.rig, self._directory, self._git = rig, directory, git
        self._bin = program()
        for name in ("tls", "ssh", "tmp", "home", "registry"):
            (directory / name).mkdir()
        self._address = f"{rig.dns_address}:8080"
        """Of its server: the node's, which this machine reaches."""

    # Installation

    def start(self) -> ArgoCd:
        """Install it, and wait until its server answers."""
        self._install()
        self._know_the_servers()
        self._run(
            "redis", "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"
        )
        self._run("docker-registry", "docker-registry", "serve", self._registry_configuration())
        accounts = {
            name: self._account(name) for name in ("argocd-application-controller", "argocd-server")
        }
        shared = ("--redis", "127.0.0.1:6379", "--logformat", "text")
        repo = ("--repo-server", "127.0.0.1:8081")
        self._run("argocd-repo-server", "argocd-repo-server", *shared)
        for name, kubeconfig in accounts.items():
            flags = [*shared, *repo, "--namespace", NAMESPACE]
            if name == "argocd-server":
                flags += ["--insecure", "--disable-auth"]
            self._run(name, name, *flags, KUBECONFIG=kubeconfig, ARGOCD_FAKE_IN_CLUSTER="true")
        self._until(lambda: self.ask("/api/version")["Version"], "its server does not answer")
        return self

    def _install(self) -> None:
        self.rig.kubectl("create", "namespace", NAMESPACE)
        found = yaml.load_all((self._bin / INSTALLATION).read_text(), yaml.CSafeLoader)
        made = "\n---\n".join(json.dumps(each) for each in found if each["kind"] in INSTALLED)
        server_side = ("apply", "--server-side", *SPACE, "-f", "-")
        self.rig.kubectl(*server_side, stdin=made)
        # Its server ends where there are none, and here nobody starts it again.
        for kind in ("applications", "appprojects"):
            path = f"/apis/argoproj.io/v1alpha1/{kind}"
            self._until(partial(self.rig.api_get, path), f"{kind} are not served")
        access = {"url": f"https://{GIT}", "type": "git", **self._git.credentials}
        self.rig.kubectl(*server_side, stdin=json.dumps(secret("git", "repo-creds", access)))

    def know_the_kinds(self) -> None:
        """Patch argocd-cm, as docs/argocd.md says."""
        file = str(TARGET / "argocd-cm.yaml")
        self.rig.kubectl("patch", "configmap", "argocd-cm", *SPACE, "--patch-file", file)

    def set(self, key: str, text: str) -> None:
        """Put another entry into argocd-cm."""
        patch = json.dumps({"data": {key: text}})
        self.rig.kubectl("patch", "configmap", "argocd-cm", *SPACE, "--type=merge", "-p", patch)

    def _account(self, name: str) -> str:
        token = self.rig.kubectl("create", "token", name, *SPACE, "--duration=24h")
        path = self._directory / f"{name}.kubeconfig"
        return str(self.rig.write_kubeconfig(path, token.strip()))

    def _know_the_servers(self) -> None:
        """Names and certificates, for programs on the node alone."""
        hosts = self._directory / "hosts"
        # git looks its own machine up, and there is nobody to ask but this file.
        lines = [f"127.0.0.1 localhost {socket.gethostname()}", f"{self.rig.host_address} {GIT}"]
        hosts.write_text("\n".join([*lines, f"{REGISTRY_ADDRESS} {REGISTRY}"]) + "\n")
        self.rig.node_exec(["mount", "--bind", hosts, "/etc/hosts"])
        for name in (GIT, REGISTRY):
            (self._directory / "tls" / name).write_text(self._git.ca.read_text())

    def _registry_configuration(self) -> str:
        certificate, key = self._git.certificate
        settings = {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self._directory / "registry")}},
            "http": {
                "addr": f"{REGISTRY_ADDRESS}:443",
                "tls": {"certificate": str(certificate), "key": str(key)},
            },
        }
        path = self._directory / "registry.yaml"
        path.write_text(yaml.safe_dump(settings))
        return str(path)

    def _run(self, name: str, *argv: str, **environment: str) -> None:
        given = {
            "PATH": f"{self._bin}:{self.rig.layout.binaries}:{os.environ['PATH']}",
            "HOME": str(self._directory / "home"),
            "TMPDIR": str(self._directory / "tmp"),
            "ARGOCD_TLS_DATA_PATH": str(self._directory / "tls"),
            "ARGOCD_SSH_DATA_PATH": str(self._directory / "ssh"),
            "ARGOCD_ASK_PASS_SOCK": str(self._directory / "tmp" / "ask-pass.sock"),
            "ARGOCD_GPG_ENABLED": "false",
        }
        words = [f"{key}={value}" for key, value in (given | environment).items()]
        self.rig.add(name, ["env", "-i", *words, *argv])

    # Charts

    def push(self, chart: Path, version: str) -> None:
        """Put a chart of the checkout into the registry, as a release of it does."""
        helm, where = self.rig.helm(), self._directory / "charts"
        package = ["package", chart, "--version", version, "--app-version", version]
        self.rig.node_exec([helm, *package, "--destination", where])
        file = where / f"{chart.name}-{version}.tgz"
        ca = ("--ca-file", self._git.ca)
        self.rig.node_exec([helm, "push", file, f"oci://{REGISTRY}/charts", *ca])

    # Questions

    def ask(self, path: str) -> Any:
        """What its server says, as its pages get it."""
        with urllib.request.urlopen(f"http://{self._address}{path}", timeout=30) as answer:
            return json.load(answer)

    def app(self, name: str) -> Object:
        return json.loads(self.rig.kubectl("get", "application", name, *SPACE, "-o", "json"))

    def tree(self, name: str) -> dict[str, Object]:
        """All that it shows below an Application, by kind and name."""
        nodes = self.ask(f"/api/v1/applications/{name}/resource-tree").get("nodes", [])
        return {f"{node['kind']} {node['name']}": node for node in nodes}

    def health(self, name: str) -> dict[str, Object]:
        """What it shows of each task and job: status and message by kind and name."""
        return {
            key: {"status": node["health"]["status"], "message": node["health"].get("message", "")}
            for key, node in self.tree(name).items()
            if key.startswith("Ioc") and "health" in node
        }

    def cli(self, *words: str, check: bool = True) -> str:
        """What `argocd` prints."""
        own = ("--server", self._address, "--plaintext", "--config", self._directory / "cli")
        done = subprocess.run(
            [self._bin / "argocd", *words, *own],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": str(self._directory / "home")},
            check=False,
        )
        assert done.returncode == 0 or not check, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def offers(self, name: str, kind: str, which: str) -> dict[str, bool]:
        """The actions of an object, and whether a person can choose them."""
        listed = self.cli("app", "actions", "list", name, *selected(kind, which), "-o", "json")
        return {each["Action"]: not each["Disabled"] for each in json.loads(listed)}

    def act(self, name: str, kind: str, which: str, action: str) -> None:
        """Choose an action of an object."""
        self.cli("app", "actions", "run", name, action, *selected(kind, which))

    def refresh(self, name: str, *, hard: bool = False) -> Object:
        """Have it look at Git and at the cluster, and not trust what it remembers if `hard`."""
        self.cli("app", "get", name, "--hard-refresh" if hard else "--refresh")
        return self.app(name)

    def sync(self, name: str) -> Object:
        """Have it applied once more, whatever it finds; the operation, when it is over."""
        before = operation(self.app(name)).get("startedAt")
        self.cli("app", "sync", name, "--async")

        def over(app: Object) -> bool:
            now = operation(app)
            return now.get("startedAt") != before and now.get("phase") not in (None, "Running")

        return operation(self.wait(name, over))

    def diff(self, name: str) -> str:
        """What a sync would change, as its command line shows it; "" for nothing."""
        return self.cli("app", "diff", name, "--refresh", "--exit-code=false")

    def wait(self, name: str, is_so: App, patience: float = PATIENCE) -> Object:
        """The Application, once something holds of it."""
        until = time.monotonic() + patience
        while not is_so(app := self.app(name)):
            if time.monotonic() > until:
                raise AssertionError(f"{name}: {json.dumps(app.get('status'), indent=1)[:8000]}")
            time.sleep(0.3)
        return app

    def _until(self, is_so: Callable[[], Any], otherwise: str) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if is_so():
                    return
            except OSError:
                pass
            self.rig.check()
            assert time.monotonic() < until, otherwise
            time.sleep(0.2)


def selected(kind: str, name: str) -> tuple[str, ...]:
    return ("--kind", kind, "--resource-name", name)


def secret(name: str, kind: str, data: dict[str, str]) -> Object:
    """A Secret that tells Argo CD of a server."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"argocd.argoproj.io/secret-type": kind},
        },
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


def operation(app: Object) -> Object:
    """The last sync, or the present one."""
    found: Object = app.get("status", {}).get("operationState", {})
    return found


def is_synced(app: Object) -> bool:
    return bool(app.get("status", {}).get("sync", {}).get("status") == "Synced")


def health_of(app: Object) -> str | None:
    found: str | None = app.get("status", {}).get("health", {}).get("status")
    return found
