"""A recording of everything that happened to an engine, and its replay.

`Recorder` stands before an engine and makes one JSON line per event: what was called
with which arguments, the two clocks as the engine saw them, and the effects. `replay`
does the same to a fresh engine and compares the effects, bit for bit:

    python -m ioc_runtime.engine.recording FILE

says "N events, identical" (exit code 0) or shows the first difference (1). Results of
a plugin's functions are recorded too, so a replay needs no plugin. Who writes the lines
to a disk, and when, is not the engine's business (`ioc_runtime.task.record_file`).
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from ioc_runtime.engine.effects import Effect
from ioc_runtime.engine.engine import Engine
from ioc_runtime.engine.node import explain
from ioc_runtime.engine.reload import Prepared
from ioc_runtime.engine.restore import Restored
from ioc_runtime.plan import Plan, PlanError, from_json, to_json

FORMAT: Final = 1
MOST_MISMATCHES: Final = 100

EVENTS: Final = frozenset(
    "start sample samples disconnected alive put write_setpoint write link_up clear reset "
    "enable wake full_pass plugin_ended plugin_began reload".split()
)


class RecordingError(Exception):
    """A file is no recording that can be replayed."""


class HeldClock:
    """A clock that stands still: during an event the engine sees one moment."""

    def __init__(self) -> None:
        self.mono = 0.0
        self.wall = 0

    def monotonic(self) -> float:
        """Seconds, as set."""
        return self.mono

    def time_ns(self) -> int:
        """Nanoseconds since 1970, as set."""
        return self.wall


@dataclass(frozen=True)
class Happened:
    """One event, as it waits for the disk."""

    sequence: int
    method: str
    args: tuple[Any, ...]
    mono: float
    wall: int
    effects: list[Effect] | None
    """None when the engine refused with an exception."""
    raised: str
    calls: list[Any]

    def line(self) -> str:
        """Its line in the file."""
        data = {
            "sequence": self.sequence,
            "event": self.method,
            "args": self.args,
            "mono": self.mono,
            "wall": self.wall,
        }
        if self.calls:
            data["calls"] = self.calls
        if self.effects is None:
            data["raised"] = self.raised
        else:
            data["effects"] = self.effects
        return _text(data)


class Recorder:
    """An engine that remembers: the same methods and attributes, and a line per event.

    Like the engine it is not thread-safe: whoever calls holds the task's lock.

    :param keep: takes something that gives the next line; it must neither wait nor raise
    """

    def __init__(self, engine: Engine, keep: Callable[[Callable[[], str]], None]) -> None:
        self._engine, self._keep = engine, keep
        self._real, self._held = engine.clock, HeldClock()
        engine.clock = self._held
        self._calls: list[Any] = []
        for name in _functions(engine.plan):
            key = f"{name}()"
            engine.model.values[key] = _noted(engine.model.values[key], self._calls)
        keep(partial(_header, engine.plan, engine.restored))

    def __getattr__(self, name: str) -> Any:
        if name in EVENTS:
            event = partial(self._event, name)
            self.__dict__[name] = event
            return event
        return getattr(self._engine, name)

    def _event(self, method: str, *args: Any) -> list[Effect]:
        held, engine = self._held, self._engine
        held.mono, held.wall = self._real.monotonic(), self._real.time_ns()
        if method == "samples":
            args = (list(args[0]),)
        effects: list[Effect] | None = None
        raised = ""
        try:
            effects = getattr(engine, method)(*args)
        except Exception as error:
            raised = type(error).__name__
            raise
        finally:
            calls = self._calls.copy()
            self._calls.clear()
            now = (held.mono, held.wall)
            self._keep(Happened(engine.sequence, method, args, *now, effects, raised, calls).line)
        return effects


# --- replay


@dataclass(frozen=True)
class Mismatch:
    """An event whose replay differs; both sides as JSON."""

    sequence: int
    event: str
    recorded: str
    replayed: str

    def __str__(self) -> str:
        first = next(
            (
                i
                for i, (a, b) in enumerate(zip(self.recorded, self.replayed, strict=False))
                if a != b
            ),
            min(len(self.recorded), len(self.replayed)),
        )
        start = max(0, first - 60)
        return (
            f"event {self.sequence} ({self.event}) differs from character {first} on:\n"
            f"  recorded: {self.recorded[start : first + 200]}\n"
            f"  replayed: {self.replayed[start : first + 200]}"
        )


@dataclass(frozen=True)
class Replay:
    """What a replay has found."""

    events: int
    mismatches: tuple[Mismatch, ...]
    """The first ones; none when the replay is identical."""


def replay(path: Path) -> Replay:
    """Do to a fresh engine what the file says, and compare its effects.

    :raises RecordingError: the file is no recording, or is damaged before its end
    """
    with path.open(encoding="ascii") as file:
        lines = _records(file)
        engine, held, results = _engine(next(lines, {}))
        events, mismatches = 0, list[Mismatch]()
        for line in lines:
            events += 1
            recorded = _text(line.get("effects", line.get("raised")))
            replayed = _text(_again(engine, held, results, line))
            if recorded != replayed and len(mismatches) < MOST_MISMATCHES:
                sequence, event = int(line["sequence"]), str(line["event"])
                mismatches.append(Mismatch(sequence, event, recorded, replayed))
    return Replay(events, tuple(mismatches))


def _again(engine: Engine, held: HeldClock, results: deque[Any], line: dict[str, Any]) -> Any:
    try:
        held.mono, held.wall = line["mono"], line["wall"]
        method, args = line["event"], line["args"]
        results.clear()
        results.extend(line.get("calls", ()))
    except (KeyError, TypeError):
        raise RecordingError(f"a line of the recording is damaged: {str(line)[:60]}") from None
    if method not in EVENTS:
        raise RecordingError(f"the recording has an unknown event: {method!r:.40}")
    try:
        if method == "reload":
            args = [from_json(json.dumps(args[0]))]
        return getattr(engine, method)(*args)
    except Exception as error:
        return type(error).__name__


def _engine(header: dict[str, Any]) -> tuple[Engine, HeldClock, deque[Any]]:
    if header.get("recording") != FORMAT:
        raise RecordingError(f"not a recording of format {FORMAT}")
    try:
        plan = from_json(json.dumps(header["plan"]))
        kept = header["restored"]
        latches = {name: (value, rule) for name, (value, rule) in kept["latches"].items()}
        restored = Restored(latches, kept["setpoints"], kept["lost"])
    except (KeyError, TypeError, ValueError, PlanError) as error:
        raise RecordingError(f"the recording's first line is damaged: {error}") from None
    held, results = HeldClock(), deque[Any]()
    functions = {name: _player(results) for name in _functions(plan)}
    return Engine(plan, held, functions, restored), held, results


def _records(file: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Lines as data; a last line that was cut off is left out."""
    bad = ""
    for text in file:
        if bad:
            raise RecordingError(f"a line of the recording is damaged: {bad[:60]}")
        try:
            data = json.loads(text)
        except ValueError:
            bad = text
            continue
        yield data if isinstance(data, dict) else {}


