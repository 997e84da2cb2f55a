"""A task with one of everything, for runs with faults (`@` is the prefix of the field)."""

from __future__ import annotations

MANIFEST = """
mode: periodic
period: 0.1
parameters: {limit: 100}
inputs:
  a: {type: float, link: "ca://@F", buffer: 20, maxAge: 1}
  b: {type: float, link: "pva://@F", invalidHold: 0.5}
  state: {type: enum, states: [Manual, Auto, "Off"], link: "pva://@E"}
  array: {type: float, length: 10, link: "ca://@AF"}
  limit2: {type: float, value: 50, drive: {low: 0, high: 1000}}
outputs:
  alarm: {type: bool, latch: rise}
  valve: {type: bool, link: "ca://@VALVE"}
  level: {type: float, link: "pva://@LEVEL"}
  speed: {type: float}
  own: {type: float, maxAge: 0.5}
transforms:
  - {output: level, expression: "mean(a_buf) + shifted(b) + sum_of(array)"}
  - {output: speed, expression: "rate(a) + a.age * 0"}
ruleDefaults: {alarm: 0, valve: 1}
rules:
  - {id: high, condition: "a > limit or b > limit2", outputs: {alarm: 1}}
  - {id: shut, condition: "a > 10 and state == 'Auto'", for: 0.2, outputs: {valve: 0},
     message: "a is {a:.1f}"}
"""
PLUGIN = """
from ioc_runtime import TaskBase, register_function

@register_function("shifted")
def shifted(x):
    return x + 0.125

class Guard(TaskBase):
    def on_input_changed(self, key, value, old_value):
        if key == "a":
            self.set_output("own", value)
"""
