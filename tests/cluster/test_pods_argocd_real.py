"""examples/gitops, unchanged, in Argo CD itself on a cluster: `make test-argocd`.

Its controller, repo-server and server run as processes on the node of a rig (docs/argocd.md).
`git.example.org` is a Git server of the test, `registry.example.org` a registry of it; they
hold what the repository of the example, the operator's and a release would. Each stage is a
fixture that begins where the one before it ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.argocd.program import skip_unless_asked_for, why_not
from cluster.argocd.recorded import health
from cluster.argocd.running import GIT, REGISTRY, ArgoCd, health_of, is_synced, operation
from cluster.argocd.site import EXAMPLE, ROOT, Site, task
from cluster.rig import OPERATOR_IMAGE, RUNTIME_IMAGE, Rig
from scripts.argocd.__main__ import GROUP
from support.git_host import GitHost, git_host

skip_unless_asked_for()
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("argo_cd_program")]

RELEASE = "0.1.0"
"""What the example asks for."""
APPS = ("beamlines", "ioc-operator-crds", "ioc-operator", "bl01")

Object = dict[str, Any]


@pytest.fixture(scope="module")
def git(own: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    root = tmp_path_factory.mktemp("git") / "host"
    with git_host(root, own.host_address, (GIT, REGISTRY), https_port=443) as host:
        operator = host.repo("controls/ioc-operator")
        operator.commit({f"crds/{p.name}": p.read_text() for p in (ROOT / "crds").glob("*.yaml")})
        operator.tag(f"v{RELEASE}")
        yield host


@pytest.fixture(scope="module")
def own(a_node_can_run: None) -> Iterator[Rig]:
    if reason := why_not():
        pytest.skip(reason)
    with Rig.up() as rig:
        for image in (OPERATOR_IMAGE, RUNTIME_IMAGE):
            name = image.removeprefix("localhost/").split(":")[0]
            tag = ["ctr", "-n", "k8s.io", "images", "tag", image, f"{REGISTRY}/{name}:{RELEASE}"]
            rig.node_exec(tag)
        yield rig


@pytest.fixture(scope="module")
def site(own: Rig, git: GitHost, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Argo CD with the entries for our kinds, in a cluster without these kinds."""
    repo = git.repo("controls/beamlines")
    repo.commit({str(p.relative_to(EXAMPLE)): p.read_text() for p in EXAMPLE.rglob("*.yaml")})
    argo_cd = ArgoCd(own, tmp_path_factory.mktemp("argocd"), git).start()
    argo_cd.know_the_kinds()
    for chart in ("ioc-operator", "ioc-task"):
        argo_cd.push(ROOT / "helm" / chart, RELEASE)
    return Site(argo_cd, repo)


OPTIONS = ("ServerSideApply=true", "SkipDryRunOnMissingResource=true")
"""Those of a beamline in the example."""


@pytest.fixture(scope="module")
def early(site: Site) -> dict[str, Object]:
    """Beamlines that are there before their kinds: what the first attempt has come to.

    `bl00` is as the example; `bl05` tries once, and with a dry run.
    """
    site.apply(yaml.safe_load((EXAMPLE / "apps" / "project.yaml").read_text()))
    site.deploy("bl00", [task("soon")], *OPTIONS)
    site.deploy("bl05", [task("late")], OPTIONS[0], retries=0)
    retried = site.argo_cd.wait("bl00", lambda app: operation(app).get("retryCount"))
    failed = site.argo_cd.wait("bl05", lambda app: operation(app).get("phase") == "Failed")
    return {"bl00": retried, "bl05": failed}


@pytest.fixture(scope="module")
def example(site: Site, early: dict[str, Object]) -> Site:
    """The example, from its root."""
    site.rig.kubectl("apply", "-n", "argocd", "-f", str(EXAMPLE / "root.yaml"))
    for name in APPS:
        site.argo_cd.wait(name, is_synced)
    return site


@pytest.fixture(scope="module")
def quiet(example: Site) -> Site:
    """The beamline without what no test has: its gauge and its valve."""
    gauge = 'link: "ca://VAC:GAUGE1:P", unit: mbar, precision: 9, maxAge: 5'
    example.edit(gauge, "value: 1.0e-9, unit: mbar, precision: 9")
    example.edit(', link: "pva://VAC:VALVE:CMD"', "")
    example.settled("bl01", "Healthy")
    return example


