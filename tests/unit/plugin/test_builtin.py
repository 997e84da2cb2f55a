"""The plugins that the runtime brings."""

from __future__ import annotations

from ioc_runtime.compile import compile_text
from ioc_runtime.plugin.loader import load
from ioc_runtime.plugin.runner import PluginRunner

from .conftest import FakeHost, Told

PATIENCE = 20.0


def test_the_builtin_simulation_moves_every_output_of_its_task(told: Told) -> None:
    text = """
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {name: sim}
spec:
  parameters: {interval: 0.01, simulation: {level: {shape: ramp, low: 2, high: 4, period: 0.1}}}
  outputs:
    level: {type: float}
    count: {type: int, display: {low: 0, high: 9}}
    lamp: {type: bool}
    mode: {type: enum, states: [A, B, C]}
    text: {type: string}
    wave: {type: float, length: 8}
  plugin: {builtin: simulation}
"""
    plan = compile_text(text)[0].plan
    loaded, host = load(plan), FakeHost(plan)
    runner = PluginRunner(plan, loaded, host, failed=told.failed)
    runner.start()
    try:
        host.wait_for(lambda writes: len(writes) > 60)
    finally:
        assert runner.stop(PATIENCE)
        loaded.close()
    assert told.failures == []
    written = {name: [v for n, v in host.writes if n == name] for name, _ in host.writes}
    assert set(written) == {"level", "count", "lamp", "mode", "text", "wave"}
    assert all(2 <= value <= 4 for value in written["level"])
    assert len(set(written["level"])) > 3


def test_a_simulation_of_what_is_not_there_says_so(told: Told) -> None:
    spec = "{parameters: {simulation: {levle: {}}}, outputs: {level: {type: float}}"
    text = (
        "apiVersion: ioc-operator.dev/v1alpha1\nkind: IocTask\nmetadata: {name: sim}\n"
        f"spec: {spec}, plugin: {{builtin: simulation}}}}\n"
    )
    plan = compile_text(text)[0].plan
    loaded, host = load(plan), FakeHost(plan)
    runner = PluginRunner(plan, loaded, host, failed=told.failed)
    runner.start()
    try:
        told.wait_for(lambda told: bool(told.failures))
    finally:
        assert runner.stop(PATIENCE)
        loaded.close()
    assert "no output 'levle'; nearest: 'level'" in told.failures[0][0]