# --- both


def _header(plan: Plan, kept: Restored) -> str:
    restored = {
        "latches": dict(kept.latches),
        "setpoints": dict(kept.setpoints),
        "lost": kept.lost,
    }
    return _text({"recording": FORMAT, "plan": json.loads(to_json(plan)), "restored": restored})


def _functions(plan: Plan) -> tuple[str, ...]:
    return plan.plugin.functions if plan.plugin is not None else ()


def _noted(function: Callable[..., Any], calls: list[Any]) -> Callable[..., Any]:
    """A plugin's function that notes what it gives."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            calls.append({"raised": explain(error)})
            raise
        calls.append({"gave": result})
        return result

    return call


def _player(results: deque[Any]) -> Callable[..., Any]:
    """A function that gives what the plugin's gave."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if not results:
            raise RuntimeError("the recording has no such call")
        result = results.popleft()
        if "raised" in result:
            raise RuntimeError(result["raised"])
        return result["gave"]

    return call


def _text(data: Any) -> str:
    return json.dumps(data, default=_foreign, separators=(",", ":"))


def _foreign(value: Any) -> Any:
    """What JSON does not know: plans, numbers of numpy as numbers, the rest as its type's name."""
    if isinstance(value, Prepared):
        value = value.plan
    if isinstance(value, Plan):
        return json.loads(to_json(value))
    plain = getattr(value, "tolist", None)
    return plain() if plain is not None else {"foreign": type(value).__name__}


def main(arguments: list[str]) -> int:
    """Replay one file and say what came out."""
    if len(arguments) != 1:
        print("usage: python -m ioc_runtime.engine.recording FILE", file=sys.stderr)
        return 2
    try:
        found = replay(Path(arguments[0]))
    except (OSError, UnicodeDecodeError, RecordingError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    if found.mismatches:
        print(f"{found.events} events, {found.mismatches[0]}")
        return 1
    print(f"{found.events} events, identical")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
