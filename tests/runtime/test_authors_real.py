"""What authors' tests say simulated, they say over Channel Access and PV Access too."""

from __future__ import annotations

from pathlib import Path

import pytest

from ioc_runtime.cli import new
from support.authors import run_pytest, write_examples
from support.spawn import Spawn

BOTH_WAYS = '''\
import pytest

MANIFEST = """
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {name: every}
spec:
  prefix: "EVERY:"
  inputs:
    flag: {type: bool, states: [Shut, Open], link: "pva://ELSE:FLAG"}
    mode: {type: enum, states: ['Off', Auto, Manual], link: "ca://ELSE:MODE"}
    count: {type: int, link: "ca://ELSE:COUNT.VAL"}
    text: {type: string, link: "ca://ELSE:TEXT"}
    trace: {type: float, length: 4, link: "pva://ELSE:TRACE"}
    back: {type: float, link: "ca://ELSE:SET"}
    point: {type: enum, states: [Low, High], value: Low}
  outputs:
    set: {type: float, link: "ca://ELSE:SET", readback: "pva://ELSE:SET:RBV", timeout: 0.5}
    sum: {type: float, alarms: {high: 5, hihi: 8, hysteresis: 1}}
    label: {type: string}
  transforms: [{output: sum, expression: "sum_of(trace)"}]
  plugin:
    inline:
      files:
        plugin.py: |
          from ioc_runtime import TaskBase

          class Every(TaskBase):
              async def on_input_changed(self, key, value, old_value):
                  if key == "count":
                      self.set_output("set", 2 * value)
                  if key == "back":
                      self.set_output("label", f"it is {value:g}")
                  if key == "flag" and value:
                      raise ValueError("no flags here")
"""


def test_every_type_comes_in_and_goes_out(ioc_task):
    task = ioc_task(MANIFEST)
    assert not task.input("mode").valid
    task.set(mode="Auto", text="hello", trace=[1.0, 2.0, 3.0])
    assert task.input("mode").state == "Auto"
    assert task.input("text").value == "hello"
    assert task.input("trace").value == [1.0, 2.0, 3.0]
    assert (task.output("sum").value, task.output("sum").severity) == (6.0, "MINOR")
    task.set(trace=[4.5])
    assert task.output("sum").severity == "MINOR"  # by the hysteresis
    task.set(trace=[9.0])
    assert task.output("sum").severity == "MAJOR"
    task.set(severity="MAJOR", mode="Manual")
    assert (task.input("mode").value, task.input("mode").severity) == (2, "MAJOR")
    task.set(point="High")
    assert task.input("point").state == "High"


def test_what_is_written_comes_back_by_the_same_pv(ioc_task):
    task = ioc_task(MANIFEST)
    task.set(count=4)
    assert task.writes("set") == [8.0]
    assert task.output("label").value == "it is 8"
    task.disconnect("set")
    assert not task.input("back").valid
    task.set(count=5)
    task.connect("set")
    assert task.writes("set")[-1] == 10.0


def test_failures_raise(ioc_task):
    task = ioc_task(MANIFEST)
    with task.failing("no flags here"):
        task.set(flag="Open")
    task.set(flag="Shut")
    with pytest.raises(Exception, match="no flags here"):
        task.set(flag="Open")
    with pytest.raises(Exception, match="nearest: 'count'"):
        task.set(coutn=1)


def test_a_pause_stops_it(ioc_task):
    task = ioc_task(MANIFEST)
    task.put("ENABLE", 0)
    assert task.status == "PAUSED"
    task.set(count=4)
    assert not task.output("set").valid
    task.put("ENABLE", 1)
    assert task.writes("set") == [8.0]
'''


@pytest.mark.parametrize("how", [(), ("--ioc-real",)], ids=["simulated", "real"])
def test_a_task_of_every_type_says_the_same_both_ways(
    spawn: Spawn, tmp_path: Path, how: tuple[str, ...]
):
    place = tmp_path / "place"
    place.mkdir()
    (place / "test_both.py").write_text(BOTH_WAYS)
    done = run_pytest(spawn, place, *how, timeout=58)
    assert "4 passed" in done.output, done.report("did not pass")


def test_the_examples_of_the_page_pass_over_the_network(spawn: Spawn, tmp_path: Path):
    place = tmp_path / "place"
    place.mkdir()
    write_examples(place)
    done = run_pytest(spawn, place, "--ioc-real", timeout=58)
    assert "4 passed, 2 skipped" in done.output, done.report("did not pass")


@pytest.mark.parametrize("kind", ["task", "job"])
def test_what_new_makes_passes_over_the_network(spawn: Spawn, tmp_path: Path, kind: str):
    directory = new.make(kind, "vacuum-guard", tmp_path)
    done = run_pytest(spawn, directory, "--ioc-real", timeout=58)
    assert "2 passed" in done.output, done.report("did not pass")
