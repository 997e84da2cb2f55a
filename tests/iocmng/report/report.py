from iocmng.base.job import JobResult
from iocmng.core import pv_client

from iocmng import JobBase


class Report(JobBase):
    def initialize(self):
        self.set_message("preparing")

    def execute(self) -> JobResult:
        temp = float(pv_client.get("FIELD:TEMP", timeout=2.0))
        total = temp + self.get_input("OFFSET")
        self.set_output("SUM", total)
        self.set_output("RESULT", "warm" if temp > self.parameters["wanted"] else "cold")
        return JobResult(success=True, data={"sum": total}, message="looked around")
