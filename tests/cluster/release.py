"""A release of the chart on a cluster with a node, handled as its README says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from cluster.chart import CHART, DATA
from cluster.rig import OPERATOR_IMAGE, RUNTIME_IMAGE, Rig
from support.promql import Page

Object = dict[str, Any]

ROOT: Final = CHART.parents[1]
NAME: Final = "ioc-operator"
"""Of the release, its namespace and its Deployment, as in the README."""
PREVIOUS: Final = DATA / "previous.tgz"
RESTRICTED: Final = "pod-security.kubernetes.io/enforce=restricted"
NEXT: Final = "next"
"""Tag of the images that an upgrade brings."""
VERSION: Final = "9.9.9"
"""What the operator takes itself for after an upgrade."""
PATIENCE: Final = 60.0


def image(place: str, reference: str, tag: str) -> list[str]:
    """Options of Helm for an image of the rig."""
    return ["--set", f"{place}.repository={reference.rsplit(':', 1)[0]},{place}.tag={tag}"]


def images(tag: str) -> list[str]:
    return [*image("image", OPERATOR_IMAGE, tag), *image("runtime.image", RUNTIME_IMAGE, tag)]


def newer(directory: Path) -> list[str]:
    """Options of Helm for an operator of another version, with other images."""
    patch = f'import ioc_runtime.version\nioc_runtime.version.__version__ = "{VERSION}"\n'
    config = {"name": "version", "namespace": "{{ .Release.Namespace }}"}
    values = {
        "extraObjects": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": config,
                "data": {"sitecustomize.py": patch},
            }
        ],
        "extraVolumes": [{"name": "version", "configMap": {"name": "version"}}],
        "extraVolumeMounts": [{"name": "version", "mountPath": "/version"}],
        "extraEnv": [{"name": "PYTHONPATH", "value": "/version:/opt/app"}],
    }
    path = directory / "newer.json"
    path.write_text(json.dumps(values))
    return [*images(NEXT), "--values", str(path)]


class Release:
    """Commands of a person, and what they see of the operator."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        path = f"{rig.layout.binaries}:{os.environ['PATH']}"
        self._environment = os.environ | {"KUBECONFIG": str(rig.kubeconfig), "PATH": path}

    def shell(self, script: str, timeout: float = 180) -> str:
        """What a script prints, run where the README stands."""
        done = subprocess.run(
            ["sh", "-e", "-c", script],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def helm(self, verb: str, *options: str, chart: Path | None = None) -> str:
        """The README's command of this verb, with options for the rig's images; all it says."""
        readme = (CHART / "README.md").read_text()
        [found] = re.findall(rf"^helm {verb} (?:.*\\\n)*.*$", readme, re.MULTILINE)
        line = found.replace("\\\n", "")
        if chart:
            line = line.replace("helm/ioc-operator", str(chart), 1)
        return self.shell(" ".join([line, *(f"'{each}'" for each in options), "2>&1"]))

    def notes(self) -> str:
        """The commands of the notes, as one script."""
        text = self.shell(f"helm get notes {NAME} --namespace {NAME}")
        blocks = re.findall(r"(?:^  .*\n)+", text + "\n", re.MULTILINE)
        return "".join(map(textwrap.dedent, blocks))

    def pods(self) -> list[Object]:
        """Of the operator."""
        which = f"app.kubernetes.io/name=ioc-operator,app.kubernetes.io/instance={NAME}"
        text = self.rig.kubectl("get", "pods", "-n", NAME, "-l", which, "-o", "json")
        found = json.loads(text)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """The pod that holds the Lease; empty for none."""
        lease = json.loads(self.rig.kubectl("get", "lease", NAME, "-n", NAME, "-o", "json"))
        return str(lease["spec"].get("holderIdentity") or "").rsplit("_", 1)[0]

    def metrics(self, pod: Object) -> str:
        url = f"http://{pod['status']['podIP']}:8080/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()

    def settled(self, tag: str, objects: int) -> Page:
        """Metrics of a leader with images of this tag, once it has looked at so many objects."""
        until = time.monotonic() + PATIENCE
        while True:
            holder = self.leader()
            for pod in self.pods():
                [container] = pod["spec"]["containers"]
                if pod["metadata"]["name"] == holder and container["image"].endswith(f":{tag}"):
                    text = self.metrics(pod)
                    if looked_at(text) >= objects:
                        return Page.read(text)
            assert time.monotonic() < until, f"no leader of {tag} has settled: {holder}"
            time.sleep(0.3)


def looked_at(metrics: str) -> float:
    """How many reconciles are done; 0 while some wait."""
    lines = metrics.splitlines()
    if "ioc_operator_queue_depth 0" not in lines or "ioc_operator_leader 1" not in lines:
        return 0
    done = re.compile(r'ioc_operator_reconciles_total\{.*outcome="done".*\} (\S+)')
    return sum(float(found[1]) for line in lines if (found := done.match(line)))