def test_an_empty_cluster_gets_kinds_operator_and_beamline_in_this_order(example: Site):
    apps = {name: example.argo_cd.app(name) for name in APPS}
    made = [apps[name]["metadata"]["creationTimestamp"] for name in APPS]
    assert made == sorted(made)
    finished = [apps[name]["status"]["history"][0]["deployedAt"] for name in APPS[1:]]
    assert finished == sorted(finished)
    for name in ("ioc-operator-crds", "ioc-operator"):
        example.argo_cd.refresh(name)
        example.settled(name, "Healthy")
    kinds = example.rig.kubectl("get", "crd", f"ioctasks.{GROUP}", "-o", "yaml")
    assert "last-applied-configuration" not in kinds
    space = example.rig.kubectl("get", "namespace", "bl01", "-o", "yaml")
    labels = yaml.safe_load(space)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_beamline_before_its_kinds_tries_again_until_they_are_there_or_gives_up(
    early: dict[str, Object], example: Site
):
    assert operation(early["bl00"])["phase"] == "Running"
    assert 'no matches for kind "IocTask"' in operation(early["bl00"])["message"]
    results = operation(early["bl05"])["syncResult"]["resources"]
    (late,) = [each for each in results if each["kind"] == "IocTask"]
    assert 'Make sure the "IocTask" CRD is installed' in late["message"]
    example.settled("bl00", "Healthy")
    example.argo_cd.refresh("bl05")
    gone = operation(example.argo_cd.app("bl05"))
    assert gone == operation(early["bl05"]), "after its last attempt it waits for a person"
    assert example.argo_cd.sync("bl05")["phase"] == "Succeeded"
    example.settled("bl05", "Healthy")


def test_the_beamline_of_the_example_is_degraded_for_its_gauge_and_nothing_else(example: Site):
    example.settled("bl01", "Degraded")
    example.tasks("bl01").wait(
        lambda j: health("IocJob", j)["status"] == "Healthy", "ramp", "iocjob"
    )
    said = example.agree("bl01", "bl01")
    assert said == {
        "IocTask vacuum-guard": "Degraded",
        "IocTask magnet-power": "Healthy",
        "IocJob ramp": "Healthy",
    }


def test_each_state_is_shown_as_our_scripts_have_it(quiet: Site):
    argo_cd = quiet.argo_cd

    def state(status: str) -> str:
        quiet.settled("bl01", status)
        return quiet.agree("bl01", "bl01")["IocTask vacuum-guard"]

    assert state("Healthy") == "Healthy"
    quiet.edit("pressure > limit and mode", "presure > limit and mode")
    assert state("Degraded") == "Degraded"
    message = argo_cd.health("bl01")["IocTask vacuum-guard"]["message"]
    assert message.startswith("InvalidSpec: spec.rules[0].condition: presure")
    quiet.edit("presure > limit and mode", "pressure > limit and mode")
    assert state("Healthy") == "Healthy"
    argo_cd.act("bl01", "IocTask", "vacuum-guard", "restart")
    argo_cd.wait("bl01", lambda app: health_of(app) == "Progressing")
    assert state("Healthy") == "Healthy"
    argo_cd.act("bl01", "IocTask", "vacuum-guard", "suspend")
    assert state("Suspended") == "Suspended"
    argo_cd.act("bl01", "IocTask", "vacuum-guard", "resume")
    assert state("Healthy") == "Healthy"
    argo_cd.act("bl01", "IocJob", "ramp", "restart")
    argo_cd.wait("bl01", lambda app: health_of(app) == "Progressing")
    assert state("Healthy") == "Healthy"
    assert quiet.tasks("bl01").get("iocjob", "ramp")["status"]["run"]["number"] == 2


def test_a_message_that_changes_under_the_same_word_comes_with_the_next_refresh(example: Site):
    links = {"near": "ca://SOURCE:x", "far": "ca://NOBODY:HAS:THIS"}
    inputs = {name: {"type": "float", "link": link} for name, link in links.items()}
    network = {"nameServers": ["source.bl09.svc.cluster.local"]}
    example.deploy("bl09", [task("source")])
    example.settled("bl09", "Healthy")
    example.deploy("bl10", [task("reader", inputs=inputs, network=network)])
    example.argo_cd.wait("bl10", is_synced)

    def says(message: str) -> None:
        said = {"status": "Degraded", "message": f"Disconnected: {message}"}
        reader = example.tasks("bl10")
        reader.wait(lambda found: health("IocTask", found) == said, "reader")
        example.agree("bl10", "bl10")

    says("1 of 2 not connected: far")
    example.argo_cd.act("bl09", "IocTask", "source", "suspend")
    says("2 of 2 not connected: far, near")


