"""`import iocmng` inside a plugin: the names of iocmng, over this runtime."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from ioc_runtime.plugin.errors import PluginError
from ioc_runtime.plugin.host import Reading
from ioc_runtime.plugin.loader import load
from ioc_runtime.plugin.runner import PluginRunner
from unit.plugin.conftest import PLAN

TASK = """
from iocmng import TaskBase

class Mine(TaskBase):
    def initialize(self): pass
    def execute(self): pass
    def cleanup(self): pass
"""


def body(text: str, hook: str = "initialize") -> str:
    """The plugin above with this in one of its hooks."""
    lines = textwrap.indent(textwrap.dedent(text).strip(), " " * 8)
    return TASK.replace(f"def {hook}(self): pass", f"def {hook}(self):\n{lines}")


@pytest.mark.parametrize(
    "imports",
    [
        "import iocmng; TaskBase = iocmng.TaskBase",
        "import iocmng.base.task; TaskBase = iocmng.base.task.TaskBase",
        "import iocmng.base.task as task; TaskBase = task.TaskBase",
        "from iocmng.base.task import TaskBase",
        "from iocmng.base import TaskBase, JobBase",
        "from iocmng import DeclarativeTask as TaskBase",
        "from iocmng.declarative import DeclarativeTask as TaskBase",
        "from iocmng.core import pv_client\nfrom iocmng import TaskBase, pv_client, run_ioc",
        "from iocmng.core.functions import register\nfrom iocmng.core.safe_eval import safe_eval\n"
        "from iocmng.core.plugin_spec import PluginSpec\nfrom iocmng import TaskBase",
    ],
)
def test_every_way_to_import_it_finds_it(load_files, imports):
    loaded = load_files({"mine.py": TASK.replace("from iocmng import TaskBase", imports)})
    assert loaded.cls.__name__ == "Mine"


def test_it_is_not_loaded_unless_it_is_imported():
    check = (
        "import sys; import ioc_runtime.plugin.runner, ioc_runtime.plugin.loader; "
        "print([m for m in sys.modules if 'compat' in m and 'ioc' in m])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_other_code_of_the_process_does_not_see_it():
    with pytest.raises(ImportError):
        __import__("iocmng")


def test_what_iocmng_wants_overridden_has_to_be(load_files):
    with pytest.raises(PluginError, match="leaves cleanup, execute abstract"):
        load_files({"mine.py": TASK.split("    def execute")[0]})


def test_a_constructor_gets_what_iocmng_gives_it(run, host):
    run(
        """
        from iocmng import TaskBase
        class Mine(TaskBase):
            def __init__(self, name, parameters=None, pv_definitions=None, prefix=None, **more):
                super().__init__(name, parameters, pv_definitions, prefix=prefix, **more)
                self.seen = name, sorted(pv_definitions), sorted(more)
            def initialize(self):
                self.set_pv("label", repr(self.seen))
            def execute(self): pass
            def cleanup(self): pass
        """
    )
    host.wait_for(
        lambda writes: (
            writes
            == [("label", "('guard', ['inputs', 'outputs'], ['plugin_prefix', 'plugin_spec'])")]
        )
    )


def test_a_constructor_that_cannot_take_that_is_told(load_files):
    text = TASK.replace("    def init", "    def __init__(self): pass\n    def init")
    with pytest.raises(PluginError, match="expected an __init__ that takes name, parameters"):
        load_files({"mine.py": text})


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("self.get_pv('nowhere')", "None"),
        ("self.get_pv('count')", "0"),
        ("self.get_pv('label')", "''"),
        ("self.get_input('setpoint')", "3.0"),
        ("self.get_pv('ENABLE')", "1"),
        ("self.get_pv('CYCLE_COUNT')", "0"),
        ("self.pvs['count'].get()", "0"),
        ("sorted(self.pvs)[:3]", "['CLEAR', 'CYCLE_COUNT', 'ENABLE']"),
        ("self.pv_prefix", "'BL01:VAC'"),
        ("self.plugin_prefix", "'GUARD'"),
        ("self.mode", "'continuous'"),
        ("self.parameters['limit']", "1.5"),
        ("self.parameters.get('nothing')", "None"),
        ("self.plugin_spec.inputs['pressure'].link", "'VAC:GAUGE1:P'"),
        ("self.plugin_spec.inputs['pressure'].wired", "True"),
        ("self.pv_definitions['outputs']['valve']['onam']", "'OPEN'"),
        ("self.plugin_spec.rules[0].condition", "'pressure > limit'"),
        ("self.get_device('motor')", "None"),
        ("self.list_devices()", "[]"),
        ("self.cf_search(name='*')", "[]"),
        ("(self.name, self.running, self.enabled)", "('guard', True, True)"),
    ],
)
def test_what_it_reads(run, host, call, expected):
    run(body(f"self.set_pv('label', repr({call}))"))
    host.wait_for(lambda writes: writes == [("label", expected)])


@pytest.mark.parametrize(
    "call",
    [
        "self.set_pv('nowhere', 1)",
        "self.set_output('alarm', 1)",
        "self.set_input('pressure', 1)",
        "self.set_pv('VERSION', '2')",
        "self.set_status('NOTHING')",
        "self.start(); self.stop(); self.build_pvs()",
    ],
)
def test_what_does_nothing_in_iocmng_does_nothing_and_is_said_once(run, host, told, caplog, call):
    run(body(f"{call}\n{call}\nself.set_pv('count', 1)"))
    host.wait_for(lambda writes: writes == [("count", 1)])
    assert told.failures == []
    assert len([r for r in caplog.records if "does nothing" in r.getMessage()]) <= 1


def test_control_pvs_are_written_by_name(run, host):
    run(body("self.set_pv('MESSAGE', 'x' * 60); self.set_pv('STATUS', 4); self.set_pv('count', 1)"))
    host.wait_for(lambda writes: writes == [("count", 1)])
    assert host.messages == [("x" * 60, 0)]
    assert host.statuses == ["ERROR"]


def test_a_value_that_does_not_fit_is_an_error_of_the_plugin(run, told):
    run(body("self.set_pv('count', 'many')"))
    told.wait_for(lambda seen: seen.failures)
    assert "'count': expected" in told.failures[0][0]


def test_link_put_and_parameters_that_the_plugin_changes(run, host):
    run(
        body(
            """
            self.parameters["limit"] = 9
            self.link_put("valve", 1, timeout=2)
            self.set_pv("count", self.parameters["limit"])
            """
        )
    )
    host.wait_for(lambda writes: writes == [("count", 9)])
    assert host.link_puts == [("valve", 1, 2.0)]


CONFIG = """
parameters: {limit: 7, only: here}
arguments:
  inputs:
    pressure: {type: float, link: "VAC:GAUGE1:P", trigger: true}
    profile: {type: float, link: "VAC:PROFILE"}
    setpoint: {type: float, value: 3}
  outputs:
    count: {type: int, value: 5}
