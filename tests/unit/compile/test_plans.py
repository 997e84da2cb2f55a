"""What a good manifest becomes, and that plans survive JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ioc_runtime.compile import ManifestError, compile_document, compile_text, config_hash, prove
from ioc_runtime.plan import Alarms, Link, Range, Trigger, from_json, to_json
from ioc_runtime.spec.document import read_documents
from ioc_runtime.standard import standard_names
from unit.compile.support import compiled, task

FOLDER = Path(__file__).parents[3] / "examples"
EXAMPLES = sorted(path for path in FOLDER.rglob("*.yaml") if "\nkind: Ioc" in path.read_text())
GUARD = FOLDER / "vacuum-guard.yaml"


def test_there_are_examples():
    assert {path.stem for path in EXAMPLES} >= {"vacuum-guard", "setpoints", "watchdog"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_an_example_passes_without_a_warning_and_survives_json(path: Path):
    for one in compile_text(path.read_text(), file=str(path)):
        assert one.warnings == ()
        assert from_json(to_json(one.plan)) == one.plan
        assert prove(one.plan, one.proofs) == []


def test_the_example_from_git_names_a_secret_and_packages():
    (one,) = compile_text((FOLDER / "beam-fit.yaml").read_text())
    plugin = one.plan.plugin
    assert plugin is not None and plugin.source is not None
    assert plugin.source["git"]["secretRef"] == {"name": "deploy-key"}
    assert plugin.requirements


def test_the_example_of_the_design_becomes_the_plan_it_describes():
    (one,) = compile_text(GUARD.read_text())
    plan = one.plan
    assert (plan.name, plan.namespace, plan.prefix, plan.mode) == (
        ("vacuum-guard", "bl01", "BL01:VAC:", "reactive")
    )
    pressure, mode, setpoint = plan.inputs
    assert pressure.link == Link("ca", "VAC:GAUGE1:P")
    assert pressure.alarms == Alarms(high=1e-6, hihi=1e-5, hysteresis=1e-8)
    assert (pressure.buffer, pressure.max_age, pressure.precision) == (100, 5, 9)
    assert (mode.states, mode.value) == (("Off", "Auto", "Manual"), 1)
    assert (setpoint.value, setpoint.drive) == (3.0, Range(0, 10))
    alarm, valve, mean = plan.outputs
    assert (alarm.owner, alarm.severities, alarm.latch, alarm.default) == (
        "rules",
        (0, 2),
        "rise",
        0,
    )
    assert (valve.link, valve.readback) == (
        Link("pva", "VAC:VALVE:CMD"),
        Link("pva", "VAC:VALVE:STS"),
    )
    assert mean.owner == "transform"
    high, held = plan.rules
    assert (high.outputs, high.hold) == ({"alarm": 1, "valve": 0}, 0.5)
    assert (held.outputs, held.hold) == ({"valve": 0}, 0)
    assert len(plan.config_hash) == 64


def test_values_arrive_as_their_signal_holds_them():
    plan = compiled(
        """
        inputs:
          f: {type: float, value: 3}
          i: {type: int, value: 3.0}
          b: {type: bool, value: true}
          e: {type: enum, states: [A, B], value: B}
          s: {type: string, value: "5"}
          l: {type: float, length: 3, value: [1, 2.5]}
          t: {type: string, length: 2, value: [a]}
          none: {type: float}
        """
    ).plan
    values = {signal.name: signal.value for signal in plan.inputs}
    assert values == {
        "f": 3.0, "i": 3, "b": 1, "e": 1, "s": "5", "l": [1.0, 2.5], "t": ["a"], "none": None,
    }  # fmt: skip
    assert [type(values[name]) for name in "fib"] == [float, int, int]


@pytest.mark.parametrize(
    ("head", "prefix"),
    [
        ("metadata: {name: a.b-c, namespace: bl01}", "BL01:A-B-C:"),
        ("metadata: {name: guard}", "DEFAULT:GUARD:"),
    ],
)
def test_the_default_prefix_is_namespace_and_name_in_upper_case(head: str, prefix: str):
    text = f"apiVersion: ioc-operator.dev/v1alpha1\nkind: IocTask\n{head}\nspec: {{}}\n"
    assert compile_text(text)[0].plan.prefix == prefix


@pytest.mark.parametrize(
    ("link", "protocol", "expected"),
    [
        ("ca://A:B", "pva", Link("ca", "A:B")),
        ("pva://A:B", "ca", Link("pva", "A:B")),
        ("A:B.SEVR", "pva", Link("pva", "A:B.SEVR")),
        ("XF:23ID1-OP{Slt:1}Pos-I", "ca", Link("ca", "XF:23ID1-OP{Slt:1}Pos-I")),
        ('A:B.{"dbnd":{"abs":1}}', "ca", Link("ca", 'A:B.{"dbnd":{"abs":1}}')),
        ("A:B.VAL$", "ca", Link("ca", "A:B.VAL$")),
    ],
)
def test_a_link_without_a_scheme_uses_the_protocol_of_the_task(
    link: str, protocol: str, expected: Link
):
    spec = f"protocol: {protocol}\ninputs: {{a: {{type: float, link: {link!r}}}}}"
    assert compiled(spec).plan.inputs[0].link == expected


def test_owners_follow_from_rules_transforms_and_the_plugin():
    plan = compiled(
        """
        inputs: {a: {type: float}}
        outputs: {r: {type: bool}, t: {type: float}, p: {type: int, maxAge: 2}}
        transforms: [{output: t, expression: a * 2}]
        rules: [{id: r, condition: t > 1, outputs: {r: 1}}]
        plugin: {inline: {files: {x.py: "1"}}, functions: [f], maxFailures: 3, class: X}
        """
    ).plan
    assert {o.name: o.owner for o in plan.outputs} == {
        "r": "rules",
        "t": "transform",
        "p": "plugin",
    }
    assert plan.plugin.files == {"x.py": "1"}
    assert (plan.plugin.functions, plan.plugin.max_failures) == (("f",), 3)
    assert plan.plugin.class_name == "X"


def test_functions_of_the_plugin_may_be_called():
    plan = compiled(
        """
        inputs: {a: {type: float}}
        rules: [{id: r, condition: "spread(a, n=2) > 1"}]
        plugin: {image: {path: /opt/x}, functions: [spread]}
        """
    ).plan
    assert plan.plugin.directory == "/opt/x"


def test_a_relative_plugin_directory_counts_from_the_manifest():
    text = task("plugin: {image: {path: plugins/x}}")
    (one,) = compile_text(text, file="/srv/tasks/guard.yaml")
    assert one.plan.plugin.directory == "/srv/tasks/plugins/x"


def test_operators_are_told_apart_as_hosts_and_users():
    access = compiled("access: {operators: [opi1, 'alice@*', 'bob@10.0.0.7', opi1]}").plan.access
    assert access.hosts == ("opi1",)
    assert access.users == (("alice", "*"), ("bob", "10.0.0.7"))


def test_a_database_gets_the_prefix_and_its_names_join_those_of_the_task():
    one = compiled(
        """
        prefix: "A:"
        database:
        - |
          # mine
          record(calc, "$(P)x") { field(CALC, "A+1") info(autosave, "VAL")
            alias("${P}z") }
        """
    )
    assert 'record(calc, "A:x")' in one.plan.database[0]
    assert {"A:x", "A:z", "A:STATUS"} <= set(one.names)


def test_names_that_share_a_word_with_a_function_are_fine():
    plan = compiled(
        "inputs: {a: {type: float, buffer: 3}}\noutputs: {mean: {type: float}}\n"
        "transforms: [{output: mean, expression: mean(a_buf)}]"
    ).plan
    assert plan.outputs[0].name == "mean"


def test_a_set_point_named_like_a_yaml_boolean_may_be_quoted():
    assert compiled("inputs: {'y': {type: float, value: 1}}").plan.inputs[0].name == "y"


def test_documents_of_other_kinds_are_skipped_with_a_warning():
    from ioc_runtime.compile import check_text

    checked = check_text(
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n---\n" + task("{}"), file="f"
    )
    assert len(checked.compiled) == 1
    assert [str(w) for w in checked.warnings] == [
        "f:2: kind: ConfigMap: expected a kind of ioc-operator.dev; this document is skipped"
    ]


def test_plain_data_and_text_make_the_same_plan():
    text = GUARD.read_text()
    (document,) = read_documents(text)
    assert compile_document(document.data).plan == compile_text(text)[0].plan


def test_the_hash_of_the_config_ignores_order_and_style_but_no_value():
    one = compiled("mode: periodic\nperiod: 2")
    assert compiled("{period: 2.0, 'mode': \"periodic\"}").plan.config_hash == one.plan.config_hash
    assert compiled("mode: periodic\nperiod: 3").plan.config_hash != one.plan.config_hash
    assert config_hash({"a": 1, "b": [1]}) == config_hash({"b": [1], "a": 1})


def test_a_period_without_periodic_mode_earns_a_warning():
    (warning,) = compiled("period: 2").warnings
    assert warning.expected == "mode periodic with it, not reactive"


@given(st.data())
def test_a_plan_survives_json_whatever_its_texts_hold(data: st.DataObject):
    words = st.text(max_size=20)
    spec = {
        "inputs": {
            "a": {
                "type": "string",
                "value": data.draw(words),
                "description": data.draw(words),
            }
        },
        "parameters": {"p": data.draw(st.one_of(words, st.floats(), st.integers()))},
    }
    manifest = {
        "apiVersion": "ioc-operator.dev/v1alpha1",
        "kind": "IocTask",
        "metadata": {"name": "t"},
        "spec": spec,
    }
    try:
        plan = compile_document(manifest).plan
    except ManifestError as error:
        assert error.problems
    else:
        assert from_json(to_json(plan)) == plan
        assert json.loads(to_json(plan))["format"] == 1


def test_an_alias_may_be_the_standard_name_in_other_letters():
    (one,) = compile_text(
        """
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {name: t}
spec:
  prefix: "P:"
  mode: triggered
  trigger: {whileBusy: queue, queueLength: 3, period: 2, stallLimit: 5, killAfter: 0}
  aliases: {TRIGGER: Trigger, BUSY: Busy, STATUS: Status}
  plugin: {image: {path: /x}}
"""
    )
    assert {"P:Trigger", "P:RUN", "P:Busy", "P:Status", "P:TRIGGER:HOLD5"} < set(one.names)
    assert sorted(one.names) == sorted("P:" + n for n in standard_names(one.plan))
    assert one.plan.trigger == Trigger(waiting=3, period=2, stall_limit=5, kill_after=0)
    assert from_json(to_json(one.plan)) == one.plan
