"""Rules: conditions over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ioc_runtime.engine.effects import LOG, MESSAGE, RULE, Effect
from ioc_runtime.engine.effects import RuleState as Shown
from ioc_runtime.engine.node import UNKNOWN, Globals, Moment, Node
from ioc_runtime.engine.template import Template
from ioc_runtime.engine.timers import Timers
from ioc_runtime.plan import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ioc_runtime.engine.inputs import InputState
    from ioc_runtime.engine.outputs import OutputState

FALSE: Final = 0
TRUE: Final = 1
MAYBE: Final = 2
"""Its condition is not known, so it may or may not fire."""

OK: Final[int] = Shown.OK
ACTIVE: Final[int] = Shown.ACTIVE
_PLAINLY: Final[tuple[int, ...]] = (Shown.OK, Shown.ACTIVE, Shown.INVALID)
"""State by `fires`."""
WARNING, ERROR = 30, 40


class RuleState:
    """One rule: whether it fires, since when its condition holds, what is shown."""

    __slots__ = (
        "call", "fires", "hold", "id", "index", "key", "message", "moment", "node", "ns",
        "outputs", "paused", "plain", "plan", "read", "remembers", "shown", "since", "sources",
        "timers", "values",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        plan: Rule,
        node: Node,
        message: Template | None,
        values: Globals,
        timers: Timers,
        moment: Moment,
    ) -> None:
        self.index, self.plan, self.id, self.node = index, plan, plan.id, node
        self.message, self.values, self.timers, self.moment = message, values, timers, moment
        self.call, self.remembers = node.call, bool(node.sites)
        self.key = f"rules.{plan.id}"
        self.read = False
        """Whether any expression reads its state."""
        self.hold = plan.hold
        self.fires: int = MAYBE
        self.since: float | None = None
        """When its condition became true, monotonic."""
        self.shown: int = -1
        self.paused = False
        self.plain = False
        """Whether its state follows from `fires` alone: no `for`, no latch."""
        self.ns = 0
        self.outputs: Sequence[OutputState] = ()
        self.sources: Sequence[InputState | OutputState | RuleState] = ()

    def evaluate(self, out: list[Effect], at: int = 0) -> bool:
        """Evaluate the condition; True when whether it fires has changed.

        :param at: least timestamp of a change (ns), see `OutputState.settle`
        """
        if self.remembers and (failed := self.node.prepare()):
            out.append((LOG, ERROR, f"{self.node.label}: {failed}"))
        try:
            fires = TRUE if self.call() else FALSE
            if self.node.error is not None:
                self.node.error = None
        except UNKNOWN:
            fires = MAYBE
        except Exception as error:
            fires = MAYBE
            if failed := self.node.failed(error):
                out.append((LOG, ERROR, f"{self.node.label}: {failed}"))
        if self.hold:
            fires = self._held(fires)
        if fires == self.fires and self.shown >= 0:
            if self.hold and self._shown() != self.shown:
                self._stamp(at)
                self.show(out)
            return False
        return self._changed(fires, out, at)

    def _held(self, fires: int) -> int:
        """`for`: true counts once it has lasted."""
        if fires != TRUE:
            if self.since is not None:
                self.since = None
                self.timers.cancel(("rule", self.index))
            return fires
        now = self.moment.mono
        if self.since is None:
            self.since = now
            self.timers.set(("rule", self.index), now + self.hold)
        return TRUE if now >= self.since + self.hold else FALSE

    def _stamp(self, at: int) -> None:
        """Set the time of a change: the newest of what it was computed from."""
        ns = at
        for source in self.sources:
            if source.ns > ns:
                ns = source.ns
        self.ns = ns or self.moment.wall

    def _changed(self, fires: int, out: list[Effect], at: int) -> bool:
        before, self.fires = self.fires, fires
        self._stamp(at)
        if self.plain and not self.paused:  # the usual case, made short
            shown = _PLAINLY[fires]
            if shown != self.shown:
                self.shown = shown
                out.append((RULE, self.index, shown, self.ns))
        else:
            self.show(out)
        if self.message is not None and fires == TRUE and before != TRUE:
            text = self.message.render(self.values)
            out.append((MESSAGE, text, 0))
            out.append((LOG, WARNING, f"rule {self.id}: {text}"))
        return True

    def publish(self) -> None:
        """Let expressions see whether it fires; after the rules of a pass."""
        if self.fires == MAYBE:
            self.values.pop(f"{self.key}.active", None)
        else:
            self.values[f"{self.key}.active"] = self.fires == TRUE

    def show(self, out: list[Effect]) -> None:
        """Post the state of RULE:<id> if it is another one."""
        shown = self._shown()
        if shown != self.shown:
            self.shown = shown
            out.append((RULE, self.index, shown, self.ns or self.moment.wall))

    def _shown(self) -> int:
        if self.paused:
            return Shown.DISABLED
        if self.fires == TRUE:
            return ACTIVE
        if self.fires == MAYBE:
            return Shown.INVALID
        if self.since is not None:
            return Shown.PENDING
        for output in self.outputs:
            latch = output.latch
            if latch is not None and latch.engaged and latch.rule == self.id:
                return Shown.LATCHED
        return OK

    def same_time(self, old: RuleState) -> bool:
        """Whether its condition is timed as `old`'s is."""
        return (self.plan.condition, self.hold) == (old.plan.condition, old.hold)

    def adopt(self, old: RuleState) -> None:
        """Go on where `old`, the same rule under another plan, has got to.

        Another condition, or another `for`, starts its time anew.
        """
        self.fires, self.shown, self.ns, self.paused = old.fires, old.shown, old.ns, old.paused
        if self.same_time(old):
            self.since = old.since
        if self.plan.condition == old.plan.condition:
            self.node.adopt(old.node)
        key = f"{self.key}.active"
        if key in old.values:
            self.values[key] = old.values[key]

    def pause(self, out: list[Effect]) -> None:
        """Stop: the time of `for` starts anew afterwards."""
        self.paused = True
        self.since = None
        self.timers.cancel(("rule", self.index))
        self.node.forget()
        self.show(out)