"""
HEARS = (
    TASK + "    def on_input_changed(self, key, value, old): self.set_pv('label', f'{key} {old}')\n"
)


def test_only_linked_inputs_with_trigger_are_told_and_only_of_another_value(host, told, tmp_path):
    (tmp_path / "mine.py").write_text(HEARS)
    (tmp_path / "config.yaml").write_text(CONFIG)
    plan = replace(PLAN, plugin=replace(PLAN.plugin, files=None, directory=str(tmp_path)))
    loaded = load(plan)
    runner = PluginRunner(plan, loaded, host, failed=told.failed, retry=(0.0, 0.0))
    try:
        runner.start()
        for key, value, old in (
            ("pressure", 1.0, None),
            ("profile", [1.0], [2.0]),
            ("setpoint", 2.0, 1.0),
            ("pressure", 2.0, 2.0),
            ("pressure", 2.0, 1.0),
        ):
            runner.changed(key, value, old)
        host.wait_for(lambda writes: writes == [("label", "pressure 1.0")])
    finally:
        runner.stop(1.0)
        loaded.close()
    assert told.failures == []


def test_parameters_and_first_values_come_from_the_file_beside_the_code(host, told, tmp_path):
    call = "self.set_pv('label', repr((self.parameters, self.get_pv('count'))))"
    (tmp_path / "mine.py").write_text(body(call))
    (tmp_path / "config.yaml").write_text(CONFIG)
    plan = replace(PLAN, plugin=replace(PLAN.plugin, files=None, directory=str(tmp_path)))
    loaded = load(plan)
    runner = PluginRunner(plan, loaded, host, failed=told.failed, retry=(0.0, 0.0))
    try:
        runner.start()
        host.wait_for(lambda writes: bool(writes))
    finally:
        runner.stop(1.0)
        loaded.close()
    assert host.writes == [("label", repr(({"limit": 1.5, "only": "here"}, 5)))]


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ("a == 0 and b == 1", {"a": 0, "b": 1}, True),
        ("mean(buf) > 0.5", {"buf": [0.1, 0.9, 0.8]}, True),
        ("twice(x) + 1", {"x": 2}, 5),
        ("'hot' if x > 1 else 'cold'", {"x": 2}, "hot"),
    ],
)
def test_safe_eval(expression, values, expected):
    from ioc_runtime.plugin.compat.core.safe_eval import safe_eval

    assert safe_eval(expression, values, {"twice": lambda x: 2 * x}) == expected


@pytest.mark.parametrize(
    "expression", ["__import__('os')", "x.y", "nothing > 1", "(lambda: 1)()", "rising(x)"]
)
def test_safe_eval_refuses_what_is_not_in_the_grammar(expression):
    from ioc_runtime.plugin.compat.core.safe_eval import safe_eval

    with pytest.raises(ValueError):
        safe_eval(expression, {"x": 1})


def test_registered_functions_are_those_of_expressions(load_files):
    register = "from iocmng.core.functions import register\nregister('torr', lambda x: x)\n"
    loaded = load_files({"mine.py": register + TASK}, functions=("torr",))
    assert loaded.functions["torr"](3) == 3
    with pytest.raises(PluginError, match="which the plugin has not registered"):
        load_files({"mine.py": TASK}, functions=("torr",))


def test_a_module_of_the_plugin_cannot_take_its_name(load_files):
    with pytest.raises(PluginError, match="this one is the runtime's"):
        load_files({"mine.py": TASK, "iocmng.py": ""})


def test_readings_come_before_first_values(run, host):
    host.readings["count"] = Reading(8, 0, 1, True)
    run(body("self.set_pv('label', str(self.get_pv('count')))"))
    host.wait_for(lambda writes: writes == [("label", "8")])
