"""Functions that a plugin registers for expressions."""

from __future__ import annotations

import pytest

from ioc_runtime import DeclarativeTask, TaskError, register_function
from ioc_runtime.plugin.binding import Binding

from .conftest import PLAN, refused

FUNCTIONS = """
from ioc_runtime import register_function

@register_function("twice")
def twice(x):
    return 2 * x

register_function("half", lambda x: x / 2)
"""


def test_functions_are_registered_while_the_plugin_is_loaded(load_files) -> None:
    loaded = load_files({"functions.py": FUNCTIONS}, functions=("twice", "half"))
    assert loaded.cls is DeclarativeTask
    assert loaded.functions["twice"](4) == 8
    assert loaded.functions["half"](4) == 2


def test_a_declared_function_that_is_not_registered_is_an_error(load_files) -> None:
    error = refused(load_files, {"functions.py": FUNCTIONS}, functions=("twice", "halve"))
    assert str(error) == (
        "plugin.functions declares 'halve', which the plugin has not registered; nearest: 'half'"
    )
    error = refused(load_files, None, functions=("twice",))
    assert "declares 'twice', which the plugin has not registered" in str(error)


def test_a_registered_function_that_is_not_declared_is_a_warning(load_files) -> None:
    loaded = load_files({"functions.py": FUNCTIONS}, functions=("twice",))
    assert loaded.warnings == (
        "function 'half' is registered, but plugin.functions does not declare it",
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("register_function('a b', abs)", "expected an identifier as name, got 'a b'"),
        ("register_function('a', 3)", "expected a function, got 3"),
        ("register_function('a', abs); register_function('a', max)", "has that name already"),
    ],
)
def test_a_wrong_registration_is_an_error_at_its_line(load_files, call, text) -> None:
    error = refused(load_files, {"f.py": f"from ioc_runtime import register_function\n{call}\n"})
    assert str(error).startswith("f.py:2: TaskError: ")
    assert text in str(error)


def test_a_function_inside_an_evaluation_may_neither_touch_pvs_nor_exit(load_files, host) -> None:
    source = """
    import sys
    from ioc_runtime import TaskBase, register_function

    class Guard(TaskBase):
        pass

    register_function("peek", lambda task: task.inputs.pressure)
    register_function("poke", lambda task: task.set_output("count", 1))
    register_function("talk", lambda task: task.set_message("hello"))
    register_function("leave", lambda task: sys.exit(0))
    """
    names = ("peek", "poke", "talk", "leave")
    loaded = load_files({"guard.py": source}, functions=names)
    task = loaded.cls()
    task._binding = Binding(PLAN, host)
    for name in names:
        with pytest.raises(TaskError, match="cannot read or write PVs|leave raised SystemExit"):
            loaded.functions[name](task)
    assert host.writes == host.messages == []
    task.set_output("count", 1)  # the plugin itself may, afterwards
    assert host.writes == [("count", 1)]


def test_functions_cannot_be_registered_later() -> None:
    with pytest.raises(TaskError, match="only while the plugin is loaded"):
        register_function("late", abs)
