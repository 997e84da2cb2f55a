"""`make audit` with the real pip-audit, against a service on loopback; and CycloneDX's own
schema against our bills of materials, with the library that comes in the same environment."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts import locks
from scripts.audit.verdict import FINE, FOUND, UNKNOWN
from scripts.sbom import debian
from scripts.sbom import distributions as python
from scripts.sbom.component import Component, pypi
from scripts.sbom.document import document
from support.uv import ROOT, new_environment
from unit.test_sbom import STATUS

ADVISORY = {
    "id": "GHSA-made-up",
    "aliases": ["CVE-0000-1"],
    "summary": "made up",
    "published": "2030-01-31T00:00:00Z",
    "affected": [
        {
            "package": {"name": "kopf", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "999.0"}]}],
        }
    ],
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the environment that `make audit` makes."""
    place = new_environment(tmp_path_factory.mktemp("audit") / "venv", "audit")
    return place / "bin" / "python"


@contextmanager
def service(advisories: dict[str, dict[str, object]], status: int = 200) -> Iterator[str]:
    """An OSV that knows these advisories, by package; the address that it is asked at."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = advisories.get(asked["package"]["name"])
            body = json.dumps({"vulns": [known]} if known else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audit(tools: Path, url: str) -> tuple[int, list[str]]:
    """Exit code and sentences of an audit that asks one OSV."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        [tools, "-m", "scripts.audit", "--osv-url", url],
        cwd=ROOT,
        env=env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_packages_against_which_nothing_is_known_pass(tools: Path):
    with service({}) as url:
        code, [sentence] = audit(tools, url)
    assert code == FINE
    assert sentence.startswith(f"audit: {url} knows of nothing against ")


def test_a_known_advisory_fails_and_is_named(tools: Path):
    with service({"kopf": ADVISORY}) as url:
        code, [sentence] = audit(tools, url)
    version = locks.pins("operator")["kopf"]
    assert code == FOUND
    assert sentence == f"audit: kopf {version}: CVE-0000-1, GHSA-made-up; mended in 999.0"


def test_a_service_that_fails_is_no_good_news(tools: Path):
    with service({}, status=500) as url:
        code, [sentence] = audit(tools, url)
    assert code == UNKNOWN
    assert sentence.startswith(f"audit: nothing was checked, {url} cannot be asked from here: ")


def test_a_service_that_is_not_there_is_no_good_news(tools: Path):
    with service({}) as url:
        pass
    code, [sentence] = audit(tools, url)
    assert code == UNKNOWN
    assert sentence.startswith(f"audit: nothing was checked, {url} cannot be asked from here: ")


def test_bills_of_materials_are_what_cyclonedx_says_they_are(tools: Path, tmp_path: Path):
    package = message_from_string("Name: a\nVersion: 1\nLicense-Expression: MIT OR ISC\n\n")
    components = [*debian.components(STATUS, "debian-12"), *python.components([package])]
    every = tuple(each.purl for each in components)
    subject = Component("ioc-runtime", "1", pypi("ioc-runtime", "1"), "Apache-2.0", every)
    good = document(subject, components, time=1_900_000_000, kind="container", sha256="0" * 64)
    (tmp_path / "good.json").write_text(good)
    (tmp_path / "bad.json").write_text(good.replace('"container"', '"crate"'))
    script = (
        "import sys, pathlib\n"
        "from cyclonedx.schema import SchemaVersion\n"
        "from cyclonedx.validation.json import JsonStrictValidator\n"
        "for name in ('good', 'bad'):\n"
        "    text = pathlib.Path(name + '.json').read_text()\n"
        "    print(name, JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None)\n"
    )
    done = subprocess.run(
        [tools, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["good", "True", "bad", "False"]
