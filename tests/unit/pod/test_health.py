"""What probes are told, and what a pod says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ioc_runtime.pod.environment import BadEnvironment, read_environment
from ioc_runtime.pod.health import STUCK, Health
from ioc_runtime.pod.termination import LARGEST, last_words, leave

POD = {
    "IOC_KIND": "IocTask",
    "IOC_NAMESPACE": "bl01",
    "IOC_NAME": "guard",
    "IOC_POD_NAME": "guard-0",
    "IOC_POD_UID": "u1",
}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_task_that_starts_is_alive_and_not_ready():
    health = Health()
    assert health.answer("/live")[0] == 200
    assert health.answer("/ready")[0] == 503


def test_a_task_that_serves_is_ready_while_its_loop_turns():
    clock = Clock()
    health = Health(clock)
    health.serving(lambda: 100.0)
    assert health.answer("/ready")[0] == health.answer("/live")[0] == 200
    clock.now += STUCK + 1
    assert health.answer("/live") == (503, "the loop has not turned for 11 s")
    assert health.answer("/ready")[0] == 503


def test_a_task_that_stops_is_alive_and_not_ready():
    health = Health()
    health.serving(lambda: 0.0)
    health.stopping()
    assert health.answer("/ready")[0] == 503
    assert health.answer("/live")[0] == 200


def test_any_other_path_is_told_which_there_are():
    assert Health().answer("/") == (404, "expected /ready or /live")


def test_a_pod_knows_where_its_status_is():
    environment = read_environment(POD)
    path = "/apis/ioc-operator.dev/v1alpha1/namespaces/bl01/ioctasks/guard/status"
    assert environment.status_path == path
    assert environment.probe_port == 8081
    assert environment.report


@pytest.mark.parametrize("name", POD)
def test_a_missing_variable_is_named(name: str):
    with pytest.raises(BadEnvironment, match=name):
        read_environment({k: v for k, v in POD.items() if k != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IOC_KIND", "Pod"),
        ("IOC_PROBE_PORT", "x"),
        ("IOC_PROBE_PORT", "70000"),
        ("IOC_REPORT", "y"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(name: str, value: str):
    with pytest.raises(BadEnvironment, match=f"{name} is '{value}'"):
        read_environment(POD | {name: value})


def test_last_words_are_json_that_the_kubelet_reads_whole(tmp_path: Path):
    place = tmp_path / "log"
    place.touch()
    assert leave(last_words("PluginFailed", "x" * 9000, 12, result={"y": "z" * 5000}), str(place))
    said = place.read_bytes()
    assert len(said) <= LARGEST
    assert json.loads(said)["exit"] == 12


def test_a_result_is_kept_where_it_fits():
    assert json.loads(last_words("Success", "", 0, result={"n": 1}))["result"] == {"n": 1}


@pytest.mark.parametrize("text", ['"' * 5000, "é" * 5000, "\n" * 5000])
def test_last_words_fit_whatever_they_hold(text: str):
    said = last_words("Reason", text, 12)
    assert len(said.encode()) <= LARGEST
    assert json.loads(said)["reason"] == "Reason"


def test_where_no_kubelet_looks_nothing_is_written(tmp_path: Path):
    assert not leave("{}", str(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
