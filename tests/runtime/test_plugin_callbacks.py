"""A plugin's timers and listeners with real inputs."""

from __future__ import annotations

from runtime.by_name import HEAD, SPEC
from runtime.field import Field
from runtime.source import wait_until


def test_timers_and_listeners_follow_a_real_input_and_rest_while_paused(field: Field):
    field.source.start()
    task = field.start(
        SPEC,
        "--no-search",
        code=HEAD
        + """
    ticks = 0
    @every(0.02)
    def tick(self):
        self.ticks += 1
        self.set_output("own", self.ticks)
    @on("source")
    def seen(self, value, old_value):
        self.set_message(f"{old_value} {value}")
""",
    )
    wait_until(lambda: field.value("own") >= 5)
    field.source.set("F", 2.5)
    field.shows("MESSAGE", "0.25 2.5")
    field.ca.put("ENABLE", 0)
    field.shows("STATUS", 2)
    field.source.set("F", 3.5)
    before = field.value("own")
    beats = field.value("HEARTBEAT")
    wait_until(lambda: field.value("HEARTBEAT") >= beats + 2)
    assert field.value("own") == before
    assert field.value("MESSAGE") == "0.25 2.5"
    field.ca.put("ENABLE", 1)
    field.shows("MESSAGE", "2.5 3.5")
    wait_until(lambda: field.value("own") > before)
    assert task.stop() == 0


def test_a_job_hears_of_an_input_while_it_sleeps(field: Field):
    field.source.start()
    job = field.start(
        'inputs: {source: {type: float, link: "ca://@F"}}',
        "--no-search",
        kind="IocJob",
        code="""
from ioc_runtime import JobBase, every, on
class Wait(JobBase):
    seen = None
    ticks = 0
    @on("source")
    def heard(self, value, old_value):
        self.seen = value
    @every(0.05)
    def tick(self):
        self.ticks += 1
    def execute(self):
        self.progress(0.5, "waits")
        while self.seen != 9.5:
            self.sleep(0.5)
        return {"ticks": self.ticks > 0}
""",
    )
    field.shows("MSG", "waits")
    field.source.set("F", 9.5)
    assert job.wait(10) == 0
    assert job.said("result")[0]["data"] == {"ticks": True}
