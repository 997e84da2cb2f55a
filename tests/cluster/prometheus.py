"""The real Prometheus and its promtool, built from their Go module, and one that runs; and the
definitions of the Prometheus Operator's kinds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.rig.cache import entry, key_of
from cluster.rig.host import ALONE, RigError, run, step

Object = dict[str, Any]


@dataclass(frozen=True)
class Module:
    """A Go module; `sum` as in a go.sum."""

    path: str
    version: str
    sum: str


SERVER: Final = Module(
    "github.com/prometheus/prometheus",
    "v0.309.1",
    "h1:jutK6eCYDpWdPTUbVbkcQsNCMO9CCkSwjQRMLds4jSo=",
)
"""Prometheus 3.9.1. Newer ones want modules that not every proxy has."""
KINDS: Final = Module(
    "github.com/prometheus-operator/prometheus-operator",
    "v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
PROGRAMS: Final = ("promtool", "prometheus")
LISTENS: Final = re.compile(r'msg="Listening on".* address=(\S+)')
READY: Final = "Server is ready to receive web requests"
PATIENCE: Final = 60.0


def programs() -> Path:
    """The directory that holds them; builds them when they are not in the cache."""
    return entry("prometheus", key_of(Path(), (), SERVER.sum, run(["go", "env", "GOARCH"])), _build)


def definitions() -> Path:
    """The directory of the definitions of ServiceMonitor, PodMonitor, PrometheusRule and more."""
    return entry("monitoring", key_of(Path(), (), KINDS.sum), _copy_definitions)


def _copy_definitions(directory: Path) -> None:
    for path in (_source(KINDS, directory) / "example" / "prometheus-operator-crd").iterdir():
        shutil.copyfile(path, directory / path.name)


def _environment() -> dict[str, str]:
    """Settings of a developer's own must not change what is built."""
    env = {name: value for name, value in os.environ.items() if name != "GOFLAGS"}
    return env | {"CGO_ENABLED": "0", "GOWORK": "off"}


def _source(module: Module, directory: Path) -> Path:
    """Where Go keeps the module's files, which may not be written."""
    ask = ["go", "mod", "download", "-json", f"{module.path}@{module.version}"]
    found = json.loads(run(ask, env=_environment(), cwd=directory))
    if found["Sum"] != module.sum:
        raise RigError(f"{module.path} has the sum {found['Sum']}, expected {module.sum}")
    return Path(found["Dir"])


def _build(directory: Path) -> None:
    """Built in a copy of the module, so that its own go.mod and go.sum count."""
    with step("Prometheus from source (2 minutes with cold caches)"):
        source = directory / "source"
        shutil.copytree(_source(SERVER, directory), source, copy_function=shutil.copyfile)
        for path in (source, *source.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        # Its ways to find targets in every cloud are two thirds of the work. Files are left.
        (source / "plugins" / "plugins.go").unlink()
        build = ["go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w"]
        packages = [f"./cmd/{name}" for name in PROGRAMS]
        run([*ALONE, *build, "-o", directory, *packages], env=_environment(), cwd=source)
        shutil.rmtree(source)


def promtool(directory: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """What it says, run in a directory."""
    command = [programs() / "promtool", *args]
    return subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=60, check=False
    )


class Prometheus:
    """One that runs, asked over HTTP."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen, self._log = popen, log
        self._url = ""

    def _listens(self) -> bool:
        said = self._log.read_text()
        found = LISTENS.search(said)
        self._url = f"http://{found[1]}" if found else ""
        return bool(found) and READY in said

    def get(self, path: str, **query: str) -> Any:
        """The data of an answer; AssertionError with its words where it refuses."""
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{query}: {error.read().decode()}") from None

    def query(self, text: str) -> list[tuple[Mapping[str, str], float]]:
        """Labels and value of what an expression gives now."""
        found = self.get("query", query=text)
        assert found["resultType"] == "vector", found
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def alerts(self) -> dict[str, Object]:
        """Those that fire, by name."""
        found = self.get("alerts")["alerts"]
        return {each["labels"]["alertname"]: each for each in found if each["state"] == "firing"}

    def wait(self, what: str, so: Any) -> Any:
        """What `so` gives, once it is true."""
        until = time.monotonic() + PATIENCE
        while not (found := so()):
            ended = self._popen.poll() is not None
            assert time.monotonic() < until and not ended, (
                f"not so: {what}\n{self._log.read_text()}"
            )
            time.sleep(0.1)
        return found


@contextmanager
def prometheus(
    directory: Path, rules: Sequence[Object], targets: Sequence[Object]
) -> Iterator[Prometheus]:
    """One that evaluates groups of rules, and reads what stands in targets.json: `targets`,
    which a test may write anew.
    """
    write_targets(directory, targets)
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": list(rules)}))
    files = [{"files": ["targets.json"], "refresh_interval": "1s"}]
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "files", "file_sd_configs": files}],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    log = directory / "prometheus.log"
    command = [programs() / "prometheus", "--config.file=prometheus.yaml"]
    command += ["--web.listen-address=127.0.0.1:0", "--storage.tsdb.path=data"]
    with log.open("wb") as out:
        popen = subprocess.Popen(command, cwd=directory, stdout=out, stderr=out)
    try:
        made = Prometheus(popen, log)
        made.wait("it listens", made._listens)
        yield made
    finally:
        popen.terminate()
        try:
            popen.wait(20)
        finally:
            popen.kill()


def write_targets(directory: Path, targets: Sequence[Object]) -> None:
    """As file_sd reads them; renamed into place, so that it never reads half of them."""
    half = directory / "targets.half"
    half.write_text(json.dumps(list(targets)))
    half.rename(directory / "targets.json")
