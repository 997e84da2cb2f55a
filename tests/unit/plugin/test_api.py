from __future__ import annotations

import math
import subprocess
import sys

import pytest

from ioc_runtime import (
    BadValue,
    DeclarativeTask,
    Ended,
    JobBase,
    JobResult,
    NotLinked,
    NotYours,
    Paused,
    TaskBase,
    UnknownName,
)
from ioc_runtime.plugin.binding import Binding
from ioc_runtime.plugin.host import Reading

from .conftest import PLAN, FakeHost


class Guard(TaskBase):
    pass


@pytest.fixture
def task(host: FakeHost) -> Guard:
    guard = Guard()
    guard._binding = Binding(PLAN, host)
    return guard


def test_importing_the_public_names_loads_neither_epics_nor_pydantic_nor_asyncio() -> None:
    code = (
        "import sys\n"
        "from ioc_runtime import TaskBase, JobBase, DeclarativeTask, JobResult\n"
        "from ioc_runtime import register_function, Paused, NotYours\n"
        "print(sorted({'softioc', 'epics', 'p4p', 'epicscorelibs', 'pydantic', 'asyncio',"
        " 'numpy', 'yaml', 'typer', 'ctypes'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_an_unknown_one_is_an_attribute_error() -> None:
    import ioc_runtime

    for name in ioc_runtime.__all__:
        assert getattr(ioc_runtime, name).__name__ == name
    with pytest.raises(AttributeError, match="TaskBas"):
        _ = ioc_runtime.TaskBas


def test_a_task_outside_a_task_says_so() -> None:
    with pytest.raises(RuntimeError, match="Guard does not run in a task"):
        Guard().set_output("count", 1)


def test_the_attributes_are_those_of_the_task(task: Guard, host: FakeHost) -> None:
    assert (task.name, task.pv_prefix, task.mode) == ("guard", "BL01:VAC:", "periodic")
    assert (task.enabled, task.running, task.cycle_count) == (True, True, 0)
    task.step_cycle()
    assert task.cycle_count == 1
    assert task.parameters["limit"] == 1.5
    host.parameters = {"limit": 2.5}
    assert task.parameters["limit"] == 2.5


def test_an_unknown_parameter_names_the_nearest(task: Guard) -> None:
    with pytest.raises(UnknownName, match="no parameter 'limt'; nearest: 'limit'"):
        task.parameters["limt"]
    assert task.parameters.get("limt") is None


def test_an_input_is_read_as_one_whole(task: Guard, host: FakeHost) -> None:
    host.readings["pressure"] = Reading(2.5, 1, 1_500_000_000, True)
    reading = task.inputs.pressure
    host.readings["pressure"] = Reading(9.0, 3, 2_000_000_000, False)
    assert (reading.value, reading.severity, reading.timestamp) == (2.5, 1, 1.5)
    assert reading.connected
    assert reading.valid
    assert not task.inputs["pressure"].valid
    assert task.get_input("pressure") == 9.0


def test_an_input_without_a_value_is_not_valid(task: Guard) -> None:
    assert task.inputs.pressure.value is None
    assert not task.inputs.pressure.valid


def test_an_enum_has_the_name_of_its_state(task: Guard, host: FakeHost) -> None:
    host.readings["mode"] = Reading(1, 0, 0, True)
    assert (task.inputs.mode.value, task.inputs.mode.state) == (1, "Auto")
    assert task.inputs.pressure.state == ""


def test_inputs_can_be_listed(task: Guard) -> None:
    assert list(task.inputs) == ["pressure", "profile", "setpoint", "mode"]
    assert len(task.inputs) == 4
    assert "pressure" in task.inputs
    assert "valve" not in task.inputs
    assert "pressure" in dir(task.inputs)


def test_an_array_that_was_read_belongs_to_the_reader(task: Guard, host: FakeHost) -> None:
    kept = [1.0, 2.0]
    host.readings["profile"] = Reading(kept, 0, 1, True)
    task.get_input("profile").append(3.0)
    task.inputs.profile.value.append(3.0)
    assert kept == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: t.inputs.presure, "no input 'presure'; nearest: 'pressure'"),
        (lambda t: t.get_input("valve"), "no input 'valve'"),
        (lambda t: t.get_output("Valve"), "no output 'Valve'; nearest: 'valve'"),
        (lambda t: t.set_output("vlave", 1), "no output 'vlave'; nearest: 'valve'"),
        (lambda t: t.set_input("valve", 1), "no input 'valve'"),
        (lambda t: t.set_pv("xyz", 1), "no input or output 'xyz'; there are: alarm, count"),
        (lambda t: t.get_pv(["pressure"]), "no input or output"),
        (lambda t: t.link_put("setpoint", 1), "'setpoint' has no link"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_what_there_is(task, call, text) -> None:
    with pytest.raises(UnknownName) as error:
        call(task)
    assert text in str(error.value)
    assert isinstance(error.value, KeyError)


def test_values_are_written_as_the_output_holds_them(task: Guard, host: FakeHost) -> None:
    task.set_output("count", 3.9)
    task.set_pv("valve", "OPEN")
    task.set_output("label", 12)
    task.set_output("trace", (1, 2))
    assert host.writes == [("count", 3), ("valve", 1), ("label", "12"), ("trace", [1.0, 2.0])]
    assert task.get_output("valve") == task.get_pv("valve") == 1


def test_numpy_values_are_written_like_pythons_own(task: Guard, host: FakeHost) -> None:
    numpy = pytest.importorskip("numpy")
    task.set_output("count", numpy.int64(7))
    task.set_output("valve", numpy.bool_(True))
    task.set_output("trace", numpy.array([1.0, 2.5]))
    assert host.writes == [("count", 7), ("valve", 1), ("trace", [1.0, 2.5])]
    assert [type(v) for _, v in host.writes] == [int, int, list]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 2**40, "'count': expected a whole number of 32 bits, got 1099511627776"),
        ("count", "three", "'count': expected a whole number of 32 bits, got 'three'"),
        ("count", math.nan, "'count': expected a whole number of 32 bits, got nan"),
        ("count", None, "'count': expected a whole number of 32 bits, got None"),
        ("valve", "OPN", "'valve': expected one of SHUT, OPEN (0 to 1), got 'OPN'"),
        ("trace", [1, 2, 3, 4, 5], "'trace': expected at most 4 elements, got 5"),
        ("trace", object, "'trace': expected a number, got <class 'object'>"),
        ("label", "x" * 300, "'label': expected at most 255 bytes of UTF-8, got 300"),
        ("setpoint", 10.5, "'setpoint': expected 0 to 10 A, got 10.5"),
        ("setpoint", math.nan, "'setpoint': expected 0 to 10 A, got nan"),
        ("mode", 3, "'mode': expected one of Off, Auto, Manual, got 3"),
    ],
)
def test_a_value_that_does_not_fit_names_what_was_found_and_expected(
    task, host, name, value, expected
) -> None:
    with pytest.raises(BadValue) as error:
        task.set_pv(name, value)
    assert str(error.value) == expected
    assert host.writes == host.puts == []