def test_what_the_operator_makes_is_shown_below_its_task_and_is_not_compared(quiet: Site):
    tree = quiet.argo_cd.tree("bl01")
    guard = tree["IocTask vacuum-guard"]["uid"]
    for kind in ("StatefulSet vacuum-guard", "Service vacuum-guard"):
        assert [parent["uid"] for parent in tree[kind]["parentRefs"]] == [guard]
    assert "Pod vacuum-guard-0" in tree
    compared = {each["name"] for each in quiet.argo_cd.app("bl01")["status"]["resources"]}
    assert compared == {"vacuum-guard", "magnet-power", "ramp", "ramp-code"}


SIDES = {
    "bl02": ((), ""),
    "bl03": (("ServerSideApply=true",), ""),
    "bl08": (("ServerSideApply=true",), "ServerSideDiff=true"),
}
"""Namespaces of plain manifests, and how Argo CD applies and compares them."""


@pytest.fixture(scope="module")
def plain(example: Site) -> Site:
    """The examples of this repository as plain manifests, applied in each way."""
    for n, (name, (options, compare)) in enumerate(SIDES.items()):
        found = []
        for file in ("vacuum-guard", "magnet-trend", "setpoints", "watchdog", "measure"):
            text = (ROOT / "examples" / f"{file}.yaml").read_text()
            found += [each for each in yaml.safe_load_all(text) if each]
        for m, each in enumerate(found):
            each["metadata"].pop("namespace", None)
            if each["kind"].startswith("Ioc"):
                each["spec"]["prefix"] = f"PLAIN{n}:{m}:"
        example.deploy(name, found, *options, compare=compare)
    for name in SIDES:
        example.argo_cd.wait(name, is_synced)
    return example


def rests(site: Site, name: str, patience: float = 60) -> Object:
    """The operation that is done, once no other has followed it for a while."""
    until = time.monotonic() + patience
    while True:
        before = operation(site.argo_cd.refresh(name))
        time.sleep(3)
        after = operation(site.argo_cd.app(name))
        if before == after and after["phase"] == "Succeeded":
            return after
        assert time.monotonic() < until, (before, after)


@pytest.mark.parametrize("name", [*SIDES, "bl01", "ioc-operator", "ioc-operator-crds"])
def test_a_second_look_and_a_second_sync_find_nothing_to_do(quiet: Site, plain: Site, name: str):
    argo_cd = plain.argo_cd
    last = rests(plain, name)
    for _ in range(3):
        assert is_synced(argo_cd.refresh(name, hard=True))
    assert argo_cd.diff(name) == ""
    assert operation(argo_cd.app(name)) == last, "self-heal had to do something"
    before = generations(plain, name)
    assert argo_cd.sync(name)["phase"] == "Succeeded"
    assert is_synced(argo_cd.refresh(name, hard=True))
    assert argo_cd.diff(name) == ""
    assert generations(plain, name) == before


def generations(site: Site, namespace: str) -> dict[str, int]:
    listed = site.tasks(namespace).list("ioctasks,iocjobs")
    return {each["metadata"]["name"]: each["metadata"]["generation"] for each in listed}


DONE = {
    "magnet-trend": ("IocTask", "suspend"),
    "vacuum-guard": ("IocTask", "restart"),
    "setpoints": ("IocTask", "reset"),
    "measure": ("IocTask", "restart"),
}


@pytest.mark.parametrize("name", SIDES)
def test_actions_are_no_difference_and_neither_self_heal_nor_a_sync_undoes_them(
    plain: Site, name: str
):
    argo_cd, tasks = plain.argo_cd, plain.tasks(name)
    last = rests(plain, name)
    serving = "condition=Serving"
    tasks.run("wait", f"--for={serving}", "ioctask/setpoints", "--timeout=60s", timeout=70)
    for which, (kind, action) in DONE.items():
        assert argo_cd.offers(name, kind, which)[action], which
        argo_cd.act(name, kind, which, action)
    found = {each: tasks.get(kind.lower(), each) for each, (kind, _) in DONE.items()}
    for _ in range(3):
        assert is_synced(argo_cd.refresh(name, hard=True))
    assert argo_cd.diff(name) == ""
    assert operation(argo_cd.app(name)) == last, "self-heal had to do something"
    assert argo_cd.sync(name)["phase"] == "Succeeded"
    assert is_synced(argo_cd.refresh(name, hard=True))
    for which, (kind, action) in DONE.items():
        after = tasks.get(kind.lower(), which)
        assert after["spec"] == found[which]["spec"]
        notes = after["metadata"]["annotations"]
        if action == "suspend":
            assert after["spec"]["suspend"] is True
        else:
            note = f"{GROUP}/{action}edAt" if action == "restart" else f"{GROUP}/resetAt"
            assert notes[note] == found[which]["metadata"]["annotations"][note]
    argo_cd.act(name, "IocTask", "magnet-trend", "resume")
    assert is_synced(argo_cd.refresh(name, hard=True))


