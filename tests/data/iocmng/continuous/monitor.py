import helper
from iocmng import TaskBase, pv_client


class Monitor(TaskBase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.count = 0

    def initialize(self):
        self.set_message("started")

    def execute(self):
        reading = self.get_pv("INPUT") or 0.0
        self.set_pv("OUTPUT", helper.scaled(reading, self.parameters["scales"]["fast"]))
        self.set_pv("ALARM", 1 if reading > self.parameters.get("threshold", 50) else 0)
        self.count = self.get_pv("CYCLES") + 1
        self.set_pv("CYCLES", self.count)
        self.set_pv("FLOW_SEEN", float(pv_client.get("FIELD:FLOW", timeout=2.0)))
        if self.link_values.get("temp", 0) > 90:
            self.link_put("temp", 20.0)

    def cleanup(self):
        pass
