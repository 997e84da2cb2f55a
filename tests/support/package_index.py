"""A package index on loopback, with wheels that the test makes: no test needs the internet.

It remembers what it was asked for, can be slow, can ask for a password, speaks TLS.
"""

from __future__ import annotations

import base64
import hashlib
import io
import ssl
import subprocess
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHUNKS = 20
"""Pieces that a slow file comes in."""


class PackageIndex:
    """The simple API of a package index: `/simple/NAME/` and `/files/FILE`."""

    def __init__(self, certificate: Path | None = None, address: str = "127.0.0.1") -> None:
        self.files: dict[str, bytes] = {}
        """Name of a wheel or source archive -> its bytes."""
        self.asked: list[str] = []
        """Path of every request that was answered with a whole page or file."""
        self.slow: float = 0.0
        """Seconds that each wheel takes."""
        self.account: tuple[str, str] | None = None
        """User and password that a client has to send."""
        self._server = ThreadingHTTPServer((address, 0), _handler(self))
        self._server.daemon_threads = False  # joined at the end: no thread outlives a test
        self._server.handle_error = lambda *_: None  # a client that was killed
        scheme = "http"
        if certificate is not None:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{scheme}://{address}:{self.port}/simple/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.closing = threading.Event()

    def __enter__(self) -> PackageIndex:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url_of(self, user: str, password: str) -> str:
        """Its address with an account in it."""
        return self.url.replace("//", f"//{user}:{password}@")

    def downloads(self, name: str) -> int:
        """How many times wheels or archives of this package were served whole."""
        return sum(path.startswith((f"/files/{name}-",)) for path in self.asked)

    def add(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        *,
        files: Mapping[str, str | bytes] | None = None,
        extras: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """A wheel with a module of the package's name; returns its file name."""
        wheel = f"{name}-{version}-py3-none-any.whl"
        content = {f"{name}.py": f"version = {version!r}\n"} | dict(files or {})
        self.files[wheel] = make_wheel(name, version, requires, content, extras or {})
        return wheel

    def add_source(self, name: str, version: str, setup: str) -> None:
        """A source archive with this setup.py, and no build system but what there is."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            backend = (
                '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            )
            info = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            texts = {"pyproject.toml": backend, "backend.py": setup, "PKG-INFO": info}
            for file, text in texts.items():
                entry = tarfile.TarInfo(f"{name}-{version}/{file}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        self.files[f"{name}-{version}.tar.gz"] = packed.getvalue()

    def page(self, name: str) -> bytes | None:
        """What the simple API says of a package."""
        links = [
            f'<a href="/files/{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a>'
            for file, data in self.files.items()
            if file.split("-")[0].lower().replace("_", "-") == name
        ]
        return (
            f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode() if links else None
        )


def make_wheel(
    name: str,
    version: str,
    requires: Sequence[str],
    files: Mapping[str, str | bytes],
    extras: Mapping[str, Sequence[str]],
) -> bytes:
    """A pure wheel, as bytes."""
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, more in extras.items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in more]
    content = dict(files) | {
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = []
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in content.items():
            data = text.encode() if isinstance(text, str) else text
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(data)}")
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return packed.getvalue()


def make_certificate(directory: Path, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """An authority's certificate, and key and certificate of a server at this address."""
    authority, server = directory / "ca.pem", directory / "server.pem"
    new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN="
    for command in (
        f"{new}authority -keyout {authority}.key -out {authority}",
        f"{new}server -keyout {server}.key -out {server} -CA {authority} -CAkey {authority}.key "
        f"-addext subjectAltName=IP:{address} -addext basicConstraints=critical,CA:FALSE",
    ):
        subprocess.run(command.split(), check=True, capture_output=True, timeout=30)
    server.write_bytes(server.read_bytes() + Path(f"{server}.key").read_bytes())
    return authority, server


def _handler(index: PackageIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5.0

        def do_GET(self) -> None:  # noqa: N802 the name http.server calls
            if index.account is not None and not self._known():
                self._answer(401, b"who is it?", {"WWW-Authenticate": 'Basic realm="index"'})
                return
            data = index.page(self.path.removeprefix("/simple/").rstrip("/"))
            kind = "text/html"
            if self.path.startswith("/files/"):
                data, kind = index.files.get(self.path[7:]), "application/octet-stream"
            if data is None:
                self._answer(404, b"not here", {})
                return
            # As the large indexes do: files never change.
            self._answer(200, data, {"Content-Type": kind, "Cache-Control": "max-age=3600"})
            if self.command == "GET":
                index.asked.append(self.path)

        do_HEAD = do_GET  # noqa: N815 uv looks whether a server knows ranges

        def _known(self) -> bool:
            sent = self.headers.get("Authorization", "").removeprefix("Basic ")
            with suppress(ValueError):
                return base64.b64decode(sent).decode() == ":".join(index.account or ())
            return False

        def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            slow = index.slow if self.path.endswith(".whl") else 0.0
            size = max(1, -(-len(data) // CHUNKS)) if slow else max(1, len(data))
            for start in range(0, len(data), size):
                self.wfile.write(data[start : start + size])
                self.wfile.flush()
                if slow and index.closing.wait(slow / CHUNKS):
                    return

        def log_message(self, *_: object) -> None:
            """Nothing: `asked` is the log."""

    return Handler


@contextmanager
def package_index(certificate: Path | None = None) -> Iterator[PackageIndex]:
    """A running index, ended with the block."""
    with PackageIndex(certificate) as index:
        yield index


def wait_until(what, seconds: float = 20.0) -> None:  # type: ignore[no-untyped-def]
    """Until `what()` is true.

    :raises AssertionError: when it is not after so long
    """
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)
