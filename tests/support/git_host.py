"""A host with Git repositories: over https with a token, over ssh with a key.

Real programs, of the test alone: `git http-backend` behind a TLS server of Python's, and an
sshd of its own. Both listen on one address and end with the block.
"""

from __future__ import annotations

import base64
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from support.leaks import orphans_reaped

USER: Final = "deploy"
TOKEN: Final = "t0ken-that-nobody-may-see-4711"
PATIENCE: Final = 20.0


def git(where: Path, *arguments: str) -> str:
    """Run git on behalf of the test."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(where),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,  # a hostile repository may bring one
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_ALLOW_PROTOCOL": "file",
    }
    settings = ["init.defaultBranch=main", "gc.auto=0", "receive.autogc=false"]
    options = [word for setting in settings for word in ("-c", setting)]
    command = ["git", *options, *arguments]
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


class Repo:
    """A repository: a checkout that commits are made in, and the bare one that is served."""

    def __init__(self, name: str, checkout: Path, bare: Path) -> None:
        self.name, self.checkout, self.bare = name, checkout, bare
        checkout.mkdir(parents=True)
        git(checkout, "init", "-q", ".")
        git(checkout, "init", "-q", "--bare", str(bare))
        git(checkout, "remote", "add", "origin", str(bare))

    def write(self, files: dict[str, str]) -> None:
        """Put files there."""
        for name, text in files.items():
            path = self.checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, files: dict[str, str] | None = None, branch: str = "main") -> str:
        """Commit all that is there and push it; the commit."""
        self.write(files or {})
        git(self.checkout, "add", "--all")
        git(self.checkout, "commit", "-q", "--allow-empty", "-m", "a change")
        self.push(branch)
        return git(self.checkout, "rev-parse", "HEAD")

    def submodules(
        self, parts: dict[str, tuple[str, str]], update: str = "", branch: str = "main"
    ) -> str:
        """Commit that the directories are these addresses at these commits; the commit."""
        run = f"\tupdate = !{update}\n" if update else ""
        written = [
            f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n{run}'
            for path, (url, _) in parts.items()
        ]
        self.write({".gitmodules": "".join(written)})
        git(self.checkout, "add", "--all")  # drops those of before: they are not checked out
        for path, (_, commit) in parts.items():
            git(self.checkout, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        git(self.checkout, "commit", "-q", "-m", "parts")
        self.push(branch)
        return git(self.checkout, "rev-parse", "HEAD")

    def push(self, branch: str = "main") -> None:
        """Force the branch to where the checkout is."""
        git(self.checkout, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")

    def tag(self, name: str) -> None:
        """An annotated tag on what is checked out."""
        git(self.checkout, "tag", "-a", name, "-m", name)
        git(self.checkout, "push", "-q", "origin", name)

    def forget(self) -> None:
        """Drop from the server what no ref leads to."""
        git(self.bare, "reflog", "expire", "--expire=now", "--all")
        git(self.bare, "gc", "-q", "--prune=now")


class GitHost:
    """Repositories and the two servers."""

    def __init__(
        self, root: Path, address: str = "127.0.0.1", names: Sequence[str] = (), https_port: int = 0
    ) -> None:
        self.root, self.address = root, address
        self._names, self._https_port = names, https_port
        self.repositories = root / "repositories"
        self.repositories.mkdir(parents=True)
        self.https: _Https | None = None
        self.ssh: _Sshd | None = None
        self.ca = root / "ca.crt"
        self.key = root / "key"
        self._certificate()
        keygen(self.key)

    def repo(self, name: str) -> Repo:
        return Repo(name, self.root / "checkouts" / name, self.repositories / f"{name}.git")

    def start(self) -> None:
        """Serve, on ports of the system's choice, or again on those of before."""
        https_port = self.https.port if self.https else self._https_port
        ssh_port = self.ssh.port if self.ssh else 0
        self.https = _Https(self, https_port)
        self.ssh = _Sshd(self, ssh_port)

    def stop(self) -> None:
        """Be gone."""
        for server in (self.https, self.ssh):
            if server is not None:
                server.close()

    def https_url(self, name: str) -> str:
        assert self.https
        return f"https://{self.address}:{self.https.port}/{name}.git"

    def ssh_url(self, name: str) -> str:
        assert self.ssh
        user = getpass.getuser()
        return f"ssh://{user}@{self.address}:{self.ssh.port}{self.repositories}/{name}.git"

    def token_files(self) -> dict[str, str]:
        """What a Secret for https holds."""
        return self.credentials | {"ca.crt": self.ca.read_text()}

    def key_files(self) -> dict[str, str]:
        """What a Secret for ssh holds."""
        assert self.ssh
        host = f"[{self.address}]:{self.ssh.port}"
        return {
            "identity": self.key.read_text(),
            "known_hosts": f"{host} {self.ssh.public_key}\n",
        }

    @property
    def credentials(self) -> dict[str, str]:
        """User and password for https."""
        return {"username": USER, "password": TOKEN}

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The certificate, which is its own authority, and its key."""
        return self.ca, self.root / "tls.key"

    def _certificate(self) -> None:
        names = ["IP:127.0.0.1", *(f"DNS:{name}" for name in ("localhost", *self._names))]
        called = f"subjectAltName=IP:{self.address},{','.join(names)}"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=git", "-addext", called]
        command += ["-keyout", str(self.root / "tls.key"), "-out", str(self.ca)]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def git_host(
    root: Path, address: str = "127.0.0.1", names: Sequence[str] = (), https_port: int = 0
) -> Iterator[GitHost]:
    """A host that serves until the block ends; `names` are what it may be called besides."""
    host = GitHost(root, address, names, https_port)
    with orphans_reaped(0.5):
        try:
            host.start()
            yield host
        finally:
            host.stop()


class _Https:
    def __init__(self, host: GitHost, port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(host.ca, host.root / "tls.key")
        handler = type("Handler", (_Backend,), {"repositories": host.repositories})
        self._server = _Server((host.address, port), handler, context)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = False

    def __init__(self, address: tuple[str, int], handler: Any, context: ssl.SSLContext) -> None:
        super().__init__(address, handler)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake in the client's own thread: one that never speaks stops nobody.
        request.settimeout(10)
        with suppress(OSError):
            with self._context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Backend(BaseHTTPRequestHandler):
    """`git http-backend` for whoever has the token."""

    repositories: Path

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""

    def _serve(self) -> None:
        wanted = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": USER,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "uploadpack.allowFilter",
            "GIT_CONFIG_VALUE_1": "true",
        }
        command = ["git", "http-backend"]
        done = subprocess.run(command, input=body, env=environment, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.partition(b":") for line in head.split(b"\r\n")]
        headers = {name.decode(): value.decode().strip() for name, _, value in lines}
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Sshd:
    def __init__(self, host: GitHost, port: int) -> None:
        self.port = port or _free_port(host.address)
        directory = host.root / "sshd"
        directory.mkdir(exist_ok=True)
        if not (directory / "host").exists():
            keygen(directory / "host")
        self.public_key = " ".join((directory / "host.pub").read_text().split()[:2])
        (directory / "authorized").write_text(host.key.with_suffix(".pub").read_text())
        settings = {
            "Port": self.port,
            "ListenAddress": host.address,
            "HostKey": directory / "host",
            "AuthorizedKeysFile": directory / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "PermitTTY": "no",
            "AllowTcpForwarding": "no",
        }
        config = directory / "config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "these tests need openssh-server (sshd)"
        command = [program, "-D", "-e", "-f", str(config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while not _answers(host.address, self.port):
            assert self._process.poll() is None and time.monotonic() < until, "sshd is not there"
            time.sleep(0.05)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)


def keygen(path: Path) -> None:
    """A key pair without a passphrase."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)


def _free_port(address: str) -> int:
    with socket.socket() as found:
        found.bind((address, 0))
        return int(found.getsockname()[1])


def _answers(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), 1.0):
        return True
    return False
