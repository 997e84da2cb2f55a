"""Outputs: from results to what is published and what goes out over a link."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.engine.effects import INVALID, LATCH, LOG, POST, WRITE, Effect, Status
from ioc_runtime.engine.inputs import MINUTE_NS, is_number
from ioc_runtime.engine.latch import Latch
from ioc_runtime.engine.node import Globals, Moment
from ioc_runtime.plan import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ioc_runtime.engine.inputs import InputState
    from ioc_runtime.engine.rules import RuleState

WARNING = 30
UNSURE: Final = object()
"""In place of a value that `otherwise` cannot give now."""


_KEPT: Final = (
    "active_rule", "certain", "clock_said", "driven", "given", "known", "ns", "posted_severity",
    "result", "value",
)  # fmt: skip
"""What an output goes on with under another plan."""


class OutputState:
    """One output: its present value, whether that is certain, its latch."""

    __slots__ = (
        "_only", "active_rule", "buffer", "certain", "clock_said", "default", "driven", "given",
        "grace", "index", "known", "latch", "moment", "name", "ns", "plan", "posted_severity",
        "read", "result", "slot", "sources", "value", "values", "writers",
    )  # fmt: skip

    def __init__(
        self, index: int, slot: int, plan: Output, values: Globals, moment: Moment
    ) -> None:
        self.index, self.slot, self.plan, self.name = index, slot, plan, plan.name
        self.values, self.moment = values, moment
        self.default = plan.default
        self.writers: list[tuple[RuleState, Any]] = []
        """The rules that drive it, in file order, with the value each gives."""
        self.sources: Sequence[InputState | OutputState | RuleState] = ()
        """What its value is computed from: they carry the timestamps."""
        self.value: Any = None
        """The published value; None before the first."""
        self.known = False
        """Whether the published value counts; expressions see only those."""
        self.certain = False
        self.result: Any = plan.value if plan.owner == "rules" else None
        """The last certain result, before the latch."""
        self.given: Any = None
        """What `otherwise` gives: None before the first time, UNSURE when it is not known."""
        self.active_rule = ""
        self.driven: Any = None
        """What the link was last told; None: nothing yet."""
        self.posted_severity = -1
        """Severity as published; -1 before the first time."""
        self.ns = 0
        self.grace = plan.on_invalid == "drive"
        """The time after start in which safeValue is not driven yet."""
        self.clock_said = False
        self.read = False
        """Whether any expression reads it."""
        self._only: tuple[RuleState, Any] | None = None
        self.latch = Latch(plan.latch, plan.default) if plan.latch else None
        self.buffer: deque[Any] | None = deque(maxlen=plan.buffer) if plan.buffer else None

    def resolve(self) -> tuple[bool, Any]:
        """The result of its rules: (certain, value).

        The last true rule gives it, else the default, else the last certain result (a
        safeValue that is driven meanwhile is none). An invalid rule after that one may
        or may not fire: only if all possible results are equal the result is certain.
        """
        open_values = None
        self.active_rule = ""
        for rule, value in reversed(self.writers):
            if rule.fires == 1:
                result = value
                self.active_rule = rule.id
                break
            if rule.fires == 2:
                open_values = [value] if open_values is None else [*open_values, value]
        else:
            result = self._rest()
        if result is None or result is UNSURE:
            return False, None
        if open_values is not None:
            for value in open_values:
                if value != result:
                    return False, None
        return True, result

    def _rest(self) -> Any:
        """The value while no rule is active; None or UNSURE when it is not known."""
        if self.given is not None or self.plan.otherwise == "transform":
            return self.given
        return self.default if self.default is not None else self.result

    def resolve_and_settle(self, out: list[Effect], since: int) -> bool:
        """Publish what its rules give; True when its readers could see a difference."""
        if self._only is not None and self.posted_severity == 0:
            rule, value = self._only
            if rule.fires != 2:  # the usual case, made short
                result = value if rule.fires else self.default
                if result == self.value:
                    return False
                ns = rule.ns  # of the same sources, in the same pass
                if not -MINUTE_NS < ns - self.moment.wall < MINUTE_NS:
                    ns = self._timestamp(since, 0, out)
                self.ns = ns
                self.value = self.result = result
                if self.read:
                    self.values[self.name] = result
                out.append((POST, self.slot, result, 0, 0, ns))
                return True
        before = self.active_rule
        certain, result = self.resolve()
        different = self.settle(certain, result, out, since)
        if self.active_rule and self.plan.link is not None:
            untold = self.plan.value is not None and self.driven != self.value
            if untold or self.plan.repeat and not before:
                self.tell_again(out)
        return different

    def tell_again(self, out: list[Effect]) -> None:
        """Tell the link what is published, if it is sure and this event has not told it."""
        if self.plan.link is None or self._held or not self.known:
            return
        if not any(effect[0] == WRITE and effect[1] == self.index for effect in out):
            self.driven = self.value
            out.append((WRITE, self.index, self.value))

    @property
    def _held(self) -> bool:
        """Whether the value is just the first one, or what the last rule left: where there
        is a first value, or `repeat`, the link is not told of those.
        """
        plan = self.plan
        if plan.owner != "rules" or plan.value is None and not plan.repeat:
            return False
        if self.active_rule or self.given is not None:
            return False
        return self.default is None and (self.latch is None or not self.latch.engaged)

    def simplify(self) -> None:
        """Find out whether the usual case can be made short; once its rules are known."""
        plan = self.plan
        special = self.latch is not None or self.buffer is not None or plan.link is not None
        special = special or plan.otherwise is not None
        if len(self.writers) == 1 and self.default is not None and not special:
            self._only = self.writers[0]

    def settle(self, certain: bool, result: Any, out: list[Effect], since: int = 0) -> bool:
        """Publish a result; True when expressions that read it could see a difference.

        :param since: least timestamp (ns) of what is published: the time of a command
            or of a timer, 0 where the inputs alone decide
        """
        self.certain = certain
        if certain:
            self.result = result
        if self.latch is not None:
            return self._settle_latched(self.latch, certain, result, out, since)
        return self._show(certain, result, out, since)

    def _settle_latched(
        self, latch: Latch, certain: bool, result: Any, out: list[Effect], since: int
    ) -> bool:
        engages = certain and latch.see(result, self.active_rule)
        if engages:
            out.append((LATCH, self.index, latch.value, latch.rule))
        if latch.engaged:
            certain, result = True, latch.value
        different = self._show(certain, result, out, since)
        if engages:
            self._show_rules(out)
        return different

    def _show(self, certain: bool, result: Any, out: list[Effect], since: int) -> bool:
        if certain:
            return self._publish(result, 0, out, since, drive=True)
        if self.plan.on_invalid == "drive" and not self.grace:
            return self._publish(self.plan.safe_value, INVALID, out, since, drive=True)
        return self._publish(self.value, INVALID, out, since, drive=False)

    def take(self, value: Any, out: list[Effect], since: int) -> bool:
        """Publish what the plugin or a transform gives: NaN, and None, are not known."""
        certain = value is not None and is_number(value)
        if self.plan.otherwise is not None:
            if value is not None or self.given is not None:
                self.given = value if certain else UNSURE
            return self.resolve_and_settle(out, since)
        if not certain:
            self.result = None
        return self.settle(certain, value, out, since)

    def release(self, out: list[Effect]) -> str:
        """Release the latch and publish the result, or say why the latch has to stay."""
        latch = self.latch
        assert latch is not None  # noqa: S101 - the caller has looked
        if not self.certain:
            return "its result is not known"
        why = f"rule {self.active_rule} is active" if self.active_rule else "its cause persists"
        if self.result == latch.value:
            return why
        latch.release()
        out.append((LATCH, self.index, None, ""))
        self.settle(True, self.result, out, self.moment.wall)
        self._show_rules(out)
        return why if latch.engaged else ""

    def _show_rules(self, out: list[Effect]) -> None:
        for rule, _ in self.writers:
            rule.show(out)

    def suspend(self, out: list[Effect]) -> bool:
        """Keep the value, go INVALID and tell the link nothing, as a pause does."""
        self.certain = False
        return self._publish(self.value, INVALID, out, self.moment.wall, drive=False)

    def _publish(
        self, value: Any, severity: int, out: list[Effect], since: int, *, drive: bool
    ) -> bool:
        if severity == self.posted_severity and value == self.value:
            return False
        before, was = self.value, self.known
        self.value, self.posted_severity = value, severity
        ns = self.ns = self._timestamp(since, severity, out)
        if severity == 0:
            self.known = True
            self.values[self.name] = value
            if self.buffer is not None:
                self._keep(value)
            out.append((POST, self.slot, value, 0, 0, ns))
        else:
            self.known = False
            self.values.pop(self.name, None)
            self.values.pop(f"{self.name}_buf", None)
            out.append((POST, self.slot, value, severity, Status.CALC, ns))
        if drive and self.plan.link is not None and value != self.driven:
            if severity == 0 and self._held:
                return was is not self.known or before != value
            self.driven = value
            out.append((WRITE, self.index, value))
        return was is not self.known or before != value

    def _keep(self, value: Any) -> None:
        assert self.buffer is not None  # noqa: S101 - the caller has looked
        self.buffer.append(value)
        self.values[f"{self.name}_buf"] = self.buffer

    def _is_fed(self) -> bool:
        """Whether anything it is computed from has a value, if without a time."""
        return any(getattr(source, "known", False) for source in self.sources)

    def _timestamp(self, since: int, severity: int, out: list[Effect]) -> int:
        """Newest time of what it was computed from; ours where that cannot be."""
        newest = since
        for source in self.sources:
            if source.ns > newest:
                newest = source.ns
        wall = self.moment.wall
        if -MINUTE_NS < newest - wall < MINUTE_NS:
            return newest
        if severity < INVALID and not self.clock_said and self._is_fed():
            self.clock_said = True
            off = f"is {(newest - wall) / 1e9:+.0f} s from our clock" if newest else "is missing"
            text = f"{self.name}: its sources' newest timestamp {off}; it carries our time"
            out.append((LOG, WARNING, text))
        return wall

    def adopt(self, old: OutputState, out: list[Effect]) -> None:
        """Go on where `old`, the same output under another plan, has got to."""
        for slot in _KEPT:
            setattr(self, slot, getattr(old, slot))
        if self.latch is not None and old.latch is not None:
            self.latch.adopt(old.latch)
        elif old.latch is not None and old.latch.engaged:
            out.append((LATCH, self.index, None, ""))
        if self.buffer is not None and old.buffer:
            self.buffer.extend(old.buffer)
        if self.known:
            self.values[self.name] = self.value
            if self.buffer:
                self.values[f"{self.name}_buf"] = self.buffer

    def insist(self, out: list[Effect]) -> None:
        """Tell the link a safeValue that is published, if it has not been told."""
        plan = self.plan
        driving = plan.on_invalid == "drive" and not self.grace and plan.link is not None
        if driving and self.posted_severity == INVALID and self.driven != self.value:
            if self.value == plan.safe_value:
                self.driven = self.value
                out.append((WRITE, self.index, self.value))

    def link_up(self, out: list[Effect], *, may_write: bool) -> None:
        """The link connected (again): tell it, now or once there is something certain to tell."""
        driven = self.plan.on_invalid == "drive" and self.driven is not None
        tells = self.known and not self._held
        if may_write and (tells or (driven and self.value == self.plan.safe_value)):
            self.driven = self.value
            out.append((WRITE, self.index, self.value))
        else:
            self.driven = None
