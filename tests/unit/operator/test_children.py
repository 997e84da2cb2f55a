"""What holds for everything that is made, whatever the manifest says."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from ioc_operator.children import namespace_children, stamp, task_children
from ioc_operator.desired import Judged
from ioc_operator.names import (
    APPLIED,
    CLAIM,
    GROUP,
    IMAGE,
    INPUT,
    PROBE_PORT,
    RESET_AT,
    RESTARTED_AT,
    SHAPE,
    TEMPLATE,
    labels,
)
from ioc_operator.settings import Settings
from ioc_runtime.plan import from_json
from unit.operator.golden import (
    CASES,
    SETTINGS,
    TASKS,
    Object,
    as_yaml,
    children,
    container,
    judged,
)
from unit.operator.golden import template as pod_of

ALL = pytest.mark.parametrize("case", sorted(CASES))


def find(objects: list[Object], kind: str) -> Object:
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def environment(case: str, **spec: Any) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(case, **spec)["env"]}


# Every child


@ALL
def test_every_child_goes_with_its_owner_and_says_whose_it_is(case: str):
    want, _ = judged(case)
    for child in children(case):
        meta = child["metadata"]
        assert meta["labels"] == labels(want.key.kind, want.key.name, want.uid)
        (owner,) = meta["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (want.uid, True)
        assert meta["namespace"] == want.key.namespace


@ALL
def test_nothing_but_the_plan_depends_on_the_order_in_which_maps_come(case: str):
    want, _ = judged(case)

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(value[name]) for name in reversed(value)}
        return [turned(each) for each in value] if isinstance(value, list) else value

    # An API server sorts maps. The order of inputs and outputs counts, and stands in the plan.
    fixed = {name: want.spec[name] for name in ("inputs", "outputs") if name in want.spec}
    _, *rest = children(case)
    assert as_yaml(children(case, **(turned(want.spec) | fixed))[1:]) == as_yaml(rest)


@ALL
def test_the_hash_of_a_child_covers_all_of_it(case: str):
    for child in children(case):
        bare = copy.deepcopy(child)
        said = bare["metadata"]["annotations"].pop(APPLIED)
        if not bare["metadata"]["annotations"]:
            del bare["metadata"]["annotations"]
        assert stamp(bare)["metadata"]["annotations"][APPLIED] == said
        bare["metadata"]["labels"]["more"] = "x"
        assert stamp(bare)["metadata"]["annotations"][APPLIED] != said


def test_nothing_can_be_built_from_a_bad_manifest():
    want, _ = judged("plain")
    with pytest.raises(ValueError, match="IocTask bl01/plain is not valid"):
        task_children(want, Judged(None, "spec: bad"), SETTINGS, "image")


# The ConfigMap


@ALL
def test_the_config_map_holds_the_manifest_and_the_plan_of_it(case: str):
    want, found = judged(case)
    data = find(children(case), "ConfigMap")["data"]
    assert json.loads(data["manifest.json"]) == want.manifest
    assert found.compiled
    plan = from_json(data["plan.json"])
    assert replace(plan, job=found.compiled.plan.job) == found.compiled.plan
    assert (plan.job is None) == (want.key.kind == "IocTask")
    assert plan.config_hash == want.config_hash


def test_a_run_is_told_its_number():
    plan = from_json(find(children("job"), "ConfigMap")["data"]["plan.json"])
    assert plan.job
    assert plan.job.run == 3


def test_the_most_that_inline_files_may_hold_fits_a_config_map():
    files = {"big.py": "#" + "µ" * (90 * 1024 - 60), "main.py": "from ioc_runtime import TaskBase"}
    data = find(children("plugin", plugin={"inline": {"files": files}}), "ConfigMap")["data"]
    assert sum(len(value.encode()) for value in data.values()) <= 1024 * 1024


# The pod


@ALL
def test_a_pod_keeps_to_the_restricted_standard(case: str):
    pod = pod_of(case)["spec"]
    assert pod.get("hostNetwork", False) == (case == "host-network")
    assert not {"hostPID", "hostIPC"} & pod.keys()
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 65532
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in pod["containers"]:
        assert each["securityContext"]["allowPrivilegeEscalation"] is False
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    allowed = {"name", "configMap", "emptyDir", "projected", "persistentVolumeClaim", "secret"}
    assert all(volume.keys() <= allowed for volume in pod["volumes"])


@ALL
def test_a_pod_is_never_evicted_from_a_lost_node(case: str):
    unlimited = [
        each["key"]
        for each in pod_of(case)["spec"]["tolerations"]
        if each.get("effect") == "NoExecute" and "tolerationSeconds" not in each
    ]
    assert unlimited == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]


@ALL
def test_all_that_is_mounted_is_there_and_nothing_by_sub_path(case: str):
    want, _ = judged(case)
    volumes = {volume["name"] for volume in pod_of(case)["spec"]["volumes"]}
    if want.spec.get("storage"):
        volumes.add("state")
    for mount in container(case)["volumeMounts"]:
        assert mount["name"] in volumes
        assert "subPath" not in mount


@ALL
def test_there_is_a_token_only_where_there_are_reports(case: str):
    want, _ = judged(case)
    pod = pod_of(case)["spec"]
    assert pod["automountServiceAccountToken"] is False
    tokens = [volume for volume in pod["volumes"] if "serviceAccountToken" in str(volume)]
    assert bool(tokens) == want.reports
    assert environment(case)["IOC_REPORT"] == ("1" if want.reports else "0")


@ALL
def test_probes_ask_the_port_that_the_runtime_is_told(case: str):
    told = environment(case)["IOC_PROBE_PORT"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert str(container(case)[probe]["httpGet"]["port"]) == told
    assert (told == str(PROBE_PORT)) == (case != "host-network")


def test_the_default_image_has_the_operators_pull_policy_and_another_its_own():
    settings = Settings(runtime_image="r:1", image_pull_policy="Never")
    ours = children("plain", settings)[-1]["spec"]["template"]["spec"]["containers"][0]
    assert (ours["image"], ours["imagePullPolicy"]) == ("r:1", "Never")
    theirs = children("plain", settings, image="x:2")[-1]["spec"]["template"]["spec"]
    assert theirs["containers"][0]["image"] == "x:2"
    assert "imagePullPolicy" not in theirs["containers"][0]


def test_an_overlay_cannot_forge_what_a_pod_is_found_by():
    want, _ = judged("everything")
    meta = pod_of("everything")["metadata"]
    assert meta["labels"] == labels("IocTask", "everything", want.uid) | {"team": "vacuum"}
    assert set(meta["annotations"]) == {CLAIM, SHAPE, TEMPLATE, "example.org/scrape"}
    assert meta["annotations"][CLAIM] == "BL01:ALL:"
    meta = pod_of("plain", podTemplate={"metadata": {"annotations": {f"{GROUP}/config": "x"}}})
    assert f"{GROUP}/config" not in meta["metadata"]["annotations"]


def test_a_user_sets_any_variable_but_those_by_which_a_runtime_knows_its_object():
    given = {"GREETING": "hello from $(IOC_NAME)", "IOC_NAME": "forged"}
    env = [{"name": name, "value": value} for name, value in given.items()]
    entries = container("plain", env=env)["env"]
    assert [each["value"] for each in entries if each["name"] == "IOC_NAME"] == ["plain"]
    names = [each["name"] for each in entries]
    assert names.index("GREETING") > names.index("IOC_NAME"), "$(IOC_NAME) must come before it"


# The network


def network(**block: Any) -> dict[str, str]:
    given = environment("plain", network=block)
    return {name: value for name, value in given.items() if name.startswith("EPICS_")}


def test_without_a_network_block_epics_is_left_alone():
    assert network() == {}


def test_a_name_server_without_a_port_is_asked_over_both_protocols():
    assert network(nameServers=["gauges", "pumps.bl02"]) == {
        "EPICS_CA_NAME_SERVERS": "gauges:5064 pumps.bl02:5064",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_NAME_SERVERS": "gauges:5075 pumps.bl02:5075",
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    }


def test_a_usual_port_names_the_protocol_and_another_is_of_the_tasks_own():
    got = network(nameServers=["a:5064", "b:5075", "c:6000"], addressList=["d:5076", "e:6001"])
    assert got["EPICS_CA_NAME_SERVERS"] == "a:5064 c:6000"
    assert got["EPICS_PVA_NAME_SERVERS"] == "b:5075"
    assert got["EPICS_CA_ADDR_LIST"] == "e:6001"
    assert got["EPICS_PVA_ADDR_LIST"] == "d:5076"


def test_on_the_nodes_network_name_servers_do_not_end_broadcasts_but_addresses_do():
    assert "EPICS_CA_AUTO_ADDR_LIST" not in network(hostNetwork=True, nameServers=["a"])
    assert network(hostNetwork=True, addressList=["10.0.5.255"])["EPICS_CA_AUTO_ADDR_LIST"] == "NO"


def test_what_a_user_says_of_epics_wins_over_the_network_block():
    assert environment("network")["EPICS_CA_AUTO_ADDR_LIST"] == "YES"


@pytest.mark.parametrize("case", TASKS)
def test_ports_are_the_same_in_service_and_container(case: str):
    found = [each for each in children(case) if each["kind"] == "Service"]
    if not found:
        assert case == "host-network"
        return
    (service,) = found
    offered = {(port["targetPort"], port["protocol"]) for port in service["spec"]["ports"]}
    assert all(port["port"] == port["targetPort"] for port in service["spec"]["ports"])
    assert offered <= {(each["containerPort"], each["protocol"]) for each in ports(case)}
    assert service["spec"]["publishNotReadyAddresses"] is True


def ports(case: str) -> list[Object]:
    given: list[Object] = container(case)["ports"]
    return given


# The StatefulSet and the Job


@pytest.mark.parametrize("case", TASKS)
def test_there_is_one_pod_or_none_and_what_it_is_found_by_is_in_its_labels(case: str):
    made = find(children(case), "StatefulSet")
    spec = made["spec"]
    assert spec["replicas"] == (0 if case == "suspended" else 1)
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    claim = made["metadata"]["annotations"][CLAIM]
    assert spec["template"]["metadata"]["annotations"][CLAIM] == claim


def template_of(**spec: Any) -> Object:
    return pod_of("vacuum-guard", **spec)


def test_what_changes_live_does_not_change_the_pods_template():
    want, _ = judged("vacuum-guard")
    before = template_of()
    assert template_of(parameters={"limit": 2.0e-6}) == before
    rules = copy.deepcopy(list(want.spec["rules"]))
    rules[0] |= {"for": 1.5, "message": "too high"}
    assert template_of(rules=rules) == before
    assert template_of(inputs=want.spec["inputs"] | {"more": {"type": "int"}}) != before


def test_suspending_changes_the_number_of_pods_and_not_their_template():
    assert template_of(suspend=True) == template_of()


def test_a_restart_changes_the_pods_template_and_the_stateful_set_remembers_it():
    want, found = judged("plain")
    asked = replace(want, restarted="2026-03-01T03:00:00Z")
    plain = find(children("plain"), "StatefulSet")
    made = find(task_children(asked, found, SETTINGS, SETTINGS.runtime_image), "StatefulSet")
    notes = made["spec"]["template"]["metadata"]["annotations"]
    assert notes[RESTARTED_AT] == made["metadata"]["annotations"][RESTARTED_AT] == asked.restarted
    assert notes[TEMPLATE] != plain["spec"]["template"]["metadata"]["annotations"][TEMPLATE]
    assert made["spec"]["template"]["spec"] == plain["spec"]["template"]["spec"]


def test_a_reset_is_told_by_the_config_map_of_a_task_and_replaces_no_pod():
    want, found = judged("plain")
    asked = replace(want, annotations={RESET_AT: "noon"})
    plain = children("plain")
    made = task_children(asked, found, SETTINGS, SETTINGS.runtime_image)
    config = find(made, "ConfigMap")
    assert json.loads(config["data"]["requests.json"]) == {"resetAt": "noon"}
    assert config["metadata"]["annotations"][RESET_AT] == "noon"
    assert "requests.json" not in find(plain, "ConfigMap")["data"]
    assert made[1:] == plain[1:]


def test_the_first_default_image_is_kept_until_the_manifest_says_otherwise():
    want, _ = judged("plain")
    old = find(children("plain"), "StatefulSet")["metadata"]["annotations"]
    assert old[IMAGE] == SETTINGS.runtime_image
    newer = Settings(runtime_image="ioc-runtime:2.0")
    assert want.default_image(newer, old) == "ioc-runtime:1.0"
    assert want.default_image(newer) == "ioc-runtime:2.0"
    follow, _ = judged("plain", imagePolicy="Follow")
    assert follow.default_image(newer, old) == "ioc-runtime:2.0"


def test_a_volume_is_kept_while_suspended_and_goes_with_the_task():
    spec = find(children("storage"), "StatefulSet")["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "state"
    assert claim["spec"]["resources"]["requests"]["storage"] == "200Mi"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Delete",
        "whenScaled": "Retain",
    }


def test_a_run_is_made_suspended_and_no_final_exit_code_is_tried_again():
    job = find(children("job"), "Job")
    assert job["metadata"]["name"] == "job-3"
    assert job["spec"]["suspend"] is True
    assert job["spec"]["backoffLimit"] == 2
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    assert "ttlSecondsAfterFinished" not in job["spec"]
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == list(range(10, 17))
    assert find(children("job"), "ConfigMap")["immutable"] is True


# The namespace


def test_what_a_namespace_shares_belongs_to_nobody_and_grants_the_shipped_role_alone():
    account, binding = namespace_children("bl01", SETTINGS)
    assert "ownerReferences" not in account["metadata"]
    assert "ownerReferences" not in binding["metadata"]
    assert account["automountServiceAccountToken"] is False
    assert binding["roleRef"]["kind"] == "ClusterRole"
    assert binding["roleRef"]["name"] == SETTINGS.runtime_cluster_role
    assert [each["name"] for each in binding["subjects"]] == [account["metadata"]["name"]]


# The hash by which a restart compiles nothing


def test_the_input_hash_moves_with_all_that_children_are_made_from():
    want, _ = judged("plain")
    live = find(children("plain"), "ConfigMap")["metadata"]["annotations"][INPUT]
    assert live == want.input_hash(SETTINGS, SETTINGS.runtime_image)
    base = want.input_hash(SETTINGS, "i:1")
    edited, _ = judged("plain", suspend=True)
    other = {
        edited.input_hash(SETTINGS, "i:1"),
        want.input_hash(SETTINGS, "i:2"),
        want.input_hash(Settings(image_pull_policy="Never"), "i:1"),
    }
    assert len(other) == 3
    assert base not in other
