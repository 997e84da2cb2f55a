"""What is read from the text of a plugin's modules."""

from __future__ import annotations

import pytest

from ioc_runtime.migrate import Findings
from ioc_runtime.migrate.code import Code, read_code

TASK = "from iocmng import TaskBase\nclass A(TaskBase):\n    def execute(self): pass\n"


def code(wanted: str | None = None, **modules: str) -> Code | None:
    findings = Findings()
    found = read_code(modules, wanted, findings)
    assert findings.problems == []
    return found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TASK, "IocTask"),
        ("import iocmng\nclass A(iocmng.JobBase): pass", "IocJob"),
        (
            "from iocmng.base.task import TaskBase as T, TaskBase\nclass A(TaskBase): pass",
            "IocTask",
        ),
        ("from iocmng import TaskBase\nclass B(TaskBase): pass\nclass A(B): pass", "IocTask"),
    ],
)
def test_the_class_and_its_kind(text, kind):
    found = code(plugin=text)
    assert found is not None and (found.class_name, found.kind) == ("A", kind)


def test_a_base_in_another_module_is_followed():
    found = code(a=TASK, b="from a import A\nclass Mine(A):\n    def triggered(self): pass")
    assert found is not None
    assert found.class_name == "Mine"
    assert found.methods == {"execute", "triggered"}


def test_a_class_that_only_stands_for_its_config_is_bare():
    text = "from iocmng import DeclarativeTask\nclass A(DeclarativeTask): pass"
    assert code(plugin=text).bare
    assert not code(plugin=TASK).bare
    register = "from iocmng.core.functions import register\nregister('f', abs)\n"
    found = code(plugin=register + text)
    assert not found.bare and found.functions == ("f",)


@pytest.mark.parametrize(
    ("line", "writes", "more"),
    [
        ("self.set_pv('a', 1)", {"a"}, False),
        ("self.set_output('a', 1); self.set_input('b', 2)", {"a", "b"}, False),
        ("self.pvs['a'].set(1)", {"a"}, False),
        ("self.set_pv(name, 1)", set(), True),
        ("self.get_pv('a')", set(), False),
    ],
)
def test_what_it_writes(line, writes, more):
    found = code(plugin=TASK.replace("pass", line))
    assert (found.writes, found.writes_more) == (writes, more)


def test_no_class_of_iocmng_is_no_code():
    assert code(plugin="class A: pass") is None
    assert code() is None


@pytest.mark.parametrize(
    ("modules", "wanted", "expected"),
    [
        ({"a": TASK, "b": TASK.replace("A(", "B(")}, None, "one class that runs"),
        ({"a": TASK}, "B", "the name of a class of the plugin"),
        ({"a": "class A(:"}, None, "Python"),
    ],
)
def test_what_cannot_be_told_is_a_problem(modules, wanted, expected):
    findings = Findings()
    read_code(modules, wanted, findings)
    assert expected in str(findings.problems[0])


def test_one_of_several_can_be_named():
    assert code("B", a=TASK, b=TASK.replace("A(", "B(")).class_name == "B"