def test_a_suspension_is_undone_where_git_says_suspend_false(quiet: Site):
    head = "{beamline.example.org/owner: magnets}\n    spec:\n"
    quiet.edit(head, f"{head}      suspend: false\n")
    quiet.settled("bl01", "Healthy")
    tasks = quiet.tasks("bl01")
    rests(quiet, "bl01")
    before = generations(quiet, "bl01")["magnet-power"]
    quiet.argo_cd.act("bl01", "IocTask", "magnet-power", "suspend")

    def undone(found: Object) -> bool:
        return found["metadata"]["generation"] == before + 2 and not found["spec"]["suspend"]

    tasks.wait(undone, "magnet-power")


def test_a_degraded_task_ends_the_waves_of_a_beamline(example: Site):
    cut = {"x": {"type": "float", "link": "ca://NOBODY:HAS:THIS"}}
    both = [task("first", 0, inputs=cut), task("last", 1)]
    example.deploy("bl04", both, "ServerSideApply=true", retries=0)
    app = example.argo_cd.wait("bl04", lambda app: operation(app).get("phase") == "Failed")
    assert health_of(app) in ("Degraded", "Missing")
    assert "last" not in example.rig.kubectl("get", "ioctasks", "-n", "bl04")


def test_where_applications_have_a_health_a_suspended_beamline_holds_up_later_waves(example: Site):
    """Without one no wave waits, and the last wave never does."""
    script = "if obj.status == nil then return {} end\nreturn obj.status.health or {}\n"
    example.argo_cd.set("resource.customizations.health.argoproj.io_Application", script)
    example.repo.commit({"bl06/all.yaml": yaml.safe_dump(task("resting", suspend=True))})
    members = []
    for n, name in enumerate(("bl06", "bl07")):
        member = example.application(name)
        member["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = str(n)
        member["spec"]["source"]["path"] = "bl06"
        members.append(member)
    root = yaml.safe_load((EXAMPLE / "root.yaml").read_text())
    root["metadata"]["name"] = root["spec"]["source"]["path"] = "second-root"
    example.repo.commit({"second-root/all.yaml": yaml.safe_dump_all(members)})
    example.apply(root)
    waits = "waiting for healthy state of argoproj.io/Application/bl06"
    example.argo_cd.wait("second-root", lambda app: operation(app).get("message") == waits)
    example.settled("bl06", "Suspended")
    assert "bl07" not in example.rig.kubectl("get", "applications", "-n", "argocd")
    example.repo.commit({"bl06/all.yaml": yaml.safe_dump(task("resting"))})
    example.argo_cd.refresh("bl06")
    example.argo_cd.wait("second-root", lambda app: operation(app).get("phase") == "Succeeded")
    example.settled("bl07", "Degraded")  # its PV has the name of that in bl06


def test_what_is_no_longer_in_git_is_pruned_with_its_pod(quiet: Site):
    quiet.edit("  magnet-power:\n", "  magnet-power:\n    enabled: false\n")
    quiet.tasks("bl01").gone("ioctask", "magnet-power")
    quiet.tasks("bl01").gone("pod", "magnet-power-0")
    quiet.settled("bl01", "Healthy")


def test_deleting_applications_takes_the_tasks_and_leaves_the_kinds(plain: Site):
    kubectl = plain.rig.kubectl
    delete = ("delete", "application", "-n", "argocd", "--timeout=60s")
    kubectl(*delete, "bl02", timeout=70)
    assert plain.tasks("bl02").list("ioctasks,iocjobs,statefulsets") == []
    kubectl(*delete, "beamlines", "ioc-operator-crds", timeout=70)
    kept = kubectl(
        "get", "crd", f"ioctasks.{GROUP}", "-o", "jsonpath={.metadata.deletionTimestamp}"
    )
    assert kept == ""
    assert plain.tasks("bl01").list("ioctasks")
