"""Transforms: an expression whose result is an output."""

from __future__ import annotations

from typing import Any

from ioc_runtime.engine.effects import LOG, Effect
from ioc_runtime.engine.inputs import is_number
from ioc_runtime.engine.node import UNKNOWN, Node
from ioc_runtime.engine.outputs import UNSURE, OutputState
from ioc_runtime.engine.values import coerce

ERROR = 40


class TransformState:
    """One transform and the output it owns."""

    __slots__ = ("fast", "index", "node", "output")

    def __init__(self, index: int, node: Node, output: OutputState) -> None:
        self.index, self.node, self.output = index, node, output
        self.fast = output.plan.type == "float" and output.plan.length is None

    def evaluate(self, out: list[Effect], since: int) -> bool:
        """Evaluate and publish; True when readers of the output could see a difference."""
        node = self.node
        if node.sites and (failed := node.prepare()):
            out.append((LOG, ERROR, f"{node.label}: {failed}"))
        try:
            value = node.call()
            if not (self.fast and type(value) is float):
                value = self._fit(value)
            node.error = None
        except UNKNOWN:
            value = None
        except Exception as error:
            value = None
            if failed := node.failed(error):
                out.append((LOG, ERROR, f"{node.label}: {failed}"))
        if self.output.plan.otherwise is not None:
            self.output.given = UNSURE if value is None or not is_number(value) else value
            return False  # its rules have the last word, at the end of the pass
        return self.output.take(value, out, since)

    def _fit(self, value: Any) -> Any:
        if isinstance(value, bool | int | float | str):
            return coerce(self.output.plan, value)
        return coerce(self.output.plan, list(value))
