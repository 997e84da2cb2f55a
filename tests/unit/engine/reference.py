"""A second engine, as plain as can be: no caching, no dependencies, no timers.

It evaluates every transform and every rule on every event, pass after pass until
nothing changes, straight from the text of the design. Expressions are trees of
tuples, which it walks itself; `text` writes them for the real engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Tree = tuple[Any, ...]

SYMBOLS = {"and": "and", "or": "or", "+": "+", "-": "-", "*": "*", "/": "/"}
COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
GRACE = 5.0


class Unknown(Exception):
    """What is read is not known."""


def text(tree: Tree) -> str:
    kind, *args = tree
    match kind:
        case "number":
            return repr(args[0])
        case "name":
            return args[0]
        case "and" | "or" | "+" | "-" | "*" | "/" | "<" | "<=" | ">" | "==" | "!=":
            return f"({text(args[0])} {kind} {text(args[1])})"
        case "not":
            return f"(not {text(args[0])})"
        case "if":
            return f"({text(args[1])} if {text(args[0])} else {text(args[2])})"
        case "rising" | "falling" | "changed":
            return f"{kind}({text(args[0])})"
        case "for":
            return f"for_({text(args[0])}, {args[1]})"
        case "votes":
            return f"votes({args[0]}, {', '.join(text(a) for a in args[1])})"
        case "attribute":
            return f"{args[0]}.{args[1]}"
        case "isnan":
            return f"isnan({args[0]})"
        case "active":
            return f"rules.{args[0]}.active"
        case "buffer":
            return f"sum_of({args[0]}_buf)"
    raise AssertionError(kind)


@dataclass
class In:
    """One input: last sample, and what follows from it."""

    max_age: float | None = None
    hold: float = 0.0
    linked: bool = True
    connected: bool = False
    value: Any = None
    severity: int = 3
    raw: Any = None
    good: bool = False
    stale: bool = False
    life: float = float("-inf")
    known: bool = False
    held_until: float | None = None
    last: Any = None
    previous: Any = None
    buffer: list[Any] = field(default_factory=list)

    def look(self, now: float) -> None:
        """Bring validity up to date."""
        if self.connected and self.max_age is not None and now >= self.life + self.max_age:
            self.stale = True
        fine = self.connected and self.good and not self.stale
        if fine:
            self.known, self.held_until = True, None
            return
        if self.known and self.held_until is None and self.hold:
            self.held_until = now + self.hold
        if self.held_until is not None and now < self.held_until:
            return
        self.known, self.held_until = False, None

    @property
    def shown(self) -> int:
        if not self.known:
            return 3
        return 1 if self.held_until is not None else self.severity


@dataclass
class Out:
    """One output: what is published and what its link was told."""

    owner: str
    default: Any = None
    latch: str | None = None
    drive: bool = False
    safe: Any = None
    link: bool = False
    value: Any = None
    severity: int = -1
    certain: bool = False
    result: Any = None
    engaged: bool = False
    latched: Any = None
    before: Any = None
    told: Any = None
    posts: list[tuple[Any, int]] = field(default_factory=list)
    writes: list[Any] = field(default_factory=list)

    @property
    def known(self) -> bool:
        return self.severity == 0


@dataclass
class Site:
    """Memory of one rising, falling, changed or for_."""

    memory: Any = None
    has: bool = False
    result: Any = None
    known: bool = False
    pulse: bool = False


@dataclass
class RuleModel:
    condition: Tree
    outputs: Mapping[str, Any]
    hold: float = 0.0
    fires: str = "maybe"
    since: float | None = None


class Reference:
    """Evaluates everything on every event."""

    def __init__(
        self,
        inputs: dict[str, In],
        outputs: dict[str, Out],
        transforms: dict[str, Tree],
        rules: dict[str, RuleModel],
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.transforms, self.rules = transforms, rules
        self.sites: dict[tuple[str, tuple[int, ...]], Site] = {}
        self.enabled = True
        self.now = self.began = 0.0
        self.shown: dict[str, str] = {}
        """Rule states."""
        self.active: dict[str, bool | None] = {}
        self.pausing = False

    # --- events

    def begin(self, now: float) -> None:
        self.now = now
        for out in self.outputs.values():
            out.posts, out.writes = [], []
        for state in self.inputs.values():
            state.look(now)

    def start(self, now: float) -> None:
        self.began = now
        self.begin(now)
        self.passes(everything=True)

    def event(self, now: float) -> None:
        """Time has passed, or a full pass is asked for."""
        self.begin(now)
        self.react()

    def sample(self, now: float, name: str, value: Any, severity: int) -> None:
        self.begin(now)
        state = self.inputs[name]
        state.life, state.connected, state.stale = now, True, False
        state.good = value is not None and severity < 3 and value == value
        state.severity, state.raw = severity, value
        if state.good:
            state.previous, state.last, state.value = state.last, value, value
            state.buffer = [*state.buffer, value][-3:]
        state.look(now)
        self.react()

    def drop(self, now: float, name: str) -> None:
        self.begin(now)
        state = self.inputs[name]
        state.connected = state.good = False
        state.raw = None
        state.look(now)
        self.react()

    def alive(self, now: float, name: str) -> None:
        self.begin(now)
        state = self.inputs[name]
        state.life, state.stale = now, False
        state.look(now)
        self.react()

    def write(self, now: float, name: str, value: Any) -> None:
        self.begin(now)
        self.settle(self.outputs[name], True, value)
        self.react()

    def link_up(self, now: float, name: str) -> None:
        self.begin(now)
        out = self.outputs[name]
        sure = out.known or (out.drive and out.told is not None and out.value == out.safe)
        if self.enabled and sure:
            out.told = out.value
            out.writes.append(out.value)
        else:
            out.told = None

    def clear(self, now: float) -> None:
        self.begin(now)
        for out in self.outputs.values():
            if not out.engaged or not self.enabled or not out.certain:
                continue
            if out.result == out.latched:
                continue
            out.engaged, out.before = False, None
            if not self.is_active(out, out.result):
                out.before = out.result
            self.settle(out, True, out.result)
        self.react()

    def enable(self, now: float, on: bool) -> None:
        self.begin(now)
        if on == self.enabled:
            return
        self.enabled = on
        if on:
            self.pausing = True
            self.passes(everything=True)
            self.pausing = False
            for out in self.outputs.values():
                if out.drive and not out.certain:
                    self.settle(out, False, None)
            return
        self.sites.clear()
        for rule in self.rules.values():
            rule.since = None
        for name in self.rules:
            self.shown[name] = "DISABLED"
        for out in self.outputs.values():
            out.certain = False
            self.publish(out, out.value, 3, drive=False)

    # --- passes

    def react(self) -> None:
        if self.enabled:
            self.passes()
            if self.now >= self.began + GRACE:
                for out in self.outputs.values():
                    if out.drive and not out.certain:
                        self.settle(out, False, None)

    def passes(self, everything: bool = False) -> None:
        for _ in range(200):
            before = self.seen()
            self.one_pass()
            pulsed = any(site.pulse for site in self.sites.values())
            if not pulsed and before == self.seen():
                return
        raise AssertionError("does not settle")

    def seen(self) -> Any:
        """What other expressions see of what rules drive."""
        return (
            [(o.known, o.value if o.known else None) for o in self.outputs.values()],
            list(self.active.values()),
        )

    def one_pass(self) -> None:
        for out in self.outputs.values():
            if out.owner == "plugin":
                self.settle(out, out.result is not None, out.result)
        for name, tree in self.transforms.items():
            self.look(name, tree)
            try:
                value = float(self.value(tree, name, ()))
                known = value == value
            except Unknown:
                known, value = False, None
            except ArithmeticError:
                known, value = False, None
            self.settle(self.outputs[name], known, value)
        fires = {name: self.fire(name, rule) for name, rule in self.rules.items()}
        for name, rule in self.rules.items():
            rule.fires = fires[name]
            self.active[name] = None if rule.fires == "maybe" else rule.fires == "true"
        for name, out in self.outputs.items():
            if out.owner == "rules":
                self.settle(out, *self.resolve(name, out))
        for name, rule in self.rules.items():
            self.shown[name] = self.rule_state(name, rule)

    def rule_state(self, name: str, rule: RuleModel) -> str:
        if rule.fires != "false":
            return {"true": "ACTIVE", "maybe": "INVALID"}[rule.fires]
        return "PENDING" if rule.since is not None else "OK"

    def fire(self, name: str, rule: RuleModel) -> str:
        self.look(name, rule.condition)
        try:
            fires = "true" if self.value(rule.condition, name, ()) else "false"
        except (Unknown, ArithmeticError):
            fires = "maybe"
        if not rule.hold:
            return fires
        if fires != "true":
            rule.since = None
            return fires
        if rule.since is None:
            rule.since = self.now
        return "true" if self.now >= rule.since + rule.hold else "false"

    def resolve(self, name: str, out: Out) -> tuple[bool, Any]:
        possible = {out.default if out.default is not None else out.result}
        for rule in self.rules.values():
            if name in rule.outputs:
                value = rule.outputs[name]
                if rule.fires == "true":
                    possible = {value}
                elif rule.fires == "maybe":
                    possible = possible | {value}
        if len(possible) > 1 or possible == {None}:
            return False, None
        return True, next(iter(possible))

    # --- outputs

    def is_active(self, out: Out, result: Any) -> bool:
        before = out.before
        if out.latch == "rise":
            return bool(result) and not before
        if out.latch == "fall":
            return not result and (before is None or bool(before))
        if before is None:
            return out.default is not None and result != out.default
        return result != before

    def settle(self, out: Out, certain: bool, result: Any) -> None:
        out.certain = certain
        if certain:
            out.result = result
            if out.latch and not out.engaged:
                if self.is_active(out, result):
                    out.engaged, out.latched = True, result
                out.before = result
        if out.engaged:
            certain, result = True, out.latched
        driving = out.drive and self.now >= self.began + GRACE and not self.pausing
        if certain:
            self.publish(out, result, 0, drive=True)
        elif driving:
            self.publish(out, out.safe, 3, drive=True)
        else:
            self.publish(out, out.value, 3, drive=False)

    def publish(self, out: Out, value: Any, severity: int, *, drive: bool) -> None:
        if (value, severity) == (out.value, out.severity):
            return
        out.value, out.severity = value, severity
        out.posts.append((value, severity))
        if drive and out.link and value != out.told:
            out.told = value
            out.writes.append(value)

    # --- expressions

    def look(self, owner: str, tree: Tree, path: tuple[int, ...] = ()) -> None:
        """Bring every site of an expression up to date, inner ones first."""
        for i, part in enumerate(self.parts(tree)):
            self.look(owner, part, (*path, i))
        if tree[0] in ("rising", "falling", "changed", "for"):
            self.update(self.sites.setdefault((owner, path), Site()), owner, tree, path)

    def parts(self, tree: Tree) -> list[Tree]:
        if tree[0] == "votes":
            return list(tree[2])
        return [part for part in tree[1:] if isinstance(part, tuple)]

    def update(self, site: Site, owner: str, tree: Tree, path: tuple[int, ...]) -> None:
        site.pulse = False
        try:
            value = self.value(tree[1], owner, (*path, 0))
        except (Unknown, ArithmeticError):
            site.known = False
            if tree[0] == "for":
                site.has = False
            return
        site.known = True
        if tree[0] == "for":
            if not value:
                site.has, site.result = False, False
                return
            if not site.has:
                site.has, site.memory = True, self.now
            site.result = self.now >= site.memory + tree[2]
            return
        had, before = site.has, site.memory
        site.has, site.memory = True, value
        if not had:
            site.result = False
        elif tree[0] == "changed":
            site.result = value != before
        elif tree[0] == "rising":
            site.result = bool(value) and not before
        else:
            site.result = not value and bool(before)
        site.pulse = site.result

    def value(self, tree: Tree, owner: str, path: tuple[int, ...]) -> Any:
        kind, *args = tree

        def part(i: int) -> Any:
            return self.value(self.parts(tree)[i], owner, (*path, i))

        match kind:
            case "number":
                return args[0]
            case "name":
                return self.name(args[0])
            case "attribute":
                return self.attribute(*args)
            case "isnan":
                state = self.inputs[args[0]]
                if state.raw is None or state.stale:
                    raise Unknown
                return state.raw != state.raw
            case "active":
                if self.active.get(args[0]) is None:
                    raise Unknown
                return self.active[args[0]]
            case "buffer":
                self.name(args[0])
                return sum(self.inputs[args[0]].buffer)
            case "and":
                return part(0) and part(1)
            case "or":
                return part(0) or part(1)
            case "not":
                return not part(0)
            case "if":
                return part(1) if part(0) else part(2)
            case "+":
                return part(0) + part(1)
            case "-":
                return part(0) - part(1)
            case "*":
                return part(0) * part(1)
            case "/":
                return part(0) / part(1)
            case "votes":
                return self.votes(args[0], len(args[1]), part)
            case "rising" | "falling" | "changed" | "for":
                site = self.sites[(owner, path)]
                if not site.known:
                    raise Unknown
                return site.result
        a, b = part(0), part(1)
        return COMPARE[kind](a, b)

    def votes(self, needed: int, count: int, part: Any) -> bool:
        results = []
        for i in range(count):
            try:
                results.append(bool(part(i)))
            except Unknown:
                results.append(None)
        if results.count(True) >= needed:
            return True
        if results.count(True) + results.count(None) < needed:
            return False
        raise Unknown

    def name(self, name: str) -> Any:
        if name in self.inputs:
            state = self.inputs[name]
            if not state.known:
                raise Unknown
            return state.value
        out = self.outputs[name]
        if not out.known:
            raise Unknown
        return out.value

    def attribute(self, name: str, attribute: str) -> Any:
        state = self.inputs[name]
        if attribute == "connected":
            return state.connected
        if attribute == "severity":
            return state.shown
        if not state.known or state.previous is None:
            raise Unknown
        return state.previous
