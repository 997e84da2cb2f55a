"""Names that the parts of the operator agree on."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ioc_operator.names import (
    PROBE_PORT,
    Key,
    check_name,
    config_name,
    labels,
    pod_name,
    probe_port,
    run_name,
)
from ioc_runtime.compile.names import LONGEST_OBJECT

LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def test_a_key_reads_as_people_say_it():
    assert str(Key("IocTask", "bl01", "guard")) == "IocTask bl01/guard"


def test_the_longest_names_leave_room_for_what_kubernetes_adds():
    task, job = "t" * LONGEST_OBJECT["IocTask"], "j" * LONGEST_OBJECT["IocJob"]
    assert len(task) + len("-0123456789") <= 63, "the revision label of a StatefulSet"
    assert len(pod_name(task)) <= 63
    assert len(run_name(job, 999_999)) + len("-abcde") <= 63
    assert len(config_name(task)) <= 253
    for value in labels("IocTask", task, "6f3b1a52-0000-4000-8000-000000000001").values():
        assert LABEL_VALUE.fullmatch(value)


@given(st.uuids())
def test_a_probe_port_on_the_nodes_network_is_fixed_and_out_of_everybodys_way(uid):
    port = probe_port(str(uid), host_network=True)
    assert port == probe_port(str(uid), host_network=True)
    assert 20_000 <= port < 30_000, "below NodePorts and ports given out freely"
    assert probe_port(str(uid), host_network=False) == PROBE_PORT


def test_probe_ports_hardly_ever_meet():
    ports = {probe_port(f"uid-{i}", host_network=True) for i in range(100)}
    assert len(ports) >= 98


def test_tries_of_two_tasks_with_long_names_never_share_a_name():
    one, two = (check_name("a" * 50 + end, "0123456789abcdef") for end in "xy")
    assert one != two
    assert len(one) <= 57, "a pod of it has six letters more, and 63 are all"
    assert check_name("guard", "0123456789abcdef") == "guard-check-01234567"
