"""`pv_client` of a plugin written for iocmng, with a real PV, over both protocols."""

from __future__ import annotations

import pytest

from runtime.field import Field

CODE = """
from iocmng import TaskBase, pv_client

class Mine(TaskBase):
    def initialize(self):
        self.seen = []
        pv_client.init(pva={pva})
        self.key = pv_client.monitor("@F", self.hear, name="key", conn_callback=self.connected)
        followed, provider = pv_client.active_monitors(), pv_client.get_provider()
        self.logger.info("follows %s over %s", followed, provider)

    def hear(self, value):
        self.seen.append(float(value))

    def connected(self, up):
        if up and not self.seen:
            self.logger.info("it is up")

    def execute(self):
        if self.key is None or not self.seen:
            return
        before = float(pv_client.get("@F"))
        pv_client.put("@F", before + 1)
        self.logger.info("put %s, got %s", before + 1, float(pv_client.get("@F")))
        if len(self.seen) > 3:
            rising = self.seen[:4] == sorted(set(self.seen[:4]))
            ended = pv_client.unmonitor(self.key), pv_client.unmonitor_all()
            self.logger.info("each one new: %s; ended: %s", rising, ended)
            self.key = None
            try:
                pv_client.get("@NOBODY", timeout=0.3)
            except TimeoutError as error:
                self.logger.info("nobody: %s", error)

    def cleanup(self):
        pass
"""


@pytest.mark.parametrize("protocol", ["ca", "pva"])
def test_get_put_and_monitor_of_any_pv(field: Field, protocol: str):
    field.source.start()
    code = CODE.replace("{pva}", str(protocol == "pva")).replace("@", field.source.prefix)
    spec = "mode: periodic\nperiod: 0.1"
    task = field.start(spec, "--no-search", code=code)
    name = f"{field.source.prefix}F"
    task.wait_for(f"follows {{'key': '{name}'}} over {protocol}")
    task.wait_for("it is up")
    task.wait_for("put 1.25, got 1.25")
    task.wait_for("each one new: True; ended: (True, 0)")
    task.wait_for("within 0.3 s")
