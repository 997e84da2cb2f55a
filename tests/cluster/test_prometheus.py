"""Alerts and dashboard of the chart in the real Prometheus, with real operators to read from."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from cluster.chart import CHART, DATA, HOME, RELEASE, rendered
from cluster.operator_process import NAMESPACE, OperatorProcess, install, operator
from cluster.prometheus import Prometheus, prometheus, promtool, write_targets
from cluster.rig import Rig
from cluster.tasks import API, Tasks, task

Object = dict[str, Any]

STORIES: Final = DATA / "alerts_test.yaml"
ALERTS: Final = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
DASHBOARD: Final = json.loads((CHART / "files" / "dashboard.json").read_text())
NAMES: Final = [each["alert"] for each in ALERTS]
LEASE: Final = RELEASE
SOON: Final = "1s"
"""Stands for each alert's `for` where one has to fire here; promtool waits them out."""
BAD: Final = {"rules": [{"id": "high", "condition": "presure > 1", "outputs": {"alarm": 1}}]}


@pytest.fixture(scope="module")
def groups(control_plane: Rig) -> list[Object]:
    """The groups of rules that the chart installs."""
    options = "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true"
    [rule] = [
        each
        for each in rendered(control_plane, "--set", options)
        if each["kind"] == "PrometheusRule"
    ]
    found: list[Object] = rule["spec"]["groups"]
    return found


# promtool


def edited(groups: list[Object], change: Object) -> list[Object]:
    """With another text in every alert that has such a key; None takes the key away."""
    made: list[Object] = json.loads(json.dumps(groups))
    for rule in [rule for group in made for rule in group["rules"]]:
        for key in change.keys() & rule.keys():
            rule[key] = change[key]
            if rule[key] is None:
                del rule[key]
    return made


def story(directory: Path, groups: list[Object]) -> str:
    """What promtool has against rules; empty for nothing."""
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (directory / STORIES.name).write_text(STORIES.read_text())
    done = promtool(directory, "test", "rules", STORIES.name)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.usefixtures("prometheus_programs")
