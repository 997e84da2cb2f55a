from iocmng.base.task import TaskBase


class Calibrate(TaskBase):
    def initialize(self):
        self.logger.info("ready")

    def execute(self):
        pass

    def cleanup(self):
        pass

    def triggered(self):
        self.set_message("calibrating")
        result = self.get_input("TARGET") * self.parameters["gain"]
        self.set_output("RESULT", result)
        self.set_message(f"done: {result}")