def test_a_set_point_is_put_like_an_operator_would(task: Guard, host: FakeHost) -> None:
    task.set_input("setpoint", 4)
    task.set_pv("mode", "Manual")
    assert host.puts == [("setpoint", 4.0), ("mode", 2)]


@pytest.mark.parametrize(
    ("call", "owner"),
    [
        (lambda t: t.set_output("alarm", 0), "output 'alarm' belongs to rule 'high'"),
        (
            lambda t: t.set_pv("mean", 0),
            "output 'mean' belongs to the transform 'mean(pressure_buf)'",
        ),
        (lambda t: t.link_put("mean", 0), "output 'mean' belongs to the transform"),
        (lambda t: t.set_input("pressure", 0), "input 'pressure' follows ca://VAC:GAUGE1:P"),
    ],
)
def test_writing_what_somebody_else_owns_names_the_owner(task, host, call, owner) -> None:
    with pytest.raises(NotYours) as error:
        call(task)
    assert owner in str(error.value)
    assert host.writes == host.puts == host.link_puts == []


def test_a_link_is_put_with_a_value_of_its_type_and_a_timeout(task, host: FakeHost) -> None:
    task.link_put("pressure", 1)
    task.link_put("valve", "SHUT", timeout=1)
    assert host.link_puts == [("pressure", 1.0, 5.0), ("valve", 0, 1.0)]
    with pytest.raises(BadValue, match="timeout above 0 s, got 0"):
        task.link_put("pressure", 1, timeout=0)
    with pytest.raises(NotLinked, match="'count' has no link"):
        task.link_put("count", 1)


def test_link_values_are_those_of_everything_with_a_link(task: Guard, host: FakeHost) -> None:
    host.readings["pressure"] = Reading(2.5, 0, 1, True)
    assert task.link_values == {"pressure": 2.5, "profile": None, "valve": None, "mean": None}


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.set_output("count", 1),
        lambda t: t.set_input("setpoint", 1),
        lambda t: t.link_put("pressure", 1),
        lambda t: t.set_status("RUN"),
        lambda t: t.step_cycle(),
    ],
)
def test_while_paused_every_write_raises_paused(task, host, write) -> None:
    host.enabled = False
    with pytest.raises(Paused, match="ENABLE is 0"):
        write(task)
    task.set_message("still here")
    assert host.writes == host.puts == host.link_puts == host.statuses == []
    host.enabled = True
    write(task)


def test_a_plugin_that_was_given_up_cannot_write_any_more(task, host: FakeHost) -> None:
    task._binding.end("the plugin has stopped")
    with pytest.raises(Ended, match="output 'count' is not written: the plugin has stopped"):
        task.set_output("count", 1)
    task.set_message("I am back")
    assert host.writes == host.messages == []
    assert task.get_output("count") is None


def test_status_takes_the_names_of_the_states_only(task: Guard, host: FakeHost) -> None:
    task.set_status("run")
    assert host.statuses == ["RUN"]
    with pytest.raises(BadValue, match="INIT, RUN, PAUSED, END, ERROR, got 'RUNNING'"):
        task.set_status("RUNNING")


def test_times_are_local_text_and_milliseconds(task: Guard) -> None:
    import datetime

    before = datetime.datetime.now() - datetime.timedelta(milliseconds=2)
    shown = datetime.datetime.strptime(task.get_datetime(), "%Y-%m-%d %H:%M:%S.%f")
    assert before <= shown <= datetime.datetime.now()
    assert abs(task.get_timems() / 1000 - shown.timestamp()) < 5


def test_a_declarative_task_does_nothing(host: FakeHost) -> None:
    task = DeclarativeTask()
    assert [task.initialize(), task.execute(), task.triggered(), task.cleanup()] == [None] * 4
    assert task.on_input_changed("pressure", 1, 0) is None


def test_a_job_needs_execute_and_returns_a_result() -> None:
    with pytest.raises(TypeError, match="abstract"):
        JobBase()  # type: ignore[abstract]
    result = JobResult(True, {"n": 3}, "done")
    assert result.to_dict() == {
        "success": True,
        "data": {"n": 3},
        "message": "done",
        "timestamp": result.timestamp,
    }
