from iocmng import TaskBase


class Shutter(TaskBase):
    def initialize(self):
        self.moves = 0

    def execute(self):
        raise RuntimeError("never called in this mode")

    def cleanup(self):
        pass

    def on_input_changed(self, key, value, old_value):
        if key == "moving" and value == 1:
            self.moves += 1
            self.set_pv("MOVES", self.moves)
        self.set_pv("LAST", f"{key} {float(old_value):g} {float(value):g}")
        self.set_pv("NO_SUCH_PV", 1)
