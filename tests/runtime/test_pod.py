"""A task as it runs in a pod: probes, reports, last words; the API server is ours to break."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ioc_runtime.compile import compile_text
from ioc_runtime.plan import to_json
from support.epics_env import EpicsEnv
from support.spawn import Spawn

MANIFEST = """
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {{name: guard, namespace: bl01}}
spec:
  prefix: "{prefix}"
  parameters: {{limit: {limit}}}
  inputs:
    x: {{type: float, value: 1}}
    lost: {{type: float, link: "ca://{prefix}NOBODY"}}
  outputs: {{alarm: {{type: bool}}}}
  ruleDefaults: {{alarm: 0}}
  rules: [{{id: high, condition: x > limit, outputs: {{alarm: 1}}}}]
"""
REPORT = "/apis/ioc-operator.dev/v1alpha1/namespaces/bl01/ioctasks/guard/status"


class FakeApi:
    """An HTTPS server that keeps what it is sent, and answers what the test wants."""

    def __init__(self, directory: Path) -> None:
        self.account = directory
        make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        subprocess.run(
            [
                *make.split(),
                *("-keyout", directory / "key", "-out", directory / "ca.crt"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
            ],
            check=True,
            capture_output=True,
        )
        self.token("first")
        self.requests: list[tuple[float, str, dict[str, str], dict[str, Any]]] = []
        self.answer: Callable[[], tuple[int, dict[str, str], bytes]] = lambda: (200, {}, b"{}")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "ca.crt", directory / "key")
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def token(self, text: str) -> None:
        (self.account / "token").write_text(text + "\n")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_PATCH(self) -> None:  # noqa: N802 - the library's name
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.requests.append((time.monotonic(), self.path, dict(self.headers), body))
                status, headers, said = api.answer()
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(said))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    @property
    def reports(self) -> list[dict[str, Any]]:
        return [body["status"]["runtime"] for _, _, _, body in self.requests]

    def wait(self, what: Callable[[dict[str, Any]], Any], patience: float = 10.0) -> dict[str, Any]:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if self.requests and what(self.reports[-1]):
                return self.reports[-1]
            time.sleep(0.02)
        raise AssertionError(f"the last of {len(self.requests)} reports: {self.reports[-1:]}")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    directory = tmp_path / "account"
    directory.mkdir()
    made = FakeApi(directory)
    yield made
    made.close()


class PodProcess:
    """`python -m ioc_runtime --pod`, as the operator starts it."""

    def __init__(self, spawn: Spawn, env: EpicsEnv, directory: Path, api: FakeApi | None) -> None:
        self.prefix, self.directory = env.prefix, directory
        self.words = directory / "termination-log"
        self.words.touch()
        self.edit(5.0, generation=1)
        self.environ = env.environ | {
            "IOC_KIND": "IocTask",
            "IOC_NAME": "guard",
            "IOC_NAMESPACE": "bl01",
            "IOC_POD_NAME": "guard-0",
            "IOC_POD_UID": "uid-1",
            "IOC_PROBE_PORT": str(env.places[3].ca),
            "IOC_REPORT": "1" if api else "0",
            "IOC_TERMINATION_LOG": str(self.words),
        }
        self.url = f"http://127.0.0.1:{env.places[3].ca}"
        if api is not None:
            self.environ |= {
                "IOC_ACCOUNT": str(api.account),
                "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT_HTTPS": str(api.server.server_address[1]),
            }
        self._spawn = spawn

    def edit(self, limit: float, generation: int) -> None:
        """What the operator writes; the plan last, as a whole."""
        compiled = compile_text(MANIFEST.format(prefix=self.prefix, limit=limit))[0]
        manifest = self.directory / "manifest.json"
        manifest.write_text(json.dumps({"metadata": {"generation": generation}}))
        new = self.directory / "new"
        new.write_text(to_json(compiled.plan))
        new.replace(self.directory / "plan.json")

    def start(self, until: str = "ready") -> Any:
        plan = str(self.directory / "plan.json")
        return self._spawn(
            *("-m", "ioc_runtime", plan, "--pod", "--no-search"), env=self.environ, until=until
        )

    def probe(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self.url + path, timeout=2) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code


def test_a_pod_answers_its_probes_and_reports_once(
    epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path, api: FakeApi
):
    pod = PodProcess(spawn, epics_env, tmp_path, api)
    pod.start()
    assert pod.probe("/ready") == pod.probe("/live") == 200
    report = api.wait(lambda r: r["state"] == "RUN")
    assert report["podUID"] == "uid-1"
    assert report["observedGeneration"] == 1
    assert report["inputs"] == {"connected": 0, "total": 1, "disconnected": ["lost"]}
    assert report["rules"] == {"active": [], "invalid": []}
    assert report["plugin"] == {"state": "none"}
    _, path, headers, body = api.requests[0]
    assert path == f"{REPORT}?fieldManager=ioc-runtime&force=true"
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert headers["Authorization"] == "Bearer first"
    assert set(body["status"]) == {"runtime"}
    before = len(api.requests)
    time.sleep(2.5)
    assert len(api.requests) == before, "nothing is periodic"


def test_an_edit_is_acknowledged_within_a_moment(
    epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path, api: FakeApi
):
    pod = PodProcess(spawn, epics_env, tmp_path, api)
    pod.start()
    first = api.wait(lambda r: r["state"] == "RUN")
    time.sleep(1.2)
    pod.edit(0.5, generation=2)
    report = api.wait(lambda r: r["configHash"] != first["configHash"], patience=3)
    assert report["observedGeneration"] == 2
    assert api.wait(lambda r: r["rules"]["active"] == ["high"])


def test_whatever_the_server_says_the_newest_report_arrives_in_the_end(
    epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path, api: FakeApi
):
    answers = iter(
        [
            (403, {}, b'{"message": "forbidden"}'),
            (500, {}, b"oh"),
            (200, {"Content-Length": "99999"}, b"cut"),
        ]
    )
    api.answer = lambda: next(answers, (200, {}, b"{}"))
    pod = PodProcess(spawn, epics_env, tmp_path, api)
    process = pod.start()
    api.wait(lambda r: r["state"] == "RUN" and len(api.requests) >= 3, patience=30)
    api.token("second")
    pod.edit(0.5, generation=2)
    api.wait(lambda r: r.get("observedGeneration") == 2, patience=30)
    assert api.requests[-1][2]["Authorization"] == "Bearer second"
    assert pod.probe("/ready") == 200
    lines = [line["text"] for line in process.said("log") if "report" in line["text"]]
    assert any("403 forbidden" in line for line in lines)


def test_without_an_api_server_the_task_serves_and_ends_as_ever(
    epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path, api: FakeApi
):
    pod = PodProcess(spawn, epics_env, tmp_path, api)
    pod.environ["KUBERNETES_SERVICE_PORT_HTTPS"] = "1"
    process = pod.start()
    assert pod.probe("/ready") == 200
    began = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - began < 2
    assert api.requests == []


def test_the_end_is_told(epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path, api: FakeApi):
    pod = PodProcess(spawn, epics_env, tmp_path, api)
    process = pod.start()
    api.wait(lambda r: r["state"] == "RUN")
    process.stop()
    assert api.reports[-1]["state"] == "END"


def test_without_reports_nothing_of_tls_is_loaded(
    epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path
):
    pod = PodProcess(spawn, epics_env, tmp_path, None)
    process = pod.start()
    assert pod.probe("/ready") == 200
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "libssl" not in maps


def test_a_plan_that_cannot_be_read_is_the_last_word(
    epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path
):
    pod = PodProcess(spawn, epics_env, tmp_path, None)
    (tmp_path / "plan.json").write_text("{")
    process = pod.start(until="error")
    assert process.wait(10) == 15
    said = json.loads(pod.words.read_text())
    assert said["reason"] == "BadPlan"
    assert said["exit"] == 15


def test_a_pod_that_does_not_say_who_it_is_is_refused_in_one_sentence(
    epics_env: EpicsEnv, spawn: Spawn, tmp_path: Path
):
    pod = PodProcess(spawn, epics_env, tmp_path, None)
    del pod.environ["IOC_POD_UID"]
    process = pod.start(until="error")
    assert process.wait(10) == 15
    assert "IOC_POD_UID" in process.said("error")[0]["text"]
