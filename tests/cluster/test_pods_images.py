"""The charts of a release as Helm takes them, and what an image that runs is said to hold."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from cluster.conftest import skip_unless_a_rig_can_run
from cluster.rig import RUNTIME_IMAGE, Rig
from cluster.rig.binaries import binaries
from cluster.rig.images import store
from cluster.serving import pod
from ioc_runtime.version import __version__
from scripts import locks
from scripts.licences.statement import normal
from scripts.release import chart
from scripts.sbom import debian
from scripts.sbom.image import content
from support.sources import copy_sources

BOUND = """
from pathlib import Path
bound = [str(path) for path in Path("/opt").rglob("*.pyc") if path.read_bytes()[4] == 0]
assert not bound, bound
"""
"""Fails where a pyc is bound to its source by time: a release sets the times of all files."""


def test_a_chart_is_the_same_bytes_each_time_and_helm_reads_it(tmp_path: Path):
    skip_unless_a_rig_can_run(node=False)
    helm = str(binaries() / "helm")
    source = copy_sources(tmp_path / "source")
    made = []
    for name in ("first", "second"):
        target = tmp_path / name
        target.mkdir()
        made.append(chart.build(source, target, 1_900_000_000, helm))
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
    [own] = [path for path in made[0] if path.name.startswith("ioc-operator-")]
    told = subprocess.run([helm, "show", "chart", str(own)], capture_output=True, check=True)
    assert yaml.safe_load(told.stdout)["appVersion"] == __version__
    command = [helm, "template", "x"]
    packed, plain = (
        subprocess.run([*command, str(each)], capture_output=True, check=True).stdout
        for each in (own, source / "helm" / "ioc-operator")
    )
    assert packed == plain


def test_an_image_is_said_to_hold_what_it_holds(rig: Rig, namespace: str):
    layout = store() / "oci"
    held = content(lambda name: (layout / name).read_bytes(), RUNTIME_IMAGE)
    python = {normal(each["Name"]): each["Version"] for each in held.python}
    pins = locks.pins("runtime-image")
    pins.pop("nose2")  # images/install.sh says why
    assert {name: python[name] for name in python if name in pins} == pins
    assert held.distribution == "debian-12"
    told = {name: version for name, (version, _, _) in debian.packages(held.status).items()}
    assert {"python3", "git", "libc6"} <= {*told}
    script = "dpkg-query --show --showformat '${Package} ${Version}\\n'"
    rig.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace)
    lists = pod("lists", ["sh", "-c", f"{script} && python -c '{BOUND}'"])
    rig.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(lists))
    done = "--for=jsonpath={.status.phase}=Succeeded"
    rig.kubectl("wait", "pod/lists", done, "-n", namespace, "--timeout=40s")
    listed = rig.kubectl("logs", "lists", "-n", namespace).splitlines()
    assert dict(line.split() for line in listed) == told