def test_promtool_finds_no_fault_in_the_rules(groups: list[Object], tmp_path: Path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    done = promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_every_alert_has_a_time_when_it_fires_and_one_when_it_does_not():
    seen: dict[str, set[bool]] = {}
    for each in yaml.safe_load(STORIES.read_text())["tests"]:
        for expected in each["alert_rule_test"]:
            seen.setdefault(expected["alertname"], set()).add(bool(expected["exp_alerts"]))
    assert seen == dict.fromkeys(NAMES, {True, False})


@pytest.mark.usefixtures("prometheus_programs")
def test_every_alert_fires_when_it_should_and_not_when_it_should_not(
    groups: list[Object], tmp_path: Path
):
    assert story(tmp_path, groups) == ""


@pytest.mark.usefixtures("prometheus_programs")
@pytest.mark.parametrize(
    "change",
    [
        {"expr": "vector(1) > 1"},
        {"expr": "vector(1)"},
        {"for": None},
        {"for": "1h"},
        {"labels": {"severity": "none"}},
        {"annotations": {"summary": "Something.", "description": "Somewhere."}},
    ],
)
def test_no_alert_is_changed_unseen(groups: list[Object], tmp_path: Path, change: Object):
    said = story(tmp_path, edited(groups, change))
    concerned = [each["alert"] for each in ALERTS if change.keys() & each.keys()]
    assert [alert for alert in concerned if f"alertname: {alert}," not in said] == []


# A Prometheus that reads two releases, the first with a leader and one that stands by


class Watched:
    """What it reads and what there is to be read of."""

    def __init__(self, prometheus: Prometheus, directory: Path, tasks: dict[str, Tasks]) -> None:
        self.prometheus, self.directory, self.tasks = prometheus, directory, tasks

    def read(self, *targets: tuple[str, OperatorProcess]) -> None:
        """Read these, with the labels that the chart's monitors give them: (job, process)."""
        write_targets(
            self.directory,
            [
                {
                    "targets": [process.url.removeprefix("http://")],
                    "labels": {"namespace": HOME, "job": job, "pod": f"{job}-{number}"},
                }
                for number, (job, process) in enumerate(targets)
            ],
        )

    def fires(self, alert: str) -> Object:
        """Once it does."""
        return self.prometheus.wait(f"{alert} fires", lambda: self.prometheus.alerts().get(alert))

    def calms(self, alert: str) -> None:
        """Until it does not."""

        def calm() -> bool:
            return alert not in self.prometheus.alerts()

        self.prometheus.wait(f"{alert} is over", calm)

    def shows(self, text: str, value: float) -> None:
        """Until an expression of the dashboard gives one value."""
        text = panel_text(text)

        def so() -> bool:
            return [found for _, found in self.prometheus.query(text)] == [value]

        self.prometheus.wait(f"{text} is {value}", so)


def panel_text(text: str) -> str:
    """As Grafana asks, with all namespaces and jobs chosen."""
    text = re.sub(r"\$(namespace|job)\b", ".*", text)
    return text.replace("$__rate_interval", "10m")


@pytest.fixture(scope="module")
def watched(
    control_plane: Rig,
    groups: list[Object],
    prometheus_programs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    """From no operator at all to two releases; each test goes on where the last one ended."""
    directory = tmp_path_factory.mktemp("prometheus")
    soon = json.loads(json.dumps(groups))
    for each in soon[0]["rules"]:
        each["for"] = SOON
    spaces = ("watched-one", "watched-two")
    for space in spaces:
        control_plane.kubectl("create", "namespace", space)
    tasks = {space: Tasks(control_plane.kubectl, space) for space in spaces}
    with prometheus(directory, soon, []) as running:
        yield Watched(running, directory, tasks)
    for space in spaces:
        control_plane.kubectl("delete", "namespace", space, "--wait=false")


@pytest.fixture(scope="module")
def nobody(watched: Watched) -> Object:
    """The alert while there is no operator."""
    return watched.fires("IocOperatorAbsent")


@pytest.fixture(scope="module")
def processes(
    nobody: Object, watched: Watched, control_plane: Rig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[OperatorProcess]]:
    """Two of the first release, with a Lease that somebody else holds, and one of another."""
    directory = tmp_path_factory.mktemp("operators")
    kubeconfig = install(control_plane, directory)
    hold(control_plane)
    one, two = watched.tasks
    lease = ("--namespace", one, "--lease-namespace", NAMESPACE, "--lease-name", LEASE)
    with ExitStack() as stack:

        def start(*flags: str) -> OperatorProcess:
            return stack.enter_context(operator(kubeconfig, directory, *flags)).ready()

        made = [start(*lease), start(*lease), start("--namespace", two, "--no-leader-election")]
        watched.read((RELEASE, made[0]), (RELEASE, made[1]), ("another", made[2]))
        yield made


def hold(rig: Rig) -> None:
    """Make the Lease somebody else's, for an hour."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    spec = {"holderIdentity": "elsewhere", "leaseDurationSeconds": 3600}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    body |= {"metadata": {"name": LEASE, "namespace": NAMESPACE}}
    body |= {"spec": spec | {"acquireTime": now, "renewTime": now}}
    rig.kubectl("delete", "lease", LEASE, "-n", NAMESPACE, "--ignore-not-found")
    rig.kubectl("create", "-f", "-", stdin=json.dumps(body))


@pytest.fixture(scope="module")
def leaderless(processes: list[OperatorProcess], watched: Watched) -> Object:
    """The alert while all stand by."""
    return watched.fires("IocOperatorNoLeader")


@pytest.fixture(scope="module")
def led(
    leaderless: Object, watched: Watched, processes: list[OperatorProcess], control_plane: Rig
) -> Watched:
    """With leaders, and things to look after: in the first release three, in the other one.

    Suspended, as far as nothing is wrong with them: no node takes their pods.
    """
    job = {"plugin": {"inline": {"files": {"scan.py": "x = 1\n"}}}, "suspend": True}
    one, two = watched.tasks.values()
    one.apply(
        task("good", "WATCHED:GOOD:", suspend=True),
        task("bad", "WATCHED:BAD:", **BAD),
        {"apiVersion": API, "kind": "IocJob", "metadata": {"name": "job"}, "spec": job},
    )
    two.apply(task("bad", "WATCHED:TWO:", **BAD))
    control_plane.kubectl("delete", "lease", LEASE, "-n", NAMESPACE)
    # What was there when a series came into sight is no increase of it.
    seen = f'ioc_operator_reconcile_seconds_count{{job="{RELEASE}",kind="IocTask"}}'
    watched.prometheus.wait("reconciles are read", lambda: watched.prometheus.query(seen))
    one.patch("good", {"parameters": {"limit": 6.0}})
    return watched


def test_where_no_operator_is_read_an_alert_fires_and_ends_when_one_is(
    nobody: Object, processes: list[OperatorProcess], watched: Watched
):
    assert nobody["labels"]["severity"] == "critical"
    watched.calms("IocOperatorAbsent")


def test_all_operators_are_read_without_complaint(
    processes: list[OperatorProcess], watched: Watched
):
    def up() -> bool:
        targets = watched.prometheus.get("targets", state="active")["activeTargets"]
        return [each["health"] for each in targets] == ["up"] * len(processes)

    watched.prometheus.wait("every target is up", up)


def test_while_all_stand_by_an_alert_fires_and_ends_when_one_leads(
    leaderless: Object, led: Watched
):
    assert leaderless["annotations"]["summary"] == "No pod of the IOC operator leads."
    led.calms("IocOperatorNoLeader")
    assert "IocOperatorTwoLeaders" not in led.prometheus.alerts()


def test_every_rule_is_evaluated_without_error(led: Watched):
    [group] = led.prometheus.get("rules")["groups"]
    assert {each["name"]: each["health"] for each in group["rules"]} == dict.fromkeys(NAMES, "ok")
    assert [each["lastError"] for each in group["rules"] if each.get("lastError")] == []


def test_what_is_stalled_is_counted_once_for_a_release_and_in_all_on_the_dashboard(led: Watched):
    alert = led.fires("IocStalled")
    assert alert["labels"]["kind"] == "IocTask"
    assert alert["annotations"]["summary"] == "Objects of kind IocTask that need somebody: 1."
    shown = {panel["title"]: panel["targets"][0]["expr"] for panel in DASHBOARD["panels"]}
    led.shows(shown["Stalled"], 2)
    led.shows(shown["Leaders"], 2)
    led.shows(shown["Running"], 0)


def test_who_stands_by_has_nothing_in_its_queue(led: Watched):
    shown = {line["legendFormat"]: line["expr"] for line in panel("Queue")["targets"]}
    led.shows(shown["waiting"], 0)
    led.shows(shown["retrying"], 0)


def panel(title: str) -> Object:
    [found] = [each for each in DASHBOARD["panels"] if each["title"] == title]
    return dict(found)


def test_errors_are_counted_from_the_first_one(led: Watched):
    found = led.prometheus.query('ioc_operator_reconciles_total{outcome="error",kind="IocTask"}')
    assert [value for _, value in found] == [0.0] * 3, "a first 1 would be no increase"


@pytest.mark.parametrize("title", [each["title"] for each in DASHBOARD["panels"]])
def test_a_panel_of_the_dashboard_shows_something(led: Watched, title: str):
    for target in panel(title)["targets"]:
        text = panel_text(target["expr"])

        def drawn(text: str = text) -> bool:
            return any(math.isfinite(value) for _, value in led.prometheus.query(text))

        led.prometheus.wait(f"{title} shows something: {text}", drawn)


def test_the_legends_of_the_dashboard_name_labels_that_there_are(led: Watched):
    for each in DASHBOARD["panels"]:
        for target in each["targets"]:
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            for labels, _ in led.prometheus.query(panel_text(target["expr"])):
                assert wanted == set(labels), target["expr"]


def test_the_choices_of_the_dashboard_are_those_that_there_are(led: Watched):
    for name, values in (("namespace", [HOME]), ("job", ["another", RELEASE])):
        match = {"match[]": "ioc_operator_leader"}
        assert led.prometheus.get(f"label/{name}/values", **match) == values


def test_an_alert_ends_when_the_task_is_mended(led: Watched):
    for tasks in led.tasks.values():
        tasks.patch("bad", {"rules": task("bad", "")["spec"]["rules"], "suspend": True})
    led.calms("IocStalled")
