"""Certificates, tokens and kubeconfigs of one rig."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Final

from .host import run

USERS: Final = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": ("system:node:n0", "system:nodes"),
    "proxy": ("system:kube-proxy", ""),
    "dns": ("ioc-rig:dns", "system:masters"),
}
"""Name of a kubeconfig -> user and group that its token stands for."""

NAMES_OF_API: Final = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


def make_pki(directory: Path, address: str, service_address: str) -> None:
    """Fill a directory: ca, apiserver, kubelet-client, sa.*, tokens.csv, NAME.kubeconfig."""
    directory.mkdir(mode=0o700)
    _authority(directory)
    names = ",".join(
        [f"IP:{ip}" for ip in ("127.0.0.1", address, service_address)]
        + [f"DNS:{name}" for name in NAMES_OF_API]
    )
    _certificate(directory, "apiserver", "/CN=kube-apiserver", f"subjectAltName={names}")
    _certificate(
        directory,
        "kubelet-client",
        "/O=system:masters/CN=kube-apiserver-kubelet-client",
        "extendedKeyUsage=clientAuth",
    )
    _key(directory / "sa.key")
    run(["openssl", "pkey", "-in", directory / "sa.key", "-pubout", "-out", directory / "sa.pub"])
    lines = []
    for number, (name, (user, group)) in enumerate(USERS.items()):
        token = secrets.token_hex(16)
        lines.append(f'{token},{user},{number},"{group}"\n')
        (directory / f"{name}.token").write_text(token)
        write_kubeconfig(
            directory / f"{name}.kubeconfig", directory / "ca.crt", f"https://{address}:6443", token
        )
    (directory / "tokens.csv").write_text("".join(lines))


def write_kubeconfig(path: Path, ca_file: Path, url: str, token: str) -> None:
    """A kubeconfig that needs no other file and that only its owner can read."""
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "rig", "cluster": {"server": url, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "rig", "user": {"token": token}}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "rig"}}],
        "current-context": "rig",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1) + "\n")


def _key(path: Path) -> None:
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-out", path])  # fmt: skip


def _authority(directory: Path) -> None:
    _key(directory / "ca.key")
    run(["openssl", "req", "-x509", "-new", "-key", directory / "ca.key", "-subj", "/CN=rig"]
        + ["-days", "3650", "-out", directory / "ca.crt"])  # fmt: skip


def _certificate(directory: Path, name: str, subject: str, extension: str) -> None:
    key, request, crt = (directory / f"{name}.{end}" for end in ("key", "csr", "crt"))
    extensions = directory / f"{name}.ext"
    extensions.write_text(extension)
    _key(key)
    run(["openssl", "req", "-new", "-key", key, "-subj", subject, "-out", request])
    run(["openssl", "x509", "-req", "-in", request, "-days", "3650", "-out", crt]
        + ["-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-CAcreateserial"]
        + ["-extfile", extensions])  # fmt: skip
