import time

from iocmng import JobBase
from iocmng.base.job import JobResult
from iocmng.core import pv_client


class Report(JobBase):
    def initialize(self):
        self.set_message("preparing")

    def execute(self) -> JobResult:
        readings = []
        for _ in range(4):
            readings.append(float(pv_client.get("FIELD:TEMP", timeout=2.0)))
            time.sleep(0.5)
        mean = sum(readings) / len(readings)
        self.set_output("SUM", mean + self.get_input("OFFSET"))
        self.set_output("RESULT", "warm" if mean > self.parameters["wanted"] else "cold")
        return JobResult(success=True, data={"mean": mean}, message="looked around")
