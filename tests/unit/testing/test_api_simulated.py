"""PVs by name, timers and listeners under the fixtures: simulated, with the test's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TASK = """
apiVersion: ioc-operator.dev/v1alpha1
kind: {kind}
metadata: {{name: t}}
spec:
  prefixes: {{src: "SRC:"}}
  inputs: {{level: {{type: float, value: 1}}, far: {{type: float, link: "ca://SRC:FAR"}}}}
  outputs: {{own: {{type: float}}, label: {{type: string}}}}
  plugin:
    inline:
      files:
        guard.py: |
{code}
"""


def manifest(code: str, kind: str = "IocTask") -> str:
    lines = code.strip("\n").splitlines()
    return TASK.format(kind=kind, code="\n".join(f"          {line}" for line in lines))


Start = Callable[..., Any]


def start(fixture: Start, code: str, tmp_path: Any, kind: str = "IocTask") -> Any:
    path = tmp_path / "task.yaml"
    path.write_text(manifest(code, kind))
    return fixture(path)


def test_pvs_by_name_are_the_tests(ioc_task: Start, tmp_path) -> None:
    task = start(
        ioc_task,
        """
from ioc_runtime import TaskBase
class Guard(TaskBase):
    def on_input_changed(self, key, value, old_value):
        if key != "level":
            return
        found = self.read(["{src}X", "ca://NOBODY", "ca://SRC:FAR"])
        self.set_output("label", f"{found.values['{src}X']} {found[1].ok} {found[2].value}")
        self.write({"{src}X": value, "{src}FAR": value})
""",
        tmp_path,
    )
    task.set_pv("{src}X", 4.5)
    task.set(far=7)
    task.set(level=2)
    assert task.output("label").value == "4.5 False 7"
    assert task.pv_writes("ca://SRC:X") == [2.0]
    assert task.input("far").value == 2.0


def test_a_timer_keeps_to_the_tests_clock_and_rests_while_paused(ioc_task: Start, tmp_path):
    task = start(
        ioc_task,
        """
from ioc_runtime import TaskBase, every, on
class Guard(TaskBase):
    n = 0
    @every(0.5)
    def tick(self):
        self.n += 1
        self.set_output("own", self.n)
    @on("level")
    def seen(self, value, old_value):
        self.set_output("label", f"{old_value} {value}")
""",
        tmp_path,
    )
    task.after(3600)
    assert task.output("own").value == 7200
    task.put("ENABLE", 0)
    task.after(10)
    task.put("ENABLE", 1)
    assert task.output("own").value == 7200
    task.after(1)
    assert task.output("own").value == 7202
    task.set(level=5)
    assert task.output("label").value == "1.0 5.0"


def test_callbacks_of_a_job_run_in_its_simulated_sleep(ioc_job: Start, tmp_path) -> None:
    job = start(
        ioc_job,
        """
from ioc_runtime import JobBase, every, on
class Guard(JobBase):
    n = 0
    @every(1)
    def tick(self):
        self.n += 1
    @on("level")
    def seen(self, value, old_value):
        self.set_output("own", value)
    def execute(self):
        self.sleep(600.5)
        return {"n": self.n}
""",
        tmp_path,
        kind="IocJob",
    )
    job.at(100, lambda: job.set(level=4))
    outcome = job.run()
    assert outcome.data == {"n": 600}
    assert job.output("own").value == 4.0
